"""The rules: what a client may set, whom typing is told to."""

import time
from collections import OrderedDict

from chatcluster_common import errors
from chatcluster_common.internal import InternalClient
from chatcluster_common.realtime import Connection
from chatcluster_presence.live import Live
from chatcluster_presence.models import MAX_IDS, Chosen, Presence

_MEMBERS_SECONDS = 10.0
_MEMBERS_CACHED = 10_000
_REPEAT_SECONDS = 1.0


class People:
    """Presence and typing, as one process answers for them."""

    def __init__(self, live: Live, messages: InternalClient, max_typing_members: int) -> None:
        self._live = live
        self._messages = messages
        self._max_typing_members = max_typing_members
        self._members: OrderedDict[str, tuple[float, list[str]]] = OrderedDict()
        self._typed: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def presences(self, user_ids: list[str]) -> list[Presence]:
        """How these people appear. Whoever is signed in may ask, for up to 200 people at a time."""
        if len(user_ids) > MAX_IDS:
            raise errors.invalid("query.user_ids", f"ask for at most {MAX_IDS} people at a time")
        return await self._live.store.presences(user_ids)

    async def choose(self, connection: Connection, status: Chosen) -> None:
        """Set the person's status on all their devices."""
        await self._live.store.choose(connection.user_id, status)
        self._live.announce(connection.user_id)

    async def typing(self, connection: Connection, conversation_id: str, *, started: bool) -> None:
        """Tell the other members. Repeated starts within a second are one; 404 for who is not a member."""
        typist = connection.user_id
        members = await self._members_of(conversation_id)
        if typist not in members:
            raise errors.not_found("conversation")
        key = (typist, conversation_id)
        now = time.monotonic()
        if started and now - self._typed.get(key, 0) < _REPEAT_SECONDS:
            return
        if started:
            self._typed[key] = now
            self._typed.move_to_end(key)
            while len(self._typed) > _MEMBERS_CACHED:
                self._typed.popitem(last=False)
        else:
            self._typed.pop(key, None)
        if len(members) <= self._max_typing_members:
            others = [user_id for user_id in members if user_id != typist]
            self._live.tell_typing(others, conversation_id, typist, typing=started)

    async def _members_of(self, conversation_id: str) -> list[str]:
        """The conversation's members, up to 10 s old: typing is not worth asking more often."""
        now = time.monotonic()
        asked, members = self._members.get(conversation_id, (0.0, []))
        if not asked or now - asked > _MEMBERS_SECONDS:
            answer = await self._messages.get(f"/internal/conversations/{conversation_id}/members")
            if answer is None:
                raise errors.not_found("conversation")
            members = [member["user_id"] for member in answer["items"]]
            self._members[conversation_id] = (now, members)
            self._members.move_to_end(conversation_id)
            while len(self._members) > _MEMBERS_CACHED:
                self._members.popitem(last=False)
        return members
