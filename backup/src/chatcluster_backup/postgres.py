"""PostgreSQL: its base backup and restore point are made beside it, by pgBackRest, where its files are.

Here they are asked for, in a table of the database `chat_backup`, whose owner can do nothing else. `backups watch`
(stores/postgres) works requests off on the member that leads. One that was not finished, because that member went, is
taken up by the next.
"""

import asyncio
import json
import time
from datetime import datetime
from typing import Any, Final

import asyncpg
from pydantic import BaseModel

from chatcluster_backup.manifest import PostgresPart

_LOOK_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 120.0
"""How long the database may be away, as while another member takes the lead."""


class RequestError(Exception):
    """What was asked for has failed; says why."""


class BaseBackup(BaseModel):
    """What `backup` answers."""

    label: str
    path: str
    bytes: int
    version: int


class Point(BaseModel):
    """What `point` answers."""

    name: str
    at: datetime


async def ask(url: str, request: str, what: str, detail: dict[str, Any], *, within: float) -> dict[str, Any]:
    """Ask for `what` under the name `request`, and wait. Asking again is the same request.

    Raises RequestError when it has failed, and TimeoutError after `within` seconds.
    """
    deadline = time.monotonic() + within
    away = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(30):
                answer = await _look(url, request, what, detail)
            away = time.monotonic()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            if time.monotonic() - away > _PATIENCE_SECONDS:
                raise RequestError(f"PostgreSQL cannot be reached: {error or type(error).__name__}") from None
            answer = None
        if answer is not None:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"PostgreSQL's {what} did not end within {within:.0f} s")
        await asyncio.sleep(_LOOK_SECONDS)


async def _look(url: str, request: str, what: str, detail: dict[str, Any]) -> dict[str, Any] | None:
    connection: Any = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(
            "INSERT INTO requests (id, what, detail) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE"
            " SET state = 'asked', answer = NULL WHERE requests.state = 'failed' AND requests.seen",
            request,
            what,
            json.dumps(detail),
        )
        row = await connection.fetchrow("SELECT state, answer FROM requests WHERE id = $1", request)
        if row["state"] == "failed":
            await connection.execute("UPDATE requests SET seen = true WHERE id = $1", request)
            raise RequestError(json.loads(row["answer"])["why"])
        return json.loads(row["answer"]) if row["state"] == "done" else None
    finally:
        await connection.close(timeout=5)


async def base_backup(url: str, id_: str, *, within: float) -> BaseBackup:
    """A base backup for the backup `id_`: whole once a week, else what has changed since the last one."""
    return BaseBackup.model_validate(await ask(url, f"{id_} backup", "backup", {"id": id_}, within=within))


async def restore_point(url: str, name: str, *, within: float) -> Point:
    """A named point in the write-ahead log, once all before it is in the repository."""
    return Point.model_validate(await ask(url, f"{name} point", "point", {"name": name}, within=within))


async def expire(url: str, id_: str, oldest: str, *, within: float) -> None:
    """Base backups before that of the label `oldest`, and what of the log only they need, may go."""
    await ask(url, f"{id_} expire", "expire", {"oldest": oldest}, within=within)


def part(base: BaseBackup, point: Point) -> PostgresPart:
    """Both together."""
    return PostgresPart(
        path=base.path, label=base.label, point=point.name, at=point.at, bytes=base.bytes, version=base.version
    )


async def ask_erasures_again(url: str, moment: datetime, holders: list[str]) -> int:
    """Have the user service ask these services once more for the erasures that were asked for or finished since the
    moment, or near it; how many there are. Messages and files may be older than the accounts restored with them."""
    connection: Any = await asyncpg.connect(url, timeout=10)
    try:
        done: str = await connection.execute(
            "UPDATE erasures SET finished_at = NULL, attempts = 0, due_at = now(), pending = $1::jsonb"
            " WHERE finished_at IS NULL OR finished_at >= $2::timestamptz - interval '1 hour'",
            json.dumps(dict.fromkeys(holders, "to be asked again after a restore")),
            moment,
        )
        return int(done.rpartition(" ")[2])
    finally:
        await connection.close(timeout=5)
