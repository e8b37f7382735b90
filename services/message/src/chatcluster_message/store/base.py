"""What the collections share: how a client is made, how sure a write and a read are, keys that sort."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

Document = dict[str, Any]
Database = AsyncDatabase[Document]
Collection = AsyncCollection[Document]

MAJORITY = WriteConcern(w="majority", j=True)
AFTER_ALL = "~"
"""Sorts behind every digit and letter: the open end of a range of composite keys."""


def connect(url: str) -> AsyncMongoClient[Document]:
    """A client whose calls end within seconds. Writes are retried once unless the URL says otherwise.

    Members are asked how they are every two seconds rather than ten: one that vanished without a word is known within
    five, and its connections are dropped, where each call would have to find out by itself.
    """
    return AsyncMongoClient(
        url,
        appname="chatcluster-message",
        tz_aware=True,
        connectTimeoutMS=3000,
        serverSelectionTimeoutMS=3000,
        heartbeatFrequencyMS=2000,
        timeoutMS=5000,
        maxPoolSize=50,
    )


def open_database(client: AsyncMongoClient[Document], name: str) -> Database:
    """Reads come from the primary: it alone has what was acknowledged a moment ago."""
    return client.get_database(name, write_concern=MAJORITY, read_preference=ReadPreference.PRIMARY)


def safe(collection: Collection) -> Collection:
    """The same collection, showing only what a majority has."""
    return collection.with_options(read_concern=ReadConcern("majority"))


def seq_key(*prefix: str, seq: int) -> str:
    """`prefix` and a `seq`, so that keys sort by `seq`.

    An index over one such string is sparse: a document without it costs nothing, which no compound index offers on
    every engine.
    """
    return ":".join((*prefix, f"{seq:016d}"))


def seq_range(*prefix: str, above: int) -> Mapping[str, str]:
    """The condition for keys of `seq_key` with a higher `seq`."""
    return {"$gt": seq_key(*prefix, seq=above), "$lt": ":".join((*prefix, AFTER_ALL))}


def time_key(conversation_id: str, moment: datetime) -> str:
    """As `seq_key`, by milliseconds since 1970."""
    return seq_key(conversation_id, seq=int(moment.timestamp() * 1000))


_DUPLICATE = 11000


async def insert_missing(collection: Collection, documents: Sequence[Document]) -> None:
    """Insert those whose `_id` is not there yet."""
    if not documents:
        return
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        failures: list[Document] = (error.details or {}).get("writeErrors", [])
        if any(failure.get("code") != _DUPLICATE for failure in failures):
            raise
