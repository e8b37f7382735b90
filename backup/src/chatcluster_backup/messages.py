"""The message store: every collection as a stream of BSON, over MongoDB's own protocol.

A dump takes time, and people write meanwhile. What it holds is right all the same, by the order in which it is read:

- first what only notes how far something is (`_FIRST`), so that no note is ahead of what it speaks of, and the
  conversations, so that each message that anybody could have sent by then belongs to one that is there;
- then messages by conversation and `seq`. A message N+1 is written only once N is, so whoever passes N's place in that
  index before N is there finds no N+1 behind it: of each conversation the dump holds an unbroken beginning, which
  reaches at least to the moment at which it began;
- then what follows from messages (words they are found by, mentions, reports), so that none that was written by the
  moment lacks what leads to it. An entry may lead to a message that is not there; readers pass over it.

It is one cursor a collection, of documents that are never decoded: memory is bounded by a batch. A dump that breaks off
is begun anew, with a later moment.
"""

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, MongoClient
from pymongo.read_concern import ReadConcern
from pymongo.synchronous.collection import Collection
from pymongo.synchronous.database import Database
from pymongo.write_concern import WriteConcern

from chatcluster_backup.manifest import Part
from chatcluster_backup.repository import Repository

_FIRST: Final = ("erasures", "reads", "conversations")
_ORDERED: Final = {"messages": [("conversation_id", ASCENDING), ("seq", ASCENDING)]}
_MARK: Final = "restored"
"""Collection that notes what was restored into the database; in no backup."""
_BATCH: Final = 500
_BATCH_BYTES: Final = 4 << 20
_RAW: Final = CodecOptions(document_class=RawBSONDocument)
_TIMEOUT_MS: Final = 30_000
_CURSOR_MS: Final = 600_000
"""How long a store may think before the first of a sorted collection: one that sorts in memory takes its time."""

Raw = RawBSONDocument


def connect(url: str, name: str) -> Database[dict[str, Any]]:
    """The database. What a majority has is read and written, so that no failover can take it back."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        url,
        serverSelectionTimeoutMS=_TIMEOUT_MS,
        connectTimeoutMS=_TIMEOUT_MS,
        socketTimeoutMS=_CURSOR_MS,
        tz_aware=True,
    )
    return client.get_database(name, read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority"))


def dump(database: Database[dict[str, Any]], repository: Repository, folder: str) -> tuple[datetime, list[Part]]:
    """Store every collection below `folder`; the moment at which the dump began, and what it made."""
    moment = datetime.now(UTC)
    found = {name for name in database.list_collection_names() if not name.startswith("system.")} - {_MARK}
    first = [name for name in _FIRST if name in found]
    ordered = [name for name in _ORDERED if name in found]
    rest = sorted(found.difference(first, ordered))
    return moment, [_dump(database, repository, folder, name) for name in (*first, *ordered, *rest)]


def _dump(database: Database[dict[str, Any]], repository: Repository, folder: str, name: str) -> Part:
    count = 0
    options = database.get_collection(name)
    head = {"indexes": [dict(index) for index in options.list_indexes() if index["name"] != "_id_"]}

    def documents() -> Iterator[bytes]:
        nonlocal count
        yield bson.encode(head)
        collection: Collection[RawBSONDocument] = database.get_collection(name, codec_options=_RAW)  # pyright: ignore[reportAssignmentType]
        cursor = collection.find(batch_size=_BATCH)
        if order := _ORDERED.get(name):
            cursor = cursor.sort(order)
        with cursor:
            for document in cursor:
                count += 1
                yield bytes(document.raw)

    part = repository.put(f"{folder}/{name}", documents())
    return part.model_copy(update={"items": count})


class OccupiedError(Exception):
    """Somebody's messages are where a dump was to be loaded."""


def load(
    database: Database[dict[str, Any]], repository: Repository, parts: Iterable[Part], *, backup: str, target: str
) -> int:
    """Fill an empty database with what the dump of a backup holds; the number of documents.

    It keeps a mark of the `target`, the ChatCluster that is restored: what it left behind when it broke off is told by
    that from a database in use, and emptied; what it has done is not done again. Raises OccupiedError for one in use,
    SealError, and ValueError when a part does not have as many documents as it should.
    """
    marks, mark = database.get_collection(_MARK), {"_id": target, "backup": backup}
    known = marks.find_one(mark)
    if known is None:
        occupied = sorted(
            name
            for name in database.list_collection_names()
            if not name.startswith("system.") and database.get_collection(name).find_one(projection=["_id"])
        )
        if occupied:
            raise OccupiedError(
                f"the database {database.name} is not empty (it has {', '.join(occupied[:5])}); a backup is restored "
                "into an empty one only, so empty it or use another"
            )
        marks.insert_one(dict(mark))
    elif "items" in known:
        return int(known["items"])
    count = sum(_load(database, repository, part) for part in parts)
    marks.update_one(mark, {"$set": {"items": count}})
    return count


def _load(database: Database[dict[str, Any]], repository: Repository, part: Part) -> int:
    name = part.name.rpartition("/")[2]
    collection = database.get_collection(name, codec_options=_RAW)
    collection.drop()
    documents = split(repository.get(part.name, part))
    head = bson.decode(next(documents))
    for index in head["indexes"]:
        options = {key: value for key, value in index.items() if key not in {"v", "key", "ns"}}
        collection.create_index(list(index["key"].items()), **options)
    count = 0
    for batch in _batches(documents):
        collection.insert_many([Raw(document) for document in batch], ordered=False)
        count += len(batch)
    if count != part.items:
        raise ValueError(f"{part.name} has {count} documents in place of {part.items}")
    return count


def check(repository: Repository, part: Part) -> None:
    """Read a collection's part as a restore does, document by document, into nothing.

    Raises SealError, MissingError, and ValueError when it does not hold the documents that it should.
    """
    documents = split(repository.get(part.name, part))
    if not isinstance(_decoded(part, next(documents, b"")).get("indexes"), list):
        raise ValueError(f"{part.name} does not say which indexes it has")
    count = 0
    for document in documents:
        _decoded(part, document)
        count += 1
    if count != part.items:
        raise ValueError(f"{part.name} has {count} documents in place of {part.items}")


def _decoded(part: Part, document: bytes) -> dict[str, Any]:
    try:
        return bson.decode(document)
    except InvalidBSON as error:
        raise ValueError(f"{part.name} has a document that cannot be read: {error}") from None


def _batches(documents: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document)
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def split(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The documents of a stream of BSON: each begins with its length, four bytes, little-endian."""
    waiting = bytearray()
    for piece in stream:
        waiting += piece
        start = 0
        while len(waiting) - start >= 4:
            (length,) = struct.unpack_from("<i", waiting, start)
            if length < 5:
                raise ValueError("a document is shorter than the shortest; the dump is broken")
            if len(waiting) - start < length:
                break
            yield bytes(waiting[start : start + length])
            start += length
        del waiting[:start]
    if waiting:
        raise ValueError("the last document is not whole; the dump is broken")
