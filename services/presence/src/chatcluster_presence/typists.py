"""Whom typing is told to. Nothing of it is stored."""

import time

from chatcluster_common import errors
from chatcluster_common.internal import InternalClient
from chatcluster_common.realtime import Connection
from chatcluster_common.recent import Recent
from chatcluster_presence.live import Live
from chatcluster_presence.visibility import Visibility

_MEMBERS_SECONDS = 10.0
_REPEAT_SECONDS = 1.0


class Typists:
    """Typing, as one process takes it in."""

    def __init__(self, live: Live, messages: InternalClient, visibility: Visibility, max_members: int) -> None:
        self._live = live
        self._messages = messages
        self._visibility = visibility
        self._max_members = max_members
        self._members: Recent[str, list[str]] = Recent(seconds=_MEMBERS_SECONDS)
        self._told: Recent[tuple[str, str], bool] = Recent(seconds=_REPEAT_SECONDS)

    async def typing(self, connection: Connection, conversation_id: str, *, started: bool) -> None:
        """Tell the other members, but nobody in a block with the typist, and nobody at all of who is invisible.

        Repeated starts within a second are one; 404 for who is not a member.
        """
        typist = connection.user_id
        self._live.devices.used(connection.sid, time.monotonic())
        members = await self._members_of(conversation_id)
        if typist not in members:
            raise errors.not_found("conversation")
        key = (typist, conversation_id)
        if self._told.get(key) == started or len(members) > self._max_members:
            return
        others = [user_id for user_id in members if user_id != typist]
        relations = await self._visibility.relations(typist, others)
        self._told.put(key, started)
        if (await self._live.store.known(typist))[0].chosen.at(time.time()).status != "invisible":
            told = [user_id for user_id in others if not relations[user_id].blocked]
            self._live.tell_typing(told, conversation_id, typist, typing=started)

    async def _members_of(self, conversation_id: str) -> list[str]:
        """The conversation's members, up to 10 s old: typing is not worth asking more often."""
        members = self._members.get(conversation_id)
        if members is None:
            answer = await self._messages.get(f"/internal/conversations/{conversation_id}/members")
            if answer is None:
                raise errors.not_found("conversation")
            members = [member["user_id"] for member in answer["items"]]
            self._members.put(conversation_id, members)
        return members
