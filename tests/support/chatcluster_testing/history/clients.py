"""People who do random things: what a history is made by."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chatcluster_testing.history.recording import PresenceDevice, RecordedDevice, Recorder, trimmed
from chatcluster_testing.history.records import Operation
from chatcluster_testing.people import Person, Refused

WEIGHTS: Final[Mapping[str, int]] = {
    "send": 45,
    "edit": 10,
    "delete": 4,
    "mark": 12,
    "page": 6,
    "sync": 5,
    "drop": 3,
    "member": 5,
    "leave": 1,
    "appear": 5,
}
"""How often each thing is done."""

_KNOWN_MESSAGES = 30
_PAGE = 50
_AT_HOME = 0.93
_LIVE = 0.7


@dataclass
class Room:
    """A conversation of the test."""

    id: str
    owner: "Client"
    guests: list["Client"]
    """People who come and go; everybody else in it stays."""
    inside: set[str] = field(default_factory=set[str])
    """Ids of the guests who are in it now."""
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Members are changed one at a time, so that who is in can be known."""


class Client:
    """A person, their devices and what they remember."""

    def __init__(self, person: Person, recorder: Recorder, name: str, seed: int, devices: int) -> None:
        self.person = person
        self.name = name
        self.random = random.Random(f"{seed} {name}")
        self.rooms: list[Room] = []
        self._recorder = recorder
        self._count = 0
        self._mine: list[tuple[str, str]] = []
        """(conversation, message) of what they sent last."""
        self._presence: PresenceDevice | None = None
        self.devices = [
            RecordedDevice(person, recorder, f"{name}-{n}", transport="polling" if n % 2 else "websocket")
            for n in range(devices)
        ]

    async def open(self, watched: list[str]) -> None:
        """Connect all devices, and watch those people."""
        self._presence = PresenceDevice(self.person, self._recorder, f"{self.name}-presence", watched)
        for device in (*self.devices, self._presence):
            await device.open()
        await self._presence.sync()

    async def close(self) -> None:
        """Disconnect them."""
        for device in (*self.devices, *([self._presence] if self._presence else [])):
            await device.close()

    async def act(self, weights: Mapping[str, int] = WEIGHTS) -> None:
        """Do one random thing."""
        name = self.random.choices(list(weights), list(weights.values()))[0]
        await getattr(self, f"_{name}")()

    async def create(self, members: list["Client"], guests: list["Client"], kind: str) -> Room:
        """A conversation with `members`, which `guests` may enter and leave."""
        body = {"type": kind, "members": [member.person.id for member in members]}
        if kind != "direct":
            body["name"] = f"Room of {self.name}"

        async def attempt() -> dict[str, Any]:
            return {"conversation_id": (await self.person.rest("POST", "/conversations", json=body))["id"]}

        made = await self._do("create", {"members": body["members"]}, attempt)
        room = Room(made.value["conversation_id"], self, guests)
        for client in (self, *members, *guests):
            client.rooms.append(room)
            _ = client.person.inbox.messages[room.id]
        return room

    async def catch_up(self) -> None:
        """Be connected, and have everything."""
        await self._fresh_sync()

    async def read_everything(self) -> None:
        """Read every conversation from beginning to end, and how far everybody has read."""
        for room in self.rooms:

            async def history(room: Room = room) -> dict[str, Any]:
                return {"items": [trimmed(message) for message in await self.person.history(room.id)]}

            async def reads(room: Room = room) -> dict[str, Any]:
                return await self.person.rest("GET", f"/conversations/{room.id}/reads")

            await self._do("history", {"conversation_id": room.id}, history)
            await self._do("reads", {"conversation_id": room.id}, reads)

    def _room(self) -> Room:
        """A conversation that they are in, as a rule; strangers try as well."""
        inside = [room for room in self.rooms if self not in room.guests or self.person.id in room.inside]
        return self.random.choice(inside if inside and self.random.random() < _AT_HOME else self.rooms)

    async def _send(self) -> None:
        room = self._room()
        client_id, body = str(uuid.UUID(int=self.random.getrandbits(128))), self._words()
        request = {"client_id": client_id, "body": body}
        operation = await self._call(
            "send",
            {"conversation_id": room.id, **request},
            ("message:send", {"conversation_id": room.id, **request}),
            ("POST", f"/conversations/{room.id}/messages", request),
        )
        if operation.outcome == "ok":
            self._mine = [*self._mine, (room.id, operation.value["id"])][-_KNOWN_MESSAGES:]

    async def _edit(self) -> None:
        if self._mine:
            room, message = self.random.choice(self._mine)
            body = self._words()
            await self._call(
                "edit",
                {"conversation_id": room, "id": message, "body": body},
                ("message:edit", {"id": message, "body": body}),
                ("PATCH", f"/messages/{message}", {"body": body}),
            )

    async def _delete(self) -> None:
        if self._mine:
            room, message = self._mine.pop(self.random.randrange(len(self._mine)))
            await self._call(
                "delete",
                {"conversation_id": room, "id": message},
                ("message:delete", {"id": message}),
                ("DELETE", f"/messages/{message}", None),
            )

    async def _mark(self) -> None:
        room = self._room()
        seq = self.person.inbox.last_seq(room.id)
        await self._call(
            "mark",
            {"conversation_id": room.id, "seq": seq},
            ("read:mark", {"conversation_id": room.id, "seq": seq}),
            ("PUT", f"/conversations/{room.id}/read", {"seq": seq}),
        )

    async def _page(self) -> None:
        room = self._room()
        after = max(self.person.inbox.last_seq(room.id) - self.random.randrange(_PAGE), 0)
        path = f"/conversations/{room.id}/messages?after_seq={after}&limit={_PAGE}"

        async def attempt() -> dict[str, Any]:
            page = await self.person.rest("GET", path)
            for message in page["items"]:
                self.person.inbox.add(message)
            return {"items": [trimmed(message) for message in page["items"]], "has_more": page["has_more"]}

        await self._do("page", {"conversation_id": room.id, "after_seq": after}, attempt)

    async def _sync(self) -> None:
        device = await self._device()
        if device:
            try:
                await device.sync()
            except ConnectionError:
                return  # the device does it again when it is connected

    async def _appear(self) -> None:
        """Type, or choose a status."""
        if self._presence is None or not self._presence.connected:
            return
        event, data = self.random.choice(
            [
                ("typing:start", {"conversation_id": self._room().id}),
                ("presence:set", {"status": self.random.choice(["online", "dnd", "invisible"]), "text": self.name}),
                ("presence:activity", {"active": True}),
            ]
        )
        with contextlib.suppress(ConnectionError, Refused):
            await self._presence.call(event, data)

    async def _drop(self) -> None:
        await self.random.choice(self.devices).drop()

    async def _member(self) -> None:
        """An owner lets a guest in, or sends one out."""
        rooms = [room for room in self.rooms if room.owner is self and room.guests]
        if not rooms:
            return
        room = self.random.choice(rooms)
        guest = self.random.choice(room.guests)
        async with room.changing:
            if guest.person.id in room.inside:
                await self._remove(room, guest)
            else:
                await self._add(room, guest)

    async def _leave(self) -> None:
        rooms = [room for room in self.rooms if self.person.id in room.inside]
        if rooms:
            room = self.random.choice(rooms)
            async with room.changing:
                if self.person.id in room.inside:
                    await self._remove(room, self)

    async def _add(self, room: Room, guest: "Client") -> None:
        user_id = guest.person.id

        async def attempt() -> dict[str, Any]:
            await self.person.rest("POST", f"/conversations/{room.id}/members", json={"user_id": user_id})
            return {}

        done = await self._do("add", {"conversation_id": room.id, "user_id": user_id}, attempt)
        if done.outcome != "refused":
            room.inside.add(user_id)

    async def _remove(self, room: Room, guest: "Client") -> None:
        user_id = guest.person.id

        async def attempt() -> dict[str, Any]:
            await self.person.rest("DELETE", f"/conversations/{room.id}/members/{user_id}")
            return {}

        done = await self._do("remove", {"conversation_id": room.id, "user_id": user_id}, attempt, done_if=404)
        if done.outcome == "ok":
            room.inside.discard(user_id)

    async def _call(
        self,
        name: str,
        arguments: dict[str, Any],
        event: tuple[str, dict[str, Any]],
        route: tuple[str, str, dict[str, Any] | None],
    ) -> Operation:
        """By a device or by REST, each attempt anew: both are one thing to the services."""

        async def attempt() -> dict[str, Any]:
            device = await self._device()
            if device:
                answer = await device.call(*event)
            else:
                method, path, body = route
                answer = await self.person.rest(method, path, **({"json": body} if body is not None else {}))
            message = answer.get("message", answer) if answer else {}
            return trimmed(message) if "client_id" in message else message

        return await self._do(name, arguments, attempt)

    async def _do(self, name: str, arguments: dict[str, Any], attempt: Any, *, done_if: int = 0) -> Operation:
        return await self._recorder.perform(self.person.id, name, arguments, attempt, done_if=done_if)

    async def _device(self) -> RecordedDevice | None:
        """A connected device, or none: then it goes by REST."""
        connected = [device for device in self.devices if device.connected]
        return self.random.choice(connected) if connected and self.random.random() < _LIVE else None

    async def _fresh_sync(self) -> None:
        for device in self.devices:
            while True:
                await device.online()
                try:
                    await device.sync()
                    break
                except ConnectionError:
                    await asyncio.sleep(0.2)

    def _words(self) -> str:
        self._count += 1
        return f"{self.name} says {self._count}"
