"""The rules: what people may set and ask, and what is held about them."""

import time
from typing import Any

from chatcluster_common import errors
from chatcluster_common.clock import rfc3339
from chatcluster_presence.live import Live
from chatcluster_presence.models import MAX_IDS, InternalPresence, Me, Presence, Setting
from chatcluster_presence.state import Appearance, Choice, moment
from chatcluster_presence.visibility import Visibility, render


class People:
    """Presence, as one process answers for it."""

    def __init__(self, live: Live, visibility: Visibility) -> None:
        self._live = live
        self._visibility = visibility

    async def presences(self, caller: str, user_ids: list[str]) -> list[Presence]:
        """How these people appear to the caller, for up to 200 people at a time."""
        _check_number(user_ids)
        views = await self._visibility.of(caller, user_ids)
        return [render(look, views[look.user_id]) for look in await self._live.store.appearances(user_ids)]

    async def internal(self, user_ids: list[str]) -> list[InternalPresence]:
        """The same for other services: nothing is kept from them, and what they need to hold back a notification."""
        _check_number(user_ids)
        return [
            InternalPresence(user_id=look.user_id, status=look.status, last_seen=look.last_seen, active=look.active)
            for look in await self._live.store.appearances(user_ids)
        ]

    async def me(self, user_id: str) -> Me:
        """What a person has chosen."""
        known, look = await self._live.store.known(user_id)
        return _me(known.chosen.at(time.time()), look)

    async def choose(self, user_id: str, setting: Setting) -> Me:
        """Set what the person appears as, on all their devices."""
        until = None if setting.expires_at is None else setting.expires_at.timestamp()
        choice = Choice(setting.status, setting.text or None, setting.emoji, until)
        me = _me(choice, await self._live.store.choose(user_id, choice))
        self._live.announce(user_id)
        self._live.tell_own_devices(me)
        return me

    async def export(self, user_id: str) -> list[dict[str, Any]]:
        """What is held about a person, as lines of their export."""
        known, _ = await self._live.store.known(user_id)
        if not known.devices and known.last_seen is None and known.chosen == Choice():
            return []
        data = {
            "status": known.chosen.status,
            "text": known.chosen.text,
            "emoji": known.chosen.emoji,
            "expires_at": None if known.chosen.until is None else rfc3339(moment(known.chosen.until)),
            "last_seen": None if known.last_seen is None else rfc3339(moment(known.last_seen)),
            "connected_devices": len(known.devices),
        }
        return [{"kind": "presence", "data": data}]

    async def erase(self, user_id: str) -> bool:
        """Forget a person; False while they are still connected."""
        done = await self._live.store.erase(user_id)
        self._live.announce(user_id)
        return done


def _me(chosen: Choice, look: Appearance) -> Me:
    return Me(
        user_id=look.user_id,
        status=chosen.status,
        text=chosen.text,
        emoji=chosen.emoji,
        expires_at=None if chosen.until is None else moment(chosen.until),
        appears=look.status,
    )


def _check_number(user_ids: list[str]) -> None:
    if len(user_ids) > MAX_IDS:
        raise errors.invalid("query.user_ids", f"ask for at most {MAX_IDS} people at a time")
