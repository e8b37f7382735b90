"""Whether stores let a process in, and which tokens of other services it takes."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from chatcluster_common.acceptance import not_refused
from chatcluster_common.auth import INTERNAL_TOKEN_HEADER, InternalTokens
from chatcluster_common.health import Health
from chatcluster_common.internal import InternalClient


class RefusedError(Exception):
    """What the store's driver raises for a password that the store does not know."""


class Store:
    """A store that answers as it is told, and counts who signs in."""

    def __init__(self) -> None:
        self.answer: Exception | None = None
        self.asked = 0

    async def sign_in(self) -> None:
        self.asked += 1
        if self.answer is not None:
            raise self.answer


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def health(store: Store) -> Health:
    """The readiness that hangs on the store's welcome."""
    found = Health("message")
    found.add_check("store_password", not_refused("store", store.sign_in, (RefusedError,)))
    return found


async def test_not_ready_while_it_is_refused(store: Store, health: Health) -> None:
    store.answer = RefusedError()
    assert await health.not_ready() == {"store_password": "RefusedError"}
    assert await health.not_ready(), "asked again and still refused"
    store.answer = None
    assert await health.not_ready() == {}


async def test_once_let_in_it_asks_no_more(store: Store, health: Health) -> None:
    assert await health.not_ready() == {}
    store.answer = RefusedError()
    assert await health.not_ready() == {}, "a pod that serves is not taken away: its connections are open"
    assert store.asked == 1


@pytest.mark.parametrize("away", [OSError(), TimeoutError(), RuntimeError("whatever a driver raises")])
async def test_a_store_that_is_away_refuses_nobody(store: Store, health: Health, away: Exception) -> None:
    store.answer = away
    assert await health.not_ready() == {}
    store.answer = RefusedError()
    assert await health.not_ready(), "it is asked again once it is back: away is no welcome"


async def test_a_store_that_hangs_refuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatcluster_common.acceptance._TRY_SECONDS", 0.01)
    health = Health("message")
    health.add_check("store_password", not_refused("store", asyncio.Event().wait, (RefusedError,)))
    assert await health.not_ready() == {}


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


OLD, NEW = "old-internal-token", "new-internal-token"


@pytest.mark.parametrize("given", [f"{OLD} {NEW}", f"{NEW} {OLD}"])
def test_all_internal_tokens_of_the_ring_are_accepted_whatever_their_order(tmp_path: Path, given: str) -> None:
    tokens = InternalTokens(SecretStr(given), tmp_path / "none")
    assert tokens.accept(OLD)
    assert tokens.accept(NEW)
    for other in ("", " ", f"{OLD} {NEW}", OLD[:-1], "ältere"):
        assert not tokens.accept(other), other


async def test_of_several_internal_tokens_the_first_is_sent() -> None:
    sent: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        sent.append(request.headers[INTERNAL_TOKEN_HEADER])
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/internal/x", answer)
    async with TestServer(app) as server, InternalClient(str(server.make_url("/")), SecretStr(f"{NEW} {OLD}")) as peer:
        await peer.get("/internal/x")
    assert sent == [NEW]


def test_internal_tokens_follow_their_file(tmp_path: Path) -> None:
    file, clock = tmp_path / "chat_internal_token", Clock()
    file.write_text(f"{OLD}\n")
    tokens = InternalTokens(SecretStr(OLD), file, now=clock)
    assert tokens.accept(OLD)
    assert not tokens.accept(NEW)
    for text, good, bad in ((f"{OLD} {NEW}", (OLD, NEW), ()), (NEW, (NEW,), (OLD,))):
        file.write_text(text)
        clock.now += 60
        assert all(tokens.accept(token) for token in good)
        assert not any(tokens.accept(token) for token in bad)


@pytest.mark.parametrize("spoil", ["missing", "empty", "no text"])
def test_internal_tokens_survive_a_file_that_cannot_be_read(tmp_path: Path, spoil: str) -> None:
    file, clock = tmp_path / "chat_internal_token", Clock()
    file.write_text(NEW)
    tokens = InternalTokens(SecretStr(OLD), file, now=clock)
    assert tokens.accept(NEW)
    match spoil:
        case "missing":
            file.unlink()
        case "empty":
            file.write_text("\n")
        case _:
            file.write_bytes(b"\xff\xfe")
    clock.now += 60
    assert tokens.accept(NEW), "those at hand serve on"
    assert not tokens.accept("")
