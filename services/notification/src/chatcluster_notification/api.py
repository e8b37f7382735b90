"""The routes under `/api/v1/notifications`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, status
from fastapi.responses import HTMLResponse

from chatcluster_common import errors
from chatcluster_common.auth import CurrentUser
from chatcluster_common.errors import problems
from chatcluster_notification import mail
from chatcluster_notification.inbox import INBOX_LENGTH, Inbox
from chatcluster_notification.models import (
    MOST_CONVERSATIONS,
    ConversationId,
    ConversationPreferences,
    NotificationPage,
    Preferences,
    PushKey,
    PushSubscription,
    PushSubscriptionRequest,
    PushSubscriptions,
    ReadRequest,
    Unread,
)
from chatcluster_notification.outside import EndpointError
from chatcluster_notification.store import NotificationStore, TooManyError
from chatcluster_notification.unsubscribe import TOKEN_PATTERN, UnsubscribeLinks
from chatcluster_notification.webpush import PushSender

_CURSOR = r"^[0-9]{13}-[A-Za-z0-9-]{1,64}$"
_USER_AGENT_CHARACTERS = 200

_AWAY = "A store does not answer; try again shortly."
router = APIRouter(
    prefix="/api/v1/notifications",
    tags=["notifications"],
    responses=problems(
        _401="No valid access token.",
        _403="The address is not confirmed, or the token's scopes do not reach here.",
        _422="A field is refused.",
        _503=_AWAY,
    ),
)
public = APIRouter(
    prefix="/api/v1/notifications",
    tags=["notifications"],
    responses=problems(_404="The link is not whole.", _422="The link is not whole.", _503=_AWAY),
)


def _store(request: Request) -> NotificationStore:
    return request.app.state.store


def _inbox(request: Request) -> Inbox:
    return request.app.state.inbox


def _pusher(request: Request) -> PushSender:
    pusher: PushSender = request.app.state.pusher
    if not pusher.public_key:
        raise errors.Problem(404, "push_off", "This ChatCluster sends no pushes.")
    return pusher


Store = Annotated[NotificationStore, Depends(_store)]
Lists = Annotated[Inbox, Depends(_inbox)]
Pusher = Annotated[PushSender, Depends(_pusher)]


@router.get("", operation_id="listNotifications", summary="What happened while the caller was away")
async def list_notifications(
    user: CurrentUser,
    inbox: Lists,
    limit: Annotated[int, Query(ge=1, le=INBOX_LENGTH, description="Most items on a page.")] = 50,
    cursor: Annotated[str | None, Query(pattern=_CURSOR, description="`next_cursor` of the page before.")] = None,
) -> NotificationPage:
    """The latest first; the last 200 of the last 30 days are kept."""
    items, next_cursor, unread = await inbox.page(user.user_id, cursor, limit)
    return NotificationPage(items=items, next_cursor=next_cursor, unread=unread)


@router.post("/read", operation_id="readNotifications", summary="Mark notifications as read")
async def read_notifications(body: ReadRequest, user: CurrentUser, inbox: Lists) -> Unread:
    """Those of `ids` and those of `conversation_id`; all, when neither is given. Ids that are not known are ignored."""
    return Unread(unread=await inbox.mark_read(user.user_id, body.ids, body.conversation_id))


@router.get("/preferences", operation_id="getNotificationPreferences", summary="What the caller wants to be told of")
async def get_preferences(user: CurrentUser, store: Store) -> Preferences:
    """The defaults, for somebody who has set nothing."""
    return await store.preferences(user.user_id)


@router.put("/preferences", operation_id="setNotificationPreferences", summary="Replace all preferences")
async def set_preferences(body: Preferences, user: CurrentUser, store: Store) -> Preferences:
    """What is left out is set to its default; conversations that are left out follow `default_level`."""
    await store.set_preferences(user.user_id, body)
    return body


ConversationPath = Annotated[ConversationId, Path(description="The conversation's id.")]


@router.put(
    "/preferences/conversations/{conversation_id}",
    operation_id="setConversationNotificationPreferences",
    summary="Set what differs in one conversation",
    responses=problems(_409=f"{MOST_CONVERSATIONS} conversations have preferences of their own already."),
)
async def set_conversation_preferences(
    conversation_id: ConversationPath, body: ConversationPreferences, user: CurrentUser, store: Store
) -> ConversationPreferences:
    """Its level, or mute it until a time; leaves all other preferences alone."""
    try:
        await store.set_conversation(user.user_id, conversation_id, body)
    except TooManyError as error:
        raise errors.conflict(
            "too_many", f"At most {MOST_CONVERSATIONS} conversations can have preferences of their own."
        ) from error
    return body


@router.delete(
    "/preferences/conversations/{conversation_id}",
    operation_id="deleteConversationNotificationPreferences",
    summary="Let one conversation follow the default",
    status_code=status.HTTP_204_NO_CONTENT,
)
async def delete_conversation_preferences(conversation_id: ConversationPath, user: CurrentUser, store: Store) -> None:
    """Does nothing when it did so already."""
    await store.forget_conversation(user.user_id, conversation_id)


_PUSH_OFF = problems(_404="This ChatCluster sends no pushes.")


@router.get("/push-key", operation_id="getPushKey", summary="The key to subscribe to pushes with", responses=_PUSH_OFF)
async def get_push_key(user: CurrentUser, pusher: Pusher) -> PushKey:
    """The `applicationServerKey` of `pushManager.subscribe`. Subscribe anew when it has changed."""
    return PushKey(public_key=pusher.public_key)


@router.post(
    "/push-subscriptions",
    operation_id="createPushSubscription",
    summary="Send pushes to this device",
    status_code=status.HTTP_201_CREATED,
    responses=_PUSH_OFF,
)
async def create_push_subscription(
    body: PushSubscriptionRequest,
    user: CurrentUser,
    store: Store,
    pusher: Pusher,
    user_agent: Annotated[str, Header(include_in_schema=False)] = "",
) -> PushSubscription:
    """Safe to repeat: a device that is known keeps its id. The subscription ends with the session it is made in, when
    the push service says that it is over, or by `DELETE`; the oldest goes when there are more than 20."""
    try:
        pusher.check(body.endpoint)
    except EndpointError as error:
        raise errors.invalid("body.endpoint", str(error)) from error
    device = mail.one_line(user_agent, _USER_AGENT_CHARACTERS)
    subscription = await store.subscribe(user.user_id, user.session_id, device, body)
    return PushSubscription.model_validate(subscription, from_attributes=True)


@router.get("/push-subscriptions", operation_id="listPushSubscriptions", summary="The devices that get pushes")
async def list_push_subscriptions(user: CurrentUser, store: Store) -> PushSubscriptions:
    """The caller's own, oldest first."""
    found = await store.subscriptions(user.user_id)
    return PushSubscriptions(items=[PushSubscription.model_validate(each, from_attributes=True) for each in found])


@router.delete(
    "/push-subscriptions",
    operation_id="deletePushSubscriptions",
    summary="Send pushes to none of the caller's devices",
    status_code=status.HTTP_204_NO_CONTENT,
)
async def delete_push_subscriptions(user: CurrentUser, store: Store) -> None:
    """Until they subscribe again."""
    await store.unsubscribe(user.user_id)


@router.delete(
    "/push-subscriptions/{subscription_id}",
    operation_id="deletePushSubscription",
    summary="Send no more pushes to a device",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(_404="The caller has no such subscription."),
)
async def delete_push_subscription(
    subscription_id: Annotated[str, Path(max_length=64, description="The subscription's id.")],
    user: CurrentUser,
    store: Store,
) -> None:
    """To be called before the caller signs out, with the browser's own `unsubscribe`."""
    if not await store.unsubscribe(user.user_id, subscription_id):
        raise errors.not_found("push subscription")


Token = Annotated[str, Query(pattern=TOKEN_PATTERN, description="As the mail's link has it.")]
_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"></head><body><main><h1>{title}</h1>{content}</main></body></html>
"""
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _reader(token: Token, request: Request) -> str:
    links: UnsubscribeLinks = request.app.state.links
    user_id = links.user_of(token)
    if user_id is None:
        raise errors.not_found("unsubscribe link")
    return user_id


Reader = Annotated[str, Depends(_reader)]


@public.get(
    "/unsubscribe",
    operation_id="askToUnsubscribe",
    summary="The page behind a mail's link",
    response_class=HTMLResponse,
)
async def ask_to_unsubscribe(reader: Reader) -> Response:
    """Asks whether to stop the mails, and changes nothing: programs follow links too. Needs no access token."""
    content = '<form method="post"><button>Send me no more mails</button></form>'
    return HTMLResponse(_PAGE.format(title="No more mails about messages?", content=content), headers=_PAGE_HEADERS)


@public.post(
    "/unsubscribe",
    operation_id="unsubscribe",
    summary="Stop mails about messages",
    response_class=HTMLResponse,
)
async def unsubscribe(reader: Reader, store: Store) -> Response:
    """What a mail program's button calls (RFC 8058), and the page's. Needs no access token; the body is not looked at.
    Turns `channels.email` off; mails about the account itself still come."""
    await store.stop_mails(reader)
    content = "<p>You get no more mails about messages. You can turn them on again in your preferences.</p>"
    return HTMLResponse(_PAGE.format(title="Done", content=content), headers=_PAGE_HEADERS)
