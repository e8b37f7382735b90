"""What the user service knows of people, asked when it is needed and remembered until a signal says it has changed."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import Counter

from chatcluster_common import errors, logs
from chatcluster_common.errors import Problem
from chatcluster_common.internal import InternalClient
from chatcluster_common.recent import Recent
from chatcluster_common.signals import Signals

log = logs.get_logger(__name__)

UNRESOLVED = Counter("chat_message_mentions_unresolved_total", "Messages stored without asking whom they mention.")

_PATIENCE_SECONDS = 1.5
"""How long a send waits to learn whom it mentions: a message goes out without, rather than not at all."""
_REMEMBERED_SECONDS = 300.0
_NAME_SECONDS = 60.0
_LOOKUP = 500
_RELATIONS = 1000
_PRESENCES = 200
_NOBODY = ""
_PRESENT = frozenset({"online", "away", "dnd"})


class People:
    """Names, blocks, and whether somebody shows what they have read."""

    def __init__(self, users: InternalClient, presence: InternalClient | None) -> None:
        self._users = users
        self._presence = presence
        self._names = Recent[str, str](seconds=_NAME_SECONDS)
        self._blocked = Recent[tuple[str, str], bool](seconds=_REMEMBERED_SECONDS, most=50_000)
        self._hiding = Recent[str, bool](seconds=_REMEMBERED_SECONDS, most=50_000)
        self._changes = 0

    def follow(self, signals: Signals) -> None:
        """Forget what `signals` say has changed."""
        signals.on("relations_changed", lambda fields: self._forget_pair(fields["user_id"], fields["other_id"]))
        signals.on("user_changed", lambda fields: self._forget_person(fields["user_id"]))
        signals.on("user_erased", lambda fields: self._forget_person(fields["user_id"]))

    def _forget_pair(self, one: str, other: str) -> None:
        self._changes += 1
        self._blocked.forget(_pair(one, other))

    def _forget_person(self, user_id: str) -> None:
        self._changes += 1
        self._hiding.forget(user_id)

    async def must_exist(self, user_ids: Sequence[str], field: str) -> None:
        """Raises a 422 `Problem` that names those who do not."""
        found = {user["id"] for user in await self._lookup(user_ids)}
        unknown = [user_id for user_id in user_ids if user_id not in found]
        if unknown:
            raise errors.invalid(field, f"there is nobody with the id {', '.join(unknown[:5])}")

    async def ids_of(self, names: Sequence[str]) -> dict[str, str]:
        """The people of these user names; who does not exist, or cannot be asked for now, is left out."""
        found = {name: user_id for name in names if (user_id := self._names.get(name)) is not None}
        missing = [name for name in names if name not in found]
        if missing:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    answer = await self._users.post("/internal/users/names", {"usernames": missing})
            except (Problem, TimeoutError):
                UNRESOLVED.inc()
            else:
                asked = dict.fromkeys(missing, _NOBODY)
                asked |= {user["username"]: user["id"] for user in (answer or {}).get("items", [])}
                for name, user_id in asked.items():
                    self._names.put(name, user_id)
                found |= asked
        return {name: user_id for name, user_id in found.items() if user_id != _NOBODY}

    async def online(self, user_ids: Sequence[str]) -> list[str]:
        """Those whom everybody may know to be there; nobody when that cannot be asked now."""
        if self._presence is None:
            return []
        found: list[str] = []
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                for some in _batches(user_ids, _PRESENCES):
                    answer = await self._presence.get("/internal/presence", {"user_ids": ",".join(some)})
                    found += [p["user_id"] for p in (answer or {}).get("items", []) if p["status"] in _PRESENT]
        except (Problem, TimeoutError):
            UNRESOLVED.inc()
        return found

    async def check_not_blocked(self, caller: str, other: str) -> None:
        """Raises a 403 `Problem` when one of the two blocks the other, 503 when that cannot be known: a message that is
        sent again a moment later does less harm than one that should never have come."""
        pair = _pair(caller, other)
        blocked = self._blocked.get(pair)
        if blocked is None:
            before = self._changes
            blocked = other in await self.blocked(caller, [other])
            if before == self._changes:
                self._blocked.put(pair, blocked)
        if blocked:
            raise Problem(403, "blocked", "One of you blocks the other: nothing can be sent between you.")

    async def blocked(self, caller: str, others: Sequence[str]) -> set[str]:
        """Those of `others` who block the caller or whom the caller blocks. Raises a 503 `Problem`."""
        found: set[str] = set()
        for some in _batches(others, _RELATIONS):
            answer = await self._users.post("/internal/users/relations", {"user_id": caller, "others": some}) or {}
            found |= {*answer.get("blocking", []), *answer.get("blocked_by", [])}
        return found

    async def hiding(self, user_ids: Iterable[str]) -> set[str]:
        """Those who do not show what they have read. Raises a 503 `Problem`."""
        ids = list(user_ids)
        known = {user_id: hides for user_id in ids if (hides := self._hiding.get(user_id)) is not None}
        missing = [user_id for user_id in ids if user_id not in known]
        if missing:
            before = self._changes
            asked = dict.fromkeys(missing, True)  # who is gone has nothing to show
            for user in await self._lookup(missing):
                asked[user["id"]] = not user.get("privacy", {}).get("read_receipts", True)
            if before == self._changes:
                for user_id, hides in asked.items():
                    self._hiding.put(user_id, hides)
            known |= asked
        return {user_id for user_id, hides in known.items() if hides}

    async def _lookup(self, user_ids: Sequence[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for some in _batches(user_ids, _LOOKUP):
            answer = await self._users.post("/internal/users/lookup", {"ids": some})
            found += (answer or {}).get("items", [])
        return found


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def _batches(ids: Sequence[str], size: int) -> Iterable[list[str]]:
    return (list(ids[start : start + size]) for start in range(0, len(ids), size))
