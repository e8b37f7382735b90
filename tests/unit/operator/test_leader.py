"""The election against a lease in memory, with clocks that the test moves."""

import copy
from typing import Any, cast

import pytest

from chatcluster_operator.kube import ApiError, Client, Kind, Object
from chatcluster_operator.leader import LEASE_DURATION, RENEW_DEADLINE, Elector


class Server:
    """One lease with optimistic locking; `down` makes every call fail."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.version = 0
        self.down = False

    async def find(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        self._answer()
        return copy.deepcopy(self.lease)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        found = await self.find(kind, namespace, name)
        assert found is not None
        return found

    async def create(self, kind: Kind, manifest: Object, *, manager: str) -> Object:
        self._answer()
        if self.lease is not None:
            raise ApiError(409, "AlreadyExists", "taken")
        return self._store(manifest)

    async def replace(self, kind: Kind, manifest: Object) -> Object:
        self._answer()
        if manifest["metadata"]["resourceVersion"] != str(self.version):
            raise ApiError(409, "Conflict", "changed meanwhile")
        return self._store(manifest)

    def _answer(self) -> None:
        if self.down:
            raise ApiError(500, "InternalError", "down")

    def _store(self, manifest: Object) -> Object:
        self.version += 1
        self.lease = copy.deepcopy(manifest)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.lease)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Candidate:
    """An elector whose rounds the test starts."""

    def __init__(self, server: Server, clock: Clock, name: str) -> None:
        self.told: list[bool] = []
        client = cast(Client, server)
        self.elector = Elector(client, namespace="n", identity=name, changed=self.told.append, clock=clock)

    async def round(self) -> bool:
        """One try; whether it leads afterwards."""
        await self.elector.step()
        return self.elector.leading


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pair(server: Server, clock: Clock) -> tuple[Candidate, Candidate]:
    return Candidate(server, clock, "a"), Candidate(server, clock, "b")


async def test_the_first_leads_and_the_second_waits(pair: tuple[Candidate, Candidate]) -> None:
    a, b = pair
    assert await a.round()
    assert not await b.round()
    assert (a.told, b.told) == ([True], [])


async def test_a_lease_that_is_not_renewed_changes_hands_after_its_duration(
    pair: tuple[Candidate, Candidate], clock: Clock
) -> None:
    a, b = pair
    assert await a.round()
    assert not await b.round()
    clock.now += LEASE_DURATION
    assert not await b.round()
    clock.now += 0.1
    assert await b.round()
    assert not a.elector.leading
    assert not await a.round()


async def test_a_renewed_lease_is_never_taken(pair: tuple[Candidate, Candidate], clock: Clock) -> None:
    a, b = pair
    for _ in range(20):
        assert await a.round()
        assert not await b.round()
        clock.now += 2


async def test_the_leader_stops_by_its_own_clock_before_another_can_begin(
    pair: tuple[Candidate, Candidate], server: Server, clock: Clock
) -> None:
    a, b = pair
    assert await a.round()
    assert not await b.round()
    server.down = True
    clock.now += RENEW_DEADLINE - 0.1
    assert await a.round(), "one failure is not the end"
    clock.now += 0.2
    assert not await a.round()
    assert a.told == [True, False]
    server.down = False
    assert not await b.round(), "the lease has not run out yet"


async def test_a_clean_exit_hands_over_at_once(pair: tuple[Candidate, Candidate]) -> None:
    a, b = pair
    assert await a.round()
    await a.elector.release()
    assert not a.elector.leading
    assert await b.round()


async def test_a_lost_race_is_not_a_lead(pair: tuple[Candidate, Candidate], server: Server, clock: Clock) -> None:
    a, b = pair
    find = server.find

    async def overtaken(*args: Any) -> Object | None:
        found = await find(*args)
        server.find = find  # type: ignore[method-assign]
        assert await b.round()
        return found

    server.find = overtaken  # type: ignore[method-assign]
    assert not await a.round()
    assert b.elector.leading
