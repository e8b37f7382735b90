"""Export: one JSON document of what every service holds about a person, streamed as it is read.

Its last member says whether it is complete: a service that fails in the middle cannot be told by the status any more,
and nobody shall take a part for the whole.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable

import orjson
from prometheus_client import Counter

from chatcluster_common import errors, logs
from chatcluster_common.clock import rfc3339, utc_now
from chatcluster_user.audit import store as audit
from chatcluster_user.client import Client
from chatcluster_user.database import Database
from chatcluster_user.leaving import store
from chatcluster_user.others import Others
from chatcluster_user.people import store as accounts
from chatcluster_user.people.service import People, gone

log = logs.get_logger(__name__)

EXPORTS = Counter("chat_user_exports_total", "Exports by result: complete, incomplete.", ["result"])

_AT_ONCE = 4
_LONGEST_LINE = 8 << 20


class Exports:
    """At most a few at a time in one process; more get 503."""

    def __init__(self, database: Database, people: People, others: Others) -> None:
        self._database = database
        self._people = people
        self._others = others
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def document(self, user_id: str, client: Client) -> AsyncGenerator[bytes]:
        """The pieces of the document. Raises before the first of them, or never."""
        if self._slots.locked():
            raise errors.unavailable("Too many exports are being made. Try again in a few minutes.")
        async with self._slots:
            async with self._database.transaction() as tx:
                account = await accounts.by_id(tx, user_id)
                if account is None:
                    raise gone()
                await audit.record(tx, "exported", client, user_id=user_id, actor_id=user_id)
            head = {"format": 1, "user_id": user_id, "exported_at": rfc3339(utc_now())}
            me = {"kind": "account", "data": self._people.to_me(account).model_dump(mode="json")}
            yield orjson.dumps(head)[:-1] + b',"services":{"user":[' + orjson.dumps(me)
            for part in store.PARTS:
                after: str | None = None
                more = True
                while more:
                    # A transaction a page: none is held open while the person's line is slow.
                    async with self._database.transaction() as tx:
                        rows, after = await store.part(tx, part, user_id, after)
                    yield b"".join(b"," + orjson.dumps({"kind": part.kind, "data": row}) for row in rows)
                    more = after is not None
            yield b"]"
            missing: list[str] = []
            for service in self._others.services:
                yield b',"' + service.encode() + b'":['
                try:
                    path = f"/internal/users/{user_id}/export"
                    async with self._others.open(service, "GET", path, seconds=None) as answer:
                        if answer.status != 200:
                            raise errors.unavailable()
                        first = True
                        async for line in lines(answer.content.iter_any()):
                            yield line if first else b"," + line
                            first = False
                except errors.Problem:
                    missing.append(service)
                yield b"]"
            tail = {"complete": not missing, "missing": missing}
            yield b"}," + orjson.dumps(tail)[1:]
            EXPORTS.labels("incomplete" if missing else "complete").inc()


async def lines(pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The JSON values of an NDJSON stream. A 503 `Problem` for a line that is none, or has no end in 8 MiB."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line.strip():
                yield _checked(line)
        if len(rest) > _LONGEST_LINE:
            raise errors.unavailable()
    if rest.strip():
        yield _checked(rest)


def _checked(line: bytes) -> bytes:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError as error:
        log.warning("a service exports what is no JSON")
        raise errors.unavailable() from error
    return line
