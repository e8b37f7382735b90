"""Erasure: the account goes at once, what the other services hold goes as soon as each of them is done.

The account's row is deleted, so nothing can find it by omission. Its name stays reserved, as a hash. Each service is
asked until it says that it is done, for two weeks, then an admin must look. The audit log keeps ids and
addresses of security events for as long as it keeps any.
"""

import asyncio
from datetime import timedelta
from typing import Any

from prometheus_client import Gauge

from chatcluster_common import errors, logs
from chatcluster_common.clock import utc_now
from chatcluster_user.audit import store as audit
from chatcluster_user.client import Client
from chatcluster_user.credentials.identity import Identity
from chatcluster_user.credentials.mails import AccountMails
from chatcluster_user.credentials.models import Confirmation
from chatcluster_user.database import Database
from chatcluster_user.leaving import models, store
from chatcluster_user.others import Others
from chatcluster_user.outbox import Outbox
from chatcluster_user.people import store as accounts
from chatcluster_user.people.service import check_not_last_admin, gone
from chatcluster_user.people.store import is_id
from chatcluster_user.worker import Worker

log = logs.get_logger(__name__)

UNFINISHED = Gauge("chat_user_erasures_unfinished", "Erasures that some service has not finished.")

_IDLE_SECONDS = 30.0
_CALLS_A_ROUND = 20
_LEASE = timedelta(minutes=5)
_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(hours=1)
_GIVE_UP_AFTER = 350
"""Attempts: with an hour between most of them, two weeks."""
_SERVICE_SECONDS = 50.0
"""So that a round is over before its lease."""


def pause_after(attempts: int) -> timedelta:
    """How long to wait before the services are asked once more."""
    return min(_FIRST_PAUSE * 2 ** min(attempts - 1, 20), _LONGEST_PAUSE)


class Erasures:
    """Takes requests and works them off; run it with `async with`."""

    def __init__(
        self, database: Database, outbox: Outbox, identity: Identity, mails: AccountMails, others: Others
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._identity = identity
        self._mails = mails
        self._others = others
        self._worker = Worker("erasures", self._round, idle_seconds=_IDLE_SECONDS)

    async def __aenter__(self) -> "Erasures":
        await self._worker.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._worker.__aexit__()

    async def request(self, user_id: str, shown: Confirmation, client: Client) -> None:
        """Erase the caller. 401 when it is not them, 409 for the last admin."""
        await self._identity.confirm(user_id, shown, client)
        async with self._database.transaction() as tx:
            await accounts.lock_admins(tx)
            account = await accounts.by_id(tx, user_id, lock=True)
            if account is None:
                raise gone()
            await check_not_last_admin(tx, account)
            await store.begin(tx, user_id, account.username, self._others.services, utc_now())
            await self._mails.farewell(tx, account)
            await audit.record(tx, "erased", client, user_id=user_id, actor_id=user_id)
            await self._outbox.signal(tx, "user_erased", user_id=user_id)
            tx.after_commit.add(self._worker.wake)

    async def page(self, *, unfinished: bool, cursor: str | None, limit: int) -> models.ErasurePage:
        """For admins."""
        if cursor is not None and not is_id(cursor):
            raise errors.invalid("query.cursor", "use the next_cursor of the page before, as it is")
        async with self._database.transaction() as tx:
            rows = await store.page(tx, unfinished=unfinished, before=cursor, limit=limit + 1)
        more = len(rows) > limit
        return models.ErasurePage(
            items=[models.Erasure.model_validate(dict(row)) for row in rows[:limit]],
            next_cursor=rows[limit - 1]["user_id"] if more else None,
        )

    async def retry(self, user_id: str) -> None:
        """Begin anew with one that is not done. 404 when there is none."""
        async with self._database.transaction() as tx:
            if not is_id(user_id) or not await store.revive(tx, user_id, utc_now()):
                raise errors.not_found("unfinished erasure")
            tx.after_commit.add(self._worker.wake)

    async def _round(self) -> bool:
        async with self._database.transaction() as tx:
            erasure = await store.claim(tx, utc_now(), _LEASE)
            UNFINISHED.set(await store.unfinished(tx))
        if erasure is None:
            return False
        user_id: str = erasure["user_id"]
        pending: dict[str, str] = {}
        for service in erasure["pending"]:
            if why := await self._ask(service, user_id):
                pending[service] = why
        now = utc_now()
        values: dict[str, Any] = {"pending": pending}
        if not pending:
            values |= {"finished_at": now, "due_at": None}
            log.info("erasure finished", user=user_id, attempts=erasure["attempts"])
        elif erasure["attempts"] >= _GIVE_UP_AFTER:
            values["due_at"] = None
            log.error("erasure given up: an admin must see to it and retry it", user=user_id, pending=pending)
        else:
            values["due_at"] = now + pause_after(erasure["attempts"])
        async with self._database.transaction() as tx:
            await store.progress(tx, user_id, **values)
        return True

    async def _ask(self, service: str, user_id: str) -> str:
        """Have one service erase; empty when it is done, else why not."""
        if service not in self._others.services:  # it was here when the account went: its data may still be
            return "is no longer installed"
        try:
            async with asyncio.timeout(_SERVICE_SECONDS):
                for _ in range(_CALLS_A_ROUND):
                    answer = await self._others.tell(service, f"/internal/users/{user_id}/erase")
                    if answer and answer.get("done") is True:
                        return ""
        except errors.Problem:
            return "does not answer"
        except TimeoutError:
            pass
        return "has more to do"
