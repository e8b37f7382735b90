"""Counting sockets: asked of real HTTP servers, told rarely, and given up slowly where nobody answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from chatcluster_operator.decide import Key, Pod
from chatcluster_operator.decide.sockets import told
from chatcluster_operator.observe.rounds import UNANSWERED_SECONDS
from chatcluster_operator.observe.scraper import Scraper
from chatcluster_operator.observe.sockets import EVERY, Sockets


class Service:
    """A service's metrics page on loopback, with what it should say."""

    def __init__(self) -> None:
        self.text: str | None = ""
        self.asked = 0
        self.port = 0

    def holds(self, number: int) -> None:
        self.text = f'# TYPE chat_socket_connections gauge\nchat_socket_connections{{service="message"}} {number}.0\n'

    async def page(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(text=self.text) if self.text is not None else web.Response(status=503)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    application = web.Application()
    application.add_routes([web.get("/metrics", service.page)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.port = runner.addresses[0][1]
    yield service
    await runner.cleanup()


class World:
    """One ChatCluster with one pod of the message service, and a clock that is set."""

    def __init__(self, port: int) -> None:
        self.now = 1000.0
        self.changes = 0
        self.scraper = Scraper()
        ports = {"message": port, "presence": port}
        self.sockets = Sockets(self.scraper, self._changed, ports=ports, clock=lambda: self.now)
        self.pods = {Key("Pod", "demo-message-0"): Pod("p", 1, "message", ready=True, address="127.0.0.1")}

    def _changed(self) -> None:
        self.changes += 1

    async def look(self, later: float = 0.0) -> dict[str, int]:
        """Look, let the count that this began end, and look at what came out."""
        self.now += later
        self.sockets.look(self.pods)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait(tasks, timeout=10) if tasks else None
        return dict(self.sockets.look(self.pods))


@pytest.fixture
async def world(service: Service) -> AsyncIterator[World]:
    world = World(service.port)
    yield world
    world.sockets.close()
    await world.scraper.close()


async def test_a_look_takes_what_was_last_counted(service: Service, world: World) -> None:
    service.holds(41)
    assert world.sockets.look(world.pods) == {}, "nobody waits for a count"
    assert await world.look() == {"message": 41}
    assert world.changes == 1
    service.holds(50)
    assert await world.look(EVERY / 2) == {"message": 41}, "not due yet"
    assert await world.look(2 * EVERY) == {"message": 50}
    assert (service.asked, world.changes) == (2, 2)


async def test_the_same_number_wakes_nobody(service: Service, world: World) -> None:
    service.holds(7)
    await world.look()
    assert await world.look(2 * EVERY) == {"message": 7}
    assert (service.asked, world.changes) == (2, 1)


async def test_one_that_was_busy_once_is_taken_at_its_last_word(service: Service, world: World) -> None:
    service.holds(7)
    await world.look()
    service.text = None
    assert await world.look(2 * EVERY) == {"message": 7}
    assert await world.look(4 * EVERY) == {}, "unknown by now"
    service.holds(8)
    assert await world.look(8 * EVERY) == {"message": 8}


async def test_who_never_answers_is_asked_ever_more_rarely(service: Service, world: World) -> None:
    service.text = None
    for _ in range(2 * 24 * 60):  # two days of a look each minute
        await world.look(60.0)
    assert service.asked <= 2 * 24 + 10
    assert world.changes == 0
    assert service.asked * UNANSWERED_SECONDS * 1.2 >= 40 * 3600, "but not given up"


async def test_pods_that_do_not_serve_are_not_asked(service: Service, world: World) -> None:
    world.pods = {
        Key("Pod", "a"): Pod("p", 1, "message", address="127.0.0.1"),
        Key("Pod", "b"): Pod("p", 1, "message", ready=True),
        Key("Pod", "c"): Pod("p", 1, "gateway", ready=True, address="127.0.0.1"),
    }
    assert await world.look() == {}
    assert service.asked == 0


async def test_nobody_there_is_an_answer_that_takes_no_long(world: World) -> None:
    world.pods = {Key("Pod", "a"): Pod("p", 1, "presence", ready=True, address="::1")}
    assert await world.look() == {}
    assert world.changes == 0


@pytest.mark.parametrize(
    ("before", "counted", "after"),
    [
        ({}, {"message": 5}, {"message": 5}),
        ({"message": 100}, {"message": 105}, {"message": 100}),
        ({"message": 100}, {"message": 106}, {"message": 106}),
        ({"message": 100}, {"message": 94}, {"message": 94}),
        ({"message": 5}, {"message": 0}, {"message": 0}),
        ({"message": 0}, {"message": 1}, {"message": 1}),
        ({"message": 5, "presence": 5}, {"message": 5}, {"message": 5}),
    ],
)
def test_only_a_noticeable_change_is_told(before: Any, counted: Any, after: Any) -> None:
    assert told(before, counted) == after
