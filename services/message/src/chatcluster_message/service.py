"""The rules: who may do what in a conversation, and what a send, a read mark and a catch-up mean."""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import Counter, Histogram

from chatcluster_common import errors, logs
from chatcluster_common.clock import utc_now
from chatcluster_common.ids import new_id
from chatcluster_common.internal import InternalClient
from chatcluster_common.realtime import ChannelsUnavailableError, Frame, Publisher
from chatcluster_common.recent import Recent
from chatcluster_message import channels, roles
from chatcluster_message.models import (
    Conversation,
    ConversationPage,
    CreateConversation,
    InternalMember,
    Member,
    Message,
    MessagePage,
    Reads,
    SendMessage,
    SyncResult,
)
from chatcluster_message.outbox import DUE_AFTER, Relay
from chatcluster_message.sequence import Turn, Turns
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
_SYNC_PAGE = 200
_SYNC_TOTAL = 1000


class Chat:
    """Conversations and their messages."""

    def __init__(
        self,
        store: Store,
        users: InternalClient,
        relay: Relay,
        publisher: Publisher,
        *,
        turns: Turns,
        recent: Recent[str, Conversation],
        max_members: int,
        max_body_length: int,
    ) -> None:
        self._store = store
        self._users = users
        self._relay = relay
        self._publisher = publisher
        self._turns = turns
        self._recent = recent
        self._max_members = max_members
        self._max_body_length = max_body_length

    # Conversations

    async def create(self, caller: str, request: CreateConversation) -> tuple[Conversation, bool]:
        """The conversation, and whether it is new: two people have one direct conversation for ever."""
        others = [user_id for user_id in dict.fromkeys(request.members) if user_id != caller]
        key: str | None = None
        if request.type == "direct":
            if len(others) != 1:
                raise errors.invalid("body.members", "a direct conversation has exactly one other person")
            if request.name is not None:
                raise errors.invalid("body.name", "a direct conversation has no name: leave it out")
            key = roles.direct_key(caller, others[0])
            if existing := await self._store.direct(key):
                return existing, False
        if len(others) + 1 > self._max_members:
            raise errors.invalid("body.members", f"a conversation has at most {self._max_members} members")
        await self._must_exist(others, "body.members")
        now = utc_now()
        conversation = Conversation(
            id=new_id(),
            type=request.type,
            name=request.name,
            members=[
                Member(user_id=caller, role="owner", joined_at=now),
                *(
                    Member(user_id=other, role="owner" if request.type == "direct" else "member", joined_at=now)
                    for other in others
                ),
            ],
            created_by=caller,
            created_at=now,
            updated_at=now,
            last_seq=0,
            last_message_at=None,
        )
        stored = await self._store.insert_conversation(conversation, key)
        if stored.id == conversation.id:
            await self._tell(stored.member_ids, channels.joined(stored))
        return stored, stored.id == conversation.id

    async def conversations(self, caller: str, cursor: str | None, limit: int) -> ConversationPage:
        """One page of the caller's conversations."""
        items = await self._store.conversations_of(caller, before=cursor, limit=limit + 1)
        more = len(items) > limit
        return ConversationPage(items=items[:limit], next_cursor=items[limit - 1].id if more else None)

    async def conversation(self, caller: str, conversation_id: str) -> Conversation:
        """A conversation of the caller's; 404 for every other."""
        conversation = await self._store.conversation(conversation_id)
        if conversation is None or roles.role_of(conversation.members, caller) is None:
            raise errors.not_found("conversation")
        return conversation

    async def add_member(self, caller: str, conversation_id: str, user_id: str) -> Conversation:
        """Add a person; nothing changes when they are in it already."""
        known = False
        for _ in range(_ATTEMPTS):
            before = await self.conversation(caller, conversation_id)
            now = utc_now()
            members = roles.added(
                before.type, before.members, by=caller, user_id=user_id, now=now, most=self._max_members
            )
            if members == before.members:
                return before
            if not known:
                await self._must_exist([user_id], "body.user_id")
                known = True
            if after := await self._store.replace_members(before, members, now):
                self._recent.forget(conversation_id)
                await self._tell(after.member_ids, channels.joined(after))
                return after
        raise errors.unavailable()

    async def remove_member(self, caller: str, conversation_id: str, user_id: str) -> None:
        """Remove a person, or leave."""
        for _ in range(_ATTEMPTS):
            before = await self.conversation(caller, conversation_id)
            members = roles.removed(before.type, before.members, by=caller, user_id=user_id)
            if after := await self._store.replace_members(before, members, utc_now()):
                self._recent.forget(conversation_id)
                await self._tell(after.member_ids, channels.joined(after))
                await self._tell([user_id], channels.left(conversation_id))
                return
        raise errors.unavailable()

    async def members(self, conversation_id: str) -> list[InternalMember]:
        """Everybody in a conversation, for other services."""
        conversation = await self._store.conversation(conversation_id)
        if conversation is None:
            raise errors.not_found("conversation")
        return [InternalMember(user_id=member.user_id, role=member.role) for member in conversation.members]

    # Messages

    async def send(self, caller: str, conversation_id: str, request: SendMessage) -> tuple[Message, bool]:
        """The stored message, and whether it is new. Returns only once a majority of the store has it on disk."""
        if len(request.body) > self._max_body_length:
            raise errors.invalid("body", f"a message has at most {self._max_body_length} characters")
        if not request.body.strip() and not request.attachments:
            raise errors.invalid("body", "a message has text or attachments")
        conversation = await self._conversation_to_write(caller, conversation_id)
        with SEND_SECONDS.time():
            async with self._turns.take(conversation_id) as turn:
                message, new = await self._insert(turn, conversation, caller, request)
                if new:
                    self._relay.hand_over(message, conversation)
        SENDS.labels("stored" if new else "seen").inc()
        return message, new

    async def _conversation_to_write(self, caller: str, conversation_id: str) -> Conversation:
        """As `conversation`, from memory where the caller was a member a moment ago."""
        recent = self._recent.get(conversation_id)
        if recent is not None and roles.role_of(recent.members, caller) is not None:
            return recent
        conversation = await self.conversation(caller, conversation_id)
        self._recent.put(conversation_id, conversation)
        return conversation

    async def _insert(
        self, turn: Turn, conversation: Conversation, sender: str, request: SendMessage
    ) -> tuple[Message, bool]:
        seq = 0
        for attempt in range(_ATTEMPTS):
            if attempt > 1:
                await asyncio.sleep(random.uniform(0, min(0.001 * 2**attempt, 0.1)))  # noqa: S311 jitter
            try:
                if turn.last is None:
                    turn.last = await self._store.highest_seq(conversation.id, conversation.last_seq)
                seq = turn.last + 1
                message = _new_message(conversation.id, seq, sender, request)
                await self._store.insert_message(message, message.created_at + DUE_AFTER)
            except SeqTakenError:
                COLLISIONS.inc()
                # Somebody was faster by one, as a rule: the next number is worth a try before the store is asked.
                turn.last = seq if attempt == 0 else None
            except ClientIdTakenError:
                # Not found means that a majority does not have the first one yet: wait for it, or for its end.
                if first := await self._store.message_by_client_id(sender, request.client_id):
                    return first, False
            except BaseException:
                turn.last = None  # it may be stored, or not
                raise
            else:
                turn.last = message.seq
                return message, True
        raise errors.unavailable("The message could not be stored. Send it again with the same client_id.")

    async def history(
        self, caller: str, conversation_id: str, *, before_seq: int | None, after_seq: int | None, limit: int
    ) -> MessagePage:
        """Newest first before a `seq` (by default from the end), oldest first after one."""
        conversation = await self.conversation(caller, conversation_id)
        if after_seq is not None:
            if before_seq is not None:
                raise errors.invalid("query.before_seq", "give before_seq or after_seq, not both")
            items = await self._store.messages_after(conversation_id, after_seq, limit + 1)
            return MessagePage(items=items[:limit], has_more=len(items) > limit)
        if before_seq is None:
            before_seq = await self._store.highest_seq(conversation_id, conversation.last_seq) + 1
        items = await self._store.messages_before(conversation_id, before_seq, limit)
        return MessagePage(items=items, has_more=bool(items) and items[-1].seq > 1)

    async def sync(self, caller: str, conversations: Mapping[str, int]) -> SyncResult:
        """What the caller has missed in each conversation since the `seq` given."""
        result = SyncResult(messages=[], more=[], reload=[])
        found = await self._store.conversations_by_id(list(conversations))
        for conversation_id, last_seq in conversations.items():
            conversation = found.get(conversation_id)
            if conversation is None or roles.role_of(conversation.members, caller) is None:
                result.reload.append(conversation_id)
                continue
            room = min(_SYNC_TOTAL - len(result.messages), _SYNC_PAGE)
            if room <= 0:
                result.more.append(conversation_id)
                continue
            messages = await self._store.messages_after(conversation_id, last_seq, room)
            result.messages.extend(messages)
            if len(messages) == room:
                result.more.append(conversation_id)
            elif not messages and last_seq > conversation.last_seq:
                highest = await self._store.highest_seq(conversation_id, conversation.last_seq)
                if last_seq > highest:
                    result.reload.append(conversation_id)
        return result

    # Read marks

    async def mark_read(self, caller: str, conversation_id: str, seq: int) -> int:
        """Move the caller's read mark to `seq`, never back, never past the newest message; returns where it stands."""
        conversation = await self.conversation(caller, conversation_id)
        if seq > conversation.last_seq:
            seq = min(seq, await self._store.highest_seq(conversation_id, conversation.last_seq))
        stands, moved = await self._store.raise_read(conversation_id, caller, seq, utc_now())
        if moved:
            self._publisher.offer(
                channels.conversation_channel(conversation_id), channels.read_changed(conversation_id, caller, stands)
            )
        return stands

    async def reads(self, caller: str, conversation_id: str) -> Reads:
        """How far the members have read."""
        conversation = await self.conversation(caller, conversation_id)
        members = set(conversation.member_ids)
        return Reads(items=[mark for mark in await self._store.reads(conversation_id) if mark.user_id in members])

    # Others

    async def _must_exist(self, user_ids: Sequence[str], field: str) -> None:
        found: set[str] = set()
        for start in range(0, len(user_ids), 100):
            answer = await self._users.post("/internal/users/lookup", {"ids": user_ids[start : start + 100]})
            found |= {user["id"] for user in (answer or {}).get("items", [])}
        unknown = [user_id for user_id in user_ids if user_id not in found]
        if unknown:
            raise errors.invalid(field, f"there is nobody with the id {', '.join(unknown[:5])}")

    async def _tell(self, user_ids: Iterable[str], frame: Frame) -> None:
        """Publish to people's own channels; who cannot be told now finds out when Redis is back."""
        waits = [self._publisher.offer(channels.user_channel(user_id), frame) for user_id in user_ids]
        results = await asyncio.gather(*waits, return_exceptions=True)
        if any(isinstance(result, ChannelsUnavailableError) for result in results):
            log.warning("a change of a conversation could not be announced")


def _new_message(conversation_id: str, seq: int, sender: str, request: SendMessage) -> Message:
    return Message(
        id=new_id(),
        conversation_id=conversation_id,
        seq=seq,
        sender_id=sender,
        client_id=request.client_id,
        body=request.body,
        attachments=request.attachments,
        mentions=[],
        thread_root=None,
        reply_count=0,
        reactions={},
        created_at=utc_now(),
        edited_at=None,
        deleted_at=None,
    )
