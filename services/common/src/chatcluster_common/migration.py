"""The command `migrate`, the same in every service that keeps rows.

It needs less than the service: the database's address alone, so that whoever runs it holds no other secret. Why it
failed is also written where Kubernetes shows it as the container's last words.
"""

import argparse
import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr
from sqlalchemy.exc import SQLAlchemyError

from chatcluster_common import logs, server
from chatcluster_common.database import ContractedError, Schema
from chatcluster_common.settings import Settings
from chatcluster_common.startup import StartupError

log = logs.get_logger(__name__)

EXIT_CONTRACTED: Final = 65
"""sysexits.h EX_DATAERR: the schema is beyond this release. No other try changes that."""

LAST_WORDS: Final = Path("/dev/termination-log")


class MigrationSettings(Settings):
    """What `migrate` needs."""

    database_url: SecretStr = Field(description="`postgresql+asyncpg://user:password@host:port/database`")
    startup_seconds: float = Field(default=60.0, gt=0, le=600, description="How long it waits for the database.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument(
        "--contract", action="store_true", help="also remove what only releases before this one need; they must be gone"
    )


def migrate(schema: Schema, service: str, *, contract: bool) -> int:
    """Run the command; the exit code."""
    settings = server.load_settings(MigrationSettings, service)
    url = settings.database_url.get_secret_value()
    try:
        asyncio.run(
            schema.wait_and_migrate(
                url, settings.startup_seconds, application=f"chat-{service}-migration", contract=contract
            )
        )
    except (StartupError, SQLAlchemyError, OSError) as error:
        log.error("the migration failed; the schema is as it was", reason=str(error))
        with suppress(OSError):
            LAST_WORDS.write_text(f"the migration failed, the schema is as it was: {error}"[:2000])
        return EXIT_CONTRACTED if isinstance(error, ContractedError) else 1
    return 0
