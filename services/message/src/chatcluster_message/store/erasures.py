"""How far the erasure of a person's messages is, so that each call goes on where the last one ended."""

from chatcluster_message.store.base import Database


class Erasures:
    """The collection `erasures`."""

    def __init__(self, db: Database) -> None:
        self._erasures = db.get_collection("erasures")

    async def position(self, user_id: str) -> str:
        """The `client_id` up to which the person's messages are erased; empty for none."""
        found = await self._erasures.find_one({"_id": user_id})
        return found["client_id"] if found else ""

    async def reached(self, user_id: str, client_id: str) -> None:
        """Messages up to this `client_id` are erased."""
        await self._erasures.update_one({"_id": user_id}, {"$max": {"client_id": client_id}}, upsert=True)

    async def finish(self, user_id: str) -> None:
        """Nothing is left."""
        await self._erasures.delete_one({"_id": user_id})
