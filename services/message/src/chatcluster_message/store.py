"""The document store: the only module that speaks to MongoDB.

Every write is acknowledged by a majority of the replica set, on disk. A duplicate of a unique key is an answer here,
not an accident: it is what makes `seq` dense and `client_id` idempotent across processes. All queries run on an index;
a range over `seq` is bounded at both ends where it can be, so that no engine reads a whole conversation to sort it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, ReadPreference, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from chatcluster_common.clock import utc_now
from chatcluster_message.models import Conversation, Member, Message, ReadMark

Document = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAJORITY = WriteConcern(w="majority", j=True)


class SeqTakenError(Exception):
    """Another message has this `seq` already."""


class ClientIdTakenError(Exception):
    """The sender has used this `client_id` already."""


def connect(url: str) -> AsyncMongoClient[Document]:
    """A client whose calls end within seconds. Writes are retried once unless the URL says otherwise."""
    return AsyncMongoClient(
        url,
        appname="chatcluster-message",
        tz_aware=True,
        connectTimeoutMS=3000,
        serverSelectionTimeoutMS=3000,
        timeoutMS=8000,
        maxPoolSize=50,
    )


class Store:
    """Conversations, messages with their outbox marks, and read marks."""

    def __init__(self, client: AsyncMongoClient[Document], database: str) -> None:
        # Reads come from the primary: it alone has what was acknowledged a moment ago.
        db = client.get_database(database, write_concern=_MAJORITY, read_preference=ReadPreference.PRIMARY)
        self._db = db
        self._conversations = db.get_collection("conversations")
        self._messages = db.get_collection("messages")
        self._safe_messages = db.get_collection("messages", read_concern=ReadConcern("majority"))
        self._reads = db.get_collection("reads")

    async def ping(self) -> None:
        """Raises when the store does not answer."""
        await self._db.command("ping")

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await self._conversations.create_index([("members.user_id", ASCENDING), ("_id", DESCENDING)], name="member")
        await self._conversations.create_index("direct_key", unique=True, sparse=True, name="direct")
        await self._messages.create_index(
            [("conversation_id", ASCENDING), ("seq", ASCENDING)], unique=True, name="order"
        )
        await self._messages.create_index(
            [("sender_id", ASCENDING), ("client_id", ASCENDING)], unique=True, name="idempotency"
        )
        await self._messages.create_index("outbox_at", sparse=True, name="outbox")
        await self._reads.create_index("conversation_id", name="conversation")

    # Conversations

    async def insert_conversation(self, conversation: Conversation, direct_key: str | None) -> Conversation:
        """Store a new conversation; of a direct one that exists already, return the first."""
        document = _conversation_document(conversation)
        if direct_key is not None:
            document["direct_key"] = direct_key
        try:
            await self._conversations.insert_one(document)
        except DuplicateKeyError:
            found = await self._conversations.find_one({"direct_key": direct_key})
            if direct_key is None or found is None:
                raise
            return _conversation(found)
        return conversation

    async def direct(self, direct_key: str) -> Conversation | None:
        """The direct conversation of that key."""
        found = await self._conversations.find_one({"direct_key": direct_key})
        return _conversation(found) if found else None

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """One conversation."""
        found = await self._conversations.find_one({"_id": conversation_id})
        return _conversation(found) if found else None

    async def conversations_by_id(self, ids: Sequence[str]) -> dict[str, Conversation]:
        """Those of `ids` that exist."""
        found = await self._conversations.find({"_id": {"$in": list(ids)}}).to_list()
        return {document["_id"]: _conversation(document) for document in found}

    async def conversations_of(self, user_id: str, *, before: str | None, limit: int) -> list[Conversation]:
        """A person's conversations, the newest first, older than the id `before`."""
        query: Document = {"members.user_id": user_id}
        if before:
            query["_id"] = {"$lt": before}
        found = await self._conversations.find(query).sort("_id", DESCENDING).limit(limit).to_list()
        return [_conversation(document) for document in found]

    async def rooms_of(self, user_id: str) -> dict[str, int]:
        """`last_seq` of each conversation that a person is in."""
        found = await self._conversations.find({"members.user_id": user_id}, {"last_seq": 1}).to_list()
        return {document["_id"]: document["last_seq"] for document in found}

    async def replace_members(
        self, conversation: Conversation, members: Sequence[Member], now: datetime
    ) -> Conversation | None:
        """Set the members unless they have changed since `conversation` was read: then None, and try again."""
        updated = await self._conversations.find_one_and_update(
            {"_id": conversation.id, "members": [m.model_dump() for m in conversation.members]},
            {"$set": {"members": [m.model_dump() for m in members], "updated_at": now}},
            return_document=ReturnDocument.AFTER,
        )
        return _conversation(updated) if updated else None

    async def raise_last_seq(self, newest: Mapping[str, tuple[int, datetime]]) -> None:
        """Note the newest message of conversations, as (seq, created_at). The notes never go back."""
        await self._conversations.bulk_write(
            [
                UpdateOne({"_id": conversation_id}, {"$max": {"last_seq": seq, "last_message_at": at}})
                for conversation_id, (seq, at) in newest.items()
            ],
            ordered=False,
        )

    # Messages

    async def insert_message(self, message: Message, outbox_at: datetime) -> None:
        """Return once a majority has the message. Stores nothing when it raises one of the two `…TakenError`s."""
        document = message.model_dump(
            include={"conversation_id", "seq", "sender_id", "client_id", "body", "created_at"}
        )
        document |= {"_id": message.id, "outbox_at": outbox_at}
        if message.attachments:
            document["attachments"] = [
                attachment.model_dump(exclude_defaults=True) for attachment in message.attachments
            ]
        try:
            await self._messages.insert_one(document)
        except DuplicateKeyError as error:
            pattern: Mapping[str, Any] = (error.details or {}).get("keyPattern", {})
            if "seq" in pattern:
                raise SeqTakenError from error
            # Or the id itself: the driver repeated a write whose answer was lost, and met the first.
            raise ClientIdTakenError from error

    async def message_by_client_id(self, sender_id: str, client_id: str) -> Message | None:
        """The message sent under a `client_id`, if a majority has it."""
        found = await self._safe_messages.find_one({"sender_id": sender_id, "client_id": client_id})
        return _message(found) if found else None

    async def highest_seq(self, conversation_id: str, at_least: int) -> int:
        """The newest `seq`, which is known to be no lower than `at_least`; 0 for none.

        The write may not have reached a majority yet. The next one can build on it all the same: it comes after it in
        the primary's log, so a majority that has the one has the other.
        """
        found = await self._messages.find_one(
            {"conversation_id": conversation_id, "seq": {"$gte": at_least}}, {"seq": 1}, sort=[("seq", DESCENDING)]
        )
        return found["seq"] if found else 0

    async def messages_after(self, conversation_id: str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages newer than `seq`, the oldest first."""
        # `seq` is dense: the bound loses nothing.
        query = {"conversation_id": conversation_id, "seq": {"$gt": seq, "$lte": seq + limit}}
        found = await self._safe_messages.find(query).sort("seq", ASCENDING).limit(limit).to_list()
        return [_message(document) for document in found]

    async def messages_before(self, conversation_id: str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages older than `seq`, the newest first."""
        query = {"conversation_id": conversation_id, "seq": {"$lt": seq, "$gte": seq - limit}}
        found = await self._safe_messages.find(query).sort("seq", DESCENDING).limit(limit).to_list()
        return [_message(document) for document in found]

    # The outbox: `outbox_at` is when a message's event is due to be published, absent once it was.

    async def due(self, now: datetime, limit: int) -> list[tuple[Message, datetime]]:
        """Messages whose events are due, with the time they were due at."""
        found = (
            await self._safe_messages.find({"outbox_at": {"$lte": now}})
            .sort("outbox_at", ASCENDING)
            .limit(limit)
            .to_list()
        )
        return [(_message(document), document["outbox_at"]) for document in found]

    async def claim(self, message_id: str, due_at: datetime, lease: timedelta) -> bool:
        """Put a due event off for `lease`; False when another process was faster."""
        result = await self._messages.update_one(
            {"_id": message_id, "outbox_at": due_at}, {"$set": {"outbox_at": utc_now() + lease}}
        )
        return result.modified_count == 1

    async def published(self, message_ids: Sequence[str]) -> None:
        """Take messages out of the outbox."""
        await self._messages.update_many({"_id": {"$in": list(message_ids)}}, {"$unset": {"outbox_at": ""}})

    async def outbox_size(self, limit: int) -> int:
        """How many events are not published yet, counted up to `limit`."""
        return await self._messages.count_documents({"outbox_at": {"$gt": _EPOCH}}, limit=limit)

    # Read marks

    async def raise_read(self, conversation_id: str, user_id: str, seq: int, now: datetime) -> tuple[int, bool]:
        """Move a read mark forward; returns where it stands and whether this moved it."""
        key = {"_id": f"{conversation_id}:{user_id}"}
        before = await self._reads.find_one_and_update(
            key,
            {
                "$max": {"seq": seq, "read_at": now},
                "$setOnInsert": {"conversation_id": conversation_id, "user_id": user_id},
            },
            upsert=True,
            return_document=ReturnDocument.BEFORE,
        )
        previous: int = before["seq"] if before else 0
        return max(previous, seq), seq > previous

    async def reads(self, conversation_id: str) -> list[ReadMark]:
        """The read marks of a conversation, of people who have left too."""
        found = await self._reads.find({"conversation_id": conversation_id}).to_list()
        return [ReadMark(user_id=d["user_id"], seq=d["seq"], read_at=d["read_at"]) for d in found]


def _conversation_document(conversation: Conversation) -> Document:
    document = conversation.model_dump(exclude={"id"})
    return {"_id": conversation.id, **document}


def _conversation(document: Mapping[str, Any]) -> Conversation:
    return Conversation.model_validate({**document, "id": document["_id"]})


def _message(document: Mapping[str, Any]) -> Message:
    return Message(
        id=document["_id"],
        conversation_id=document["conversation_id"],
        seq=document["seq"],
        sender_id=document["sender_id"],
        client_id=document["client_id"],
        body=document["body"],
        attachments=document.get("attachments", []),
        mentions=[],
        thread_root=None,
        reply_count=0,
        reactions={},
        created_at=document["created_at"],
        edited_at=None,
        deleted_at=None,
    )
