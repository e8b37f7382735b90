"""Uploads other than forms: resumable ones by tus 1.0, and direct ones to the store."""

import base64
import binascii
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response

from chatcluster_common import errors
from chatcluster_common.auth import CurrentUser
from chatcluster_common.errors import Problem, problems
from chatcluster_file.app_state import FilesState, state
from chatcluster_file.body import in_time
from chatcluster_file.models import DirectTarget, DirectUpload, File, Pending
from chatcluster_file.responses import COMMON

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,termination"
_PATH = "/api/v1/files/uploads"
_CHUNK_TYPE = "application/offset+octet-stream"
_TUS = {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}
_METADATA_BYTES = 4096

router = APIRouter(prefix="/api/v1/files", tags=["uploads"], responses=COMMON)

State = Annotated[FilesState, Depends(state)]


def _tus(
    _caller: CurrentUser,  # who may not be here learns nothing else
    tus_resumable: Annotated[
        str, Header(description="The version of tus that the client speaks.", json_schema_extra={"const": VERSION})
    ] = "",
) -> None:
    if tus_resumable != VERSION:
        raise Problem(
            412, "tus_version", f"Send the header Tus-Resumable: {VERSION}.", headers={"Tus-Version": VERSION, **_TUS}
        )


_TusClient = Depends(_tus)
_TUS_PROBLEMS = problems(
    _410="The upload took too long, or was dropped.", _412="The client speaks another version of tus."
)
_UPLOAD_PROBLEMS = problems(
    _409="There are too many files; or the offset is another one than what is there.",
    _413="The file is too large, or the quota is used up.",
)


@router.options(
    "/uploads", status_code=204, operation_id="describeResumableUploads", summary="What this tus server can"
)
async def describe(request: Request) -> Response:
    """Needs no token."""
    settings = request.app.state.settings
    headers = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(settings.max_file_bytes)}
    return Response(status_code=204, headers=_TUS | headers)


@router.post(
    "/uploads",
    status_code=201,
    response_class=Response,
    operation_id="createResumableUpload",
    summary="Begin a resumable upload",
    dependencies=[_TusClient],
    responses={
        **_TUS_PROBLEMS,
        **_UPLOAD_PROBLEMS,
        201: {
            "description": "Begun; `Location` says where its bytes go. Its last part is the id that the file will have."
        },
    },
)
async def create(
    user: CurrentUser,
    parts: State,
    upload_length: Annotated[int, Header(ge=0, le=1 << 50, description="Bytes of the whole file.")],
    upload_metadata: Annotated[
        str,
        Header(
            max_length=_METADATA_BYTES,
            description="Pairs of key and base64 value, separated by commas: `filename`, `conversation_id`.",
        ),
    ] = "",
) -> Response:
    """tus 1.0, extension `creation`. `Upload-Defer-Length` is not supported."""
    metadata = parse_metadata(upload_metadata)
    pending = await parts.resumable.begin(
        user.user_id,
        metadata.get("filename") or metadata.get("name") or "file",
        upload_length,
        metadata.get("conversation_id") or None,
    )
    location = {"Location": f"{_PATH}/{pending.id}", "Upload-Expires": _http_date(pending.expires_at)}
    return Response(status_code=201, headers=_TUS | location)


@router.head(
    "/uploads/{file_id}",
    response_class=Response,
    operation_id="getResumableUpload",
    summary="How far a resumable upload got",
    dependencies=[_TusClient],
    responses={
        **_TUS_PROBLEMS,
        **_UPLOAD_PROBLEMS,
        200: {"description": "`Upload-Offset` says how many bytes are there, `Upload-Length` of how many."},
    },
)
async def status(file_id: str, user: CurrentUser, parts: State) -> Response:
    """tus 1.0. When all bytes are there, the file is."""
    upload, offset = await parts.resumable.status(user.user_id, file_id)
    headers = {"Upload-Offset": str(offset), "Upload-Length": str(upload.size)}
    if isinstance(upload, Pending):
        headers["Upload-Expires"] = _http_date(upload.expires_at)
    return Response(headers=_TUS | headers)


_CHUNK: dict[str, Any] = {
    "requestBody": {"required": True, "content": {_CHUNK_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.patch(
    "/uploads/{file_id}",
    status_code=204,
    operation_id="appendToResumableUpload",
    summary="Send bytes of a resumable upload",
    dependencies=[_TusClient],
    openapi_extra=_CHUNK,
    responses={
        **_TUS_PROBLEMS,
        **_UPLOAD_PROBLEMS,
        **problems(
            _400="The body ended early. What came of it is kept.",
            _408="Nothing came for a while. What came before is kept.",
            _415=f"The body is not {_CHUNK_TYPE}.",
            _423="Another request is adding to this upload.",
        ),
    },
)
async def append(
    file_id: str,
    request: Request,
    user: CurrentUser,
    parts: State,
    upload_offset: Annotated[int, Header(ge=0, le=1 << 50, description="Where the body's bytes belong.")],
) -> Response:
    """tus 1.0. With the last byte the file is made, as `GET /files/{id}` then shows it."""
    if request.headers.get("content-type") != _CHUNK_TYPE:
        raise Problem(415, "unsupported_media_type", f"Send the bytes as {_CHUNK_TYPE}.")
    body = in_time(request.stream(), request.app.state.settings.upload_idle_seconds)
    async with parts.slots.one():
        pending, offset = await parts.resumable.append(user.user_id, file_id, upload_offset, body)
    headers = {"Upload-Offset": str(offset), "Upload-Expires": _http_date(pending.expires_at)}
    return Response(status_code=204, headers=_TUS | headers)


@router.delete(
    "/uploads/{file_id}",
    status_code=204,
    operation_id="dropResumableUpload",
    summary="Drop a resumable upload",
    dependencies=[_TusClient],
    responses={**_TUS_PROBLEMS, **problems(_423="Another request is adding to this upload.")},
)
async def drop(file_id: str, user: CurrentUser, parts: State) -> Response:
    """tus 1.0, extension `termination`."""
    await parts.resumable.drop(user.user_id, file_id)
    return Response(status_code=204, headers=_TUS)


@router.post(
    "/direct",
    status_code=201,
    operation_id="createDirectUpload",
    summary="Begin an upload to the store itself",
    responses={**_UPLOAD_PROBLEMS, **problems(_501="This platform takes no direct uploads.")},
)
async def create_direct(body: DirectUpload, user: CurrentUser, parts: State) -> DirectTarget:
    """PUT the bytes to `url`, then call `complete`."""
    return await parts.direct.begin(user.user_id, body)


@router.post(
    "/direct/{file_id}/complete",
    operation_id="completeDirectUpload",
    summary="All bytes were sent: make the file",
    responses={
        **_UPLOAD_PROBLEMS,
        **problems(_409="Nothing was sent yet.", _410="The upload took too long. Begin again."),
    },
)
async def complete_direct(file_id: str, user: CurrentUser, parts: State) -> File:
    """Checks size, type and, where it was announced, the SHA-256. Safe to repeat."""
    async with parts.slots.one():
        return (await parts.direct.complete(user.user_id, file_id)).public()


def parse_metadata(header: str) -> dict[str, str]:
    """The pairs of an `Upload-Metadata` header; 422 when it is malformed."""
    pairs: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            pairs[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise errors.invalid(
                "header.upload-metadata", f"The value of {key[:50]!r} is not text in base64."
            ) from error
    return pairs


def _http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)
