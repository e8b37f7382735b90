"""The routes under `/internal`, for the other services and for operators at the console."""

from collections.abc import AsyncGenerator
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response, status
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from chatcluster_common.auth import InternalCaller
from chatcluster_notification.dead_letters import Chosen, DeadLetters, DeadLetterView, Replayed
from chatcluster_notification.inbox import INBOX_LENGTH, Inbox
from chatcluster_notification.jobs import AccountMail
from chatcluster_notification.models import PushSubscription
from chatcluster_notification.outbox import Outbox
from chatcluster_notification.store import NotificationStore

router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])


class Erased(BaseModel):
    """How far an erasure has come."""

    done: bool


@router.post("/mails", status_code=status.HTTP_202_ACCEPTED)
async def queue_account_mail(body: AccountMail, request: Request) -> dict[str, Any]:
    """Send an account mail, once for each `id`."""
    outbox: Outbox = request.app.state.outbox
    await outbox.put_mail(body)
    return {}


@router.get("/users/{user_id}/export")
async def export(user_id: str, request: Request) -> Response:
    """Everything that is kept about a person, a line an item."""
    store: NotificationStore = request.app.state.store
    inbox: Inbox = request.app.state.inbox
    # Read before the first byte goes out: a store that is away is then a 503 and no short answer.
    preferences = await store.preferences(user_id)
    subscriptions = await store.subscriptions(user_id)
    notifications, _, _ = await inbox.page(user_id, None, INBOX_LENGTH)

    async def lines() -> AsyncGenerator[bytes]:
        yield _line("notification_preferences", preferences)
        for each in subscriptions:
            shown = PushSubscription.model_validate(each, from_attributes=True)
            yield orjson.dumps(
                {"kind": "push_subscription", "data": shown.model_dump(mode="json") | {"endpoint": each.endpoint}},
                option=orjson.OPT_APPEND_NEWLINE,
            )
        for each in notifications:
            yield _line("notification", each)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@router.post("/users/{user_id}/erase")
async def erase(user_id: str, request: Request) -> Erased:
    """Forget a person, and what they wrote in the lists of others."""
    store: NotificationStore = request.app.state.store
    outbox: Outbox = request.app.state.outbox
    inbox: Inbox = request.app.state.inbox
    await store.erase(user_id)
    await outbox.erase(user_id)
    return Erased(done=await inbox.erase(user_id))


@router.get("/dead-letters")
async def list_dead_letters(request: Request) -> list[DeadLetterView]:
    """What was given up on, oldest first."""
    dead: DeadLetters = request.app.state.dead_letters
    return list(await dead.list())


@router.post("/dead-letters/replay")
async def replay_dead_letters(body: Chosen, request: Request) -> Replayed:
    """Try again what was given up on."""
    dead: DeadLetters = request.app.state.dead_letters
    return await dead.replay(body.ids)


@router.post("/dead-letters/drop")
async def drop_dead_letters(body: Chosen, request: Request) -> dict[str, int]:
    """Delete what was given up on."""
    dead: DeadLetters = request.app.state.dead_letters
    return {"dropped": await dead.drop(body.ids)}


def _line(kind: str, data: BaseModel) -> bytes:
    return orjson.dumps({"kind": kind, "data": data.model_dump(mode="json")}, option=orjson.OPT_APPEND_NEWLINE)
