"""What the routes work with, made once at the start and found on `app.state`."""

from dataclasses import dataclass

from fastapi import Request

from chatcluster_file.avatars import Avatars
from chatcluster_file.direct import DirectUploads
from chatcluster_file.forms import Forms
from chatcluster_file.people import People
from chatcluster_file.resumable import ResumableUploads
from chatcluster_file.service import FileService
from chatcluster_file.slots import Slots


@dataclass(frozen=True, slots=True)
class FilesState:
    """The parts of the service."""

    files: FileService
    forms: Forms
    resumable: ResumableUploads
    direct: DirectUploads
    avatars: Avatars
    people: People
    slots: Slots


def state(request: Request) -> FilesState:
    """FastAPI dependency."""
    return request.app.state.files
