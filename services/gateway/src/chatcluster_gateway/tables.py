"""The tables. Migrations make them; a test checks that the two agree."""

from sqlalchemy import ARRAY, CheckConstraint, Column, DateTime, Index, LargeBinary, MetaData, SmallInteger, Table, Text
from sqlalchemy import Uuid as UuidType

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", UuidType(as_uuid=False), primary_key=True),
    Column("user_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    Column("last_used_at", DateTime(timezone=True), comment="to the minute"),
    CheckConstraint("octet_length(secret_hash) = 32", name="hash_length"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", UuidType(as_uuid=False), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("event", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("token_id", Text, comment="the API token that was made, used or revoked"),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
)
Index("ix_audit_user_id_id", audit.c.user_id, audit.c.id)
