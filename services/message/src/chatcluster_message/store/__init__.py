"""The document store: the only package that speaks to MongoDB, a module a collection.

Every write is acknowledged by a majority of the replica set, on disk. A duplicate of a unique key is an answer here,
not an accident: it is what makes `seq` dense and `client_id` idempotent across processes. All queries run on an index;
a range over `seq` is bounded at both ends where it can be, so that no engine reads a whole conversation to sort it.
"""

from pymongo import AsyncMongoClient

from chatcluster_message.store.base import Document, connect, open_database
from chatcluster_message.store.conversations import Conversations
from chatcluster_message.store.erasures import Erasures
from chatcluster_message.store.mentions import MentionEntries
from chatcluster_message.store.messages import ClientIdTakenError, Messages, SeqTakenError
from chatcluster_message.store.reads import ReadMarks
from chatcluster_message.store.reports import Reports
from chatcluster_message.store.search import SearchIndex

__all__ = ["ClientIdTakenError", "SeqTakenError", "Store", "connect"]


class Store:
    """All collections of one database."""

    def __init__(self, client: AsyncMongoClient[Document], database: str) -> None:
        db = open_database(client, database)
        self._db = db
        self.conversations = Conversations(db)
        self.messages = Messages(db)
        self.reads = ReadMarks(db)
        self.mentions = MentionEntries(db)
        self.search = SearchIndex(db)
        self.reports = Reports(db)
        self.erasures = Erasures(db)

    async def ping(self) -> None:
        """Raises when the store does not answer."""
        await self._db.command("ping")

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        for collection in (
            self.conversations,
            self.messages,
            self.reads,
            self.mentions,
            self.search,
            self.reports,
        ):
            await collection.ensure_indexes()
