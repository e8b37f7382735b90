"""What the message service is told."""

from pydantic import Field, SecretStr

from chatcluster_common.events import KafkaSettings


class MessageSettings(KafkaSettings):
    """`CHAT_…` variables, besides the common ones and Kafka's."""

    port: int = Field(default=3002, ge=0, le=65535)
    mongodb_url: SecretStr
    mongodb_database: str = Field(default="chat", pattern=r"^[A-Za-z0-9_-]{1,38}$")
    redis_url: SecretStr
    user_url: str = Field(description="The user service, asked who people are and whom they block.")
    file_url: str = Field(
        default="", description="The file service, asked for the files of a message; empty: messages are text alone."
    )
    presence_url: str = Field(
        default="", description="The presence service, asked who is online for `@here`; empty: it mentions nobody."
    )
    kafka_partitions: int = Field(default=12, ge=1, description="Of a topic that does not exist yet.")
    kafka_replication: int = Field(default=1, ge=1, description="Of a topic that does not exist yet.")
    startup_seconds: float = Field(default=60.0, gt=0, description="How long to wait for the stores before giving up.")
    max_body_length: int = Field(default=8000, ge=1, le=20_000, description="Characters of a message.")
    max_members: int = Field(default=1000, ge=2, le=10_000, description="People in one conversation.")
    message_retention_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Messages older than this are removed, whatever their conversation says; a conversation may keep "
        "them for a shorter time. 0: for ever.",
    )
    purge_seconds: float = Field(
        default=60.0, gt=0, description="How often to look for conversations with messages whose time is over."
    )
