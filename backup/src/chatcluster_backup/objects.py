"""Files: what is in the bucket and not yet in the repository is copied there, and each backup lists what it has.

An object's version is its key, etag and size; its copy is a blob named by a fingerprint of those. Backups share blobs,
so that a backup costs what has changed since the one before. A blob begins with a line of JSON, what S3 keeps beside
the content. Lists are too long for memory where there are millions of files: they are kept in SQLite, on disk.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from minio import Minio
from minio.error import S3Error

from chatcluster_backup.manifest import Objects, Part
from chatcluster_backup.repository import Repository

BLOBS: Final = "blobs/"
_WORKERS: Final = 4
_WAITING: Final = 64
_UPLOAD_BYTES: Final = 16 << 20
_GONE: Final = frozenset({"NoSuchKey", "NoSuchObject"})


class Entry(NamedTuple):
    """An object as a backup lists it."""

    key: str
    etag: str
    size: int
    blob: str


@dataclass(frozen=True)
class Bucket:
    """A bucket with files of a ChatCluster."""

    client: Minio
    name: str


class Ledger:
    """Names on disk: of the blobs that are in the repository, and the entries of one backup."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        # It is thrown away with its Job.
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE blobs (name TEXT PRIMARY KEY) WITHOUT ROWID")
        self._db.execute(
            "CREATE TABLE entries (key TEXT PRIMARY KEY, etag TEXT, size INTEGER, blob TEXT) WITHOUT ROWID"
        )

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def know(self, blobs: Iterable[str]) -> None:
        """These blobs are there."""
        self._db.executemany("INSERT OR IGNORE INTO blobs VALUES (?)", ((name,) for name in blobs))

    def knows(self, blob: str) -> bool:
        """Whether a blob is there."""
        return self._db.execute("SELECT 1 FROM blobs WHERE name = ?", (blob,)).fetchone() is not None

    def enter(self, entry: Entry) -> None:
        """The backup has this object."""
        self._db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", entry)

    def entries(self) -> Iterator[Entry]:
        """All of them, by key."""
        with closing(self._db.execute("SELECT key, etag, size, blob FROM entries ORDER BY key")) as rows:
            yield from (Entry(*row) for row in rows)

    def totals(self) -> tuple[int, int]:
        """How many objects there are, and their bytes."""
        count, size = self._db.execute("SELECT count(*), coalesce(sum(size), 0) FROM entries").fetchone()
        return int(count), int(size)


def copy(source: Bucket, repository: Repository, ledger: Ledger) -> int:
    """Bring what is in the bucket now into the repository and the ledger; the number of blobs that were copied.

    An object that goes away meanwhile is left out, and one that changes is taken as it is when its turn comes.
    """
    ledger.know(repository.names(BLOBS))
    copied = 0
    with ThreadPoolExecutor(_WORKERS) as workers:
        under_way: set[Future[Entry | None]] = set()

        def take(*, all_of_them: bool) -> None:
            nonlocal under_way, copied
            while under_way and (all_of_them or len(under_way) >= _WAITING):
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for entry in (future.result() for future in done):
                    if entry is not None:
                        ledger.know([entry.blob])
                        ledger.enter(entry)
                        copied += 1

        try:
            for item in source.client.list_objects(source.name, recursive=True):
                key, etag, size = str(item.object_name), (item.etag or "").strip('"'), item.size or 0
                blob = _blob(repository, key, etag, size)
                if ledger.knows(blob):
                    ledger.enter(Entry(key, etag, size, blob))
                else:
                    take(all_of_them=False)
                    under_way.add(workers.submit(_copy, source, repository, key))
            take(all_of_them=True)
        except BaseException:
            for future in under_way:
                future.cancel()
            raise
    return copied


def _copy(source: Bucket, repository: Repository, key: str) -> Entry | None:
    try:
        response = source.client.get_object(source.name, key)
    except S3Error as error:
        if error.code in _GONE:
            return None
        raise
    try:
        # What is stored is what was read, whatever the list said of it.
        etag, size = response.headers.get("etag", "").strip('"'), int(response.headers.get("content-length", "0"))
        blob = _blob(repository, key, etag, size)
        repository.put(blob, _with_head(response))
    finally:
        response.close()
        response.release_conn()
    return Entry(key, etag, size, blob)


def _with_head(response: Any) -> Iterator[bytes]:
    kept = {name.lower(): value for name, value in response.headers.items() if name.lower().startswith("x-amz-meta-")}
    head = {"content-type": response.headers.get("content-type", "application/octet-stream"), "metadata": kept}
    yield json.dumps(head).encode() + b"\n"
    yield from response.stream(1 << 20)


def _blob(repository: Repository, key: str, etag: str, size: int) -> str:
    return BLOBS + repository.sealer.fingerprint(f"{key}\0{etag}\0{size}")


def write_index(ledger: Ledger, repository: Repository, name: str, copied: int) -> Objects:
    """Store the list of a backup's objects."""
    part = repository.put(name, (json.dumps(entry).encode() + b"\n" for entry in ledger.entries()))
    count, size = ledger.totals()
    return Objects(index=part.model_copy(update={"items": count}), bytes=size, copied=copied)


def read_index(repository: Repository, part: Part) -> Iterator[Entry]:
    """The objects that a backup lists."""
    for line in _lines(repository.get(part.name, part)):
        yield Entry(*json.loads(line))


def restore(repository: Repository, objects: Objects, target: Bucket) -> int:
    """Put a backup's objects into a bucket; how many were not there already. Can be repeated.

    Raises SealError and MissingError for the first that is not what was backed up.
    """
    listed = target.client.list_objects(target.name, recursive=True)
    lacking = _lacking(read_index(repository, objects.index), ((str(it.object_name), it.size or 0) for it in listed))
    restored = 0
    with ThreadPoolExecutor(_WORKERS) as workers:
        under_way: set[Future[None]] = set()
        for entry in lacking:
            if len(under_way) >= _WAITING:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
            under_way.add(workers.submit(_restore, repository, entry, target))
            restored += 1
        for future in under_way:
            future.result()
    return restored


def _lacking(entries: Iterable[Entry], there: Iterator[tuple[str, int]]) -> Iterator[Entry]:
    """Those that are not there. Both come by key; one that comes out of its order counts as lacking."""
    key, size = next(there, ("", -1))
    for entry in entries:
        while key and key < entry.key:
            key, size = next(there, ("", -1))
        if (key, size) != (entry.key, entry.size):
            yield entry


def _restore(repository: Repository, entry: Entry, target: Bucket) -> None:
    head, content = open_blob(repository, entry)
    target.client.put_object(
        target.name,
        entry.key,
        _Sized(content, entry),  # pyright: ignore[reportArgumentType] - it asks for `read` alone
        length=entry.size,
        content_type=head["content-type"],
        metadata=head["metadata"],
        part_size=_UPLOAD_BYTES,
        num_parallel_uploads=1,
    )


def open_blob(repository: Repository, entry: Entry) -> tuple[dict[str, Any], Iterator[bytes]]:
    """What S3 kept beside an object, and its content."""
    pieces = repository.get(entry.blob)
    head = b""
    for piece in pieces:
        head += piece
        if b"\n" in head:
            break
    line, _, first = head.partition(b"\n")

    def content() -> Iterator[bytes]:
        yield first
        yield from pieces

    return json.loads(line), content()


class _Sized:
    """Content as a file of which as much is read as the object has bytes; then its end must come."""

    def __init__(self, pieces: Iterator[bytes], entry: Entry) -> None:
        self._pieces = pieces
        self._left = bytearray()
        self._due = entry.size
        self._key = entry.key

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._left) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._left += piece
        taken = bytes(self._left[: size if size >= 0 else len(self._left)])
        del self._left[: len(taken)]
        self._due -= len(taken)
        if self._due == 0:
            # The seal of the last chunk is checked when it is read.
            self._left += b"".join(self._pieces)
            if self._left:
                raise ValueError(f"{self._key} has more bytes than it should")
        return taken


def _lines(stream_: Iterable[bytes]) -> Iterator[bytes]:
    waiting = b""
    for piece in stream_:
        *lines, waiting = (waiting + piece).split(b"\n")
        yield from lines
    if waiting:
        yield waiting
