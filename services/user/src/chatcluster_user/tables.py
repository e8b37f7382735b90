"""The tables. Migrations make them; a test checks that the two agree."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Index, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id(name: str = "id") -> Column[str]:
    return Column(name, Uuid(as_uuid=False), primary_key=True)


def _owner(name: str = "user_id", *, primary_key: bool = False) -> Column[str]:
    return Column(
        name, Uuid(as_uuid=False), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, primary_key=primary_key
    )


users = Table(
    "users",
    metadata,
    _id(),
    # Collation C: compared by code point, so that an index serves prefix searches and pages whatever the locale.
    Column("username", Text(collation="C"), nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("email_verified_at", DateTime(timezone=True)),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text(collation="C"), nullable=False, index=True, comment="what a search compares"),
    Column("about", Text, nullable=False, server_default=""),
    Column("avatar_url", Text),
    Column("locale", Text, nullable=False, server_default="en"),
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    Column("read_receipts", sa.Boolean, nullable=False, server_default=sa.true()),
    Column("last_seen", Text, nullable=False, server_default="everyone"),
    Column("role", Text, nullable=False, server_default="user"),
    Column("state", Text, nullable=False, server_default="active"),
    Column("suspended_reason", Text),
    Column("password_hash", Text, nullable=False, comment="argon2id, PHC string"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("username = lower(username)", name="username_lower"),
    CheckConstraint("char_length(username) BETWEEN 3 AND 32", name="username_length"),
    CheckConstraint("char_length(display_name) BETWEEN 1 AND 64", name="display_name_length"),
    CheckConstraint("last_seen IN ('everyone', 'contacts', 'nobody')", name="last_seen_known"),
    CheckConstraint("role IN ('user', 'moderator', 'admin')", name="role_known"),
    CheckConstraint("state IN ('active', 'suspended')", name="state_known"),
)
Index("uq_users_email_lower", sa.func.lower(users.c.email), unique=True)
Index("ix_users_admins", users.c.id, postgresql_where=users.c.role == "admin")

sessions = Table(
    "sessions",
    metadata,
    _id(),
    _owner(),
    Column("family_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of what its tokens share"),
    Column("secret_hash", LargeBinary, nullable=False, comment="SHA-256 of what the current token has alone"),
    Column("user_agent", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    CheckConstraint("octet_length(family_hash) = 32 AND octet_length(secret_hash) = 32", name="hash_length"),
)
Index("ix_sessions_user_id_last_used_at", sessions.c.user_id, sessions.c.last_used_at)

contacts = Table(
    "contacts",
    metadata,
    _owner(primary_key=True),
    _owner("other_id", primary_key=True),
    Column("state", Text, nullable=False, comment="how user_id stands to other_id"),
    Column("since", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('requested', 'accepted', 'blocked')", name="state_known"),
    CheckConstraint("user_id <> other_id", name="not_oneself"),
    Index("ix_contacts_other_id", "other_id"),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("lane", Text, nullable=False, comment="what delivers it"),
    Column("payload", JSONB, nullable=False),
    Column("attempts", sa.Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Index("ix_outbox_lane_due_at", "lane", "due_at"),
)

mail_tokens = Table(
    "mail_tokens",
    metadata,
    _id(),
    _owner(),
    Column("purpose", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of what the link says"),
    Column("email", Text, nullable=False, comment="the address it was sent to"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    CheckConstraint("purpose IN ('verify_email', 'reset_password')", name="purpose_known"),
    Index("ix_mail_tokens_user_id_purpose", "user_id", "purpose"),
)

second_factors = Table(
    "second_factors",
    metadata,
    _owner(primary_key=True),
    Column("secret", Text, nullable=False, comment="encrypted (Fernet)"),
    Column("confirmed_at", DateTime(timezone=True), comment="null until the first code was shown"),
    Column("last_step", sa.BigInteger, nullable=False, server_default="0", comment="of the latest code that was used"),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    _owner(primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True, comment="SHA-256"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("key", LargeBinary, primary_key=True, comment="SHA-256 of what is throttled"),
    Column("failures", sa.Integer, nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False, index=True),
)

audit_events = Table(
    "audit_events",
    metadata,
    # Neither refers to `users`: the log outlives an account, for as long as it is kept.
    _id(),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("user_id", Uuid(as_uuid=False), comment="whom it concerns"),
    Column("actor_id", Uuid(as_uuid=False), comment="who did it; null: nobody signed in, or the service itself"),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Index("ix_audit_events_user_id_id", "user_id", "id"),
    Index("ix_audit_events_kind_id", "kind", "id"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("user_id", Uuid(as_uuid=False), primary_key=True, comment="who is gone from `users`"),
    Column("username_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256; nobody gets the name again"),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("pending", JSONB, nullable=False, comment="the services that still hold data, and why"),
    Column("attempts", sa.Integer, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True), comment="null: done, or given up"),
    Index("ix_erasures_due_at", "due_at"),
)
