"""What the gateway can be told."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from chatcluster_common.settings import ServiceSettings


def _words(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?", origin):
            raise ValueError(f"{origin!r} is no origin: write scheme, host and port alone, in lower case")
    return origins


class GatewaySettings(ServiceSettings):
    """Settings of the gateway, on top of those of every service."""

    port: int = Field(default=3000, ge=0, le=65535)
    redis_url: SecretStr = Field(description="Where rate limits are counted: `redis://user:password@host:port/0`")
    database_url: SecretStr = Field(description="`postgresql+asyncpg://user:password@host:port/database`")
    database_pool: int = Field(default=5, ge=1, le=100, description="Connections a replica may hold.")
    startup_seconds: float = Field(default=60.0, gt=0, le=600, description="How long `migrate` waits for the database.")
    file_url: str = Field(
        default="",
        pattern=r"^(http://\S+)?$",
        description="Asked for its part of the OpenAPI document alone. Empty: there is no file service.",
    )
    user_url: str = Field(pattern=r"^http://\S+$", description="The user service: `http://host:port`")
    message_url: str = Field(pattern=r"^http://\S+$")
    notification_url: str = Field(
        default="", pattern=r"^(http://\S+)?$", description="Empty: there is no notification service."
    )
    presence_url: str = Field(pattern=r"^http://\S+$")

    trust_edge: bool = Field(
        default=False,
        description="Take the caller's address from the last hop of `X-Forwarded-For`. Only where nothing but the edge "
        "can connect; otherwise callers choose their own address, and with it their rate limit.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_origins)] = Field(
        default=(),
        description="Origins whose pages may call the API, separated by commas: `https://chat.example.org`. Empty: "
        "pages of the API's own origin alone.",
    )
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, description="Largest upload passed on.")
    max_json_bytes: int = Field(default=1024 * 1024, ge=1024, description="Largest body of any other request.")
    tokens_per_person: int = Field(default=20, ge=1, le=1000, description="API tokens a person may have at a time.")
    connect_seconds: float = Field(default=1.0, gt=0, le=60, description="To get a connection to a service.")
    answer_seconds: float = Field(
        default=30.0,
        gt=0,
        le=600,
        description="For a service to begin its answer, or for either side to send the next piece of a body.",
    )
    upstream_connections: int = Field(default=256, ge=1, le=10_000, description="Connections a service may get.")

    circuit_failures: int = Field(
        default=5, ge=1, le=1000, description="Unanswered calls in a row after which a service is left alone."
    )
    circuit_seconds: float = Field(
        default=1.0, gt=0, le=30, description="For how long, at first; each failed try doubles it, up to 30 s."
    )

    # Rate limits (GCRA): so much for good, and `burst` at once after a rest.
    user_rate_per_second: float = Field(default=50.0, gt=0, description="Calls of one signed-in user.")
    user_burst: int = Field(default=200, ge=1)
    token_rate_per_second: float = Field(default=20.0, gt=0, description="Calls with one API token.")
    token_burst: int = Field(default=100, ge=1)
    search_rate_per_second: float = Field(default=5.0, gt=0, description="Searches of one user.")
    search_burst: int = Field(default=30, ge=1)
    address_rate_per_second: float = Field(default=20.0, gt=0, description="Calls without a valid token, by address.")
    address_burst: int = Field(default=100, ge=1)
    sign_in_rate_per_minute: float = Field(default=10.0, gt=0, description="Registrations and logins, by address.")
    sign_in_burst: int = Field(default=20, ge=1)
    redis_seconds: float = Field(
        default=0.1, gt=0, le=5, description="How long a call waits for Redis before this replica counts by itself."
    )
