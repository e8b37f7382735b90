"""Whose turn it is when another replica comes to lead."""

import asyncio
from typing import Any

from chatcluster_operator.act import StandbyError
from chatcluster_operator.observe import Owner
from chatcluster_operator.observe.backups import Backups
from chatcluster_operator.reconcile.reconciler import Reconciler
from chatcluster_testing.specs import MINIMAL, body

NAMES = ("first", "second", "third", "fourth")
BEHIND = ("third", "fourth")


class Rooms:
    """The rooms that workers use, as far as a worker goes before it asks for anything: who leads, and who looked."""

    def __init__(self) -> None:
        self.leading = False
        self.standing_by = 0
        self.looks: list[str] = []
        self.backups = Backups(lambda _: None)

    async def wait_synced(self) -> None:
        pass

    def ensure_leading(self) -> None:
        if not self.leading:
            self.standing_by += 1
            raise StandbyError

    @property
    def leadership(self) -> "Rooms":
        return self

    @property
    def client(self) -> "Rooms":
        return self

    @property
    def catalogue(self) -> dict[str, Any]:
        return {}

    async def references(self, owner: Owner, _required: object) -> None:
        self.looks.append(owner.name)
        raise ConnectionError


async def test_those_come_first_whose_latest_spec_nobody_has_acted_on() -> None:
    rooms: Any = Rooms()
    reconciler = Reconciler(concurrency=1, resync=3600)
    reconciler.connect(observer=rooms, actor=rooms, events=rooms)
    try:
        for number, name in enumerate(NAMES):
            seen = body(MINIMAL, name)
            generation = seen["metadata"]["generation"]
            seen["metadata"] |= {"uid": f"uid-{number}", "resourceVersion": "1"}
            seen["status"] = {"observedGeneration": generation - (name in BEHIND)}
            reconciler.see(seen)
        async with asyncio.timeout(60):
            while rooms.standing_by < len(NAMES):
                await asyncio.sleep(0.01)
            rooms.leading = True
            reconciler.lead(True)
            while len(rooms.looks) < len(NAMES):
                await asyncio.sleep(0.01)
    finally:
        await reconciler.stop()
    assert rooms.looks[: len(NAMES)] == ["third", "fourth", "first", "second"]
