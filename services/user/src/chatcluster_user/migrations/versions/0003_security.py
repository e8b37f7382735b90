"""Mailed tokens, second factors, throttling, the audit log, and erasures."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

# What protects the log from the service's own mistakes. A transaction may delete what is older than
# the moment it has set as `chatcluster.audit_purge`; nothing may be changed, ever.
_APPEND_ONLY = (
    """
    CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.at < NULLIF(current_setting('chatcluster.audit_purge', true), '')::timestamptz THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER audit_events_rows BEFORE UPDATE OR DELETE ON audit_events
        FOR EACH ROW EXECUTE FUNCTION audit_events_append_only()
    """,
    """
    CREATE TRIGGER audit_events_truncate BEFORE TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only()
    """,
)


def _moment(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _user(name: str = "user_id", *, nullable: bool = False, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable, comment=comment)


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id", ondelete="CASCADE")


def upgrade() -> None:
    """Add tables; the release before does not look at them."""
    op.create_table(
        "mail_tokens",
        _user("id"),
        _user(),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of what the link says"),
        sa.Column("email", sa.Text(), nullable=False, comment="the address it was sent to"),
        _moment("created_at"),
        _moment("expires_at"),
        sa.PrimaryKeyConstraint("id", name="pk_mail_tokens"),
        _of_user("mail_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_mail_tokens_token_hash"),
        sa.CheckConstraint("purpose IN ('verify_email', 'reset_password')", name="ck_mail_tokens_purpose_known"),
    )
    op.create_index("ix_mail_tokens_expires_at", "mail_tokens", ["expires_at"])
    op.create_index("ix_mail_tokens_user_id_purpose", "mail_tokens", ["user_id", "purpose"])
    op.create_table(
        "second_factors",
        _user(),
        sa.Column("secret", sa.Text(), nullable=False, comment="encrypted (Fernet)"),
        _moment("confirmed_at", nullable=True, comment="null until the first code was shown"),
        sa.Column(
            "last_step",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="of the latest code that was used",
        ),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("user_id", name="pk_second_factors"),
        _of_user("second_factors"),
    )
    op.create_table(
        "recovery_codes",
        _user(),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False, comment="SHA-256"),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="pk_recovery_codes"),
        _of_user("recovery_codes"),
    )
    op.create_table(
        "attempts",
        sa.Column("key", sa.LargeBinary(), nullable=False, comment="SHA-256 of what is throttled"),
        sa.Column("failures", sa.Integer(), nullable=False),
        _moment("last_at"),
        sa.PrimaryKeyConstraint("key", name="pk_attempts"),
    )
    op.create_index("ix_attempts_last_at", "attempts", ["last_at"])
    op.create_table(
        "audit_events",
        _user("id"),
        _moment("at"),
        sa.Column("kind", sa.Text(), nullable=False),
        _user(nullable=True, comment="whom it concerns"),
        _user("actor_id", nullable=True, comment="who did it; null: nobody signed in, or the service itself"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_at", "audit_events", ["at"])
    op.create_index("ix_audit_events_user_id_id", "audit_events", ["user_id", "id"])
    op.create_index("ix_audit_events_kind_id", "audit_events", ["kind", "id"])
    for statement in _APPEND_ONLY:
        op.execute(statement)
    op.create_table(
        "erasures",
        _user(comment="who is gone from `users`"),
        sa.Column("username_hash", sa.LargeBinary(), nullable=False, comment="SHA-256; nobody gets the name again"),
        _moment("requested_at"),
        _moment("finished_at", nullable=True),
        sa.Column("pending", JSONB(), nullable=False, comment="the services that still hold data, and why"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        _moment("due_at", nullable=True, comment="null: done, or given up"),
        sa.PrimaryKeyConstraint("user_id", name="pk_erasures"),
        sa.UniqueConstraint("username_hash", name="uq_erasures_username_hash"),
    )
    op.create_index("ix_erasures_due_at", "erasures", ["due_at"])
