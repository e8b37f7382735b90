"""Read marks: how far somebody has read, and who is told."""

from chatcluster_common.clock import utc_now
from chatcluster_common.realtime import Publisher
from chatcluster_message import channels
from chatcluster_message.models import PersonIds, Reads
from chatcluster_message.people import People
from chatcluster_message.service.access import Access
from chatcluster_message.store import Store


class ReadService:
    """Read marks. Who does not show theirs does not see those of others."""

    def __init__(self, store: Store, access: Access, people: People, publisher: Publisher) -> None:
        self._store = store
        self._access = access
        self._people = people
        self._publisher = publisher

    async def mark(self, caller: str, conversation_id: str, seq: int) -> int:
        """Move the caller's read mark to `seq`, never back, never past the newest message; returns where it stands."""
        conversation = await self._access.conversation(caller, conversation_id)
        if seq > conversation.last_seq:
            seq = min(seq, await self._store.messages.highest_seq(conversation_id, conversation.last_seq))
        stands, moved = await self._store.reads.lift(conversation_id, caller, seq, utc_now())
        if moved:
            # To the room: each process knows who of it may see whose.
            self._publisher.offer(
                channels.conversation_channel(conversation_id), channels.read_changed(conversation_id, caller, stands)
            )
        return stands

    async def marks(self, caller: str, conversation_id: str) -> Reads:
        """How far the members have read who show it to the caller."""
        conversation = await self._access.conversation(caller, conversation_id)
        visible = await self._visible(caller, set(conversation.member_ids))
        return Reads(
            items=[m for m in await self._store.reads.of_conversation(conversation_id) if m.user_id in visible]
        )

    async def seen_by(self, caller: str, message_id: str) -> PersonIds:
        """The other members who have read a message and show it to the caller."""
        message, conversation = await self._access.message(caller, message_id)
        visible = await self._visible(caller, set(conversation.member_ids)) - {message.sender_id, caller}
        marks = await self._store.reads.of_conversation(conversation.id)
        return PersonIds(items=[m.user_id for m in marks if m.seq >= message.seq and m.user_id in visible])

    async def _visible(self, caller: str, members: set[str]) -> set[str]:
        hiding = await self._people.hiding(members)
        return {caller} if caller in hiding else members - (hiding - {caller})
