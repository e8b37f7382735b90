"""What a step is told. Plain values come from `CHAT_BACKUP_…` variables, secrets from files, one a value."""

import os
from pathlib import Path
from typing import Final, Self

from pydantic import AwareDatetime, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

SECRETS: Final = "/run/secrets/chatcluster"


class Settings(BaseSettings):
    """Where values come from: a variable wins over a file of its name."""

    model_config = SettingsConfigDict(env_prefix="CHAT_BACKUP_", extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def read(cls) -> Self:
        """Those of this process. Raises pydantic's ValidationError, which names what is missing or malformed."""
        return cls.model_validate({})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the folder of secrets."""
        folder = Path(os.environ.get("CHAT_SECRETS_DIR", SECRETS))
        files = (SecretsSettingsSource(settings_cls, secrets_dir=folder),) if folder.is_dir() else ()
        return (init_settings, env_settings, *files)


class Destination(Settings):
    """Where backups lie."""

    endpoint: str = Field(pattern=r"^https?://")
    bucket: str
    region: str = "us-east-1"
    path: str
    """Folder of the ChatCluster in the bucket."""
    ca_file: str | None = None
    """Authorities that the endpoint's certificate is checked against; none: those of the system."""
    access_key: SecretStr
    secret_key: SecretStr
    passphrase: SecretStr


class Run(Settings):
    """Which backup, and of what."""

    id: str = Field(pattern=r"^[0-9]{8}T[0-9]{6}Z-[a-z0-9]{8}$")
    namespace: str = ""
    cluster: str = ""
    release: str = ""
    target: str = ""
    """uid of the ChatCluster that is restored."""
    work: Path = Path("/work")
    """Folder that the steps of one backup share; what they tell each other lies there."""


class MessagesSettings(Settings):
    """The message store."""

    mongodb_url: SecretStr
    mongodb_database: str = "chat"


class ObjectsSettings(Settings):
    """The bucket of files."""

    source_endpoint: str
    source_bucket: str
    source_region: str = "us-east-1"
    source_access_key: SecretStr
    source_secret_key: SecretStr


class PostgresSettings(Settings):
    """The database in which base backups are asked for."""

    database_url: SecretStr
    """postgresql://user:password@host:port/database"""


class ReconcileSettings(Settings):
    """The user service's database."""

    user_database_url: SecretStr
    holders: list[str] = ["gateway", "message", "file", "notification", "presence"]
    """Services that hold data of people."""


class SealSettings(Settings):
    """What a manifest is made with."""

    keys: SecretStr
    """JSON: the keys that belong to the data, by name."""
    database_url: SecretStr | None = None
    """As PostgresSettings'; none where PostgreSQL is not managed."""
    keep_last: int | None = None
    keep_days: int | None = None


class RestoreSettings(Settings):
    """Which backup is restored."""

    backup: str | None = None
    """Its id; none: the newest."""
    before: AwareDatetime | None = None
    """It must not be later than this."""
    keys_secret: str
    """Secret that gets the keys, and what the backup is."""
