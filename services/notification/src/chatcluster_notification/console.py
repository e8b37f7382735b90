"""`chatcluster-notification dead …`, for an operator in a pod: asks the service beside it."""

import argparse
import sys
from typing import Any

import orjson

from chatcluster_common import errors
from chatcluster_common.internal import InternalClient
from chatcluster_notification.settings import NotificationSettings

_TIMEOUT_SECONDS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `dead`."""
    commands = parser.add_subparsers(dest="dead", required=True)
    commands.add_parser("list", help="a JSON object a line, oldest first, without what people wrote")
    for name, text in (("replay", "try again"), ("drop", "delete for good")):
        command = commands.add_parser(name, help=text)
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("ids", nargs="*", default=[], metavar="ID", help="as `dead list` shows them")
        which.add_argument("--all", action="store_true", help="all of them")


async def dead(arguments: argparse.Namespace, settings: NotificationSettings) -> int:
    """Do as told; returns the exit code."""
    url = f"http://127.0.0.1:{settings.port}"
    async with InternalClient(url, settings.internal_token, timeout_seconds=_TIMEOUT_SECONDS) as service:
        try:
            if arguments.dead == "list":
                _print(*(await service.get("/internal/dead-letters") or []))
                return 0
            body = {"ids": None if arguments.all else arguments.ids}
            answer = await service.post(f"/internal/dead-letters/{arguments.dead}", body) or {}
        except errors.Problem:
            sys.stderr.write(f"the service at {url} does not answer as it should; its log says more\n")
            return 1
    _print(answer)
    return 1 if answer.get("failed") else 0


def _print(*values: Any) -> None:
    for value in values:
        sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
