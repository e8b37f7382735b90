"""Reading the log, and forgetting what is older than it is kept."""

from datetime import timedelta

from chatcluster_common import errors
from chatcluster_common.clock import utc_now
from chatcluster_user.audit import models, store
from chatcluster_user.audit.store import EventKind
from chatcluster_user.database import Database
from chatcluster_user.people.store import is_id


class AuditLog:
    """Events of the last `keep_days` days."""

    def __init__(self, database: Database, keep_days: int) -> None:
        self._database = database
        self._keep = timedelta(days=keep_days)

    async def page(
        self,
        *,
        user_id: str | None = None,
        actor_id: str | None = None,
        kind: EventKind | None = None,
        cursor: str | None,
        limit: int,
    ) -> models.SecurityEventPage:
        """The latest first; of one person, by one person, of one kind, or all."""
        if cursor is not None and not is_id(cursor):
            raise errors.invalid("query.cursor", "use the next_cursor of the page before, as it is")
        async with self._database.transaction() as tx:
            rows = await store.page(tx, user_id=user_id, actor_id=actor_id, kind=kind, before=cursor, limit=limit + 1)
        more = len(rows) > limit
        return models.SecurityEventPage(
            items=[models.SecurityEvent.model_validate(dict(row)) for row in rows[:limit]],
            next_cursor=rows[limit - 1]["id"] if more else None,
        )

    async def purge(self) -> bool:
        """Delete some of what is too old; whether there may be more."""
        async with self._database.transaction() as tx:
            return await store.purge(tx, utc_now() - self._keep)
