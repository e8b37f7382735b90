"""Each store and broker killed or frozen under the whole platform, spoken to as clients do.

What does not need it goes on. What does is refused promptly by a problem 503 with `Retry-After`. Whatever was
acknowledged meanwhile is there afterwards, and all is well again without anybody's help.
"""

import asyncio
import itertools
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest

from chatcluster_testing.people import Person
from chatcluster_testing.platform import Platform, running_platform

pytestmark = pytest.mark.timeout(300)  # all of the platform starts first

PROMPT_SECONDS = 25.0
"""Services give a store ten seconds, the gateway a service thirty: what is slower than this was given up on by it."""
RECOVERY_SECONDS = 45.0

NEEDS: dict[str, set[str]] = {
    # Everything that may be refused while the store is away; all else must be answered.
    "postgres": {"profile", "sign in", "presence", "preferences"},
    "mongodb": {"send", "history", "conversations"},
    "kafka": set(),
    "redis": {"presence", "set status", "notifications"},
    "objects": {"upload", "download"},
}


@dataclass(frozen=True)
class Answer:
    """What a call came to."""

    status: int
    body: Any
    retry_after: str | None
    seconds: float


@dataclass
class Calls:
    """One person's calls, by name, and what was acknowledged to them."""

    person: Person
    token: str
    password: str
    conversation_id: str = ""
    file_id: str = ""
    sent: dict[str, str] = field(default_factory=dict[str, str])
    """Message ids by client id."""
    uploaded: list[str] = field(default_factory=list[str])
    number: Callable[[], int] = field(default_factory=lambda: itertools.count().__next__)

    async def answer(self, session: aiohttp.ClientSession, name: str) -> Answer:
        """Make the call of that name."""
        method, path, options = self.request(name)
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.person.edge}/api/v1{path}"
        async with session.request(method, url, headers=headers, **options) as response:
            content = await response.read()
            body: Any = orjson.loads(content) if "json" in response.content_type and content else content
            answer = Answer(response.status, body, response.headers.get("Retry-After"), time.monotonic() - began)
        if answer.status < 300 and name == "send":
            self.sent[body["client_id"]] = body["id"]
        if answer.status < 300 and name == "upload":
            self.uploaded += [file["id"] for file in body["items"]]
        return answer

    def request(self, name: str) -> tuple[str, str, dict[str, Any]]:
        """Method, path and what goes with them."""
        conversation = f"/conversations/{self.conversation_id}"
        number = self.number()
        # In one piece: the edge may answer before it has the end of it, and who still writes then sees no answer.
        part = f'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nfile {number}\r\n--b--\r\n'
        form = aiohttp.BytesPayload(part.encode(), content_type="multipart/form-data; boundary=b")
        login = {"login": self.person.user["username"], "password": self.password}
        message = {"client_id": str(uuid.uuid4()), "body": f"number {number}"}
        requests: dict[str, tuple[str, str, dict[str, Any]]] = {
            "profile": ("GET", "/users/me", {}),
            "sign in": ("POST", "/auth/login", {"json": login}),
            "send": ("POST", f"{conversation}/messages", {"json": message}),
            "history": ("GET", f"{conversation}/messages?after_seq=0&limit=200", {}),
            "conversations": ("GET", "/conversations", {}),
            "upload": ("POST", "/files", {"data": form}),
            "download": ("GET", f"/files/{self.file_id}/content", {}),
            "notifications": ("GET", "/notifications", {}),
            "preferences": ("GET", "/notifications/preferences", {}),
            "presence": ("GET", f"/presence?user_ids={self.person.id}", {}),
            "set status": ("PUT", "/presence/me", {"json": {"status": "dnd"}}),
        }
        return requests[name]


NAMES = (
    "profile",
    "sign in",
    "send",
    "history",
    "conversations",
    "upload",
    "download",
    "notifications",
    "preferences",
    "presence",
    "set status",
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One replica of each service."""
    one_each: dict[str, int] = dict.fromkeys(("gateway", "user", "message", "file", "notification", "presence"), 1)
    with running_platform(tmp_path_factory.mktemp("outages"), replicas=one_each) as running:
        yield running


@asynccontextmanager
async def caller(platform: Platform) -> AsyncIterator[tuple[Calls, aiohttp.ClientSession]]:
    """Somebody with a conversation and a file, for whom all is well."""
    timeout = aiohttp.ClientTimeout(total=PROMPT_SECONDS * 2)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        name, password = f"out_{uuid.uuid4().hex[:10]}", "correct horse battery"
        account = {"username": name, "email": f"{name}@example.com", "password": password}
        async with session.post(f"{platform.url}/api/v1/auth/register", json=account, raise_for_status=True) as made:
            tokens = await made.json()
        async with Person(platform.url, session, tokens) as person:
            calls = Calls(person, tokens["access_token"], password)
            calls.conversation_id = await person.conversation(kind="group", name="outages")
            upload = await calls.answer(session, "upload")
            calls.file_id = upload.body["items"][0]["id"]
            await all_is_well(calls, session)
            yield calls, session


async def ask_all(calls: Calls, session: aiohttp.ClientSession) -> dict[str, Answer]:
    """Every call at once."""
    answers = await asyncio.gather(*(calls.answer(session, name) for name in NAMES))
    return dict(zip(NAMES, answers, strict=True))


async def all_is_well(calls: Calls, session: aiohttp.ClientSession) -> None:
    """Wait until every call is answered."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while failed := {name: a for name, a in (await ask_all(calls, session)).items() if a.status >= 300}:
        assert time.monotonic() < deadline, f"does not recover: {failed}"
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("how", ["killed", "frozen"])
@pytest.mark.parametrize("store", list(NEEDS))
async def test_a_store_is_away(platform: Platform, store: str, how: str) -> None:
    program = platform.programs[store]
    async with caller(platform) as (calls, session):
        if how == "killed":
            program.kill()
        else:
            program.signal(signal.SIGSTOP)
        try:
            answers = await ask_all(calls, session)
        finally:
            if how == "killed":
                program.start()  # in this thread: the child is told to end with the thread that started it
            else:
                program.signal(signal.SIGCONT)
        wrong = {
            name: answer
            for name, answer in answers.items()
            if not (answer.status < 300 or (name in NEEDS[store] and refused_well(answer)))
            or answer.seconds > PROMPT_SECONDS
        }
        assert not wrong
        await all_is_well(calls, session)
        history = {m["client_id"]: m["id"] for m in (await calls.answer(session, "history")).body["items"]}
        assert calls.sent.items() <= history.items()
        for file_id in calls.uploaded:
            calls.file_id = file_id
            assert (await calls.answer(session, "download")).status == 200


def refused_well(answer: Answer) -> bool:
    """Whether it is a problem that says when to try again."""
    return answer.status == 503 and bool(answer.retry_after) and answer.body.get("code") == "unavailable"
