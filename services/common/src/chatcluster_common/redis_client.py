"""Redis as services reach it: the one server, or whichever of several members is the master at that moment.

    redis://user:password@host:6379/0
    redis+sentinel://user:password@host1:26379,host2:26379,host3:26379/group/0

Of several, each connection asks the Sentinels where the master is before it is made, all of them at once: one that is
cut off with a former master is outvoted by what the others have decided since. A connection that meets a server which
takes no writes (a former master, or one that too few replicas copy) is closed, so that the next one asks again; and
once a connection was made to another master, those to the former one are made anew when they are next used.

Nothing is repeated behind the caller's back, and every call ends within seconds: what a call that failed has done is
for the caller to know.
"""

# redis-py's own annotations are partial:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from pydantic import SecretStr
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - as redis-py calls it
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from chatcluster_common import tasks

SCHEME: Final = "redis+sentinel://"
REFUSALS: Final = (AuthenticationError, NoPermissionError)
"""What Redis raises for a user or password that it does not let in."""

_COPY_SECONDS: Final = 1.0
_NO_REPLICAS: Final = "NOREPLICAS"


class NotMasterError(ConnectionError):
    """The server takes no writes: it is no longer the master, or cut off from its replicas."""


class NotCopiedError(RedisError):
    """The master has it, but too few replicas: if it is lost now, so is what was written."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one Sentinel says."""

    address: tuple[str, int]
    copies: int
    """Replicas that must have a write for it to outlive the master: one less than a majority of the members."""
    decision: tuple[int, bool]
    """Which decision it follows: the greater, the later. The second part is true while one is being carried out."""
    down: bool
    """Whether it takes that master for gone."""


class Sentinels:
    """Finds the master of a group."""

    def __init__(
        self, addresses: list[tuple[str, int]], group: str, seconds: float, sign_in: Mapping[str, Any]
    ) -> None:
        self.master_changes = 0
        """How often the master was found to be another than before."""
        self.copies = 0
        """See `_Answer.copies`; as last heard."""
        self._addresses = addresses
        self._group = group
        self._seconds = seconds
        self._sign_in = sign_in
        self._master: tuple[str, int] | None = None
        self._asking: asyncio.Task[_Answer] | None = None

    async def master(self) -> tuple[str, int]:
        """Address of the master. Raises `ConnectionError` when nobody knows one, or what a Sentinel that refused the
        password raised."""
        if self._asking is None:  # else that question is for this caller too
            self._asking = asyncio.create_task(self._ask_all())
            self._asking.add_done_callback(self._answered)
        found = await asyncio.shield(self._asking)
        return found.address

    def _answered(self, asking: "asyncio.Task[_Answer]") -> None:
        self._asking = None
        if asking.cancelled() or asking.exception() is not None:
            return
        found = asking.result()
        self.copies = found.copies
        if found.address != self._master:
            self._master = found.address
            self.master_changes += 1

    async def _ask_all(self) -> _Answer:
        asked = [asyncio.create_task(self._ask(host, port)) for host, port in self._addresses]
        answers: list[_Answer] = []
        refused: RedisError | None = None
        try:
            for asking in asyncio.as_completed(asked):
                try:
                    answers.append(await asking)
                except REFUSALS as error:
                    refused = error
                except (RedisError, OSError, TimeoutError):
                    continue
                if len(answers) > len(asked) / 2:
                    break
        finally:
            await tasks.end(asked)
            await asyncio.gather(*asked, return_exceptions=True)
        if not answers:
            raise refused or ConnectionError("no Sentinel answers")
        latest = max(answer.decision for answer in answers)
        usable = [answer for answer in answers if answer.decision == latest and not answer.down]
        if not usable:
            raise ConnectionError("the master is gone, and its successor not chosen yet")
        return usable[0]

    async def _ask(self, host: str, port: int) -> _Answer:
        async with (
            asyncio.timeout(self._seconds),
            Redis(host=host, port=port, retry=Retry(NoBackoff(), 0), driver_info=None, **self._sign_in) as sentinel,
        ):
            state: Any = await sentinel.sentinel_master(self._group)
            found: Any = await sentinel.sentinel_get_master_addr_by_name(self._group)
        # While a failover is carried out the new address is told already, and the state is still the old master's.
        address = (found[0].decode(), found[1])
        moving = address != (state["ip"], state["port"])
        down = not moving and (state["is_sdown"] or state["is_odown"])
        return _Answer(address, state["quorum"] - 1, (state["config-epoch"], moving), down)


class MasterConnection(Connection):
    """A connection to whoever is the master."""

    def __init__(self, *, sentinels: Sentinels, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._sentinels = sentinels
        self._made_at = 0

    async def connect(self) -> None:
        """Connect, or connect anew when the master has changed since."""
        if self.is_connected and self._made_at != self._sentinels.master_changes:
            await self.disconnect()
        if not self.is_connected:
            self.host, self.port = await self._sentinels.master()
            self._made_at = self._sentinels.master_changes
        await super().connect()

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """An answer; `NotMasterError` in place of a refusal to write."""
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if isinstance(error, ReadOnlyError) or str(error).startswith(_NO_REPLICAS):
                await self.disconnect()
                raise NotMasterError(str(error)) from error
            raise


def connect(
    url: SecretStr,
    *,
    answer_seconds: float = 3.0,
    connect_seconds: float = 2.0,
    connections: int | None = None,
    wait_seconds: float | None = None,
) -> Redis:
    """A client.

    `answer_seconds` and `connect_seconds` bound each call. With `wait_seconds` who comes while all `connections` are
    busy waits for one for so long; else that is an error.
    """
    arguments: dict[str, Any] = {
        "socket_timeout": answer_seconds,
        "socket_connect_timeout": connect_seconds,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
    }
    if connections is not None:
        arguments["max_connections"] = connections
    if wait_seconds is not None:
        arguments["timeout"] = wait_seconds
    pool = BlockingConnectionPool if wait_seconds is not None else ConnectionPool
    text = url.get_secret_value()
    if not text.startswith(SCHEME):
        return Redis.from_pool(pool.from_url(text, **arguments))
    return Redis.from_pool(pool(connection_class=MasterConnection, **_of_several(text, connect_seconds), **arguments))


def _of_several(url: str, seconds: float) -> dict[str, Any]:
    """Arguments of a connection. Raises `ValueError` for a URL that is none."""
    place, _, path = url.removeprefix(SCHEME).partition("/")
    login, _, hosts = place.rpartition("@")
    user, _, password = login.partition(":")
    group, _, database = path.partition("/")
    addresses = [(host, int(port)) for host, _, port in (each.rpartition(":") for each in hosts.split(","))]
    if not group or not all(host for host, _ in addresses):
        raise ValueError(f"not {SCHEME}user:password@host:port,…/group/database")
    sign_in = {"username": unquote(user) or None, "password": unquote(password) or None}
    sentinels = Sentinels(addresses, group, seconds, sign_in)
    return {"sentinels": sentinels, "db": int(database or 0), **sign_in}


async def execute_copied(pipeline: "Pipeline") -> list[Any]:
    """Run a pipeline that is no transaction, until what it wrote is where the master's successor is chosen from.

    Raises `NotCopiedError` when it is not within a second: it may be there or be lost, so write it again later.
    """
    arguments = pipeline.connection_pool.connection_kwargs
    sentinels: Sentinels | None = arguments.get("sentinels")
    if sentinels is None:
        return await pipeline.execute()
    if not sentinels.copies:
        await sentinels.master()
    pipeline.wait(sentinels.copies, int(_COPY_SECONDS * 1000))
    *answers, copies = await pipeline.execute()
    if copies < sentinels.copies:
        raise NotCopiedError(f"{copies} of {sentinels.copies} replicas have it")
    return answers
