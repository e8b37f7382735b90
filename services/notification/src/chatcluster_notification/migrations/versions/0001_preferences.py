"""Preferences and push subscriptions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "preferences",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("default_level", sa.Text(), nullable=False),
        sa.Column("muted_until", sa.DateTime(timezone=True)),
        sa.Column("email", sa.Boolean(), nullable=False),
        sa.Column("push", sa.Boolean(), nullable=False),
        sa.Column("digest_minutes", sa.Integer(), comment="null: as the service is set"),
        sa.Column("quiet_start", sa.Time(), comment="null: no quiet hours"),
        sa.Column("quiet_end", sa.Time()),
        sa.Column("quiet_days", ARRAY(sa.SmallInteger()), comment="on which they begin; Monday is 0"),
        sa.Column("quiet_zone", sa.Text(), comment="IANA name; null: the profile's"),
        sa.PrimaryKeyConstraint("user_id", name="pk_preferences"),
        sa.CheckConstraint("default_level IN ('all', 'mentions', 'none')", name="ck_preferences_level"),
        sa.CheckConstraint(
            "num_nulls(quiet_start, quiet_end, quiet_days) IN (0, 3)", name="ck_preferences_quiet_whole"
        ),
    )
    op.create_table(
        "conversation_preferences",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), comment="null: the person's default"),
        sa.Column("muted_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("user_id", "conversation_id", name="pk_conversation_preferences"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["preferences.user_id"], name="fk_conversation_preferences_user_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("level IN ('all', 'mentions', 'none')", name="ck_conversation_preferences_level"),
    )
    op.create_table(
        "push_subscriptions",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False, comment="the subscription ends with it"),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("endpoint_hash", sa.LargeBinary(), nullable=False, comment="SHA-256: endpoints may be long"),
        sa.Column("public_key", sa.LargeBinary(), nullable=False, comment="P-256 point, uncompressed"),
        sa.Column("auth_secret", sa.LargeBinary(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_push_subscriptions"),
        sa.UniqueConstraint("endpoint_hash", name="uq_push_subscriptions_endpoint_hash"),
        sa.CheckConstraint(
            "octet_length(public_key) = 65 AND octet_length(auth_secret) = 16", name="ck_push_subscriptions_key_length"
        ),
    )
    op.create_index("ix_push_subscriptions_session_id", "push_subscriptions", ["session_id"])
    op.create_index("ix_push_subscriptions_user_id_created_at", "push_subscriptions", ["user_id", "created_at"])
