"""Conversations and who is in them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from chatcluster_common.batching import Batched
from chatcluster_common.clock import utc_now
from chatcluster_message.models import Conversation
from chatcluster_message.store.base import Database, Document


class Conversations:
    """The collection `conversations`."""

    def __init__(self, db: Database) -> None:
        self._conversations = db.get_collection("conversations")
        self._rooms = Batched[str, dict[str, int]](self._rooms_of)

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await self._conversations.create_index([("members.user_id", ASCENDING), ("_id", DESCENDING)], name="member")
        await self._conversations.create_index("direct_key", unique=True, sparse=True, name="direct")
        await self._conversations.create_index("directory", sparse=True, name="directory")
        await self._conversations.create_index("purge_at", sparse=True, name="purge")

    async def insert(self, conversation: Conversation, direct_key: str | None) -> Conversation:
        """Store a new conversation; of a direct one that exists already, return the first."""
        document = _document(conversation)
        if direct_key is not None:
            document["direct_key"] = direct_key
        if (directory := _directory_key(conversation)) is not None:
            document["directory"] = directory
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

    async def get(self, conversation_id: str) -> Conversation | None:
        """One conversation."""
        found = await self._conversations.find_one({"_id": conversation_id})
        return _conversation(found) if found else None

    async def get_many(self, ids: Sequence[str]) -> dict[str, Conversation]:
        """Those of `ids` that exist."""
        found = await self._conversations.find({"_id": {"$in": list(ids)}}).to_list()
        return {document["_id"]: _conversation(document) for document in found}

    async def of_person(self, user_id: str, *, before: str | None, limit: int) -> list[Conversation]:
        """A person's conversations, the newest first, older than the id `before`."""
        query: Document = {"members.user_id": user_id}
        if before:
            query["_id"] = {"$lt": before}
        found = await self._conversations.find(query).sort("_id", DESCENDING).limit(limit).to_list()
        return [_conversation(document) for document in found]

    async def rooms_of(self, user_id: str) -> dict[str, int]:
        """`last_seq` of each conversation that a person is in. Asked at each connect: many at once are one query."""
        return await self._rooms.get(user_id)

    async def _rooms_of(self, user_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        if len(user_ids) == 1:
            found = await self._conversations.find({"members.user_id": user_ids[0]}, {"last_seq": 1}).to_list()
            return {user_ids[0]: {document["_id"]: document["last_seq"] for document in found}}
        rooms: dict[str, dict[str, int]] = {user_id: {} for user_id in user_ids}
        query = {"members.user_id": {"$in": list(user_ids)}}
        for document in await self._conversations.find(query, {"last_seq": 1, "members.user_id": 1}).to_list():
            for member in document["members"]:
                if (theirs := rooms.get(member["user_id"])) is not None:
                    theirs[document["_id"]] = document["last_seq"]
        return rooms

    async def replace(self, before: Conversation, after: Conversation) -> Conversation | None:
        """Write what people decide on, unless it has changed since `before` was read: then None, and try again."""
        document = _document(after)
        for name in _WRITTEN_BY_OTHERS:
            del document[name]
        document["revision"] = before.revision + 1
        derived = {"directory": _directory_key(after), "purge_at": _purge_at(after)}
        document |= {name: value for name, value in derived.items() if value is not None}
        gone = {name: "" for name, value in derived.items() if value is None}
        updated = await self._conversations.find_one_and_update(
            {"_id": before.id, "revision": before.revision},
            {"$set": document, **({"$unset": gone} if gone else {})},
            return_document=ReturnDocument.AFTER,
        )
        return _conversation(updated) if updated else None

    async def public(self, prefix: str, *, after: str, limit: int) -> list[tuple[Conversation, str]]:
        """Public channels whose name begins with `prefix`, by name, with their keys; behind the key `after`."""
        start = prefix.casefold()
        query = {"directory": {"$gt": max(after, start), "$lt": start + _LAST}}
        found = await self._conversations.find(query).sort("directory", ASCENDING).limit(limit).to_list()
        return [(_conversation(document), document["directory"]) for document in found]

    # Removing old messages, see `purge`

    async def due_for_purge(self, now: datetime, limit: int) -> list[tuple[Conversation, datetime]]:
        """Conversations to look through for old messages, with the time that was due at."""
        found = (
            await self._conversations.find({"purge_at": {"$lte": now}})
            .sort("purge_at", ASCENDING)
            .limit(limit)
            .to_list()
        )
        return [(_conversation(document), document["purge_at"]) for document in found]

    async def claim_purge(self, conversation_id: str, due_at: datetime, until: datetime | None) -> bool:
        """Put a purge off until `until`, None: for good; False when another process was faster."""
        change = {"$set": {"purge_at": until}} if until else {"$unset": {"purge_at": ""}}
        result = await self._conversations.update_one({"_id": conversation_id, "purge_at": due_at}, change)
        return result.modified_count == 1

    async def plan_purges(self, *, after: str, limit: int, at: datetime) -> str | None:
        """Have those of the next conversations by id looked through for which that is not planned; returns the last of
        these ids, None when there are no more."""
        found = (
            await self._conversations.find({"_id": {"$gt": after}}, {"purge_at": 1})
            .sort("_id", ASCENDING)
            .limit(limit)
            .to_list()
        )
        unplanned = [document["_id"] for document in found if "purge_at" not in document]
        if unplanned:
            await self._conversations.update_many(
                {"_id": {"$in": unplanned}, "purge_at": {"$exists": False}}, {"$set": {"purge_at": at}}
            )
        return found[-1]["_id"] if found else None

    async def begin_at(self, conversation_id: str, first_seq: int, gone: Sequence[str]) -> None:
        """Messages before `first_seq`, `gone` among them, are about to be removed: nobody is shown them any more."""
        await self._conversations.update_one(
            {"_id": conversation_id},
            {
                "$max": {"first_seq": first_seq, "last_seq": first_seq - 1},
                "$pull": {"pins": {"message_id": {"$in": list(gone)}}},
            },
        )

    async def purged(self, conversation_id: str, seq: int) -> None:
        """Messages up to `seq` are gone."""
        await self._conversations.update_one({"_id": conversation_id}, {"$max": {"purged_seq": seq}})

    async def remove(self, conversation_id: str) -> None:
        """The conversation is gone."""
        await self._conversations.delete_one({"_id": conversation_id})

    async def raise_last_seq(self, newest: Mapping[str, tuple[int, datetime]]) -> None:
        """Note the newest message of conversations, as (seq, created_at). The notes never go back."""
        await self._conversations.bulk_write(
            [
                UpdateOne({"_id": conversation_id}, {"$max": {"last_seq": seq, "last_message_at": at}})
                for conversation_id, (seq, at) in newest.items()
            ],
            ordered=False,
        )


_WRITTEN_BY_OTHERS = ("_id", "created_by", "created_at", "last_seq", "last_message_at", "first_seq")
_LAST = "\U0010ffff"
DIRECTORY_KEY: Final = re.compile(r"[^\0]+\0[0-9a-f-]+")
"""Where a public channel stands in the directory: its name without case, and its id."""
_GRACE = timedelta(minutes=1)
"""How long sends by those who were members a moment ago may still arrive."""


def _directory_key(conversation: Conversation) -> str | None:
    """Where a public channel stands in the directory; None for what does not stand there."""
    if conversation.visibility != "public" or not conversation.members or conversation.name is None:
        return None
    return f"{conversation.name.casefold()}\x00{conversation.id}"


def _purge_at(conversation: Conversation) -> datetime | None:
    """When to look for messages to remove: all of what nobody is in, old ones where there is a limit."""
    if not conversation.members:
        return utc_now() + _GRACE
    return utc_now() if conversation.retention_days is not None else None


def _document(conversation: Conversation) -> Document:
    return {
        **conversation.model_dump(exclude={"id"}),
        "_id": conversation.id,
        "revision": conversation.revision,
    }


def _conversation(document: Mapping[str, Any]) -> Conversation:
    return Conversation.model_validate({**document, "id": document["_id"]})
