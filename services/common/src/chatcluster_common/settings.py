"""Settings every service has. Plain values come from ``CHAT_…`` variables, secrets from files, so that neither image,
specification nor argument list ever holds one."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

DEFAULT_SECRETS_DIR = "/run/secrets/chatcluster"
"""Where a service finds its secrets: one file a value, named as the variable in lower case."""


def secrets_dir() -> Path:
    """Where this process finds its secrets."""
    return Path(os.environ.get("CHAT_SECRETS_DIR", DEFAULT_SECRETS_DIR))


class Settings(BaseSettings):
    """Where settings come from.

    An environment variable wins over a file of the same name. A value that is missing or malformed raises pydantic's
    ``ValidationError``, which names the variable.
    """

    model_config = SettingsConfigDict(env_prefix="CHAT_", extra="ignore", frozen=True)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the secrets folder if there is one."""
        folder = secrets_dir()
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if folder.is_dir():
            sources += (SecretsSettingsSource(settings_cls, secrets_dir=folder),)
        return sources


class ServiceSettings(Settings):
    """Base of each service's settings; subclasses add what the service needs."""

    host: str = "0.0.0.0"  # noqa: S104 a pod's own network namespace
    port: int = Field(
        default=0, ge=0, le=65535, description="TCP port to listen on; each service sets its own default."
    )
    jwks_file: Path = Field(
        default=Path("/run/secrets/chatcluster-jwks/jwks.json"),
        description="Public keys that access tokens are checked against (RFC 7517). Re-read when the file changes.",
    )
    internal_token: SecretStr = Field(
        min_length=16,
        description="Shared by the services of one ChatCluster for calls to /internal paths. Of several, separated by "
        "spaces, the first is sent and all are accepted. Those that are accepted are read again when the file changes.",
    )
    drain_seconds: float = Field(
        default=20.0, gt=0, le=600, description="Time from SIGTERM to exit; sockets are closed evenly within it."
    )
    store_grace_seconds: float = Field(
        default=30.0,
        ge=0,
        le=600,
        description="A replica stays ready for so long while a store it cannot do without is away: for the time of "
        "a failover, after which it is better seen that nothing works.",
    )
    drain_notice_seconds: float = Field(
        default=3.0, ge=0, le=60, description="How long a draining service still accepts work while the edge notices."
    )
