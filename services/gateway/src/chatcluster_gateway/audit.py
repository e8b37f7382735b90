"""The audit log: who made, first used and revoked API tokens, and who called what of administration and moderation.

What a change must not happen without is written in the change's own transaction. A call of another service is noted
after its answer: should the database then be away, the entry goes to the process's log and the answer to the caller.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

from prometheus_client import Counter

from chatcluster_common import clock, context, ids, logs
from chatcluster_common.errors import Problem
from chatcluster_gateway.models import AuditEvent
from chatcluster_gateway.store import AuditRow, GatewayStore

log = logs.get_logger(__name__)

ENTRIES = Counter("chat_gateway_audit_entries_total", "Audit entries by where they went.", ["to"])

ADDRESS = "chatcluster.address"
"""Where a connection's scope has the caller's address."""

_SECONDS = 2.0
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Call:
    """What an entry says of the call."""

    method: str
    path: str
    address: str


class Audit:
    """Writes and reads it."""

    def __init__(self, store: GatewayStore) -> None:
        self._store = store

    def entry(self, event: AuditEvent, user_id: str, call: Call, *, status: int, token_id: str | None) -> AuditRow:
        """A new entry, not yet written."""
        return AuditRow(
            id=ids.new_id(),
            at=clock.utc_now(),
            event=event,
            user_id=user_id,
            token_id=token_id,
            method=call.method,
            path=call.path[:1024],
            status=status,
            address=call.address,
            request_id=context.request_id.get(),
        )

    async def add(self, entry: AuditRow) -> None:
        """Write an entry; never fails."""
        try:
            async with asyncio.timeout(_SECONDS):
                await self._store.add_entry(entry)
            ENTRIES.labels("database").inc()
        except (Problem, TimeoutError):
            ENTRIES.labels("log").inc()
            # The address stays out of the logs; the request id leads to it at the edge.
            fields = asdict(entry) | {"at": clock.rfc3339(entry.at)}
            del fields["address"]
            log.error("an audit entry could not be written to the database", audit=fields)

    async def page(
        self, *, user_id: str | None, token_id: str | None, before_id: str | None, limit: int
    ) -> list[AuditRow]:
        """At most `limit` entries, newest first."""
        return await self._store.entries(user_id=user_id, token_id=token_id, before_id=before_id, limit=limit)

    async def all_of(self, user_id: str) -> AsyncIterator[dict[str, object]]:
        """All entries about what a person did, newest first, read by pages."""
        before: str | None = None
        while rows := await self.page(user_id=user_id, token_id=None, before_id=before, limit=_PAGE):
            for row in rows:
                yield asdict(row)
            before = rows[-1].id
