"""The tables. Migrations make them; a test checks that the two agree."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    # Collation C: compared by code point, so that an index serves prefix searches and pages whatever the locale.
    Column("username", Text(collation="C"), nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text(collation="C"), nullable=False, index=True, comment="what a search compares"),
    Column("password_hash", Text, nullable=False, comment="argon2id, PHC string"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("username = lower(username)", name="username_lower"),
    CheckConstraint("char_length(username) BETWEEN 3 AND 32", name="username_length"),
    CheckConstraint("char_length(display_name) BETWEEN 1 AND 64", name="display_name_length"),
)
Index("uq_users_email_lower", func.lower(users.c.email), unique=True)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Uuid(as_uuid=False), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("family_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of what its tokens share"),
    Column("secret_hash", LargeBinary, nullable=False, comment="SHA-256 of what the current token has alone"),
    Column("user_agent", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    CheckConstraint("octet_length(family_hash) = 32 AND octet_length(secret_hash) = 32", name="hash_length"),
)
Index("ix_sessions_user_id_last_used_at", sessions.c.user_id, sessions.c.last_used_at)
