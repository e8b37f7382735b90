"""Messages, what has happened to them since, and their outbox marks.

A message carries two marks in its own document: `outbox_at` until it is published, and `change_due` while the world has
not been told of its last change. Fields beyond the contract's are absent until they are needed, so that a plain message
is small and is in no index but the three that every message needs.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from collections.abc import Collection as Group
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from chatcluster_common.clock import utc_now
from chatcluster_message.models import Attachment, Deletion, Message, Version
from chatcluster_message.store.base import AFTER_ALL, Database, Document, safe, seq_key, seq_range, time_key
from chatcluster_message.store.mentions import mentioned

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_VERSIONS = 50
_REMEMBERED_REPLIES = 100
_INTERNAL = {"versions": 0, "counted": 0, "reactors": 0, "followers": 0, "unfollowed": 0}
"""What a page of messages does not need."""

CHANGE_DUE_AFTER = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """A message as it is now, and what is to follow from how it was."""

    message: Message
    unmentioned: list[str]
    """Who is not mentioned any more."""
    files: list[str]
    """Files that it has no more."""


class SeqTakenError(Exception):
    """Another message has this `seq` already."""


class ClientIdTakenError(Exception):
    """The sender has used this `client_id` already."""


class Messages:
    """The collection `messages`."""

    def __init__(self, db: Database) -> None:
        self._messages = db.get_collection("messages")
        self._safe = safe(self._messages)

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await self._messages.create_index(
            [("conversation_id", ASCENDING), ("seq", ASCENDING)], unique=True, name="order"
        )
        await self._messages.create_index(
            [("sender_id", ASCENDING), ("client_id", ASCENDING)], unique=True, name="idempotency"
        )
        for field, name in (
            ("outbox_at", "outbox"),
            ("change_due", "changes"),
            ("changed", "changed"),
            ("thread", "thread"),
            ("reactors", "reactors"),
        ):
            await self._messages.create_index(field, sparse=True, name=name)

    async def insert(self, message: Message, outbox_at: datetime) -> None:
        """Return once a majority has the message. Stores nothing when it raises one of the two `…TakenError`s."""
        try:
            await self._messages.insert_one({**_document(message), "outbox_at": outbox_at})
        except DuplicateKeyError as error:
            pattern: Mapping[str, Any] = (error.details or {}).get("keyPattern", {})
            if "seq" in pattern:
                raise SeqTakenError from error
            # Or the id itself: the driver repeated a write whose answer was lost, and met the first.
            raise ClientIdTakenError from error

    # Reading

    async def get(self, message_id: str) -> Message | None:
        """One message."""
        found = await self._safe.find_one({"_id": message_id}, _INTERNAL)
        return _message(found) if found else None

    async def get_many(self, ids: Group[str]) -> list[Message]:
        """Those of `ids` that exist, in no order."""
        found = await self._safe.find({"_id": {"$in": list(ids)}}, _INTERNAL).to_list()
        return [_message(document) for document in found]

    async def by_client_id(self, sender_id: str, client_id: str) -> Message | None:
        """The message sent under a `client_id`, if a majority has it."""
        found = await self._safe.find_one({"sender_id": sender_id, "client_id": client_id}, _INTERNAL)
        return _message(found) if found else None

    async def highest_seq(self, conversation_id: str, at_least: int) -> int:
        """The newest `seq`, which is known to be no lower than `at_least`: that itself when all newer ones are gone.

        The write may not have reached a majority yet. The next one can build on it all the same: it comes after it in
        the primary's log, so a majority that has the one has the other.
        """
        found = await self._messages.find_one(
            {"conversation_id": conversation_id, "seq": {"$gte": at_least}}, {"seq": 1}, sort=[("seq", DESCENDING)]
        )
        return found["seq"] if found else at_least

    async def after(self, conversation_id: str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages newer than `seq`, the oldest first."""
        # `seq` is dense: the bound loses nothing.
        query = {"conversation_id": conversation_id, "seq": {"$gt": seq, "$lte": seq + limit}}
        found = await self._safe.find(query, _INTERNAL).sort("seq", ASCENDING).limit(limit).to_list()
        return [_message(document) for document in found]

    async def before(self, conversation_id: str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages older than `seq`, the newest first."""
        query = {"conversation_id": conversation_id, "seq": {"$lt": seq, "$gte": seq - limit}}
        found = await self._safe.find(query, _INTERNAL).sort("seq", DESCENDING).limit(limit).to_list()
        return [_message(document) for document in found]

    async def replies_after(self, root_id: str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` replies in a thread newer than `seq`, the oldest first."""
        query = {"thread": seq_range(root_id, above=seq)}
        found = await self._safe.find(query, _INTERNAL).sort("thread", ASCENDING).limit(limit).to_list()
        return [_message(document) for document in found]

    async def replies_before(self, root_id: str, seq: int | None, limit: int) -> list[Message]:
        """Up to `limit` replies in a thread older than `seq` (None: from the end), the newest first."""
        end = f"{root_id}:{AFTER_ALL}" if seq is None else seq_key(root_id, seq=seq)
        query = {"thread": {"$gt": f"{root_id}:", "$lt": end}}
        found = await self._safe.find(query, _INTERNAL).sort("thread", DESCENDING).limit(limit).to_list()
        return [_message(document) for document in found]

    async def changed_since(self, conversation_id: str, since: datetime, limit: int) -> list[Message]:
        """Up to `limit` messages that changed after a moment, those that changed first first."""
        query = {"changed": {"$gte": time_key(conversation_id, since), "$lt": f"{conversation_id}:{AFTER_ALL}"}}
        found = await self._safe.find(query, _INTERNAL).sort("changed", ASCENDING).limit(limit).to_list()
        return [_message(document) for document in found]

    async def versions(self, message_id: str) -> list[Version]:
        """Earlier texts of a message, the oldest first."""
        found = await self._safe.find_one({"_id": message_id}, {"versions": 1})
        return [Version.model_validate(version) for version in (found or {}).get("versions", [])]

    # Changes: each is one write that also says that the world is to be told

    async def edit(
        self, before: Message, body: str, mentions: Sequence[str], mentions_all: bool, now: datetime
    ) -> Message | None:
        """Replace the text; None when the message has changed since `before` was read."""
        after = before.model_copy(update={"mentions": list(mentions), "mentions_all": mentions_all})
        return await self._change(
            before,
            {
                "$set": {"body": body, "mentions": list(mentions), "mentions_all": mentions_all, "edited_at": now},
                "$push": {"versions": {"$each": [{"body": before.body, "edited_at": now}], "$slice": -_MOST_VERSIONS}},
                "$addToSet": {
                    "cleanup.mentions": {"$each": [who for who in mentioned(before) if who not in mentioned(after)]}
                },
            },
            now,
        )

    async def delete(self, before: Message, why: Deletion, now: datetime) -> Message | None:
        """Leave a tombstone that keeps its place; None when the message has changed since `before` was read."""
        return await self._change(
            before,
            {
                "$set": {"body": "", "deleted_at": now, "deletion": why},
                "$unset": dict.fromkeys(
                    ("attachments", "mentions", "mentions_all", "versions", "reactions", "reactors"), ""
                ),
                "$addToSet": {
                    "cleanup.mentions": {"$each": mentioned(before)},
                    "cleanup.files": {"$each": [file.id for file in before.attachments]},
                },
            },
            now,
        )

    async def _change(self, before: Message, update: Document, now: datetime) -> Message | None:
        revision = before.revision or {"$exists": False}
        return await self._changed({"_id": before.id, "revision": revision}, update, before.conversation_id, now)

    async def react(self, before: Message, emoji: str, user_id: str, now: datetime) -> Message | None:
        """Add somebody's reaction; None when it is there already, or the message was deleted meanwhile."""
        field = f"reactions.{emoji}"
        return await self._changed(
            {"_id": before.id, "deleted_at": {"$exists": False}, field: {"$ne": user_id}},
            {"$addToSet": {field: user_id, "reactors": user_id}},
            before.conversation_id,
            now,
        )

    async def unreact(self, before: Message, emoji: str, user_id: str, now: datetime) -> Message | None:
        """Take somebody's reaction away; None when there was none."""
        field = f"reactions.{emoji}"
        return await self._changed(
            {"_id": before.id, field: user_id}, {"$pull": {field: user_id}}, before.conversation_id, now
        )

    async def count_reply(self, reply: Message, now: datetime) -> Message | None:
        """Count a reply at the root of its thread, whose sender follows it from now on; None when it was counted."""
        return await self._changed(
            {"_id": reply.thread_root, "counted": {"$ne": reply.id}},
            {
                "$inc": {"reply_count": 1},
                "$push": {"counted": {"$each": [reply.id], "$slice": -_REMEMBERED_REPLIES}},
                "$addToSet": {"followers": reply.sender_id},
                "$pull": {"unfollowed": reply.sender_id},
            },
            reply.conversation_id,
            now,
        )

    async def _changed(self, query: Document, update: Document, conversation_id: str, now: datetime) -> Message | None:
        noted = {"changed": time_key(conversation_id, now), "change_due": now + CHANGE_DUE_AFTER}
        update["$set"] = update.get("$set", {}) | noted
        update["$inc"] = update.get("$inc", {}) | {"revision": 1}
        found = await self._messages.find_one_and_update(
            query, update, projection=_INTERNAL, return_document=ReturnDocument.AFTER
        )
        return _message(found) if found else None

    # Threads

    async def followers(self, root: Message) -> list[str]:
        """Who follows a thread: who began it and who answered, unless they stopped, and who asked to."""
        found = await self._safe.find_one({"_id": root.id}, {"followers": 1, "unfollowed": 1}) or {}
        stopped = set(found.get("unfollowed", []))
        everybody = dict.fromkeys([root.sender_id, *found.get("followers", [])])
        return [user_id for user_id in everybody if user_id not in stopped]

    async def follow(self, root_id: str, user_id: str, *, follow: bool) -> None:
        """Follow a thread, or stop."""
        to, away = ("followers", "unfollowed") if follow else ("unfollowed", "followers")
        await self._messages.update_one({"_id": root_id}, {"$addToSet": {to: user_id}, "$pull": {away: user_id}})

    # Removing, exporting, erasing

    async def remove(self, conversation_id: str, up_to: int) -> None:
        """Remove the messages of a conversation up to a `seq`."""
        await self._messages.delete_many({"conversation_id": conversation_id, "seq": {"$lte": up_to}})

    async def of_sender(self, sender_id: str, after: str, limit: int) -> list[Message]:
        """Up to `limit` messages of a sender, by `client_id`, behind the one given."""
        query = {"sender_id": sender_id, "client_id": {"$gt": after}}
        found = await self._safe.find(query, _INTERNAL).sort("client_id", ASCENDING).limit(limit).to_list()
        return [_message(document) for document in found]

    async def reacted_to_by(self, user_id: str) -> AsyncGenerator[Message]:
        """The messages that a person has reacted to, also those where they took it back."""
        async for document in self._safe.find({"reactors": user_id}, _INTERNAL):
            yield _message(document)

    async def forget_reactor(self, message_id: str, user_id: str) -> None:
        """None of the person's reactions is left on the message."""
        await self._messages.update_one({"_id": message_id}, {"$pull": {"reactors": user_id}})

    # The outbox: a mark is when something is due to be published, absent once it was

    async def due(self, mark: str, now: datetime, limit: int) -> list[tuple[Message, datetime]]:
        """Messages whose `outbox_at` or `change_due` has come, with that time."""
        found = await self._safe.find({mark: {"$lte": now}}, _INTERNAL).sort(mark, ASCENDING).limit(limit).to_list()
        return [(_message(document), document[mark]) for document in found]

    async def claim(self, message_id: str, mark: str, due_at: datetime, lease: timedelta) -> bool:
        """Put what is due off for `lease`; False when another process was faster."""
        result = await self._messages.update_one({"_id": message_id, mark: due_at}, {"$set": {mark: utc_now() + lease}})
        return result.modified_count == 1

    async def published(self, message_ids: Sequence[str]) -> None:
        """Take messages out of the outbox."""
        await self._messages.update_many({"_id": {"$in": list(message_ids)}}, {"$unset": {"outbox_at": ""}})

    async def change_told(self, messages: Sequence[Message]) -> None:
        """Everybody was told of these revisions; a message that has changed again keeps its mark."""
        await self._messages.bulk_write(
            [
                UpdateOne(
                    {"_id": message.id, "revision": message.revision}, {"$unset": {"change_due": "", "cleanup": ""}}
                )
                for message in messages
            ],
            ordered=False,
        )

    async def cleanup(self, message_id: str) -> Leftovers | None:
        """What changes of a message have left behind; None when it is gone."""
        found = await self._safe.find_one({"_id": message_id}, _INTERNAL)
        if found is None:
            return None
        message, left = _message(found), found.get("cleanup", {})
        still = mentioned(message)
        return Leftovers(message, [who for who in left.get("mentions", []) if who not in still], left.get("files", []))

    async def outbox_size(self, limit: int) -> int:
        """How many messages are not published yet, counted up to `limit`."""
        return await self._messages.count_documents({"outbox_at": {"$gt": _EPOCH}}, limit=limit)


def _document(message: Message) -> Document:
    document: Document = {
        "_id": message.id,
        "conversation_id": message.conversation_id,
        "seq": message.seq,
        "sender_id": message.sender_id,
        "client_id": message.client_id,
        "body": message.body,
        "created_at": message.created_at,
    }
    if message.attachments:
        document["attachments"] = [attachment.model_dump(exclude_defaults=True) for attachment in message.attachments]
    if message.mentions:
        document["mentions"] = message.mentions
    if message.mentions_all:
        document["mentions_all"] = True
    if message.thread_root:
        document["thread_root"] = message.thread_root
        document["thread"] = seq_key(message.thread_root, seq=message.seq)
    return document


def _message(document: Mapping[str, Any]) -> Message:
    return Message(
        id=document["_id"],
        conversation_id=document["conversation_id"],
        seq=document["seq"],
        sender_id=document["sender_id"],
        client_id=document["client_id"],
        body=document["body"],
        attachments=[Attachment.model_validate(file) for file in document.get("attachments", ())],
        mentions=document.get("mentions", []),
        mentions_all=document.get("mentions_all", False),
        thread_root=document.get("thread_root"),
        reply_count=document.get("reply_count", 0),
        # A reaction that was taken away may leave an empty list behind.
        reactions={emoji: people for emoji, people in document.get("reactions", {}).items() if people},
        created_at=document["created_at"],
        edited_at=document.get("edited_at"),
        deleted_at=document.get("deleted_at"),
        deletion=document.get("deletion"),
        revision=document.get("revision", 0),
    )
