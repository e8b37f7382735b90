"""Structured logs: one JSON object a line on standard output, with the request and trace ids of the work at hand.

An access line is written for each request, so writing one must cost little: our own lines go through one function and
orjson to standard output, and only those of libraries through the standard library's machinery.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from chatcluster_common import context

# Without the frames' local variables: they hold message text, tokens and passwords.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
)


class _StandardOutput:
    """A structlog logger whose lines are bytes already. It looks standard output up each time: tests replace it."""

    def _write(self, line: bytes) -> None:
        out = sys.stdout.buffer
        out.write(line + b"\n")
        out.flush()

    debug = info = warning = error = critical = exception = msg = _write


def _render(event: MutableMapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # text that is no Unicode, numbers beyond 64 bits: rare, and no reason to fail
        return json.dumps(event, default=repr).encode()


def configure(service: str, level: str) -> None:
    """Send structlog's and the standard library's records (servers, drivers) to standard output as JSON."""

    def complete(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["message"] = event.pop("event", "")
        event["level"] = "error" if method == "exception" else method
        event["service"] = service
        event["time"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        if request_id := context.request_id.get():
            event.setdefault("request_id", request_id)
        if span := context.trace.get():
            event.setdefault("trace_id", span.trace_id)
            event.setdefault("span_id", span.span_id)
        return event

    def to_bytes(_logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
        return _render(event)

    def to_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        return _render(event).decode()

    structlog.configure(
        processors=[complete, _TRACEBACKS, to_bytes],
        logger_factory=lambda *_: _StandardOutput(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[complete],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _TRACEBACKS, to_text],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "pymongo", "urllib3", "uvicorn.access", "engineio", "socketio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger; fields are keyword arguments. Never log message text, addresses, tokens or secrets."""
    return structlog.get_logger(name)
