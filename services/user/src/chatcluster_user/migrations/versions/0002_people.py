"""Profiles, roles, contacts, and the outbox."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Add columns with defaults, which rewrites no row, and tables that the release before does not look at."""
    for column in (
        _moment("email_verified_at", nullable=True),
        sa.Column("about", sa.Text(), nullable=False, server_default=""),
        sa.Column("avatar_url", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=False, server_default="en"),
        sa.Column("time_zone", sa.Text(), nullable=False, server_default="UTC"),
        sa.Column("read_receipts", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("last_seen", sa.Text(), nullable=False, server_default="everyone"),
        sa.Column("role", sa.Text(), nullable=False, server_default="user"),
        sa.Column("state", sa.Text(), nullable=False, server_default="active"),
        sa.Column("suspended_reason", sa.Text(), nullable=True),
    ):
        op.add_column("users", column)
    op.create_check_constraint("ck_users_last_seen_known", "users", "last_seen IN ('everyone', 'contacts', 'nobody')")
    op.create_check_constraint("ck_users_role_known", "users", "role IN ('user', 'moderator', 'admin')")
    op.create_check_constraint("ck_users_state_known", "users", "state IN ('active', 'suspended')")
    op.create_index("ix_users_admins", "users", ["id"], postgresql_where=sa.text("role = 'admin'"))
    op.create_table(
        "contacts",
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("other_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="how user_id stands to other_id"),
        _moment("since"),
        sa.PrimaryKeyConstraint("user_id", "other_id", name="pk_contacts"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_contacts_user_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["other_id"], ["users.id"], name="fk_contacts_other_id", ondelete="CASCADE"),
        sa.CheckConstraint("state IN ('requested', 'accepted', 'blocked')", name="ck_contacts_state_known"),
        sa.CheckConstraint("user_id <> other_id", name="ck_contacts_not_oneself"),
    )
    op.create_index("ix_contacts_other_id", "contacts", ["other_id"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False, comment="what delivers it"),
        sa.Column("payload", JSONB(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        _moment("created_at"),
        _moment("due_at"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_lane_due_at", "outbox", ["lane", "due_at"])
