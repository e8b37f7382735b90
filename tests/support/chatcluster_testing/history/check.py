"""The rules that every history must keep. Pure: a history goes in, violations come out."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chatcluster_testing.history.membership import Membership
from chatcluster_testing.history.records import FOREVER, Event, Fault, History, Operation, Record, line
from chatcluster_testing.history.values import Registers, value_of

Kind = Literal[
    "lost",
    "duplicated",
    "reordered",
    "gap",
    "changed",
    "edit lost",
    "wrongly visible",
    "wrongly allowed",
    "wrongly refused",
    "not delivered",
    "read mark",
]

GRACE_SECONDS = 3.0
"""A removed person may be served as a member for 2 s (docs/architecture.md), and the answer takes its time."""
DELIVERY_SECONDS = 20.0
"""A connected member has a message live within this time, faults included."""

_LONGEST_LINE = 1500
_MESSAGE_EVENTS = {"message:new", "message:updated", "message:deleted"}
_NEEDS_MEMBER = {"send", "edit", "delete", "mark", "page"}
_DENIED = {403, 404}


@dataclass(frozen=True)
class Violation:
    """A rule that was broken, and by what to find it in the history."""

    kind: Kind
    detail: str
    keys: tuple[str, ...] = ()
    """Message, client or conversation ids, one of which a record that tells of it has."""
    at: float = 0.0
    user: str = ""
    """Whose records tell of it; empty: everybody's."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


@dataclass(frozen=True)
class _Sighting:
    """A message as somebody saw it between two moments."""

    message: dict[str, Any]
    user: str
    begin: float
    """What was acknowledged before this must show; minus infinity for live events, which may be under way for long."""
    end: float
    how: str


def check(history: History) -> list[Violation]:
    """Every violation, the worst first: what is lost, then what is wrong, then what is late."""
    rules = _Rules(history)
    found: dict[tuple[str, str], Violation] = {}
    for rule in rules.all():
        for violation in rule():
            found.setdefault((violation.kind, violation.detail), violation)
    order = list(Kind.__args__)
    return sorted(found.values(), key=lambda violation: (order.index(violation.kind), violation.at))


def relevant(history: History, violation: Violation, limit: int = 40) -> list[str]:
    """The records that tell of a violation, as lines: those that name its ids, changes of members, faults around it."""
    lines: list[str] = []
    for record in history.records:
        if isinstance(record, Fault):
            tells = abs(record.at - violation.at) < DELIVERY_SECONDS
        else:
            # A change of members names the person that it is about.
            person = not violation.user or violation.user in line(record)
            record = _narrowed(record, violation.keys)  # noqa: PLW2901 the part of it that tells
            tells = person and any(key in line(record) for key in violation.keys)
        if tells:
            lines.append(f"{_time(record):.3f} {line(record)}"[:_LONGEST_LINE])
    return lines if len(lines) <= limit else [*lines[: limit // 2], "…", *lines[-limit // 2 :]]


def _narrowed(record: Operation | Event, keys: Sequence[str]) -> Operation | Event:
    """A record whose lists of messages hold only those that the keys name."""
    if isinstance(record, Event):
        return record
    value = {
        name: [item for item in part if any(key in str(item) for key in keys)]
        if name in {"items", "messages"}
        else part
        for name, part in record.value.items()
    }
    return replace(record, value=value)


@dataclass
class _Rules:
    history: History
    stored: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    """The messages of each conversation at the end, by `seq`."""
    sends: dict[str, Operation] = field(default_factory=dict)
    """By client id."""

    def __post_init__(self) -> None:
        self.members = Membership.of(list(self.history.operations), GRACE_SECONDS)
        self.sends = {operation.arguments["client_id"]: operation for operation in self.history.named("send")}
        for reading in self._final():
            known = self.stored.setdefault(reading.arguments["conversation_id"], {})
            for message in reading.value["items"]:
                known.setdefault(message["seq"], message)
        self.sightings = list(self._sightings())
        ids = {sighting.message["client_id"]: sighting.message["id"] for sighting in self.sightings}
        self.registers = Registers.of(self.history.operations, ids)

    def all(self) -> Sequence[Callable[[], Iterator[Violation]]]:
        """Every rule."""
        return (
            self.one_history,
            self.acknowledged_sends_are_stored,
            self.one_message_a_send,
            self.one_message_a_seq,
            self.seq_follows_time,
            self.streams_rise,
            self.members_have_everything,
            self.connected_members_hear_everything,
            self.reads_are_complete,
            self.values_are_current,
            self.views_converge,
            self.nothing_after_deletion,
            self.strangers_see_nothing,
            self.strangers_do_nothing,
            self.members_are_let_in,
            self.read_marks_rise,
        )

    def one_history(self) -> Iterator[Violation]:
        """Whoever reads a conversation at the end reads the same: 1, 2, 3, … without a gap."""
        for reading in self._final():
            conversation = reading.arguments["conversation_id"]
            items = reading.value["items"]
            seqs = [message["seq"] for message in items]
            if seqs != list(range(1, len(seqs) + 1)):
                missing = sorted(set(range(1, max(seqs, default=0) + 1)) - set(seqs))
                yield Violation(
                    "gap", f"the end of {conversation} has {len(seqs)} messages, without {missing[:9]}", (conversation,)
                )
            if [m["id"] for m in items] != [m["id"] for _, m in sorted(self.stored[conversation].items())]:
                yield Violation("reordered", f"{reading.user} reads another history of {conversation}", (conversation,))

    def acknowledged_sends_are_stored(self) -> Iterator[Violation]:
        """What was acknowledged is there at the end, as it was acknowledged."""
        for send in self.sends.values():
            conversation = send.arguments["conversation_id"]
            if send.outcome != "ok" or conversation not in self.stored:
                continue
            stored = self.stored[conversation].get(send.value["seq"])
            if stored is None or stored["id"] != send.value["id"]:
                detail = f"{send.arguments['body']!r} was acknowledged as seq {send.value['seq']} of {conversation}"
                yield Violation("lost", detail, (send.arguments["client_id"],), send.completed)

    def one_message_a_send(self) -> Iterator[Violation]:
        """A client id names one message."""
        yield from self._unique("client_id", lambda m: (m["sender_id"], m["client_id"]), lambda m: (m["id"], m["seq"]))

    def one_message_a_seq(self) -> Iterator[Violation]:
        """A place in a conversation holds one message."""
        yield from self._unique("seq", lambda m: (m["conversation_id"], m["seq"]), lambda m: m["id"])

    def seq_follows_time(self) -> Iterator[Violation]:
        """A message sent after another one's acknowledgement comes after it."""
        for sends in self._by_conversation(s for s in self.sends.values() if s.outcome == "ok"):
            finished = sorted(sends, key=lambda send: send.completed)
            newest, done = None, 0
            for send in sorted(sends, key=lambda send: send.invoked):
                while finished[done].completed < send.invoked:
                    if newest is None or finished[done].value["seq"] > newest.value["seq"]:
                        newest = finished[done]
                    done += 1
                if newest is not None and newest.value["seq"] > send.value["seq"]:
                    first, second = newest.arguments, send.arguments
                    detail = (
                        f"{second['body']!r} was sent after {first['body']!r} was acknowledged, and stands before it"
                    )
                    yield Violation("reordered", detail, (first["client_id"], second["client_id"]), send.invoked)

    def streams_rise(self) -> Iterator[Violation]:
        """A socket has the messages of a conversation once each, in order."""
        last: dict[tuple[str, str], int] = {}
        for event in self.history.events:
            if event.name == "conversation:changed" and not event.data["member"]:  # until it comes back
                last.pop((event.socket, event.data["conversation_id"]), None)
            if event.name != "message:new":
                continue
            key, seq = (event.socket, event.data["conversation_id"]), event.data["seq"]
            before = last.get(key, 0)
            if seq <= before:
                kind: Kind = "duplicated" if seq == before else "reordered"
                detail = f"{event.socket} had seq {seq} after {before} of {event.data['conversation_id']}"
                yield Violation(kind, detail, (event.data["id"],), event.at)
            last[key] = max(seq, before)

    def members_have_everything(self) -> Iterator[Violation]:
        """After the last sync, a member has every message that was sent while they were one."""
        seen: dict[str, set[str]] = defaultdict(set)
        for sighting in self.sightings:
            if sighting.how != "history":
                seen[sighting.user].add(sighting.message["id"])
        for reading in self._final():
            conversation = reading.arguments["conversation_id"]
            for message in self.stored[conversation].values():
                send = self.sends.get(message["client_id"])
                if (
                    send is not None
                    and message["id"] not in seen[reading.user]
                    and self.members.certainly_in(conversation, reading.user, send.invoked, FOREVER)
                ):
                    detail = f"{reading.user} never got seq {message['seq']} of {conversation}"
                    yield Violation("lost", detail, (message["client_id"],), send.completed)

    def connected_members_hear_everything(self) -> Iterator[Violation]:
        """A socket that stays open is sent every message, faults or not."""
        heard: dict[str, set[str]] = defaultdict(set)
        lives: dict[str, list[float]] = {}
        owners: dict[str, str] = {}
        end = max((_time(record) for record in self.history.records), default=0.0)
        for event in self.history.events:
            if event.name == "connect":
                lives[event.socket], owners[event.socket] = [event.at, end], event.user
            elif event.name == "disconnect":
                lives[event.socket][1] = event.at
            elif event.name == "message:new":
                heard[event.socket].add(event.data["client_id"])
        for client_id, send in self.sends.items():
            conversation, until = send.arguments["conversation_id"], send.completed + DELIVERY_SECONDS
            for socket, (begin, closed) in lives.items():
                if (
                    send.outcome == "ok"
                    and begin < send.invoked
                    and until < closed
                    and client_id not in heard[socket]
                    and self.members.certainly_in(conversation, owners[socket], send.invoked, until)
                ):
                    detail = f"{socket} was not sent seq {send.value['seq']} of {conversation}"
                    yield Violation("not delivered", detail, (client_id,), send.completed)

    def reads_are_complete(self) -> Iterator[Violation]:
        """A page or a sync has every message of its range that was acknowledged before it was asked for."""
        acknowledged = {
            conversation: sorted((s.value["seq"], s.completed, s.arguments["client_id"]) for s in sends)
            for conversation, sends in self._grouped(s for s in self.sends.values() if s.outcome == "ok").items()
        }
        for read in self.history.named("page", "sync"):
            for conversation, after, items, more in _ranges(read):
                seqs = [message["seq"] for message in items]
                upto = max(seqs, default=after) if more else FOREVER
                if seqs != list(range(after + 1, after + 1 + len(seqs))):
                    yield Violation(
                        "gap",
                        f"{read.user} read {seqs[:9]} after {after} of {conversation}",
                        (conversation,),
                        read.completed,
                    )
                for seq, completed, client_id in acknowledged.get(conversation, []):
                    if after < seq <= upto and completed < read.invoked and seq not in seqs:
                        detail = f"{read.user} read {conversation} after {after} and did not get seq {seq}"
                        yield Violation("lost", detail, (client_id,), read.completed)

    def values_are_current(self) -> Iterator[Violation]:
        """What is read was written, and nothing acknowledged has replaced it since."""
        for sighting in self.sightings:
            if problem := self.registers.problem(sighting.message, sighting.begin, sighting.end):
                kind, detail = problem
                where = f"seq {sighting.message['seq']} of {sighting.message['conversation_id']}"
                yield Violation(
                    _kind(kind), f"{where} {detail} ({sighting.how})", (sighting.message["id"],), sighting.end
                )

    def views_converge(self) -> Iterator[Violation]:
        """After the last sync, the newest version that a member has seen of a message says what the store says."""
        newest: dict[tuple[str, str], dict[str, Any]] = {}
        for sighting in self.sightings:
            key = (sighting.user, sighting.message["id"])
            if (
                sighting.how != "history"
                and newest.get(key, sighting.message)["revision"] <= sighting.message["revision"]
            ):
                newest[key] = sighting.message
        for reading in self._final():
            for message in reading.value["items"]:
                seen, send = newest.get((reading.user, message["id"])), self.sends.get(message["client_id"])
                if (
                    seen is not None
                    and send is not None
                    and value_of(seen) != value_of(message)
                    and self.members.certainly_in(message["conversation_id"], reading.user, send.invoked, FOREVER)
                ):
                    detail = f"{reading.user} still sees {value_of(seen)!r} where {value_of(message)!r} is stored"
                    yield Violation("edit lost", detail, (message["id"],), reading.completed)

    def nothing_after_deletion(self) -> Iterator[Violation]:
        """A socket that was told of a deletion is not sent the content again."""
        gone: set[tuple[str, str]] = set()
        for event in self.history.events:
            if event.name not in _MESSAGE_EVENTS:
                continue
            key = (event.socket, event.data["id"])
            if event.data["deleted_at"]:
                gone.add(key)
            elif key in gone:
                detail = f"{event.socket} was sent {event.data['body']!r} again after its deletion"
                yield Violation("wrongly visible", detail, (event.data["id"],), event.at)

    def strangers_see_nothing(self) -> Iterator[Violation]:
        """Nobody is shown what was sent while they were not a member, nor reads as a member when they are none."""
        for sighting in self.sightings:
            conversation = sighting.message["conversation_id"]
            send = self.sends.get(sighting.message["client_id"])
            live = sighting.begin == -FOREVER
            begin = (send.invoked if send else FOREVER) if live else sighting.begin
            if begin <= sighting.end and self.members.certainly_out(conversation, sighting.user, begin, sighting.end):
                detail = (
                    f"{sighting.user}, no member, saw seq {sighting.message['seq']} of {conversation} ({sighting.how})"
                )
                yield Violation("wrongly visible", detail, (sighting.message["client_id"],), sighting.end)

    def strangers_do_nothing(self) -> Iterator[Violation]:
        """Nobody acts in a conversation that they are no member of."""
        for operation in self.history.operations:
            if operation.name in _NEEDS_MEMBER and operation.outcome == "ok":
                conversation = operation.arguments["conversation_id"]
                if self.members.certainly_out(conversation, operation.user, operation.invoked, operation.completed):
                    detail = f"{operation.user} did {operation.name} in {conversation} without being a member"
                    yield Violation("wrongly allowed", detail, (conversation,), operation.completed, operation.user)

    def members_are_let_in(self) -> Iterator[Violation]:
        """A member is not told that there is no such conversation or message."""
        for operation in self.history.operations:
            if operation.name in {"send", "mark", "page"} and operation.value.get("status") in _DENIED:
                conversation = operation.arguments["conversation_id"]
                if self.members.certainly_in(conversation, operation.user, operation.invoked, operation.completed):
                    detail = (
                        f"{operation.user}, a member of {conversation}, was refused {operation.name}: {operation.value}"
                    )
                    yield Violation("wrongly refused", detail, (conversation,), operation.completed, operation.user)

    def read_marks_rise(self) -> Iterator[Violation]:
        """A read mark never moves back, and is there at the end."""
        highest: dict[tuple[str, str], Operation] = {}
        for mark in sorted(self.history.named("mark"), key=lambda mark: mark.completed):
            if mark.outcome != "ok":
                continue
            key = (mark.arguments["conversation_id"], mark.user)
            before = highest.get(key)
            if before is not None and before.completed < mark.invoked and before.value["seq"] > mark.value["seq"]:
                detail = f"of {mark.user} in {key[0]} went from {before.value['seq']} to {mark.value['seq']}"
                yield Violation("read mark", detail, key[:1], mark.completed, mark.user)
            if before is None or mark.value["seq"] >= before.value["seq"]:
                highest[key] = mark
        for reading in self.history.named("reads"):
            if reading.outcome != "ok":
                continue
            conversation = reading.arguments["conversation_id"]
            stands = {item["user_id"]: item["seq"] for item in reading.value["items"]}
            for (marked, user), mark in highest.items():
                still = self.members.certainly_in(conversation, user, mark.invoked, FOREVER)
                if marked == conversation and still and stands.get(user, 0) < mark.value["seq"]:
                    detail = f"of {user} in {conversation} is {stands.get(user, 0)} at the end, was {mark.value['seq']}"
                    yield Violation("read mark", detail, (conversation,), mark.completed, user)

    def _final(self) -> list[Operation]:
        return [operation for operation in self.history.named("history") if operation.outcome == "ok"]

    def _sightings(self) -> Iterator[_Sighting]:
        for record in self.history.records:
            if isinstance(record, Event) and record.name in _MESSAGE_EVENTS:
                yield _Sighting(record.data, record.user, -FOREVER, record.at, f"{record.name} on {record.socket}")
            elif isinstance(record, Operation) and record.outcome == "ok":
                match record.name:
                    case "send" | "edit" | "delete":
                        messages = [record.value] if record.value else []
                    case "sync":
                        messages = [*record.value["messages"], *record.value["changed"]]
                    case "page" | "history":
                        messages = record.value["items"]
                    case _:
                        messages = []
                for message in messages:
                    yield _Sighting(message, record.user, record.invoked, record.completed, record.name)

    def _unique(
        self, what: str, key: Callable[[dict[str, Any]], Any], value: Callable[[dict[str, Any]], Any]
    ) -> Iterator[Violation]:
        known: dict[Any, Any] = {}
        for sighting in self.sightings:
            name, found = key(sighting.message), value(sighting.message)
            if known.setdefault(name, found) != found:
                detail = f"{what} {name} is {known[name]} and {found} ({sighting.how})"
                yield Violation("duplicated", detail, (sighting.message["id"],), sighting.end)

    def _grouped(self, operations: Iterator[Operation]) -> dict[str, list[Operation]]:
        groups: dict[str, list[Operation]] = defaultdict(list)
        for operation in operations:
            groups[operation.arguments["conversation_id"]].append(operation)
        return groups

    def _by_conversation(self, operations: Iterator[Operation]) -> list[list[Operation]]:
        return list(self._grouped(operations).values())


def _ranges(read: Operation) -> Iterator[tuple[str, int, list[dict[str, Any]], bool]]:
    """What a page or a sync covers: conversation, the `seq` it begins after, messages, whether there are more."""
    if read.outcome != "ok":
        return
    if read.name == "page":
        yield (
            read.arguments["conversation_id"],
            read.arguments["after_seq"],
            read.value["items"],
            read.value["has_more"],
        )
        return
    for conversation, after in read.arguments["conversations"].items():
        if conversation not in read.value["reload"]:
            items = [message for message in read.value["messages"] if message["conversation_id"] == conversation]
            yield conversation, after, items, conversation in read.value["more"]


def _time(record: Record) -> float:
    if isinstance(record, Operation):
        return record.invoked if record.completed == FOREVER else record.completed
    return record.at


def _kind(name: str) -> Kind:
    return next(kind for kind in Kind.__args__ if kind == name)
