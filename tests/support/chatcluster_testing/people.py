"""People who chat: a client of the public contract, written as the contract tells a client to behave.

A send is repeated under the same `client_id` until it is acknowledged; after a connection is lost the device connects
(which subscribes) and only then catches up with `sync`. Everything a device sees goes into an `Inbox`.
"""

import asyncio
import contextlib
import itertools
import secrets
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

from chatcluster_testing.sockets import abandon, connect, hang_up

Transport = Literal["websocket", "polling"]
Message = dict[str, Any]

CALL_SECONDS = 5
_SILENT_CALLS = 2
"""After so many calls in a row without an answer a device takes its connection for dead."""
PATIENCE_SECONDS = 90.0
"""How long a person goes on trying to send or to connect before the test fails."""


class Refused(Exception):  # noqa: N818 an answer, not a fault
    """A REST call or an event that was answered with a problem."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem.get('status')} {problem.get('code')}: {problem.get('detail')}")
        self.problem = problem


class Inbox:
    """What one person has seen of each conversation, by `seq`."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[int, Message]] = defaultdict(dict)
        self.repeats = 0
        """How often the same message came again."""
        self.contradictions: list[tuple[Message, Message]] = []
        """Two different messages under one `seq`: must stay empty."""
        self.changed = asyncio.Event()

    def add(self, message: Message) -> bool:
        """Take in a message; False when it was there already."""
        seen = self.messages[message["conversation_id"]]
        before = seen.get(message["seq"])
        if before is not None:
            self.repeats += 1
            if before["id"] != message["id"]:
                self.contradictions.append((before, message))
            return False
        seen[message["seq"]] = message
        self.changed.set()
        return True

    def last_seq(self, conversation_id: str) -> int:
        """The highest `seq` up to which nothing is missing; what `sync` is asked from."""
        seen = self.messages[conversation_id]
        return next(n for n in itertools.count() if n + 1 not in seen)


@dataclass(frozen=True)
class Outage:
    """A time without a connection, until what was missed was there."""

    began: float
    """By the monotonic clock."""
    seconds: float
    transport: Transport
    steps: list[tuple[str, float]]
    """What was tried, with the error where it failed, and how many seconds it took."""

    def told(self, since: float) -> str:
        """For a person; `since` is when the measurement began."""
        steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in self.steps)
        return f"{self.seconds:.1f} s without a connection ({self.transport}, {self.began - since:.0f} s in): {steps}"


class Device:
    """One Socket.IO connection of a person, kept up until it is closed."""

    def __init__(self, person: "Person", *, transport: Transport, path: str = "/socket.io") -> None:
        self.person = person
        self.transport: Transport = transport
        self.path = path
        self.events: dict[str, list[Any]] = defaultdict(list)
        """Every event other than `message:new`, by name, in order."""
        self.deliveries: list[tuple[str, float]] = []
        """(client_id, monotonic seconds) of each live message, in order of arrival."""
        self.outages: list[Outage] = []
        """Each time without a connection."""
        self.drained = 0
        self._client: socketio.AsyncClient | None = None
        self._session: aiohttp.ClientSession | None = None
        self._online = asyncio.Event()
        self._lost = asyncio.Event()
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._refusal: object = None
        self._unanswered = 0

    async def open(self) -> Self:
        """Connect, and from then on stay connected."""
        await self._connect()
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def close(self) -> None:
        """Disconnect and stay away."""
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._hang_up()

    async def call(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        """Send an event, return its acknowledgement; raises `Refused`, or ConnectionError for none in time."""
        if not self._client or not self._client.connected:
            raise ConnectionError("not connected")
        lost = asyncio.create_task(self._lost.wait())
        call = asyncio.create_task(self._client.call(event, data, timeout=CALL_SECONDS))
        try:
            await asyncio.wait({lost, call}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                raise ConnectionError("the connection was lost before the acknowledgement")
            try:
                answer = call.result()
            except SocketIOError as error:
                self._unanswered += 1
                if self._unanswered >= _SILENT_CALLS:
                    await self.drop()
                raise ConnectionError(str(error)) from error
            self._unanswered = 0
        finally:
            for task in (lost, call):
                task.cancel()
            await asyncio.gather(lost, call, return_exceptions=True)
        assert isinstance(answer, dict), f"{event} was acknowledged with {answer!r}"
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer

    async def drop(self) -> None:
        """Lose the connection without a goodbye; the device connects again by itself."""
        if self._session:
            await self._session.close()

    async def online(self) -> None:
        """Wait until there is a connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._online.wait()

    async def send(self, conversation_id: str, body: str) -> Message:
        """Send as the contract tells clients to: again under the same `client_id` until acknowledged."""
        client_id = str(uuid.uuid4())
        self.person.sent_at[client_id] = time.monotonic()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = await self.call(
                    "message:send", {"conversation_id": conversation_id, "client_id": client_id, "body": body}
                )
            except (ConnectionError, Refused) as error:
                if isinstance(error, Refused):
                    self.person.codes[str(error.problem.get("code"))] += 1
                    if error.problem["status"] < 500:
                        raise
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_pause(error))
                await self.online()
                continue
            self.person.acknowledged[client_id] = answer["message"]
            self.person.acknowledged_at[client_id] = time.monotonic()
            return answer["message"]

    async def sync(self) -> None:
        """Fetch what was missed in every conversation that the inbox knows, until nothing more is left."""
        inbox = self.person.inbox
        pending = {c: inbox.last_seq(c) for c in list(inbox.messages)}
        while pending:
            answer = await self.call("sync", {"conversations": pending})
            for message in answer["messages"]:
                inbox.add(message)
            pending = {c: inbox.last_seq(c) for c in answer["more"]}

    async def wait_for(self, event: str, match: Callable[[Any], bool], seconds: float = 30.0) -> Any:
        """The first event of that name that matches, past ones included."""
        async with asyncio.timeout(seconds):
            while True:
                self._changed.clear()
                for data in self.events[event]:
                    if match(data):
                        return data
                await self._changed.wait()

    async def _hang_up(self) -> None:
        if self._client and self._session:
            await hang_up(self._client, self._session)

    async def _connect(self) -> None:
        await self._hang_up()
        # IP addresses have no cookies by default, and long-polling needs the edge's sticky one.
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        client.on("message:new", self._on_message)
        client.on("*", self._on_event)
        client.on("disconnect", self._on_disconnect)
        self._lost.clear()
        self._refusal = None
        self._unanswered = 0
        token = ""
        try:
            token = await self.person.token()
            await connect(
                client,
                self.person.edge,
                on_refused=self._on_refused,
                auth={"token": token},
                transports=[self.transport],
                socketio_path=self.path,
            )
        except BaseException:
            await abandon(client, session)
            if _unauthorized(self._refusal):
                self.person.refused(token)
            raise
        self._session = session
        self._client = client
        self._online.set()

    async def _keep(self) -> None:
        while True:
            await self._lost.wait()
            began = time.monotonic()
            self._online.clear()
            steps: list[tuple[str, float]] = []
            for attempt in itertools.count():
                step, since = "connect", time.monotonic()
                try:
                    await self._connect()
                    steps.append((step, time.monotonic() - since))
                    step, since = "sync", time.monotonic()
                    await self.sync()
                    steps.append((step, time.monotonic() - since))
                    break
                except (SocketIOError, aiohttp.ClientError, OSError, TimeoutError, Refused) as error:
                    steps.append((f"{step}: {error!r}", time.monotonic() - since))
                    final = isinstance(error, Refused) and error.problem.get("status", 500) < 500
                    if final or time.monotonic() - began > PATIENCE_SECONDS:
                        waited = time.monotonic() - began
                        why = f"not connected after {waited:.0f} s; refused with {self._refusal}"
                        raise ConnectionError(why) from error
                    await asyncio.sleep(min(0.1 * 2**attempt, 1.0) * (0.5 + secrets.randbelow(100) / 200))
            self.outages.append(Outage(began, time.monotonic() - began, self.transport, steps))

    def _on_message(self, message: Message) -> None:
        if self.person.inbox.add(message):
            self.deliveries.append((message["client_id"], time.monotonic()))

    def _on_event(self, event: str, data: Any = None) -> None:
        if event == "server:draining":
            self.drained += 1
        self.events[event].append(data)
        self._changed.set()

    def _on_refused(self, problem: object = None) -> None:
        self._refusal = problem

    def _on_disconnect(self, *_reason: object) -> None:
        self._lost.set()
        self._online.clear()


class Person:
    """An account: REST calls with its token, and its devices."""

    def __init__(
        self, edge: str, session: aiohttp.ClientSession, tokens: dict[str, Any], password: str | None = None
    ) -> None:
        self.edge = edge
        self.user: dict[str, Any] = tokens["user"]
        self.id: str = tokens["user"]["id"]
        self.inbox = Inbox()
        self.sent_at: dict[str, float] = {}
        self.acknowledged: dict[str, Message] = {}
        self.acknowledged_at: dict[str, float] = {}
        self.codes: Counter[str] = Counter()
        """Codes of the problems by which sends were refused, each repeated."""
        self.refusals = 0
        """How often a token was refused before its time."""
        self.sign_ins = 0
        """How often the answer to a refresh was lost, so that they had to sign in anew."""
        self._session = session
        self._password = password
        self._tokens = tokens
        self._token_until = time.monotonic() + tokens["expires_in"] - 60
        self._refreshing = asyncio.Lock()
        self._perhaps_spent = False
        self._devices: list[Device] = []

    @classmethod
    async def register(cls, edge: str, name: str = "person") -> Self:
        """A new account with a name of its own."""
        session = _session()
        username = f"{name}_{secrets.token_hex(4)}"
        body = {"username": username, "email": f"{username}@example.com", "password": secrets.token_urlsafe(16)}
        try:
            tokens = await _rest(session, "POST", f"{edge}/api/v1/auth/register", json=body)
        except BaseException:
            await session.close()
            raise
        return cls(edge, session, tokens, body["password"])

    async def signed_in(self, edge: str) -> Self:
        """The same person, who comes back with nothing but name and password."""
        session = _session()
        body = {"login": self.user["username"], "password": self._password}
        try:
            tokens = await _rest(session, "POST", f"{edge}/api/v1/auth/login", json=body)
        except BaseException:
            await session.close()
            raise
        return type(self)(edge, session, tokens, self._password)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for device in self._devices:
            await device.close()
        await self._session.close()

    async def token(self) -> str:
        """An access token that is good for a while. All devices share it: a refresh token is good for one use."""
        async with self._refreshing:
            if time.monotonic() > self._token_until:
                self._tokens = {**self._tokens, **await self._new_tokens()}
                self._token_until = time.monotonic() + self._tokens["expires_in"] - 60
            return self._tokens["access_token"]

    def refused(self, token: str) -> None:
        """A token was refused: the next one asked for is another."""
        if token == self._tokens["access_token"]:
            self.refusals += time.monotonic() <= self._token_until
            self._token_until = 0.0

    async def _new_tokens(self) -> dict[str, Any]:
        """By the refresh token; by the password when that may be spent, as the answer to its use was lost."""
        auth = f"{self.edge}/api/v1/auth"
        if self._perhaps_spent and self._password is not None:
            body = {"login": self.user["username"], "password": self._password}
            tokens = await _rest(self._session, "POST", f"{auth}/login", json=body)
            self.sign_ins += 1
        else:
            body = {"refresh_token": self._tokens["refresh_token"]}
            self._perhaps_spent = True
            tokens = await _rest(self._session, "POST", f"{auth}/refresh", json=body)
        self._perhaps_spent = False
        return tokens

    async def sign_out(self) -> None:
        """End the session; its tokens are void within a moment."""
        body = {"refresh_token": self._tokens["refresh_token"]}
        await _rest(self._session, "POST", f"{self.edge}/api/v1/auth/logout", json=body)

    async def rest(self, method: str, path: str, **options: Any) -> Any:
        """A call below `/api/v1`; the JSON answer, or None when it is empty. Raises `Refused`."""
        headers = {"Authorization": f"Bearer {await self.token()}"}
        return await _rest(self._session, method, f"{self.edge}/api/v1{path}", headers=headers, **options)

    async def read(self, path: str) -> tuple[bytes, str]:
        """The bytes and content type below `/api/v1`."""
        headers = {"Authorization": f"Bearer {await self.token()}"}
        async with self._session.get(f"{self.edge}/api/v1{path}", headers=headers) as response:
            response.raise_for_status()
            return await response.read(), response.content_type

    async def device(self, transport: Transport = "websocket", path: str = "/socket.io") -> Device:
        """A connected device of this person; it closes with the person."""
        device = Device(self, transport=transport, path=path)
        self._devices.append(device)
        return await device.open()

    async def conversation(self, *members: "Person", kind: str = "direct", name: str | None = None) -> str:
        """A new conversation with `members`; its id. Everybody's inbox knows it from then on."""
        body: dict[str, Any] = {"type": kind, "members": [m.id for m in members]}
        if name:
            body["name"] = name
        conversation = await self.rest("POST", "/conversations", json=body)
        for person in (self, *members):
            _ = person.inbox.messages[conversation["id"]]
        return conversation["id"]

    async def history(self, conversation_id: str) -> list[Message]:
        """The whole conversation as the store has it, oldest first."""
        messages: list[Message] = []
        while True:
            after = messages[-1]["seq"] if messages else 0
            page = await self.rest("GET", f"/conversations/{conversation_id}/messages?after_seq={after}&limit=200")
            if not page["items"]:
                return messages
            messages += page["items"]


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=30))


def _unauthorized(refusal: object) -> bool:
    """Whether a handshake was refused for its token."""
    return isinstance(refusal, dict) and refusal.get("data", {}).get("code") == "unauthorized"


def _pause(error: Exception) -> float:
    """Seconds before a send is repeated: as a refusal says."""
    said = error.problem.get("retry_after_ms") if isinstance(error, Refused) else None
    return 0.1 if said is None else said / 1000


async def _rest(session: aiohttp.ClientSession, method: str, url: str, **options: Any) -> Any:
    """One call; a refusal for lack of capacity is tried again as the answer says, within reason."""
    for _ in range(20):
        async with session.request(method, url, **options) as response:
            body = await response.json(content_type=None) if response.status != 204 else None
            if response.status == 429:
                await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
                continue
            if response.status >= 400:
                raise Refused(body or {"status": response.status})
            return body
    raise Refused({"status": 429, "code": "rate_limited", "detail": url})
