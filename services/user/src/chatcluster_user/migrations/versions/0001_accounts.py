"""Accounts and sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("username", sa.Text(collation="C"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(collation="C"), nullable=False, comment="what a search compares"),
        sa.Column("password_hash", sa.Text(), nullable=False, comment="argon2id, PHC string"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("username", name="uq_users_username"),
        sa.CheckConstraint("username = lower(username)", name="ck_users_username_lower"),
        sa.CheckConstraint("char_length(username) BETWEEN 3 AND 32", name="ck_users_username_length"),
        sa.CheckConstraint("char_length(display_name) BETWEEN 1 AND 64", name="ck_users_display_name_length"),
    )
    op.create_index("uq_users_email_lower", "users", [sa.text("lower(email)")], unique=True)
    op.create_index("ix_users_display_name_key", "users", ["display_name_key"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("family_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of what its tokens share"),
        sa.Column(
            "secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of what the current token has alone"
        ),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"),
        sa.UniqueConstraint("family_hash", name="uq_sessions_family_hash"),
        sa.CheckConstraint(
            "octet_length(family_hash) = 32 AND octet_length(secret_hash) = 32", name="ck_sessions_hash_length"
        ),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_index("ix_sessions_user_id_last_used_at", "sessions", ["user_id", "last_used_at"])
