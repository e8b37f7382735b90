"""Volumes that grow, over several looks: what was read a while ago decides nothing."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.decide import Key, Snapshot
from chatcluster_operator.decide.snapshot import Child, Workload
from chatcluster_operator.decide.volumes import Claim, Growth
from chatcluster_operator.observe import Observer, Owner
from chatcluster_operator.reconcile.volumes import FIRST_PAUSE, Volumes
from chatcluster_testing.specs import body

FIRST = Claim("data-demo-kafka-0", "kafka", "u0", "1", "20Gi", "20Gi")
SECOND = Claim("data-demo-kafka-1", "kafka", "u1", "1", "10Gi", "10Gi")


class Seen:
    """An observer that finds these claims."""

    def __init__(self) -> None:
        self.found: tuple[Claim, ...] = ()

    async def claims(self, owner: Owner) -> tuple[Claim, ...]:
        return self.found

    async def expandable(self, names: Iterable[str]) -> dict[str, bool]:
        return dict.fromkeys(names, True)


def test_a_template_follows_only_what_its_claims_are_now() -> None:
    """One that a new member has made from the old template, since the claims were read, has to grow first."""
    cluster = ChatCluster.from_body(body("{version: '1.0', kafka: {storage: {size: 20Gi}}}"))
    workload = Workload(1, 1, 1, current=True, available=True, storage="10Gi")
    child = Child("u", 1, None, None, "", workload=workload)
    snapshot = Snapshot(children={Key("StatefulSet", "demo-kafka"): child})
    seen = Seen()
    volumes = Volumes(cast(Observer, seen), cast(Any, None))

    def look(now: int) -> Growth:
        return asyncio.run(volumes.look(cluster, snapshot, now=now))["kafka"]

    seen.found = (FIRST,)
    assert look(0).template == "20Gi"
    seen.found = (FIRST, SECOND)
    course = look(1)
    assert FIRST_PAUSE > 1, "the claims are not due to be read yet"
    assert (course.template, course.expand) == ("10Gi", (SECOND,))
