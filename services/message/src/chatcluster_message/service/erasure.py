"""A person's data: handing all of it out, and taking all of it away."""

import time
from collections.abc import AsyncGenerator

import orjson

from chatcluster_message.models import Message
from chatcluster_message.service.changes import ChangeService
from chatcluster_message.service.conversations import ConversationService
from chatcluster_message.store import Store

_PAGE = 200
_SECONDS = 2.0
"""How long one call erases; the caller calls again while there is more."""


class ErasureService:
    """Export and erasure, for the user service."""

    def __init__(self, store: Store, conversations: ConversationService, changes: ChangeService) -> None:
        self._store = store
        self._conversations = conversations
        self._changes = changes

    async def export(self, user_id: str) -> AsyncGenerator[bytes]:
        """A line of JSON an item: conversations, messages with their earlier texts, reactions, read marks, reports."""
        cursor: str | None = None
        while some := await self._store.conversations.of_person(user_id, before=cursor, limit=_PAGE):
            for conversation in some:
                own = next(member for member in conversation.members if member.user_id == user_id)
                yield _line(
                    "conversation",
                    {
                        "id": conversation.id,
                        "type": conversation.type,
                        "name": conversation.name,
                        **own.model_dump(mode="json", exclude={"user_id"}),
                    },
                )
            cursor = some[-1].id
        after = ""
        while messages := await self._store.messages.of_sender(user_id, after, _PAGE):
            for message in messages:
                yield _line("message", await self._with_versions(message))
            after = messages[-1].client_id
        async for message in self._store.messages.reacted_to_by(user_id):
            for emoji in _reactions_of(message, user_id):
                yield _line("reaction", {"message_id": message.id, "emoji": emoji})
        for conversation_id, mark in await self._store.reads.all_of_person(user_id):
            yield _line("read_mark", {"conversation_id": conversation_id, **mark.model_dump(mode="json")})
        for report in await self._store.reports.by_reporter(user_id):
            kept = {"id", "message_id", "reason", "comment", "created_at", "state"}
            yield _line("report", report.model_dump(mode="json", include=kept))

    async def _with_versions(self, message: Message) -> dict[str, object]:
        data = message.model_dump(mode="json", exclude={"reactions", "revision"})
        if message.edited_at and not message.deleted_at:
            data["earlier"] = [v.model_dump(mode="json") for v in await self._store.messages.versions(message.id)]
        return data

    async def erase(self, user_id: str) -> bool:
        """Erase for about two seconds; whether nothing is left. Each call goes on where the last one ended."""
        deadline = time.monotonic() + _SECONDS
        await self._conversations.leave_all(user_id)
        if not await self._erase_messages(user_id, deadline) or not await self._erase_reactions(user_id, deadline):
            return False
        await self._store.reads.remove_person(user_id)
        await self._store.reports.erase(user_id)
        await self._store.erasures.finish(user_id)
        return True

    async def _erase_messages(self, user_id: str, deadline: float) -> bool:
        after = await self._store.erasures.position(user_id)
        while messages := await self._store.messages.of_sender(user_id, after, _PAGE):
            for message in messages:
                await self._changes.tombstone(message, "erased")
                after = message.client_id
                if time.monotonic() > deadline:
                    await self._store.erasures.reached(user_id, after)
                    return False
            await self._store.erasures.reached(user_id, after)
        return True

    async def _erase_reactions(self, user_id: str, deadline: float) -> bool:
        async for message in self._store.messages.reacted_to_by(user_id):
            if time.monotonic() > deadline:
                return False
            await self._changes.forget_reactions(message, _reactions_of(message, user_id), user_id)
        return True


def _reactions_of(message: Message, user_id: str) -> list[str]:
    return [emoji for emoji, people in message.reactions.items() if user_id in people]


def _line(kind: str, data: dict[str, object]) -> bytes:
    return orjson.dumps({"kind": kind, "data": data}) + b"\n"
