"""Who watches whom at this process, and what they are still to be told.

A change of somebody's presence is announced without saying what it is. Each process that has somebody watching reads
how the person appears now, and tells its sockets what differs from what they were told. So the order of announcements
does not matter, and a lost one is made up for by the next look.

What bounds a storm: a person is read once for any number of their changes and watchers; a socket has at most one entry
for each person it watches, of which it is sent a limited number at a time; and a look at everything is followed by a
pause at least as long, so that more changes make for longer intervals and not for more work.

What somebody may see of a person depends on blocks and privacy. Only the exceptions are kept, and a person is encoded
once for each of the three views there are.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import orjson
from prometheus_client import Counter, Histogram

from chatcluster_common import errors
from chatcluster_common.realtime import Connection, RealtimeServer
from chatcluster_presence.devices import Devices
from chatcluster_presence.models import Presence
from chatcluster_presence.state import Appearance, differs
from chatcluster_presence.store import BATCH, Store
from chatcluster_presence.visibility import View, Visibility, render

CHANGES = Counter("chat_presence_changes_total", "Changes told to sockets, by kind.", ["kind"])
EVENTS = Counter("chat_presence_events_total", "Events by which sockets were told of presence, by form.", ["form"])
DELAY_SECONDS = Histogram(
    "chat_presence_delay_seconds",
    "Time from a change's announcement to its being told.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

PERSON = "presence:user:"
_MAX_CHANGED = 50_000
_ITEMS_BATCHED = 200
"""People in one `presence:changes`, of which a socket is sent one at each look."""
_ITEMS_SINGLE = 20
"""`presence:changed` events that a socket is sent at each look."""
_SOCKETS_IN_A_ROW = 50
_FRESH_SECONDS = 10.0


def person_channel(user_id: str) -> str:
    """Followed by the processes that have somebody watching the person."""
    return PERSON + user_id


class Watching:
    """What the sockets of one process watch."""

    def __init__(
        self, sockets: RealtimeServer, store: Store, devices: Devices, visibility: Visibility, max_watched: int
    ) -> None:
        self._sockets = sockets
        self._store = store
        self._devices = devices
        self._visibility = visibility
        self._max_watched = max_watched
        self._told: dict[str, Appearance] = {}
        self._read: dict[str, float] = {}
        """When that was read."""
        self._changed: dict[str, float] = {}
        self._views: dict[str, dict[str, View]] = {}
        """By socket and person, where it is not FULL."""
        self._pending: dict[str, dict[str, None]] = {}
        """By socket, the people whose change it is still to be told."""
        self._reviews: dict[str, set[str] | None] = {}
        """By person, whose view of them may have changed; None: everybody's."""

    async def watch(self, connection: Connection, user_ids: list[str]) -> list[Presence]:
        """Tell a socket of these people's changes from now on; returns how they appear now."""
        socket = connection.sid
        watched = {room for room in self._sockets.manager.rooms_of(socket) if room.startswith(PERSON)}
        new = [user_id for user_id in user_ids if person_channel(user_id) not in watched]
        if len(watched) + len(set(new)) > self._max_watched:
            raise errors.conflict(
                "too_many_watched", f"A socket watches at most {self._max_watched} people: unsubscribe some."
            )
        for user_id in new:
            self._see(socket, user_id, View.HIDDEN)  # until it is known what may be seen
        try:
            await self._sockets.join(connection, *map(person_channel, user_ids))
            views = await self._visibility.of(connection.user_id, user_ids)
            now = time.monotonic()
            stale = [user_id for user_id in user_ids if not self._fresh(user_id, now)]
            looks = {look.user_id: look for look in (await self._store.appearances(stale) if stale else ())}
        except BaseException:
            await self.unwatch(connection, new)
            raise
        for look in looks.values():
            told = self._told.setdefault(look.user_id, look)
            self._read[look.user_id] = now
            if differs(told, look):
                # Somebody was told something else, older or newer: the next look settles it.
                self.changed(look.user_id)
                self._tell(socket, look.user_id)
        for user_id in user_ids:
            self._see(socket, user_id, views[user_id])
        if self._sockets.connection(socket) is None:
            self.closed(socket)  # it went away meanwhile
            return []
        return [render(looks.get(user_id) or self._told[user_id], views[user_id]) for user_id in user_ids]

    async def unwatch(self, connection: Connection, user_ids: list[str]) -> None:
        """Tell a socket no more of these people."""
        for user_id in user_ids:
            self._see(connection.sid, user_id, View.FULL)
            self._pending.get(connection.sid, {}).pop(user_id, None)
        await self._sockets.leave(connection, *map(person_channel, user_ids))

    def closed(self, socket: str) -> None:
        """A socket is gone."""
        self._views.pop(socket, None)
        self._pending.pop(socket, None)

    def unwatched(self, user_id: str) -> None:
        """Nobody here watches the person any more."""
        self._told.pop(user_id, None)
        self._read.pop(user_id, None)

    def changed(self, user_id: str) -> None:
        """The person may appear otherwise than those who watch were told."""
        if len(self._changed) < _MAX_CHANGED:
            self._changed.setdefault(user_id, time.monotonic())

    def all_changed(self) -> None:
        """Announcements may have been missed: look at everybody who is watched."""
        for channel in list(self._sockets.channels.active):
            if channel.startswith(PERSON):
                self.changed(channel.removeprefix(PERSON))

    def privacy_changed(self, user_id: str) -> None:
        """What may be seen of the person may have changed for anybody."""
        self._visibility.forget(user_id)
        if self._watchers(user_id):
            self._reviews[user_id] = None

    def relation_changed(self, one: str, other: str) -> None:
        """So may it have for these two."""
        self._visibility.forget_between(one, other)
        for watcher, user_id in ((one, other), (other, one)):
            if self._devices.of(watcher) and self._watchers(user_id):
                reviewed = self._reviews.setdefault(user_id, set())
                if reviewed is not None:
                    reviewed.add(watcher)

    async def look(self) -> None:
        """Read those who changed, and tell the sockets what they are to be told."""
        while self._changed:
            batch = dict(list(self._changed.items())[:BATCH])
            for user_id in batch:
                # From here on another announcement means another look.
                del self._changed[user_id]
            people = [user_id for user_id in batch if self._watchers(user_id)]
            try:
                looks = await self._store.appearances(people)
            except BaseException:
                self._changed = batch | self._changed
                raise
            for look in looks:
                self._note(look, batch[look.user_id])
        await self._send()

    async def review(self) -> None:
        """Find out who may see what after relations and settings have changed."""
        while self._reviews:
            user_id, watchers = next(iter(self._reviews.items()))
            del self._reviews[user_id]
            sockets = [(socket, self._devices[socket].user_id) for socket in self._watchers(user_id)]
            sockets = [(socket, watcher) for socket, watcher in sockets if watchers is None or watcher in watchers]
            try:
                views = await self._visibility.to(user_id, {watcher for _, watcher in sockets})
            except BaseException:
                self._reviews.setdefault(user_id, watchers)
                raise
            for socket, watcher in sockets:
                if socket in self._watchers(user_id) and views[watcher] is not self._view(socket, user_id):
                    self._see(socket, user_id, views[watcher])
                    self._tell(socket, user_id)

    def _fresh(self, user_id: str, now: float) -> bool:
        """Whether those who watch were told what a look would tell now: it was read lately, and nothing announced."""
        return user_id not in self._changed and now - self._read.get(user_id, float("-inf")) < _FRESH_SECONDS

    def _watchers(self, user_id: str) -> Iterable[str]:
        return [s for s in self._sockets.manager.members(person_channel(user_id)) if self._devices.get(s)]

    def _view(self, socket: str, user_id: str) -> View:
        return self._views.get(socket, {}).get(user_id, View.FULL)

    def _see(self, socket: str, user_id: str, view: View) -> None:
        if view is not View.FULL:
            self._views.setdefault(socket, {})[user_id] = view
        elif views := self._views.get(socket):
            views.pop(user_id, None)
            if not views:
                del self._views[socket]

    def _tell(self, socket: str, user_id: str) -> None:
        self._pending.setdefault(socket, {})[user_id] = None

    def _note(self, look: Appearance, announced: float) -> None:
        user_id = look.user_id
        watchers = self._watchers(user_id)
        if not watchers:
            return
        self._read[user_id] = time.monotonic()
        if not differs(self._told.get(user_id), look):
            return
        self._told[user_id] = look
        for socket in watchers:
            if self._view(socket, user_id) is not View.HIDDEN:
                self._tell(socket, user_id)
        DELAY_SECONDS.observe(max(time.monotonic() - announced, 0))

    async def _send(self) -> None:
        """One round over the sockets; what does not fit now is sent in the next one, as it is then."""
        encoded: dict[tuple[str, View], dict[str, Any]] = {}
        fragments: dict[tuple[str, View], orjson.Fragment] = {}

        def item(user_id: str, view: View) -> dict[str, Any]:
            key = (user_id, view)
            if key not in encoded:
                encoded[key] = render(self._told[user_id], view).model_dump(mode="json")
            return encoded[key]

        def fragment(user_id: str, view: View) -> orjson.Fragment:
            key = (user_id, view)
            if key not in fragments:
                fragments[key] = orjson.Fragment(orjson.dumps(item(user_id, view)))
            return fragments[key]

        for place, socket in enumerate(list(self._pending)):
            if place % _SOCKETS_IN_A_ROW == _SOCKETS_IN_A_ROW - 1:
                await asyncio.sleep(0)
            connection, device = self._sockets.connection(socket), self._devices.get(socket)
            if connection is None or device is None:
                self._pending.pop(socket, None)
                continue
            some = self._take(socket, _ITEMS_BATCHED if device.batched else _ITEMS_SINGLE)
            CHANGES.labels("presence").inc(len(some))
            if device.batched and some:
                EVENTS.labels("batched").inc()
                items = [fragment(user_id, self._view(socket, user_id)) for user_id in some]
                await self._sockets.emit(connection, "presence:changes", {"items": items})
                continue
            EVENTS.labels("single").inc(len(some))
            for data in [item(user_id, self._view(socket, user_id)) for user_id in some]:
                await self._sockets.emit(connection, "presence:changed", data)

    def _take(self, socket: str, most: int) -> list[str]:
        pending = self._pending.get(socket, {})
        some = list(pending)[:most]
        for user_id in some:
            del pending[user_id]
        if not pending:
            self._pending.pop(socket, None)
        return [user_id for user_id in some if user_id in self._told]
