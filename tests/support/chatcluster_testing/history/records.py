"""What a history is made of. All times are seconds of one monotonic clock: every client runs in one process."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["ok", "refused", "unknown"]
FOREVER = float("inf")


@dataclass(frozen=True)
class Operation:
    """Something a client asked for, repeats of the same request included, and what came of it.

    Names and their arguments → values: `create {members}` → `{conversation_id}`; `add`, `remove {conversation_id,
    user_id}`; `send {conversation_id, client_id, body}`, `edit {conversation_id, id, body}`, `delete {conversation_id,
    id}` → the message; `mark {conversation_id, seq}` → `{seq}`; `sync {conversations}`, `page {conversation_id,
    after_seq}` → as in the contract; `history {conversation_id}` → `{items}`: all of it, read when nothing writes any
    more; `reads {conversation_id}` → as in the contract, likewise.
    """

    user: str
    name: str
    arguments: dict[str, Any]
    invoked: float
    completed: float
    """Infinity when nobody knows whether it took effect: it may still do so."""
    outcome: Outcome
    value: dict[str, Any] = field(default_factory=dict[str, Any])
    """The answer; the problem of a refusal."""


@dataclass(frozen=True)
class Event:
    """Something a socket was sent. `connect` and `disconnect` mark its life."""

    at: float
    user: str
    socket: str
    """One connection: a device that connects again is another."""
    name: str
    data: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Fault:
    """Something done to a process."""

    at: float
    what: str


Record = Operation | Event | Fault
_KINDS: dict[str, type[Record]] = {"operation": Operation, "event": Event, "fault": Fault}


@dataclass
class History:
    """Records in the order in which they ended."""

    seed: int = 0
    records: list[Record] = field(default_factory=list[Record])

    @property
    def operations(self) -> Iterator[Operation]:
        """All operations."""
        return (record for record in self.records if isinstance(record, Operation))

    @property
    def events(self) -> Iterator[Event]:
        """All events of sockets."""
        return (record for record in self.records if isinstance(record, Event))

    def named(self, *names: str) -> list[Operation]:
        """The operations of those names."""
        return [operation for operation in self.operations if operation.name in names]

    def add(self, record: Record) -> None:
        """Write a record down."""
        self.records.append(record)

    def save(self, file: Path) -> None:
        """As JSON lines."""
        with file.open("w") as output:
            output.write(json.dumps({"seed": self.seed}) + "\n")
            output.writelines(line(record) + "\n" for record in self.records)

    @classmethod
    def load(cls, file: Path) -> "History":
        """Read what `save` wrote."""
        first, *lines = file.read_text().splitlines()
        return cls(json.loads(first)["seed"], list(_parsed(lines)))


def line(record: Record) -> str:
    """A record as one line of JSON."""
    kind = next(name for name, type_ in _KINDS.items() if isinstance(record, type_))
    return json.dumps({"kind": kind, **asdict(record)})


def now() -> float:
    """The clock of histories."""
    return time.monotonic()


def _parsed(lines: Iterable[str]) -> Iterator[Record]:
    for text in lines:
        fields = json.loads(text)
        yield _KINDS[fields.pop("kind")](**fields)
