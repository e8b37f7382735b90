"""The one error that commands turn into a line for the user and an exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command's exit code means; `2` is left to the argument parser."""

    OK = 0
    FAILED = 1
    UNFIT = 3
    """The surroundings do not allow a cluster; nothing was changed."""
    ABSENT = 4
    """There is no such cluster, or it is not running."""
    TIMEOUT = 5
    """Something did not become ready in time."""


class LocalError(Exception):
    """What went wrong and, after it, what to do about it: both are shown on one line."""

    def __init__(self, message: str, remedy: str = "", code: ExitCode = ExitCode.FAILED) -> None:
        self.message, self.remedy, self.code = message, remedy, code
        super().__init__(f"{message}. {remedy}" if remedy else message)
