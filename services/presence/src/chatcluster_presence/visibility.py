"""Who may see what of whom: the user service's word on blocks, contacts and the privacy of `last_seen`.

It is asked once and remembered for some minutes; signals drop what they say has changed, so that a block holds within
a moment. Without the user service nothing is shown that was not known: not to know is no reason to reveal.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from enum import Enum
from typing import Any, Literal, NamedTuple, TypeVar

from chatcluster_common import errors
from chatcluster_common.internal import InternalClient
from chatcluster_common.recent import Recent
from chatcluster_presence.models import Presence
from chatcluster_presence.state import Appearance

Privacy = Literal["everyone", "contacts", "nobody"]
V = TypeVar("V")

_RELATIONS_A_CALL = 1000
_PEOPLE_A_CALL = 500
_CALLS_AT_ONCE = 16
_ATTEMPTS = 3


class View(Enum):
    """What one person may see of another."""

    FULL = "full"
    NO_LAST_SEEN = "no_last_seen"
    HIDDEN = "hidden"
    """There is a block between them: the other appears offline, as if they had never been here."""


class Relation(NamedTuple):
    """What is between two people, the same from either side."""

    blocked: bool = False
    """One of them blocks the other."""
    contact: bool = False
    """Both have agreed to be contacts."""


def view(privacy: Privacy, relation: Relation) -> View:
    """What somebody with this relation to a person may see of them."""
    if relation.blocked:
        return View.HIDDEN
    shown = privacy == "everyone" or (privacy == "contacts" and relation.contact)
    return View.FULL if shown else View.NO_LAST_SEEN


def render(look: Appearance, seen_as: View) -> Presence:
    """A person as they are shown."""
    if seen_as is View.HIDDEN:
        return Presence(user_id=look.user_id, status="offline", last_seen=None)
    return Presence(
        user_id=look.user_id,
        status=look.status,
        last_seen=look.last_seen if seen_as is View.FULL else None,
        text=look.text,
        emoji=look.emoji,
        expires_at=look.expires_at,
    )


class Visibility:
    """Answers for one process. Every call raises a 503 `Problem` when the user service must be asked and is away."""

    def __init__(self, users: InternalClient, *, seconds: float) -> None:
        self._users = users
        self._relations: Recent[tuple[str, str], Relation] = Recent(seconds=seconds, most=50_000)
        self._privacy: Recent[str, Privacy] = Recent(seconds=seconds, most=50_000)
        self._calls = asyncio.Semaphore(_CALLS_AT_ONCE)
        self._changes = 0

    def forget(self, user_id: str) -> None:
        """The person's settings have changed."""
        self._changes += 1
        self._privacy.forget(user_id)

    def forget_between(self, one: str, other: str) -> None:
        """The relation between two people has changed."""
        self._changes += 1
        self._relations.forget(_pair(one, other))

    async def of(self, watcher: str, people: Collection[str]) -> dict[str, View]:
        """What `watcher` may see of each of `people`."""
        relations, privacy = await asyncio.gather(self.relations(watcher, people), self._privacy_of(people))
        return {user_id: view(privacy[user_id], relations[user_id]) for user_id in people}

    async def to(self, user_id: str, watchers: Collection[str]) -> dict[str, View]:
        """What each of `watchers` may see of one person."""
        relations, privacy = await asyncio.gather(self.relations(user_id, watchers), self._privacy_of([user_id]))
        return {watcher: view(privacy[user_id], relations[watcher]) for watcher in watchers}

    async def relations(self, user_id: str, others: Collection[str]) -> dict[str, Relation]:
        """What is between a person and each of `others`; nothing between a person and themself."""

        async def ask(some: list[str]) -> dict[str, Relation]:
            answer = await self._post("/internal/users/relations", {"user_id": user_id, "others": some})
            blocked = {*answer["blocking"], *answer["blocked_by"]}
            contacts = set(answer["contacts"])
            return {other: Relation(other in blocked, other in contacts) for other in some}

        known = {other: self._relations.get(_pair(user_id, other)) for other in others}
        if user_id in known:
            known[user_id] = Relation(contact=True)
        found = {other: relation for other, relation in known.items() if relation is not None}
        for some in _chunks([other for other in others if other not in found], _RELATIONS_A_CALL):
            answers, lasting = await self._as_it_is_now(lambda some=some: ask(some))
            found |= answers
            if lasting:
                for other, relation in answers.items():
                    self._relations.put(_pair(user_id, other), relation)
        return found

    async def _privacy_of(self, people: Collection[str]) -> dict[str, Privacy]:
        async def ask(some: list[str]) -> dict[str, Privacy]:
            answer = await self._post("/internal/users/lookup", {"ids": some})
            told: dict[str, Privacy] = {item["id"]: item["privacy"]["last_seen"] for item in answer["items"]}
            return {user_id: told.get(user_id, "nobody") for user_id in some}

        known: dict[str, Privacy | None] = {user_id: self._privacy.get(user_id) for user_id in people}
        found: dict[str, Privacy] = {user_id: privacy for user_id, privacy in known.items() if privacy is not None}
        for some in _chunks([user_id for user_id in people if user_id not in found], _PEOPLE_A_CALL):
            answers, lasting = await self._as_it_is_now(lambda some=some: ask(some))
            found |= answers
            if lasting:
                for user_id, privacy in answers.items():
                    self._privacy.put(user_id, privacy)
        return found

    async def _as_it_is_now(self, ask: Callable[[], Awaitable[V]]) -> tuple[V, bool]:
        """The answer, and whether it may be kept: not when something changed while it was on its way."""
        attempt = 0
        while True:
            attempt += 1
            changes = self._changes
            answer = await ask()
            if changes == self._changes or attempt == _ATTEMPTS:
                return answer, changes == self._changes

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._calls:
            answer = await self._users.post(path, body)
        if answer is None:
            raise errors.unavailable()
        return answer


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def _chunks(items: list[str], size: int) -> Iterable[list[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))
