"""How far each member has read."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import ReturnDocument

from chatcluster_message.models import ReadMark
from chatcluster_message.store.base import Database, Document


class ReadMarks:
    """The collection `reads`."""

    def __init__(self, db: Database) -> None:
        self._reads = db.get_collection("reads")

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await self._reads.create_index("conversation_id", name="conversation")
        await self._reads.create_index("user_id", name="person")

    async def lift(self, conversation_id: str, user_id: str, seq: int, now: datetime) -> tuple[int, bool]:
        """Move a read mark forward; returns where it stands and whether this moved it."""
        before = await self._reads.find_one_and_update(
            _key(conversation_id, user_id),
            _forward(conversation_id, user_id, seq, now),
            upsert=True,
            return_document=ReturnDocument.BEFORE,
        )
        previous: int = before["seq"] if before else 0
        return max(previous, seq), seq > previous

    async def of_conversation(self, conversation_id: str) -> list[ReadMark]:
        """The read marks of a conversation, of people who have left too."""
        found = await self._reads.find({"conversation_id": conversation_id}).to_list()
        return [ReadMark(user_id=d["user_id"], seq=d["seq"], read_at=d["read_at"]) for d in found]

    async def of_person(self, user_id: str, conversation_ids: Sequence[str]) -> dict[str, int]:
        """Where a person's marks stand in conversations; 0 is left out."""
        keys = [_key(conversation_id, user_id)["_id"] for conversation_id in conversation_ids]
        found = await self._reads.find({"_id": {"$in": keys}}, {"conversation_id": 1, "seq": 1}).to_list()
        return {document["conversation_id"]: document["seq"] for document in found}

    async def all_of_person(self, user_id: str) -> list[tuple[str, ReadMark]]:
        """All marks of a person, with the conversation of each."""
        found = await self._reads.find({"user_id": user_id}).to_list()
        return [(d["conversation_id"], ReadMark(user_id=user_id, seq=d["seq"], read_at=d["read_at"])) for d in found]

    async def remove_person(self, user_id: str) -> None:
        """Forget how far a person has read."""
        await self._reads.delete_many({"user_id": user_id})

    async def remove_conversation(self, conversation_id: str) -> None:
        """The conversation is gone."""
        await self._reads.delete_many({"conversation_id": conversation_id})


def _key(conversation_id: str, user_id: str) -> dict[str, str]:
    return {"_id": f"{conversation_id}:{user_id}"}


def _forward(conversation_id: str, user_id: str, seq: int, now: datetime) -> Document:
    return {
        "$max": {"seq": seq, "read_at": now},
        "$setOnInsert": {"conversation_id": conversation_id, "user_id": user_id},
    }
