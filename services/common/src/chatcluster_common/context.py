"""What follows a request through a service: its id and its trace (W3C Trace Context), kept in context variables."""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID_HEADER = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Trace:
    """One span of a trace: 32 hex digits of trace id, 16 of span id, two of flags."""

    trace_id: str
    span_id: str
    flags: str = "00"

    @property
    def traceparent(self) -> str:
        """The header to send with calls made on behalf of this span."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


request_id: ContextVar[str] = ContextVar("request_id", default="")
trace: ContextVar[Trace | None] = ContextVar("trace", default=None)


def accept_request_id(sent: str | None) -> str:
    """The id that the caller sent if it is harmless in a log, else a new one."""
    return sent if sent and _REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)


def continue_trace(traceparent: str | None) -> Trace:
    """A new span in the caller's trace, or in a new trace when the header is absent or malformed."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match and match[1] != "0" * 32 and match[2] != "0" * 16:
        return Trace(match[1], secrets.token_hex(8), match[3])
    return Trace(secrets.token_hex(16), secrets.token_hex(8))


def outgoing_headers() -> dict[str, str]:
    """The headers that carry the current request on to another service; empty outside a request."""
    headers: dict[str, str] = {}
    if current := request_id.get():
        headers[REQUEST_ID_HEADER] = current
    if span := trace.get():
        headers["traceparent"] = span.traceparent
    return headers
