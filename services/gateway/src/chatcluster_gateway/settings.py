"""What the gateway can be told."""

from pydantic import Field, SecretStr

from chatcluster_common.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """Settings of the gateway, on top of those of every service."""

    port: int = Field(default=3000, ge=0, le=65535)
    redis_url: SecretStr = Field(description="Where rate limits are counted: `redis://user:password@host:port/0`")
    user_url: str = Field(pattern=r"^http://\S+$", description="The user service: `http://host:port`")
    message_url: str = Field(pattern=r"^http://\S+$")
    notification_url: str = Field(pattern=r"^http://\S+$")
    presence_url: str = Field(pattern=r"^http://\S+$")

    trust_edge: bool = Field(
        default=False,
        description="Take the caller's address from the last hop of `X-Forwarded-For`. Only where nothing but the edge "
        "can connect; otherwise callers choose their own address, and with it their rate limit.",
    )
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, description="Largest request body passed on.")
    connect_seconds: float = Field(default=1.0, gt=0, le=60, description="To get a connection to a service.")
    answer_seconds: float = Field(
        default=30.0,
        gt=0,
        le=600,
        description="For a service to begin its answer, or for either side to send the next piece of a body.",
    )
    upstream_connections: int = Field(default=256, ge=1, le=10_000, description="Connections a service may get.")

    # Rate limits (GCRA): so much for good, and `burst` at once after a rest.
    user_rate_per_second: float = Field(default=50.0, gt=0, description="Calls of one signed-in user.")
    user_burst: int = Field(default=200, ge=1)
    address_rate_per_second: float = Field(default=20.0, gt=0, description="Calls without a valid token, by address.")
    address_burst: int = Field(default=100, ge=1)
    sign_in_rate_per_minute: float = Field(default=10.0, gt=0, description="Registrations and logins, by address.")
    sign_in_burst: int = Field(default=20, ge=1)
    redis_seconds: float = Field(
        default=0.1, gt=0, le=5, description="How long a call waits for Redis before this replica counts by itself."
    )
