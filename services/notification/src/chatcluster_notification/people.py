"""What the other services know of people: names and addresses, blocks, and who is using a device."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from chatcluster_common.internal import InternalClient
from chatcluster_common.recent import Recent
from chatcluster_notification.rules import Presence

_PRESENCE_SECONDS = 1.0
"""How old a person's presence may be: a burst of messages costs one question."""
_BLOCK_SECONDS = 60.0
_PERSON_SECONDS = 60.0
_PRESENCE_A_CALL = 100
_RELATIONS_A_CALL = 1000
_PEOPLE_A_CALL = 500


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has an account."""

    name: str
    email: str
    time_zone: str
    reachable: bool
    """Not suspended, and with an address that mails may go to."""


class People:
    """Asks the user and presence services. Each method raises a 503 `Problem` when they do not answer."""

    def __init__(self, user: InternalClient, presence: InternalClient) -> None:
        self._user = user
        self._presence_service = presence
        self._presence = Recent[str, Presence](seconds=_PRESENCE_SECONDS)
        self._people = Recent[str, Person](seconds=_PERSON_SECONDS)
        self._blocks = Recent[tuple[str, str], bool](seconds=_BLOCK_SECONDS, most=50_000)

    def forget_person(self, signal: dict[str, str]) -> None:
        """They have changed; a listener of signals."""
        self._people.forget(signal["user_id"])

    def forget_relation(self, signal: dict[str, str]) -> None:
        """What is between two people has changed; a listener of signals."""
        one, other = signal["user_id"], signal["other_id"]
        self._blocks.forget((one, other))
        self._blocks.forget((other, one))

    async def presence(self, user_ids: Sequence[str]) -> dict[str, Presence]:
        """What each is doing; nobody knows anything of somebody: they are away."""
        known = {user_id: found for user_id in user_ids if (found := self._presence.get(user_id)) is not None}
        unknown = [user_id for user_id in user_ids if user_id not in known]
        for first in range(0, len(unknown), _PRESENCE_A_CALL):
            some = unknown[first : first + _PRESENCE_A_CALL]
            answer = await self._presence_service.get("/internal/presence", {"user_ids": ",".join(some)})
            told = {item["user_id"]: _presence(item) for item in (answer or {"items": []})["items"]}
            for user_id in some:
                known[user_id] = told.get(user_id, Presence())
                self._presence.put(user_id, known[user_id])
        return known

    async def blockers(self, sender_id: str, user_ids: Sequence[str]) -> set[str]:
        """Those who block the sender."""
        known = {
            user_id: found for user_id in user_ids if (found := self._blocks.get((user_id, sender_id))) is not None
        }
        unknown = [user_id for user_id in user_ids if user_id not in known]
        for first in range(0, len(unknown), _RELATIONS_A_CALL):
            some = unknown[first : first + _RELATIONS_A_CALL]
            blocked_by = await self._relations(sender_id, some, "blocked_by")
            for user_id in some:
                known[user_id] = user_id in blocked_by
                self._blocks.put((user_id, sender_id), known[user_id])
        return {user_id for user_id, blocks in known.items() if blocks}

    async def blocked(self, user_id: str, others: Sequence[str]) -> set[str]:
        """Those of `others`, at most 1,000, whom the person blocks."""
        return await self._relations(user_id, others, "blocking")

    async def lookup(self, user_ids: Collection[str]) -> dict[str, Person]:
        """The people of these ids; those that there are not, or no longer, are left out."""
        unknown = list(set(user_ids))
        people: dict[str, Person] = {}
        for first in range(0, len(unknown), _PEOPLE_A_CALL):
            answer = await self._user.post("/internal/users/lookup", {"ids": unknown[first : first + _PEOPLE_A_CALL]})
            for item in (answer or {"items": []})["items"]:
                people[item["id"]] = _person(item)
                self._people.put(item["id"], people[item["id"]])
        return people

    async def time_zones(self, user_ids: Collection[str]) -> dict[str, str]:
        """The time zones of people's profiles, as of a moment ago."""
        known = {user_id: found for user_id in user_ids if (found := self._people.get(user_id)) is not None}
        known |= await self.lookup([user_id for user_id in user_ids if user_id not in known])
        return {user_id: person.time_zone for user_id, person in known.items()}

    async def _relations(self, user_id: str, others: Sequence[str], kind: str) -> set[str]:
        answer = await self._user.post("/internal/users/relations", {"user_id": user_id, "others": list(others)})
        return set((answer or {}).get(kind, ()))


def _presence(item: dict[str, Any]) -> Presence:
    return Presence(active=bool(item.get("active", item["status"] == "online")), do_not_disturb=item["status"] == "dnd")


def _person(item: dict[str, Any]) -> Person:
    email = str(item.get("email") or "")
    # The role of somebody who has not confirmed their address: it may be anybody's.
    unconfirmed = item.get("role") == "unverified"
    return Person(
        name=str(item.get("display_name") or item.get("username") or ""),
        email=email,
        time_zone=str(item.get("time_zone") or "UTC"),
        reachable=bool(email) and not unconfirmed and item.get("state", "active") == "active",
    )
