"""`multipart/form-data` (RFC 7578) as a stream of events: nothing of a file is kept here, in memory or on disk."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from chatcluster_common.errors import Problem
from chatcluster_file.body import in_time


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part starts. A `filename`, as sent, makes it a file."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    """Some of the part's bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is complete."""


Event = PartBegin | PartData | PartEnd


def malformed(why: str) -> Problem:
    """400, for a body that is not what its content type says."""
    return Problem(400, "malformed", f"The multipart body cannot be read: {why}.")


class _Events:
    """The parser's callbacks: they fill `pending`."""

    def __init__(self) -> None:
        self.pending: list[Event] = []
        self.ended = False
        self._field = bytearray()
        self._value = bytearray()
        self._disposition = b""

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._part_begin,
            "on_part_data": lambda data, start, end: self.pending.append(PartData(bytes(data[start:end]))),
            "on_part_end": lambda: self.pending.append(PartEnd()),
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._disposition = b""

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise malformed("a part has no Content-Disposition with a name")
        filename = options.get(b"filename")
        self.pending.append(
            PartBegin(
                name=options[b"name"].decode(errors="replace"),
                filename=None if filename is None else filename.decode(errors="replace"),
            )
        )

    def _end(self) -> None:
        self.ended = True


async def events(content_type: str, body: AsyncIterator[bytes], *, idle_seconds: float) -> AsyncGenerator[Event]:
    """The parts of a request body as they arrive.

    Problems: 415 for another content type, 400 for a body that is malformed or ends early, 408 when nothing comes for
    `idle_seconds`.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise Problem(415, "unsupported_media_type", "Send the files as multipart/form-data.")
    if not options.get(b"boundary"):
        raise malformed("the Content-Type header names no boundary")
    found = _Events()
    try:
        parser = MultipartParser(options[b"boundary"], found.callbacks())  # pyright: ignore[reportArgumentType]
        async for chunk in in_time(body, idle_seconds):
            if chunk:
                parser.write(chunk)
            for event in found.pending:
                yield event
            found.pending.clear()
        parser.finalize()
    except FormParserError as error:
        raise malformed("its parts are not separated as the boundary says") from error
    except ClientDisconnect as error:
        raise malformed("it ended early") from error
    if not found.ended:
        raise malformed("it ended early")
