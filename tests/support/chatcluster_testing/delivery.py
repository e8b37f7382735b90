"""The delivery promise as a check: given who sent what and who saw what, is anything lost, doubled or out of order?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from chatcluster_testing.people import Message, Person


@dataclass
class Verdict:
    """What a check found. `problems` is empty when the promise held."""

    acknowledged: int
    stored: int
    repeats: int
    """Live events that brought a message once more; allowed, as clients know them by `seq`."""
    problems: list[str] = field(default_factory=list)


async def settle(conversation_id: str, people: Sequence[Person], seconds: float = 30.0) -> None:
    """Wait until every member's inbox reaches the newest acknowledged message."""
    newest = max((m["seq"] for p in people for m in p.acknowledged.values()), default=0)
    async with asyncio.timeout(seconds):
        for person in people:
            while person.inbox.last_seq(conversation_id) < newest:
                person.inbox.changed.clear()
                if person.inbox.last_seq(conversation_id) >= newest:
                    break
                await person.inbox.changed.wait()


async def check(conversation_id: str, people: Sequence[Person]) -> Verdict:
    """Hold what every member saw, and what was acknowledged, against the store's own history."""
    history = await people[0].history(conversation_id)
    acknowledged = {cid: m for p in people for cid, m in p.acknowledged.items()}
    verdict = Verdict(len(acknowledged), len(history), sum(p.inbox.repeats for p in people))
    verdict.problems = [
        *_dense(history),
        *_once(history),
        *_nothing_lost(history, acknowledged),
        *(problem for person in people for problem in _same_order(history, person, conversation_id)),
    ]
    return verdict


def _dense(history: Sequence[Message]) -> list[str]:
    seqs = [m["seq"] for m in history]
    return [] if seqs == list(range(1, len(seqs) + 1)) else [f"seq is not dense and rising: {seqs}"]


def _once(history: Sequence[Message]) -> list[str]:
    seen: dict[tuple[str, str], int] = {}
    problems: list[str] = []
    for message in history:
        key = (message["sender_id"], message["client_id"])
        if key in seen:
            problems.append(f"doubled: seq {seen[key]} and {message['seq']} are one send")
        seen[key] = message["seq"]
    return problems


def _nothing_lost(history: Sequence[Message], acknowledged: dict[str, Message]) -> list[str]:
    stored = {m["client_id"]: m for m in history}
    problems: list[str] = []
    for client_id, message in acknowledged.items():
        kept = stored.get(client_id)
        if kept is None:
            problems.append(f"lost: seq {message['seq']} was acknowledged and is not in the store")
        elif (kept["id"], kept["seq"], kept["body"]) != (message["id"], message["seq"], message["body"]):
            problems.append(f"changed: acknowledged as seq {message['seq']}, stored as seq {kept['seq']}")
    return problems


def _same_order(history: Sequence[Message], person: Person, conversation_id: str) -> list[str]:
    seen = person.inbox.messages[conversation_id]
    order = [(seq, seen[seq]["id"]) for seq in sorted(seen)]
    expected = [(m["seq"], m["id"]) for m in history]
    problems = [f"two messages under seq {a['seq']}" for a, _ in person.inbox.contradictions]
    if order != expected:
        missing = [pair for pair in expected if pair not in order]
        problems.append(f"{person.user['username']} saw another history; missing: {missing[:5]} of {len(missing)}")
    return problems
