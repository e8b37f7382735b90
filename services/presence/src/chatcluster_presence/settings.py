"""What the presence service is told."""

from pydantic import Field, SecretStr

from chatcluster_common.settings import ServiceSettings


class PresenceSettings(ServiceSettings):
    """`CHAT_…` variables, besides the common ones."""

    port: int = Field(default=3005, ge=0, le=65535)
    redis_url: SecretStr
    message_url: str = Field(description="The message service, asked who is in a conversation.")
    user_url: str = Field(description="The user service, asked about blocks, contacts and privacy.")
    startup_seconds: float = Field(default=60.0, gt=0, description="How long to wait for Redis before giving up.")
    max_watched: int = Field(default=1000, ge=1, description="People whom one socket may watch.")
    max_typing_members: int = Field(
        default=200, ge=2, description="Typing is not told in conversations of more people: nobody could follow it."
    )
    heartbeat_seconds: float = Field(default=5.0, gt=0, le=10, description="How often a process says that it lives.")
    dead_after_seconds: float = Field(
        default=20.0, gt=0, le=25, description="A process silent for this long is dead, and so are its connections."
    )
    idle_after_seconds: float = Field(
        default=300.0,
        gt=0,
        description="A device without activity for this long idles; when all do, the person is away.",
    )
    leave_grace_seconds: float = Field(
        default=2.0, ge=0, le=10, description="How long a device that has gone may take to come back unnoticed."
    )
    relations_seconds: float = Field(
        default=300.0, gt=0, description="How long blocks, contacts and privacy are remembered unless they change."
    )
