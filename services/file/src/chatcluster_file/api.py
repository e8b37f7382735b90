"""The routes under `/api/v1/files`. The edge sends them here directly, so that bodies stream through one hop alone."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from chatcluster_common.auth import CurrentUser
from chatcluster_common.errors import Problem, ProblemDetails
from chatcluster_file import multipart, names, ranges, service
from chatcluster_file.models import File, Files, ThumbnailSize
from chatcluster_file.service import FileService
from chatcluster_file.store import Download

_SEND_SECONDS = 60.0
"""A client that takes nothing for this long is cut off."""

_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Whatever a file contains, opened as a page it may neither run nor load anything.
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Content never changes; access may be taken away, so that it is not kept for long.
    "Cache-Control": "private, max-age=300",
    "Vary": "Authorization",
}

router = APIRouter(
    prefix="/api/v1/files",
    tags=["files"],
    responses={
        status: {"model": ProblemDetails, "description": text}
        for status, text in {
            401: "No valid access token.",
            404: "No such file, or no access to it.",
            503: "The file store does not answer; try again shortly.",
        }.items()
    },
)

_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": service.MAX_FILES,
                            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
                        },
                        "conversation_id": {
                            "type": "string",
                            "description": "Its members may read the files. The sender must be one.",
                        },
                    },
                },
                "encoding": {"file": {"contentType": "*/*"}},
            }
        },
    }
}
_BINARY: dict[str, Any] = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}


def _service(request: Request) -> FileService:
    return request.app.state.files


Service = Annotated[FileService, Depends(_service)]


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


@router.post(
    "",
    status_code=201,
    operation_id="uploadFiles",
    summary="Upload files",
    openapi_extra=_UPLOAD_BODY,
    responses={
        400: {"model": ProblemDetails, "description": "The body is malformed or ended early."},
        413: {"model": ProblemDetails, "description": "A file is too large."},
        415: {"model": ProblemDetails, "description": "The body is not multipart/form-data."},
        422: {"model": ProblemDetails, "description": "No file, too many files, or a wrong field."},
    },
)
async def upload(request: Request, user: CurrentUser, files: Service) -> Files:
    """Store one or more files, all or none. Content is streamed, its type is found in it, its name made safe."""
    settings = request.app.state.settings
    service.check_length(request.headers.get("content-length"), settings)
    events = multipart.events(
        request.headers.get("content-type", ""), request.stream(), idle_seconds=settings.upload_idle_seconds
    )
    return Files(items=await files.upload(user.user_id, events))


@router.get("/{file_id}", operation_id="getFile", summary="What is known about a file")
async def metadata(file_id: str, user: CurrentUser, files: Service) -> File:
    """For the owner, and the members of the file's conversation."""
    return await files.get(user.user_id, file_id)


@router.delete(
    "/{file_id}",
    status_code=204,
    operation_id="deleteFile",
    summary="Delete a file",
    responses={403: {"model": ProblemDetails, "description": "Neither the owner nor a moderator."}},
)
async def delete(file_id: str, user: CurrentUser, files: Service) -> Response:
    """For the owner, and the moderators (owner, admin) of the file's conversation."""
    await files.delete(user.user_id, file_id)
    return Response(status_code=204)


@router.get(
    "/{file_id}/content",
    operation_id="getFileContent",
    summary="The bytes of a file",
    response_class=Response,
    responses={
        200: {"content": {"*/*": _BINARY}, "description": "The whole content."},
        206: {"content": {"*/*": _BINARY}, "description": "The range asked for."},
        304: {"description": "The content is the one named in If-None-Match."},
        416: {"model": ProblemDetails, "description": "The range lies outside the content."},
    },
)
@router.head("/{file_id}/content", include_in_schema=False)
async def content(file_id: str, request: Request, user: CurrentUser, files: Service) -> Response:
    """Supports one `Range`, `If-Range`, `If-None-Match`. Only harmless types are shown inline."""
    file = await files.get(user.user_id, file_id)
    etag = f'"{file.sha256}"'
    headers = {**_SAFE_HEADERS, "ETag": etag, "Accept-Ranges": "bytes"}
    if ranges.etag_matches(request.headers.get("if-none-match"), etag, weak=True):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = file.content_type
    headers["Content-Disposition"] = names.content_disposition(file.name, file.content_type)
    wanted = None
    if_range = request.headers.get("if-range")
    if request.method == "GET" and (if_range is None or ranges.etag_matches(if_range, etag, weak=False)):
        try:
            wanted = ranges.parse(request.headers.get("range"), file.size)
        except ranges.Unsatisfiable as error:
            raise Problem(
                416,
                "range_not_satisfiable",
                f"The file has {file.size} bytes.",
                headers={"Content-Range": f"bytes */{file.size}"},
            ) from error
    length = wanted.length if wanted else file.size
    headers["Content-Length"] = str(length)
    if wanted:
        headers["Content-Range"] = wanted.content_range(file.size)
    if request.method == "HEAD" or not length:
        return Response(headers=headers)
    download = await files.open_content(file, wanted.offset if wanted else 0, length)
    return ObjectResponse(download, 206 if wanted else 200, headers)


@router.get(
    "/{file_id}/thumbnails/{size}",
    operation_id="getFileThumbnail",
    summary="A thumbnail of an image",
    response_class=Response,
    responses={
        200: {"content": {"image/webp": _BINARY}, "description": "WebP, upright, without metadata."},
        304: {"description": "The thumbnail is the one named in If-None-Match."},
    },
)
async def thumbnail(file_id: str, size: ThumbnailSize, request: Request, user: CurrentUser, files: Service) -> Response:
    """The longer side has 128 (`small`), 512 (`medium`) or 1280 (`large`) pixels at most."""
    file = await files.get(user.user_id, file_id)
    etag = f'"{file.sha256}-{size}"'
    headers = {**_SAFE_HEADERS, "ETag": etag}
    if ranges.etag_matches(request.headers.get("if-none-match"), etag, weak=True):
        return Response(status_code=304, headers=headers)
    download = await files.open_thumbnail(file, size)
    return ObjectResponse(download, 200, {**headers, "Content-Type": "image/webp", "Content-Disposition": "inline"})
