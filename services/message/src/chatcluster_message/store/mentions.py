"""Who was mentioned where: an entry for each, so that those after a read mark can be counted."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from chatcluster_message.models import Message
from chatcluster_message.store.base import Database, insert_missing, seq_key, seq_range

_EVERYBODY = "@all"


class MentionEntries:
    """The collection `mentions`. It follows the messages by a moment, see the outbox."""

    MOST_COUNTED = 100

    def __init__(self, db: Database) -> None:
        self._mentions = db.get_collection("mentions")

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await self._mentions.create_index("key", name="key")

    async def put(self, messages: Iterable[Message]) -> None:
        """Enter the mentions of messages; those that are there already stay."""
        entries = [
            {
                "_id": f"{message.id}:{whom}",
                "key": seq_key(message.conversation_id, whom, seq=message.seq),
                "by": message.sender_id,
            }
            for message in messages
            for whom in mentioned(message)
        ]
        await insert_missing(self._mentions, entries)

    async def remove(self, message_id: str, people: Sequence[str]) -> None:
        """They are not mentioned in the message any more; `mentioned` of the message before says who was."""
        await self._remove([f"{message_id}:{whom}" for whom in people])

    async def remove_all(self, messages: Iterable[Message]) -> None:
        """The messages are gone."""
        await self._remove([f"{message.id}:{whom}" for message in messages for whom in mentioned(message)])

    async def _remove(self, ids: Sequence[str]) -> None:
        if ids:
            await self._mentions.delete_many({"_id": {"$in": ids}})

    async def count(self, user_id: str, marks: Mapping[str, int]) -> dict[str, int]:
        """How often a person was mentioned after their read mark, by conversation; at most 100 of each kind."""
        counts = await asyncio.gather(
            *(self._count(conversation_id, user_id, mark) for conversation_id, mark in marks.items())
        )
        return dict(zip(marks, counts, strict=True))

    async def _count(self, conversation_id: str, user_id: str, mark: int) -> int:
        count = 0
        for whom in (user_id, _EVERYBODY):
            query = {"key": seq_range(conversation_id, whom, above=mark)}
            found = self._mentions.find(query, {"by": 1}).limit(self.MOST_COUNTED)
            count += sum(1 for entry in await found.to_list() if entry["by"] != user_id)
        return count


def mentioned(message: Message) -> list[str]:
    """Whom a message mentions, as its entries name them."""
    return [*message.mentions, *([_EVERYBODY] if message.mentions_all else [])]
