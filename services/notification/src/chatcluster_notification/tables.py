"""The tables: what must survive Redis. Migrations make them; a test checks that the two agree."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

preferences = Table(
    "preferences",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("default_level", Text, nullable=False),
    Column("muted_until", DateTime(timezone=True)),
    Column("email", Boolean, nullable=False),
    Column("push", Boolean, nullable=False),
    Column("digest_minutes", Integer, comment="null: as the service is set"),
    Column("quiet_start", Time, comment="null: no quiet hours"),
    Column("quiet_end", Time),
    Column("quiet_days", ARRAY(SmallInteger), comment="on which they begin; Monday is 0"),
    Column("quiet_zone", Text, comment="IANA name; null: the profile's"),
    CheckConstraint("default_level IN ('all', 'mentions', 'none')", name="level"),
    CheckConstraint("num_nulls(quiet_start, quiet_end, quiet_days) IN (0, 3)", name="quiet_whole"),
)

conversation_preferences = Table(
    "conversation_preferences",
    metadata,
    Column("user_id", Text, ForeignKey("preferences.user_id", ondelete="CASCADE"), primary_key=True),
    Column("conversation_id", Text, primary_key=True),
    Column("level", Text, comment="null: the person's default"),
    Column("muted_until", DateTime(timezone=True)),
    CheckConstraint("level IN ('all', 'mentions', 'none')", name="level"),
)

push_subscriptions = Table(
    "push_subscriptions",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("session_id", Text, nullable=False, index=True, comment="the subscription ends with it"),
    Column("endpoint", Text, nullable=False),
    Column("endpoint_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256: endpoints may be long"),
    Column("public_key", LargeBinary, nullable=False, comment="P-256 point, uncompressed"),
    Column("auth_secret", LargeBinary, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    CheckConstraint("octet_length(public_key) = 65 AND octet_length(auth_secret) = 16", name="key_length"),
)
Index("ix_push_subscriptions_user_id_created_at", push_subscriptions.c.user_id, push_subscriptions.c.created_at)
