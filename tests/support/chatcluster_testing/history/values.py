"""What a message may say when it is read: each is a register that its send, its edits and its deletion write."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chatcluster_testing.history.records import FOREVER, Operation

DELETED = "<deleted>"
"""The value of a tombstone. Bodies of a history are unique, so that a value names the write that it came from."""


def value_of(message: dict[str, Any]) -> str:
    """What a message says."""
    return DELETED if message["deleted_at"] else message["body"]


@dataclass(frozen=True)
class Write:
    """A value, and the span in which it took effect."""

    value: str
    invoked: float
    completed: float


@dataclass
class Registers:
    """The writes to every message, by id."""

    writes: dict[str, list[Write]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, operations: Iterable[Operation], ids: dict[str, str]) -> "Registers":
        """`ids` are message ids by client id: a send that nobody answered may have been stored."""
        made = cls()
        for operation in operations:
            if operation.outcome == "refused" or operation.name not in {"send", "edit", "delete"}:
                continue
            arguments = operation.arguments
            message_id = ids.get(arguments["client_id"]) if operation.name == "send" else arguments["id"]
            if message_id is not None:
                value = DELETED if operation.name == "delete" else arguments["body"]
                made.writes[message_id].append(Write(value, operation.invoked, operation.completed))
        return made

    def problem(self, message: dict[str, Any], begin: float, end: float) -> tuple[str, str] | None:
        """What is wrong with a value read between the two, as kind and detail; None when it may be read.

        A reader may not know of what was written while it read, and must know of what was acknowledged before.
        """
        value, writes = value_of(message), self.writes[message["id"]]
        mine = [write for write in writes if write.value == value]
        if not any(write.invoked <= end for write in mine):
            return "changed", f"says {value!r}, which nobody wrote"
        if value != DELETED and any(write.value == DELETED and write.completed < begin for write in writes):
            return "wrongly visible", f"says {value!r} after its deletion was acknowledged"
        completed = max((FOREVER if write.value == DELETED else write.completed) for write in mine)
        newer = [write for write in writes if write.invoked > completed and write.completed < begin]
        if newer:
            return "edit lost", f"says {value!r} after {newer[0].value!r} was acknowledged"
        return None
