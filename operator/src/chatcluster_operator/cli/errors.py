"""The one error that becomes a few lines for the user and an exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit code of `kubectl chat` means. 130 is an interruption by Ctrl-C."""

    OK = 0
    PROBLEM = 1
    """Something is wrong with what was looked at, or what was asked for failed."""
    USAGE = 2
    """Wrong usage; and for `plan --detailed-exitcode`: there are changes."""
    ABSENT = 3
    """What was asked about does not exist, or the API server cannot be reached."""
    REFUSED = 4
    """The API server refuses it: no right to, or not valid."""
    TIMEOUT = 5
    """It did not come about in time. It may still."""


class CliError(Exception):
    """What happened and why, in a sentence or two, and what to do about it."""

    def __init__(self, message: str, remedy: str = "", code: ExitCode = ExitCode.PROBLEM) -> None:
        super().__init__(message)
        self.message, self.remedy, self.code = message, remedy, code
