"""Stores told what to do, each by its own protocol.

`COMMANDS` is the table of what speaks to each store (see `act.stores.command` for what a command must do).
"""

from collections.abc import Mapping
from typing import Final

from chatcluster_operator.act.stores import kafka, mongodb, postgres, redis
from chatcluster_operator.act.stores.command import COMMAND_ERRORS, COMMAND_SECONDS, Command, CommandError

COMMANDS: Final[Mapping[str, Command]] = {
    "kafka": kafka.command,
    "mongodb": mongodb.command,
    "postgres": postgres.command,
    "redis": redis.command,
}
"""By store."""

__all__ = ["COMMANDS", "COMMAND_ERRORS", "COMMAND_SECONDS", "Command", "CommandError"]
