"""How handing something to a mail server or push service may end, other than well."""


class RefusedError(Exception):
    """It will not be taken, now or later."""


class GoneError(RefusedError):
    """There is nobody there any more."""


class DelayedError(Exception):
    """The server is away, or asks to try again later: not before `retry_after_seconds`."""

    def __init__(self, reason: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
