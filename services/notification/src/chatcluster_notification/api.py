"""The routes under `/api/v1/notifications`."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from redis.exceptions import RedisError

from chatcluster_common import errors
from chatcluster_common.auth import CurrentUser
from chatcluster_common.errors import ProblemDetails
from chatcluster_notification.models import NotificationPage
from chatcluster_notification.store import INBOX_LENGTH, NotificationStore

_CURSOR = re.compile(r"[0-9]{13}-[A-Za-z0-9-]{1,64}")

router = APIRouter(
    prefix="/api/v1/notifications",
    tags=["notifications"],
    responses={
        status: {"model": ProblemDetails, "description": text}
        for status, text in {
            401: "No valid access token.",
            422: "A malformed parameter.",
            503: "The store does not answer; try again shortly.",
        }.items()
    },
)


def _store(request: Request) -> NotificationStore:
    return request.app.state.store


@router.get("", operation_id="listNotifications", summary="What happened while the caller was away")
async def list_notifications(
    user: CurrentUser,
    store: Annotated[NotificationStore, Depends(_store)],
    limit: Annotated[int, Query(ge=1, le=INBOX_LENGTH, description="Most items on a page.")] = 50,
    cursor: Annotated[str | None, Query(max_length=128, description="`next_cursor` of the page before.")] = None,
) -> NotificationPage:
    """The latest first; the last 200 of the last 30 days are kept."""
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise errors.invalid("query.cursor", "use the next_cursor of the page before, as it is")
    try:
        items, next_cursor = await store.notifications(user.user_id, cursor, limit)
    except (RedisError, OSError) as error:
        raise errors.unavailable() from error
    return NotificationPage(items=list(items), next_cursor=next_cursor)
