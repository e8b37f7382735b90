"""The words of messages, each with its conversation, so that one index answers "this word where I am" on any engine."""

from collections.abc import Collection as Group
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from chatcluster_message import text
from chatcluster_message.models import Message
from chatcluster_message.store.base import Database, Document, insert_missing

HAS_FILE = "#file"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that holds the word looked for."""

    id: str
    conversation_id: str
    terms: frozenset[str]


class SearchIndex:
    """The collection `search`. It follows the messages by a moment, see the outbox."""

    def __init__(self, db: Database) -> None:
        self._search = db.get_collection("search")

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await self._search.create_index([("terms", ASCENDING), ("at", DESCENDING)], name="terms")

    async def put(self, messages: Iterable[Message]) -> None:
        """Enter new messages; one that is there already has changed since, and stays."""
        await insert_missing(self._search, [_entry(message) for message in messages])

    async def replace(self, message: Message) -> None:
        """Enter a message as it is now, unless a later revision is there; a deleted one has an entry without words
        until it is purged."""
        entry = _entry(message)
        older = {"_id": message.id, "revision": {"$lt": message.revision}}
        try:
            await self._search.replace_one(older, entry, upsert=True)
        except DuplicateKeyError:
            # There is one that is not older, or an older one came between the look and the insert.
            await self._search.replace_one(older, entry)

    async def rarity(self, term: str, conversation_ids: Group[str], most: int) -> int:
        """How many messages of these conversations hold a term, counted up to `most`."""
        return await self._search.count_documents({"terms": _in(term, conversation_ids)}, limit=most)

    async def find(
        self, term: str, conversation_ids: Group[str], *, after: datetime | None, before: datetime | None, most: int
    ) -> list[Candidate]:
        """The newest messages with a term, up to `most`."""
        query: Document = {"terms": _in(term, conversation_ids)}
        bounds = {operator: bound for operator, bound in (("$gte", after), ("$lt", before)) if bound}
        if bounds:
            query["at"] = bounds
        found = await self._search.find(query).sort("at", DESCENDING).limit(most).to_list()
        return [_candidate(document) for document in found]

    async def remove(self, message_ids: Sequence[str]) -> None:
        """The messages are gone."""
        await self._search.delete_many({"_id": {"$in": list(message_ids)}})


def from_sender(user_id: str) -> str:
    """The term of all messages of a sender."""
    return f"@{user_id}"


def _in(term: str, conversation_ids: Group[str]) -> Document:
    return {"$in": [f"{conversation_id}|{term}" for conversation_id in conversation_ids]}


def _entry(message: Message) -> Document:
    terms: list[str] = []
    if message.deleted_at is None:
        names = " ".join(file.name for file in message.attachments)
        terms = [*text.index_words(f"{message.body}\n{names}"), from_sender(message.sender_id)]
        if message.attachments:
            terms.append(HAS_FILE)
    return {
        "_id": message.id,
        "at": message.created_at,
        "revision": message.revision,
        "terms": [f"{message.conversation_id}|{term}" for term in terms],
    }


def _candidate(document: Document) -> Candidate:
    pairs = [term.split("|", 1) for term in document["terms"]]
    return Candidate(document["_id"], pairs[0][0], frozenset(word for _, word in pairs))
