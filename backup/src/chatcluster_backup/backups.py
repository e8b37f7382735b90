"""Which backups there are, whether one is whole, and which may go."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from chatcluster_backup import messages, objects
from chatcluster_backup.manifest import FOLDER, FORMAT, Manifest
from chatcluster_backup.repository import MissingError, Repository
from chatcluster_backup.sealing import SealError

_BROKEN: Final = (SealError, MissingError, ValueError)


class UnknownFormatError(Exception):
    """A backup was made by a later release than this."""


@dataclass(frozen=True)
class Retention:
    """Which backups stay: the newest ones by number, and those that are not older. None: not limited so."""

    keep_last: int | None = None
    days: int | None = None


def write(repository: Repository, manifest: Manifest) -> None:
    """From here on the backup exists."""
    repository.put(manifest.name, [manifest.model_dump_json().encode()])


def read(repository: Repository, id_: str) -> Manifest:
    """What a backup consists of. Raises MissingError, SealError, UnknownFormatError."""
    manifest = Manifest.model_validate_json(b"".join(repository.get(f"{FOLDER}{id_}")))
    if manifest.format != FORMAT:
        raise UnknownFormatError(f"backup {id_} has format {manifest.format}; use the release that made it")
    return manifest


def ids(repository: Repository) -> list[str]:
    """All backups, the oldest first."""
    return sorted(name.removeprefix(FOLDER) for name in repository.names(FOLDER))


def chosen(repository: Repository, id_: str | None, before: datetime | None) -> Manifest:
    """The backup of this id, or the newest; neither is later than `before`. Raises MissingError when there is none."""
    none = "there is no whole backup" + (f" of before {before.isoformat()}" if before else "")
    for candidate in [id_] if id_ else reversed(ids(repository)):
        manifest = read(repository, candidate)
        if before is None or manifest.moment <= before:
            return manifest
        none = f"backup {candidate} is of {manifest.moment.isoformat()}, and none is of before {before.isoformat()}"
    raise MissingError(f"{none}; name another backup or a later time")


def problems(repository: Repository, manifest: Manifest) -> Iterator[str]:
    """Everything of a backup read to its end, and messages as far as documents: what is missing, or not what it was.

    PostgreSQL's part is restored beside its own programs: see `backups verify` in its image.
    """
    for part in manifest.messages:
        try:
            messages.check(repository, part)
        except _BROKEN as error:
            yield str(error)
    try:
        _drain(repository.get(manifest.keys.name, manifest.keys))
    except _BROKEN as error:
        yield str(error)
    if manifest.objects is None:
        return
    try:
        for entry in objects.read_index(repository, manifest.objects.index):
            yield from _blob_problems(repository, entry)
    except _BROKEN as error:
        yield str(error)


def _blob_problems(repository: Repository, entry: objects.Entry) -> Iterator[str]:
    try:
        size = _drain(objects.open_blob(repository, entry)[1])
    except _BROKEN as error:
        yield str(error)
    else:
        if size != entry.size:
            yield f"{entry.blob} has {size} bytes in place of {entry.size}"


def _drain(pieces: Iterable[bytes]) -> int:
    return sum(len(piece) for piece in pieces)


def doomed(found: Sequence[tuple[str, datetime]], retention: Retention, now: datetime) -> list[str]:
    """The backups that may go, of all that there are with their moments, the oldest first. The newest never does."""
    if retention.keep_last is None and retention.days is None:
        return []
    kept = {id_ for id_, _ in found[-max(retention.keep_last or 1, 1) :]}
    if retention.days is not None:
        since = now - timedelta(days=retention.days)
        kept |= {id_ for id_, moment in found if moment >= since}
    return [id_ for id_, _ in found if id_ not in kept]


def prune(repository: Repository, gone: Sequence[str], work: Path) -> int:
    """Remove backups, and the blobs that no other one has; the number of blobs that went.

    A manifest goes first: what is removed in part must not look like a backup. Blobs are told apart by what the other
    backups list, so nothing may be written to the repository meanwhile but by pgBackRest.
    """
    repository.remove(f"{FOLDER}{id_}" for id_ in gone)
    left = set(ids(repository))
    # What a backup that was cut off has left goes too.
    repository.remove(name for name in repository.names("parts/") if name.split("/")[1] not in left)
    with objects.Ledger(work / "prune.sqlite") as ledger:
        for id_ in sorted(left):
            manifest = read(repository, id_)
            if manifest.objects is not None:
                ledger.know(entry.blob for entry in objects.read_index(repository, manifest.objects.index))
        removed = 0

        def unused() -> Iterator[str]:
            nonlocal removed
            for name in repository.names(objects.BLOBS):
                if not ledger.knows(name):
                    removed += 1
                    yield name

        repository.remove(unused())
    return removed
