"""The routes under `/api/v1/files`. The edge sends them here directly, so that bodies stream through one hop alone."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from chatcluster_common.auth import CurrentUser
from chatcluster_common.errors import Problem, problems
from chatcluster_file import forms, multipart, names, ranges
from chatcluster_file.app_state import FilesState, state
from chatcluster_file.models import File, Files, ThumbnailSize
from chatcluster_file.responses import COMMON, SAFE_HEADERS, ObjectResponse
from chatcluster_file.service import check_released

_PRIVATE_HEADERS = {
    **SAFE_HEADERS,
    "Cross-Origin-Resource-Policy": "same-origin",
    # Content never changes; access may be taken away, so that it is not kept for long.
    "Cache-Control": "private, max-age=300",
    "Vary": "Authorization",
}

router = APIRouter(prefix="/api/v1/files", tags=["files"], responses=COMMON)

_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": forms.MAX_FILES,
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
_WITHHELD = problems(_403="The virus scanner found something in it.", _409="The virus scanner has not seen it yet.")
_BINARY: dict[str, Any] = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}


State = Annotated[FilesState, Depends(state)]
Moderation = Annotated[
    bool,
    Query(description="For moderators of the platform: any file that a message has. Each time is logged."),
]


@router.post(
    "",
    status_code=201,
    operation_id="uploadFiles",
    summary="Upload files",
    openapi_extra=_UPLOAD_BODY,
    responses=problems(
        _400="The body is malformed or ended early.",
        _408="Nothing came for a while.",
        _409="There are too many files.",
        _413="A file is too large, or the quota is used up.",
        _415="The body is not multipart/form-data.",
        _422="No file, too many files, a wrong field, or an image that cannot be made safe.",
    ),
)
async def upload(request: Request, user: CurrentUser, parts: State) -> Files:
    """Store one or more files, all or none. Content is streamed, its type is found in it, its name made safe."""
    settings = request.app.state.settings
    forms.check_length(request.headers.get("content-length"), settings)
    events = multipart.events(
        request.headers.get("content-type", ""), request.stream(), idle_seconds=settings.upload_idle_seconds
    )
    records = await parts.forms.upload(user.user_id, events)
    return Files(items=[record.public() for record in records])


@router.get(
    "/avatars/{name}",
    operation_id="getAvatar",
    summary="A person's picture",
    response_class=Response,
    responses={
        200: {"content": {"image/webp": _BINARY}, "description": "A square WebP."},
        304: {"description": "It is the one named in If-None-Match."},
    },
)
@router.head("/avatars/{name}", include_in_schema=False)
async def avatar(name: str, request: Request, parts: State) -> Response:
    """Needs no token: whoever was told the address may see it. What is there never changes."""
    headers = {
        **SAFE_HEADERS,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cache-Control": "public, max-age=31536000, immutable",
        "ETag": f'"{name.removesuffix(".webp")}"',
    }
    image = await parts.avatars.get(name)
    if ranges.etag_matches(request.headers.get("if-none-match"), headers["ETag"], weak=True):
        return Response(status_code=304, headers=headers)
    return Response(image, media_type="image/webp", headers=headers)


@router.get("/{file_id}", operation_id="getFile", summary="What is known about a file")
async def metadata(file_id: str, user: CurrentUser, parts: State, moderation: Moderation = False) -> File:
    """For the owner, and the members of the file's conversation."""
    return (await parts.files.get(user, file_id, moderation=moderation)).public()


@router.delete(
    "/{file_id}",
    status_code=204,
    operation_id="deleteFile",
    summary="Delete a file",
    responses=problems(_403="Neither the owner nor a moderator."),
)
async def delete(file_id: str, user: CurrentUser, parts: State) -> Response:
    """For the owner, the moderators (owner, admin) of the file's conversation, and those of the platform."""
    await parts.files.delete(user, file_id)
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
        **_WITHHELD,
        **problems(_416="The range lies outside the content."),
    },
)
@router.head("/{file_id}/content", include_in_schema=False)
async def content(
    file_id: str, request: Request, user: CurrentUser, parts: State, moderation: Moderation = False
) -> Response:
    """Supports one `Range`, `If-Range`, `If-None-Match`. Only harmless types are shown inline."""
    file = await parts.files.get(user, file_id, moderation=moderation)
    check_released(file)
    etag = f'"{file.sha256}"'
    headers = {**_PRIVATE_HEADERS, "ETag": etag, "Accept-Ranges": "bytes"}
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
    download = await parts.files.open_content(file, wanted.offset if wanted else 0, length)
    return ObjectResponse(download, 206 if wanted else 200, headers)


@router.get(
    "/{file_id}/thumbnails/{size}",
    operation_id="getFileThumbnail",
    summary="A thumbnail of an image",
    response_class=Response,
    responses={
        200: {"content": {"image/webp": _BINARY}, "description": "WebP, upright, without metadata."},
        304: {"description": "The thumbnail is the one named in If-None-Match."},
        **_WITHHELD,
    },
)
async def thumbnail(
    *,
    file_id: str,
    size: ThumbnailSize,
    request: Request,
    user: CurrentUser,
    parts: State,
    moderation: Moderation = False,
) -> Response:
    """The longer side has 128 (`small`), 512 (`medium`) or 1280 (`large`) pixels at most."""
    file = await parts.files.get(user, file_id, moderation=moderation)
    check_released(file)
    etag = f'"{file.sha256}-{size}"'
    headers = {**_PRIVATE_HEADERS, "ETag": etag}
    if ranges.etag_matches(request.headers.get("if-none-match"), etag, weak=True):
        return Response(status_code=304, headers=headers)
    download = await parts.files.open_thumbnail(file, size)
    return ObjectResponse(download, 200, {**headers, "Content-Type": "image/webp", "Content-Disposition": "inline"})
