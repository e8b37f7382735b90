"""The checker of histories finds each kind of bad history, and nothing in good ones."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatcluster_testing.history.check import DELIVERY_SECONDS, GRACE_SECONDS, check, relevant
from chatcluster_testing.history.records import FOREVER, Event, Fault, History, Operation, Record

C = "c"
LATE = 1000.0
"""When histories end; everything in them happens long before."""


def message(seq: int, body: str = "", *, by: str = "ann", deleted: bool = False, **fields: Any) -> dict[str, Any]:
    """Message number `seq` of the one conversation; by default it says what it was sent with."""
    return {
        "id": f"m{seq}",
        "conversation_id": C,
        "seq": seq,
        "sender_id": by,
        "client_id": f"k{seq}",
        "body": "" if deleted else body or f"b{seq}",
        "edited_at": None,
        "deleted_at": "then" if deleted else None,
        "revision": 2 if deleted else 1 if body else 0,
    } | fields


def done(
    user: str, name: str, at: float, value: dict[str, Any] | None = None, until: float = 0, **arguments: Any
) -> Operation:
    """An operation that went well, for a tenth of a second or `until`."""
    return Operation(user, name, {"conversation_id": C, **arguments}, at, until or at + 0.1, "ok", value or {})


def send(seq: int, at: float, *, by: str = "ann", until: float = 0) -> Operation:
    return done(by, "send", at, message(seq, by=by), until, client_id=f"k{seq}", body=f"b{seq}")


def edit(seq: int, body: str, at: float, *, by: str = "ann") -> Operation:
    return done(by, "edit", at, message(seq, body), id=f"m{seq}", body=body)


def delete(seq: int, at: float, *, by: str = "ann") -> Operation:
    return done(by, "delete", at, message(seq, deleted=True), id=f"m{seq}")


def page(user: str, at: float, *items: dict[str, Any], after: int = 0, more: bool = False) -> Operation:
    return done(user, "page", at, {"items": list(items), "has_more": more}, after_seq=after)


def sync(user: str, at: float, *items: dict[str, Any], after: int = 0, reload: Sequence[str] = ()) -> Operation:
    value = {"messages": list(items), "changed": [], "more": [], "reload": list(reload)}
    return Operation(user, "sync", {"conversations": {C: after}}, at, at + 0.1, "ok", value)


def end(user: str, *items: dict[str, Any]) -> Operation:
    return done(user, "history", LATE, {"items": list(items)})


def live(user: str, at: float, data: dict[str, Any], name: str = "message:new", socket: str = "") -> Event:
    return Event(at, user, socket or f"{user}1", name, data)


def refused(operation: Operation, status: int) -> Operation:
    return Operation(
        operation.user,
        operation.name,
        operation.arguments,
        operation.invoked,
        operation.completed,
        "refused",
        {"status": status},
    )


def unanswered(operation: Operation) -> Operation:
    return Operation(operation.user, operation.name, operation.arguments, operation.invoked, FOREVER, "unknown")


BEGIN = Operation("ann", "create", {"members": ["bob"]}, 0.0, 0.1, "ok", {"conversation_id": C})
"""ann and bob are in it; eve is not."""


def both(*items: dict[str, Any]) -> list[Record]:
    """Everybody has had everything, and reads the same at the end."""
    sent = [live(user, 900 + item["seq"], item, socket=f"{user}2") for item in items for user in ("ann", "bob")]
    return [*sent, end("ann", *items), end("bob", *items)]


GOOD: dict[str, list[Record]] = {
    "nothing happens": [BEGIN, end("ann"), end("bob")],
    "a message": [BEGIN, send(1, 1), *both(message(1))],
    "sends at the same time, in either order": [
        BEGIN, send(2, 1, until=9), send(1, 2, by="bob", until=8), *both(message(1, by="bob"), message(2))
    ],
    "a send that nobody answered is stored": [BEGIN, unanswered(send(1, 1)), *both(message(1))],
    "a send that nobody answered is not stored": [BEGIN, unanswered(send(1, 1)), end("ann"), end("bob")],
    "an edit": [BEGIN, send(1, 1), edit(1, "new", 2), *both(message(1, "new"))],
    "an edit that nobody answered": [BEGIN, send(1, 1), unanswered(edit(1, "new", 2)), *both(message(1, "new"))],
    "an edit while somebody reads": [
        BEGIN, send(1, 1), edit(1, "new", 2), page("bob", 2.05, message(1)), *both(message(1, "new"))
    ],
    "a deletion, and its tombstone": [BEGIN, send(1, 1), delete(1, 2), *both(message(1, deleted=True))],
    "a live message that took longer than its deletion": [
        BEGIN, send(1, 1), delete(1, 2), live("bob", 3, message(1)),
        live("bob", 4, message(1, deleted=True), "message:deleted"), end("bob", message(1, deleted=True)),
    ],
    "somebody added reads everything": [
        BEGIN, send(1, 1), done("ann", "add", 2, user_id="eve"), sync("eve", 3, message(1)), *both(message(1)),
        end("eve", message(1)),
    ],
    "somebody removed is served for a moment": [
        BEGIN, done("ann", "remove", 1, user_id="bob"), send(1, 2), live("bob", 2.1, message(1)),
        page("bob", 2.2, message(1)), end("ann", message(1)),
    ],
    "somebody removed is turned away": [
        BEGIN, done("ann", "remove", 1, user_id="bob"), send(1, 9), refused(page("bob", 10), 404),
        sync("bob", 11, reload=[C]), end("ann", message(1)),
    ],
    "a removal that nobody answered proves nothing": [
        BEGIN, unanswered(done("ann", "remove", 1, user_id="bob")), send(1, 20), live("bob", 21, message(1)),
        end("ann", message(1)),
    ],
    "a socket that closed in time": [
        BEGIN, Event(0.5, "bob", "bob1", "connect"), send(1, 1), Event(2, "bob", "bob1", "disconnect"),
        sync("bob", 3, message(1)), *both(message(1))[1:],
    ],
    "a socket whose person left and came back": [
        BEGIN, send(1, 1), live("bob", 2, message(1)),
        Event(3, "bob", "bob1", "conversation:changed", {"conversation_id": C, "member": False}),
        live("bob", 4, message(1)), end("ann", message(1)),
    ],
    "pages": [
        BEGIN, *(send(n, n) for n in (1, 2, 3)), page("bob", 9, message(1), message(2), more=True),
        page("bob", 10, message(3), after=2), *both(message(1), message(2), message(3)),
    ],
    "a read mark": [
        BEGIN, send(1, 1), done("bob", "mark", 2, {"seq": 1}, seq=1), *both(message(1)),
        done("ann", "reads", LATE, {"items": [{"user_id": "bob", "seq": 1}]}),
    ],
}  # fmt: skip

BAD: dict[str, tuple[set[str], list[Record]]] = {
    "acknowledged, absent at the end": ({"lost"}, [BEGIN, send(1, 1), end("ann"), end("bob")]),
    "acknowledged, another one in its place": (
        {"lost", "duplicated", "changed"}, [BEGIN, send(1, 1), send(2, 2), *both(message(1), message(2, id="mx"))],
    ),
    "a member never got it": ({"lost"}, [BEGIN, send(1, 1), end("ann", message(1)), end("bob", message(1))]),
    "a page without it": ({"lost"}, [BEGIN, send(1, 1), page("bob", 2), *both(message(1))]),
    "a sync without it": ({"lost"}, [BEGIN, send(1, 1), sync("bob", 2), *both(message(1))]),
    "two messages of one send": (
        {"duplicated", "changed"}, [BEGIN, send(1, 1), *both(message(1), message(2, client_id="k1", body="b1"))],
    ),
    "two messages under one seq": (
        {"duplicated", "lost"},
        [BEGIN, send(1, 1), done("bob", "send", 1, message(1, "b2", by="bob", id="mx", client_id="k2"),
                                 client_id="k2", body="b2"), *both(message(1))],
    ),
    "a message twice on one socket": (
        {"duplicated"},
        [BEGIN, send(1, 1), live("bob", 2, message(1)), live("bob", 3, message(1)), end("ann", message(1))],
    ),
    "a socket out of order": (
        {"reordered"},
        [BEGIN, send(1, 1), send(2, 2), live("bob", 3, message(2)), live("bob", 4, message(1)),
         end("ann", message(1), message(2))],
    ),
    "sent later, stands before": (
        {"reordered"}, [BEGIN, send(2, 1), send(1, 2), *both(message(1), message(2))],
    ),
    "two readers, two histories": (
        {"reordered", "duplicated", "changed"},
        [BEGIN, send(1, 1), end("ann", message(1)), live("bob", 2, message(1)), end("bob", message(1, id="mx"))],
    ),
    "a hole in the history": ({"gap"}, [BEGIN, send(1, 1), send(3, 2), *both(message(1), message(3))]),
    "a hole in a page": (
        {"gap", "lost"}, [BEGIN, *(send(n, n) for n in (1, 2, 3)), page("bob", 9, message(1), message(3)),
                          *both(message(1), message(2), message(3))],
    ),
    "words that nobody wrote": ({"changed"}, [BEGIN, send(1, 1), *both(message(1, "else"))]),
    "an edit is lost": (
        {"edit lost"}, [BEGIN, send(1, 1), edit(1, "new", 2), *both(message(1))],
    ),
    "a member is never told of an edit": (
        {"edit lost"},
        [BEGIN, send(1, 1), live("bob", 2, message(1)), edit(1, "new", 3), end("ann", message(1, "new")),
         end("bob", message(1, "new"))],
    ),
    "an older edit wins": (
        {"edit lost"},
        [BEGIN, send(1, 1), edit(1, "one", 2), edit(1, "two", 3), *both(message(1, "one"))],
    ),
    "a page shows what an acknowledged edit replaced": (
        {"edit lost"}, [BEGIN, send(1, 1), edit(1, "new", 2), page("bob", 3, message(1)), *both(message(1, "new"))],
    ),
    "content at the end, after its deletion": (
        {"wrongly visible", "edit lost"}, [BEGIN, send(1, 1), delete(1, 2), *both(message(1))],
    ),
    "an edit brings a deleted message back": (
        {"wrongly visible", "edit lost"},
        [BEGIN, send(1, 1), delete(1, 2), edit(1, "again", 3), *both(message(1, "again"))],
    ),
    "content again on a socket that knows of the deletion": (
        {"wrongly visible"},
        [BEGIN, send(1, 1), delete(1, 2), live("bob", 3, message(1, deleted=True), "message:deleted"),
         live("bob", 4, message(1)), end("ann", message(1, deleted=True))],
    ),
    "a stranger is sent a message": (
        {"wrongly visible"}, [BEGIN, send(1, 1), live("eve", 2, message(1)), *both(message(1))],
    ),
    "somebody removed is sent later messages": (
        {"wrongly visible"},
        [BEGIN, done("ann", "remove", 1, user_id="bob"), send(1, 2 + GRACE_SECONDS),
         live("bob", 3 + GRACE_SECONDS, message(1)), end("ann", message(1))],
    ),
    "somebody removed reads": (
        {"wrongly visible", "wrongly allowed"},
        [BEGIN, send(1, 0.5), done("ann", "remove", 1, user_id="bob"), page("bob", 2 + GRACE_SECONDS, message(1)),
         end("ann", message(1))],
    ),
    "a stranger sends": (
        {"wrongly allowed", "wrongly visible"}, [BEGIN, send(1, 1, by="eve"), *both(message(1, by="eve"))],
    ),
    "a member is turned away": (
        {"wrongly refused"}, [BEGIN, send(1, 1), refused(page("bob", 2), 404), *both(message(1))],
    ),
    "an open socket is not sent a message": (
        {"not delivered"},
        [BEGIN, Event(0.5, "bob", "bob1", "connect"), send(1, 1), sync("bob", 2, message(1)),
         end("ann", message(1)), end("bob", message(1))],
    ),
    "a read mark moves back": (
        {"read mark"},
        [BEGIN, send(1, 1), send(2, 2), done("bob", "mark", 3, {"seq": 2}, seq=2),
         done("bob", "mark", 4, {"seq": 1}, seq=1), *both(message(1), message(2))],
    ),
    "a read mark is lost": (
        {"read mark"},
        [BEGIN, send(1, 1), done("bob", "mark", 3, {"seq": 1}, seq=1), *both(message(1)),
         done("ann", "reads", LATE, {"items": []})],
    ),
}  # fmt: skip


@pytest.mark.parametrize("records", GOOD.values(), ids=GOOD)
def test_a_good_history_passes(records: list[Record]) -> None:
    assert check(History(records=records)) == []


@pytest.mark.parametrize(("kinds", "records"), BAD.values(), ids=BAD)
def test_a_bad_history_is_found(kinds: set[str], records: list[Record]) -> None:
    assert {violation.kind for violation in check(History(records=records))} == kinds


def test_a_violation_comes_with_what_tells_of_it() -> None:
    kill = Fault(1.5, "message-1 is killed")
    records = [
        BEGIN,
        send(1, 1),
        kill,
        send(2, 2),
        Fault(2 + 2 * DELIVERY_SECONDS, "redis is killed"),
        *both(message(2)),
    ]
    history = History(records=records)
    found = next(violation for violation in check(history) if violation.kind == "lost")
    told = relevant(history, found)
    assert len(told) == 2
    assert '"k1"' in told[0]
    assert "message-1 is killed" in told[1]


def test_a_history_is_kept_as_it_was(tmp_path: Path) -> None:
    history = History(7, [BEGIN, unanswered(send(1, 1)), Fault(2.0, "edge is killed"), live("bob", 3, message(1))])
    file = tmp_path / "history.jsonl"
    history.save(file)
    assert History.load(file) == history


def _shuffled(seqs: Sequence[int]) -> list[Record]:
    return [BEGIN, *(send(n, n) for n in seqs), *(live("bob", 50 + at, message(n)) for at, n in enumerate(seqs))]


@pytest.mark.parametrize("seqs", list(itertools.permutations((1, 2, 3))))
def test_every_wrong_order_of_a_socket_is_found(seqs: tuple[int, ...]) -> None:
    found = check(History(records=[*_shuffled(seqs), end("ann", *(message(n) for n in (1, 2, 3)))]))
    assert (not [violation for violation in found if "bob1" in violation.detail]) == (list(seqs) == sorted(seqs))
