"""Devices that write down all they send and get, and hold it against the AsyncAPI document."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from chatcluster_testing.asyncapi import Documented
from chatcluster_testing.history.records import FOREVER, Event, History, Operation, now
from chatcluster_testing.people import Device, Message, Person, Refused, Transport

_FIELDS = ("id", "conversation_id", "seq", "sender_id", "client_id", "body", "edited_at", "deleted_at", "revision")
_MESSAGE_EVENTS = {"message:new", "message:updated", "message:deleted"}

_EXAMPLES = 20

PATIENCE_SECONDS = 25.0
"""How long a client repeats a request before it gives up, never to know what came of it."""


def trimmed(message: Mapping[str, Any]) -> dict[str, Any]:
    """What a history keeps of a message."""
    return {name: message[name] for name in _FIELDS}


@dataclass
class Recorder:
    """Takes down what all clients do and see."""

    history: History
    undocumented: list[str] = field(default_factory=list[str])
    """Traffic that is not as documented, the first of it."""

    def check(self, channel: Documented, direction: str, event: str, data: Any) -> None:
        """Hold traffic against the document."""
        problem = channel(direction, event, data)
        if problem and len(self.undocumented) < _EXAMPLES:
            self.undocumented.append(problem)

    async def perform(
        self,
        user: str,
        name: str,
        arguments: dict[str, Any],
        attempt: Callable[[], Awaitable[dict[str, Any]]],
        *,
        done_if: int = 0,
    ) -> Operation:
        """Ask until there is an answer, as the contract tells clients to, and write down what came of it.

        `done_if` is the status that says, to a repeated request, that an earlier one was done.
        """
        invoked, doubtful = now(), False
        while True:
            value: dict[str, Any] = {}
            try:
                value = await attempt()
                outcome = "ok"
            except Refused as refusal:
                value = refusal.problem
                if value["status"] >= 500 or value["status"] == 429:
                    outcome = "unknown"
                elif doubtful:
                    outcome = "ok" if value["status"] == done_if else "unknown"
                    break
                else:
                    outcome = "refused"
            except (ConnectionError, aiohttp.ClientError, TimeoutError, ValueError):
                outcome = "unknown"
            if outcome != "unknown" or now() > invoked + PATIENCE_SECONDS:
                break
            doubtful = True
            await asyncio.sleep(random.uniform(0.1, 0.4))
        completed = FOREVER if outcome == "unknown" else now()
        operation = Operation(user, name, arguments, invoked, completed, outcome, value)
        self.history.add(operation)
        return operation


class RecordedDevice(Device):
    """A device whose every connection is a socket of its own in the history."""

    channel = "message"

    def __init__(
        self, person: Person, recorder: Recorder, name: str, *, transport: Transport, path: str = "/socket.io"
    ) -> None:
        super().__init__(person, transport=transport, path=path)
        self._recorder = recorder
        self._documented = Documented(self.channel)
        self._name = name
        self._connections = 0
        self._open = False
        self._as_of: str | None = None

    @property
    def socket(self) -> str:
        """The present connection, as the history names it."""
        return f"{self._name}#{self._connections}"

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._open

    async def call(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        self._check("sent", event, data)
        try:
            answer = await super().call(event, data)
        except Refused as refusal:
            self._check("answer", event, {"ok": False, "error": refusal.problem})
            raise
        self._check("answer", event, answer)
        return answer

    async def sync(self) -> None:
        """As every device does, each call an operation of the history."""
        inbox = self.person.inbox
        pending = {c: inbox.last_seq(c) for c in list(inbox.messages)}
        as_of: str | None = None
        while pending:
            arguments: dict[str, Any] = {"conversations": pending}
            if self._as_of and as_of is None:
                arguments["changed_since"] = self._as_of
            invoked = now()
            answer = await self.call("sync", arguments)
            as_of = as_of or answer["as_of"]
            value = {
                **answer,
                "messages": [trimmed(message) for message in answer["messages"]],
                "changed": [trimmed(message) for message in answer["changed"]],
            }
            self._recorder.history.add(Operation(self.person.id, "sync", arguments, invoked, now(), "ok", value))
            for message in answer["messages"]:
                inbox.add(message)
            pending = {c: inbox.last_seq(c) for c in answer["more"]}
        self._as_of = as_of

    async def _connect(self) -> None:
        await self._hang_up()
        self._connections += 1
        await super()._connect()
        self._open = True
        self._note("connect")

    def _on_message(self, message: Message) -> None:
        self._check("received", "message:new", message)
        self._note("message:new", trimmed(message))
        super()._on_message(message)

    def _on_event(self, event: str, data: Any = None) -> None:
        self._check("received", event, data)
        if event in _MESSAGE_EVENTS:
            self._note(event, trimmed(data))
        elif event == "conversation:changed":
            self._note(event, {"conversation_id": data["conversation_id"], "member": data["conversation"] is not None})
            if data["conversation"] is not None:
                _ = self.person.inbox.messages[data["conversation_id"]]

    def _on_disconnect(self, *reason: object) -> None:
        if self._open:
            self._open = False
            self._note("disconnect")
        super()._on_disconnect(*reason)

    def _check(self, direction: str, event: str, data: Any) -> None:
        self._recorder.check(self._documented, direction, event, data)

    def _note(self, name: str, data: dict[str, Any] | None = None) -> None:
        self._recorder.history.add(Event(now(), self.person.id, self.socket, name, data or {}))


class PresenceDevice(RecordedDevice):
    """A connection to the presence service. Its traffic is checked, and is no part of the history."""

    channel = "presence"

    def __init__(self, person: Person, recorder: Recorder, name: str, watched: list[str]) -> None:
        super().__init__(person, recorder, name, transport="websocket", path="/presence/socket.io")
        self._watched = watched

    async def sync(self) -> None:
        """Watch again."""
        await self.call("presence:subscribe", {"user_ids": self._watched})

    def _on_event(self, event: str, data: Any = None) -> None:
        self._check("received", event, data)

    def _note(self, name: str, data: dict[str, Any] | None = None) -> None:
        pass
