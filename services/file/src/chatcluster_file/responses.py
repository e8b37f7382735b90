"""What all answers of the service have in common."""

import asyncio
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from chatcluster_common.errors import problems
from chatcluster_file.bucket import Download

_SEND_SECONDS = 60.0
"""A client that takes nothing for this long is cut off."""

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Whatever a file contains, opened as a page it may neither run nor load anything.
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


COMMON = problems(
    _401="No valid access token.",
    _403="The role or the token's scopes do not allow it.",
    _404="No such thing, or no access to it.",
    _422="A field is not as it must be.",
    _503="The file store, or the message service, does not answer; try again shortly.",
)


class ObjectResponse(StreamingResponse):
    """Streams a download and closes it whatever happens; a client that stops reading is cut off."""

    def __init__(self, download: Download, status_code: int, headers: dict[str, str]) -> None:
        super().__init__(download.__aiter__(), status_code=status_code, headers=headers)
        self._download = download

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._download.close()

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Any) -> None:
            async with asyncio.timeout(_SEND_SECONDS):
                await send(message)

        await super().stream_response(send_in_time)
