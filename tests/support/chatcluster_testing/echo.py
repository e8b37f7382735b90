"""A service that tells what reached it, to stand behind the gateway: `python -m chatcluster_testing.echo PORT`.

The last segments of the path say what to do: `…/stream/N` answers N bytes without a length, `…/sized/N` with one,
`…/hang` never answers, `…/cut` breaks off in the middle, `…/headers` answers with headers that must not travel on;
anything else is described in JSON.
"""

import asyncio
import hashlib
import json
import sys
from typing import Any

import uvicorn

_PIECE = bytes(range(256)) * 64


def pattern(length: int) -> bytes:
    """The body of `…/stream/N` and `…/sized/N`."""
    return (_PIECE * (length // len(_PIECE) + 1))[:length]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """ASGI."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    path = scope["path"]
    match path.split("/")[-2:]:
        case ["stream" | "sized" as kind, length]:
            await _answer_bytes(send, int(length), sized=kind == "sized")
        case [_, "hang"]:
            await asyncio.Event().wait()
        case [_, "cut"]:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            raise ConnectionAbortedError
        case [_, "headers"]:
            fields = {
                "connection": "x-hop, keep-alive",
                "x-hop": "1",
                "keep-alive": "timeout=5",
                "server": "secret/1.0",
                "ratelimit": "spoofed",
                "x-end-to-end": "ä",
                "content-encoding": "gzip",
            }
            await send({"type": "http.response.start", "status": 200, "headers": _raw(fields)})
            await send({"type": "http.response.body", "body": b"not really gzip"})
        case _:
            await _describe(scope, receive, send)


async def _answer_bytes(send: Any, length: int, *, sized: bool) -> None:
    fields = [(b"content-length", str(length).encode())] if sized else []
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for start in range(0, length, len(_PIECE)):
        await send({"type": "http.response.body", "body": _PIECE[: length - start], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _describe(scope: Any, receive: Any, send: Any) -> None:
    digest, length, more = hashlib.sha256(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        piece = message.get("body", b"")
        digest.update(piece)
        length += len(piece)
        more = message.get("more_body", False)
    description = {
        "method": scope["method"],
        "path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode("utf-8", "replace")] for name, value in scope["headers"]],
        "body_length": length,
        "body_sha256": digest.hexdigest(),
    }
    await send({"type": "http.response.start", "status": 200, "headers": _raw({"content-type": "application/json"})})
    await send({"type": "http.response.body", "body": json.dumps(description).encode()})


def _raw(fields: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in fields.items()]


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
