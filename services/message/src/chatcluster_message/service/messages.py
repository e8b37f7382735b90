"""Messages: sending them, reading them, catching up."""

import asyncio
import random
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256

from prometheus_client import Counter, Histogram
from pymongo.errors import ConnectionFailure

from chatcluster_common import errors, logs
from chatcluster_common.clock import utc_now
from chatcluster_common.ids import new_id
from chatcluster_message import roles, text
from chatcluster_message.files import Files
from chatcluster_message.models import (
    Conversation,
    HistoryQuery,
    Message,
    MessagePage,
    SendMessage,
    SyncResult,
)
from chatcluster_message.outbox import DUE_AFTER, Relay
from chatcluster_message.people import People
from chatcluster_message.roles import Action
from chatcluster_message.sequence import Turn, Turns
from chatcluster_message.service.access import Access
from chatcluster_message.store import ClientIdTakenError, SeqTakenError, Store

log = logs.get_logger(__name__)

SENDS = Counter("chat_message_sends_total", "Sends, by result: stored, or seen before.", ["result"])
SEND_SECONDS = Histogram(
    "chat_message_send_seconds",
    "Time from a checked send to the message being on disk at a majority.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
COLLISIONS = Counter("chat_message_seq_collisions_total", "Inserts repeated because another process was faster.")

_ATTEMPTS = 20
_PATIENCE_SECONDS = 4.0
"""For a primary, after which the client is told to send again; less than it waits for its acknowledgement."""
_SYNC_PAGE = 200
_SYNC_TOTAL = 1000
_SYNC_OVERLAP = timedelta(seconds=15)
"""How far clocks may differ, and a write may take: a change is rather told twice than not at all."""


class MessageService:
    """Sends, history and `sync`."""

    def __init__(
        self,
        store: Store,
        access: Access,
        people: People,
        files: Files,
        relay: Relay,
        *,
        turns: Turns,
        max_body_length: int,
    ) -> None:
        self._store = store
        self._access = access
        self._people = people
        self._files = files
        self._relay = relay
        self._turns = turns
        self._max_body_length = max_body_length

    # Sending

    async def send(self, caller: str, conversation_id: str, request: SendMessage) -> tuple[Message, bool]:
        """The stored message, and whether it is new. Returns only once a majority of the store has it on disk."""
        self.check_body(request.body, has_files=bool(request.attachments))
        conversation = await self._access.to_write(caller, conversation_id)
        if request.attachments and (first := await self._store.messages.by_client_id(caller, request.client_id)):
            SENDS.labels("seen").inc()
            return first, False  # its files are bound already
        draft = await self._draft(caller, conversation, request)
        with SEND_SECONDS.time():
            async with self._turns.take(conversation_id) as turn:
                message, new = await self._insert(turn, conversation, draft)
                if new:
                    self._relay.hand_over(message, conversation)
        SENDS.labels("stored" if new else "seen").inc()
        return message, new

    def check_body(self, body: str, *, has_files: bool) -> None:
        """Raises a 422 `Problem` for a text that is too long, or too little of a message."""
        if len(body) > self._max_body_length:
            raise errors.invalid("body", f"a message has at most {self._max_body_length} characters")
        if not body.strip() and not has_files:
            raise errors.invalid("body", "a message has text or attachments")

    async def _draft(self, caller: str, conversation: Conversation, request: SendMessage) -> Message:
        """The message but for its `seq` and time: whom it mentions, what it answers, what it carries."""
        message_id = _id_with_files(caller, request.client_id) if request.attachments else new_id()
        if request.thread_root:
            await self._check_root(conversation, request.thread_root)
        people, everybody = await self.mentioned(caller, conversation, request.body)
        files = await self._files.attach(caller, conversation.id, message_id, list(dict.fromkeys(request.attachments)))
        return Message(
            id=message_id,
            conversation_id=conversation.id,
            seq=0,
            sender_id=caller,
            client_id=request.client_id,
            body=request.body,
            attachments=files,
            mentions=people,
            mentions_all=everybody,
            thread_root=request.thread_root,
            created_at=utc_now(),
        )

    async def mentioned(self, caller: str, conversation: Conversation, body: str) -> tuple[list[str], bool]:
        """The members whom a text of the caller's mentions, and whether it mentions everybody."""
        found = text.mentions(body)
        if found == text.NOBODY:
            return [], False
        others = {user_id for user_id in conversation.member_ids if user_id != caller}
        people = [user_id for user_id in (await self._people.ids_of(found.names)).values() if user_id in others]
        loud = roles.may(conversation, caller, Action.MENTION_ALL)
        if found.here and loud and not found.everybody:
            people += await self._people.online(sorted(others))
        return list(dict.fromkeys(people)), found.everybody and loud

    async def _check_root(self, conversation: Conversation, root_id: str) -> None:
        root = await self._store.messages.get(root_id)
        if root is None or root.conversation_id != conversation.id:
            raise errors.invalid("thread_root", "there is no such message in this conversation")
        if root.thread_root is not None:
            raise errors.invalid("thread_root", f"that message is a reply itself: answer {root.thread_root}")

    async def _insert(self, turn: Turn, conversation: Conversation, draft: Message) -> tuple[Message, bool]:
        seq, now = 0, asyncio.get_running_loop().time
        deadline = now() + _PATIENCE_SECONDS
        for attempt in range(_ATTEMPTS):
            if attempt > 1:
                await asyncio.sleep(random.uniform(0, min(0.001 * 2**attempt, 0.1)))  # noqa: S311 jitter
            try:
                if turn.last is None:
                    turn.last = await self._store.messages.highest_seq(conversation.id, conversation.last_seq)
                seq = turn.last + 1
                message = draft.model_copy(update={"seq": seq, "created_at": utc_now()})
                await self._store.messages.insert(message, message.created_at + DUE_AFTER)
            except SeqTakenError:
                COLLISIONS.inc()
                # Somebody was faster by one, as a rule: the next number is worth a try before the store is asked.
                turn.last = seq if attempt == 0 else None
            except ClientIdTakenError:
                # Not found means that a majority does not have the first one yet: wait for it, or for its end.
                if first := await self._store.messages.by_client_id(draft.sender_id, draft.client_id):
                    return first, False
            except ConnectionFailure:
                turn.last = None  # it may be stored, or not: under its client_id it is not stored twice
                if now() >= deadline:
                    raise
            except BaseException:
                turn.last = None
                raise
            else:
                turn.last = message.seq
                return message, True
        raise errors.unavailable("The message could not be stored. Send it again with the same client_id.")

    # Reading

    async def get(self, caller: str, message_id: str) -> Message:
        """One message."""
        return (await self._access.message(caller, message_id))[0]

    async def page(self, caller: str, conversation_id: str, query: HistoryQuery) -> MessagePage:
        """Newest first before a `seq` (by default from the end), oldest first after one."""
        conversation = await self._access.conversation(caller, conversation_id)
        if query.before_seq is not None and query.after_seq is not None:
            raise errors.invalid("query.before_seq", "give before_seq or after_seq, not both")
        if query.thread_root:
            return await self._thread(conversation, query.thread_root, query)
        if query.after_seq is not None:
            after = max(query.after_seq, conversation.first_seq - 1)
            items = await self._store.messages.after(conversation_id, after, query.limit + 1)
            return MessagePage(items=items[: query.limit], has_more=len(items) > query.limit)
        before = query.before_seq
        if before is None:
            before = await self._store.messages.highest_seq(conversation_id, conversation.last_seq) + 1
        found = await self._store.messages.before(conversation_id, before, query.limit)
        items = [message for message in found if message.seq >= conversation.first_seq]
        return MessagePage(items=items, has_more=bool(items) and items[-1].seq > conversation.first_seq)

    async def _thread(self, conversation: Conversation, root_id: str, query: HistoryQuery) -> MessagePage:
        root = await self._store.messages.get(root_id)
        if root is None or root.conversation_id != conversation.id:
            raise errors.not_found("message")
        if query.after_seq is not None:
            items = await self._store.messages.replies_after(root_id, query.after_seq, query.limit + 1)
        else:
            items = await self._store.messages.replies_before(root_id, query.before_seq, query.limit + 1)
        return MessagePage(items=items[: query.limit], has_more=len(items) > query.limit)

    async def sync(self, caller: str, conversations: Mapping[str, int], changed_since: datetime | None) -> SyncResult:
        """What the caller has missed in each conversation since the `seq` given, and older messages that changed."""
        result = SyncResult(messages=[], changed=[], as_of=utc_now(), more=[], reload=[])
        found = await self._store.conversations.get_many(list(conversations))
        for conversation_id, last_seq in conversations.items():
            conversation = found.get(conversation_id)
            if conversation is None or roles.role_of(conversation.members, caller) is None:
                result.reload.append(conversation_id)
            elif last_seq < conversation.first_seq - 1:
                result.reload.append(conversation_id)  # what would come next was removed
            else:
                await self._sync_one(result, conversation, last_seq, changed_since)
        return result

    async def _sync_one(
        self, result: SyncResult, conversation: Conversation, last_seq: int, changed_since: datetime | None
    ) -> None:
        if changed_since is not None:
            await self._sync_changes(result, conversation, last_seq, changed_since)
            if conversation.id in result.reload:
                return
        room = min(_SYNC_TOTAL - len(result.messages), _SYNC_PAGE)
        if room <= 0:
            result.more.append(conversation.id)
            return
        messages = await self._store.messages.after(conversation.id, last_seq, room)
        result.messages.extend(messages)
        if len(messages) == room:
            result.more.append(conversation.id)
        elif not messages and last_seq > conversation.last_seq:
            highest = await self._store.messages.highest_seq(conversation.id, conversation.last_seq)
            if last_seq > highest:
                result.reload.append(conversation.id)

    async def _sync_changes(
        self, result: SyncResult, conversation: Conversation, last_seq: int, changed_since: datetime
    ) -> None:
        """Older messages that changed; more of them than a page, and the conversation is better loaded anew."""
        room = min(_SYNC_TOTAL - len(result.changed), _SYNC_PAGE)
        since = changed_since - _SYNC_OVERLAP
        changed = await self._store.messages.changed_since(conversation.id, since, room + 1)
        if len(changed) > room:
            result.reload.append(conversation.id)
        else:
            result.changed.extend(message for message in changed if message.seq <= last_seq)


def _id_with_files(sender: str, client_id: str) -> str:
    """The id of a message with attachments: the same each time it is sent, as its files are bound to it before it is
    stored (RFC 9562, version 8)."""
    digest = bytearray(sha256(f"{sender}\n{client_id}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))
