"""Conversations: opening and closing them, what they are like, who is in them with which role, what is pinned."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chatcluster_common import cursors, errors, logs
from chatcluster_common.clock import utc_now
from chatcluster_common.errors import Problem
from chatcluster_common.ids import new_id
from chatcluster_common.realtime import ChannelsUnavailableError, Frame, Publisher
from chatcluster_message import channels, roles
from chatcluster_message.models import (
    ChangeConversation,
    Conversation,
    ConversationPage,
    CreateConversation,
    Directory,
    DirectoryEntry,
    InternalMember,
    InternalMembers,
    Member,
    Message,
    OwnConversation,
    Pin,
    Role,
)
from chatcluster_message.people import People
from chatcluster_message.roles import Action
from chatcluster_message.service.access import Access
from chatcluster_message.store import Store
from chatcluster_message.store.conversations import DIRECTORY_KEY

log = logs.get_logger(__name__)

MOST_PINS = 100
_ATTEMPTS = 20


class ConversationService:
    """Conversations and their members."""

    def __init__(self, store: Store, access: Access, people: People, publisher: Publisher, *, max_members: int) -> None:
        self._store = store
        self._access = access
        self._people = people
        self._publisher = publisher
        self._max_members = max_members

    async def create(self, caller: str, request: CreateConversation) -> tuple[Conversation, bool]:
        """The conversation, and whether it is new: two people have one direct conversation for ever."""
        others = [user_id for user_id in dict.fromkeys(request.members) if user_id != caller]
        _check_kind(request.type, request.model_dump(include={"name", "topic", "visibility", "posting"}))
        key: str | None = None
        if request.type == "direct":
            if len(others) != 1:
                raise errors.invalid("body.members", "a direct conversation has exactly one other person")
            key = roles.direct_key(caller, others[0])
            if existing := await self._store.conversations.direct(key):
                return existing, False
        if len(others) + 1 > self._max_members:
            raise errors.invalid("body.members", f"a conversation has at most {self._max_members} members")
        await self._people.must_exist(others, "body.members")
        await self._check_may_be_added(caller, others)
        now = utc_now()
        conversation = Conversation(
            **request.model_dump(exclude={"members"}),
            id=new_id(),
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
        stored = await self._store.conversations.insert(conversation, key)
        if stored.id == conversation.id:
            await self._tell(stored.member_ids, channels.joined(stored))
        return stored, stored.id == conversation.id

    async def page(self, caller: str, cursor: str | None, limit: int) -> ConversationPage:
        """One page of the caller's conversations, with what is unread."""
        items = await self._store.conversations.of_person(caller, before=cursor, limit=limit + 1)
        more = len(items) > limit
        return ConversationPage(
            items=await self._own(caller, items[:limit]), next_cursor=items[limit - 1].id if more else None
        )

    async def get(self, caller: str, conversation_id: str) -> OwnConversation:
        """A conversation of the caller's; 404 for every other."""
        return (await self._own(caller, [await self._access.conversation(caller, conversation_id)]))[0]

    async def _own(self, caller: str, conversations: list[Conversation]) -> list[OwnConversation]:
        marks = await self._store.reads.of_person(caller, [conversation.id for conversation in conversations])
        read = {c.id: max(marks.get(c.id, 0), c.first_seq - 1) for c in conversations}
        unread = {c.id: max(c.last_seq - read[c.id], 0) for c in conversations}
        mentions = await self._store.mentions.count(caller, {c: read[c] for c, count in unread.items() if count})
        return [
            OwnConversation(
                **dict(c),
                last_read_seq=marks.get(c.id, 0),
                unread=unread[c.id],
                mentions=min(mentions.get(c.id, 0), unread[c.id], 100),
            )
            for c in conversations
        ]

    async def change(self, caller: str, conversation_id: str, request: ChangeConversation) -> Conversation:
        """Change what a conversation is like."""
        changes = request.model_dump(exclude_unset=True)

        def rule(before: Conversation) -> Conversation:
            _check_kind(before.type, changes)
            if changes.keys() - {"retention_days"}:
                roles.check(before, caller, Action.CONFIGURE)
            if "retention_days" in changes:
                roles.check(before, caller, Action.RETAIN)
            if before.visibility == "public" and "name" in changes and changes["name"] is None:
                raise errors.invalid("body.name", "a public channel has a name")
            if changes.get("visibility") == "public" and changes.get("name", before.name) is None:
                raise errors.invalid("body.name", "a public channel has a name")
            return before.model_copy(update=changes)

        return await self._update(caller, conversation_id, rule)

    async def delete(self, caller: str, conversation_id: str) -> None:
        """Take everybody out; what nobody is in is removed with all its messages, see `purge`."""

        def rule(before: Conversation) -> Conversation:
            roles.check(before, caller, Action.DELETE)
            return before.model_copy(update={"members": []})

        await self._update(caller, conversation_id, rule)

    # The directory of public channels

    async def directory(self, caller: str, beginning: str, cursor: str | None, limit: int) -> Directory:
        """One page of the public channels whose name begins with `beginning`."""
        found = await self._store.conversations.public(
            beginning, after=cursors.decode(cursor, DIRECTORY_KEY), limit=limit + 1
        )
        return Directory(
            items=[
                DirectoryEntry(
                    id=channel.id,
                    name=channel.name or "",
                    topic=channel.topic,
                    member_count=len(channel.members),
                    created_at=channel.created_at,
                    joined=roles.role_of(channel.members, caller) is not None,
                )
                for channel, _ in found[:limit]
            ],
            next_cursor=cursors.encode(found[limit - 1][1]) if len(found) > limit else None,
        )

    async def join(self, caller: str, conversation_id: str) -> Conversation:
        """Enter a public channel; nothing changes for a member."""
        for _ in range(_ATTEMPTS):
            before = await self._store.conversations.get(conversation_id)
            if before is None or not roles.may_see(before, caller):
                raise errors.not_found("conversation")
            wanted = roles.added(before, caller, utc_now(), most=self._max_members)
            if wanted is before:
                return before
            if after := await self._replace(before, wanted):
                return after
        raise errors.unavailable()

    # Members

    async def add_member(self, caller: str, conversation_id: str, user_id: str) -> Conversation:
        """Add a person; nothing changes when they are in it already."""
        conversation = await self._access.conversation(caller, conversation_id)
        roles.check(conversation, caller, Action.ADD)
        if roles.role_of(conversation.members, user_id) is None:
            await self._people.must_exist([user_id], "body.user_id")
            await self._check_may_be_added(caller, [user_id])

        def rule(before: Conversation) -> Conversation:
            roles.check(before, caller, Action.ADD)
            return roles.added(before, user_id, utc_now(), most=self._max_members)

        return await self._update(caller, conversation_id, rule)

    async def remove_member(self, caller: str, conversation_id: str, user_id: str) -> None:
        """Remove a person, or leave."""
        await self._update(caller, conversation_id, lambda before: roles.removed(before, user_id, by=caller))

    async def change_role(self, caller: str, conversation_id: str, user_id: str, role: Role) -> Conversation:
        """Give a member another role, or hand the conversation over."""
        return await self._update(
            caller, conversation_id, lambda before: roles.with_role(before, user_id, role, by=caller)
        )

    async def members(self, conversation_id: str) -> InternalMembers:
        """Everybody in a conversation, for other services."""
        conversation = await self._store.conversations.get(conversation_id)
        if conversation is None:
            raise errors.not_found("conversation")
        return InternalMembers(
            id=conversation.id,
            type=conversation.type,
            name=conversation.name,
            items=[InternalMember(user_id=member.user_id, role=member.role) for member in conversation.members],
        )

    # Pins

    async def pin(self, caller: str, conversation_id: str, message_id: str) -> None:
        """Keep a message at hand; nothing changes when it is pinned already."""
        message, _ = await self._access.message(caller, message_id)
        if message.conversation_id != conversation_id:
            raise errors.not_found("message")
        if message.deleted_at:
            raise errors.conflict("message_deleted", "The message was deleted.")

        def rule(before: Conversation) -> Conversation:
            roles.check(before, caller, Action.PIN)
            if any(pin.message_id == message_id for pin in before.pins):
                return before
            if len(before.pins) >= MOST_PINS:
                raise errors.conflict("too_many_pins", f"A conversation has at most {MOST_PINS} pins: take one away.")
            pin = Pin(message_id=message_id, pinned_by=caller, pinned_at=utc_now())
            return before.model_copy(update={"pins": [*before.pins, pin]})

        await self._update(caller, conversation_id, rule)

    async def unpin(self, caller: str, conversation_id: str, message_id: str) -> None:
        """Take a pin away; nothing changes when there is none."""

        def rule(before: Conversation) -> Conversation:
            roles.check(before, caller, Action.PIN)
            pins = [pin for pin in before.pins if pin.message_id != message_id]
            return before if len(pins) == len(before.pins) else before.model_copy(update={"pins": pins})

        await self._update(caller, conversation_id, rule)

    async def pinned(self, caller: str, conversation_id: str) -> list[Message]:
        """The pinned messages that are still there, the one pinned last first."""
        conversation = await self._access.conversation(caller, conversation_id)
        found = {
            message.id: message
            for message in await self._store.messages.get_many([pin.message_id for pin in conversation.pins])
            if message.deleted_at is None
        }
        return [found[pin.message_id] for pin in reversed(conversation.pins) if pin.message_id in found]

    # Others

    async def _update(
        self, caller: str, conversation_id: str, rule: Callable[[Conversation], Conversation]
    ) -> Conversation:
        """Write what `rule` makes of the caller's conversation, and tell everybody concerned.

        The rule is asked again when somebody else was faster; the object it was given means that nothing changes.
        """
        for _ in range(_ATTEMPTS):
            before = await self._access.conversation(caller, conversation_id)
            wanted = rule(before)
            if wanted is before or wanted == before:
                return before
            if after := await self._replace(before, wanted):
                return after
        raise errors.unavailable()

    async def _replace(self, before: Conversation, wanted: Conversation) -> Conversation | None:
        """Write a change unless somebody was faster; tell members, those who are new, and those who are none now."""
        after = await self._store.conversations.replace(before, wanted.model_copy(update={"updated_at": utc_now()}))
        if after is None:
            return None
        self._access.forget(after.id)
        was, now = set(before.member_ids), set(after.member_ids)
        changed = self._publisher.offer(
            channels.conversation_channel(after.id), channels.conversation_changed(after, was - now)
        )
        await self._tell(now - was, channels.joined(after))
        await self._tell(was - now, channels.left(after.id))
        await _settled([changed])
        return after

    async def _tell(self, user_ids: Iterable[str], frame: Frame) -> None:
        """Publish to people's own channels; who cannot be told now finds out when Redis is back."""
        await _settled([self._publisher.offer(channels.user_channel(user_id), frame) for user_id in user_ids])

    async def leave_all(self, user_id: str) -> list[str]:
        """Take a person who is gone out of every conversation, direct ones too; returns which ones those were."""
        left: list[str] = []
        while some := await self._store.conversations.of_person(user_id, before=None, limit=100):
            for conversation in some:
                await self._update(user_id, conversation.id, lambda before: roles.without(before, user_id))
                left.append(conversation.id)
        return left

    async def _check_may_be_added(self, caller: str, others: list[str]) -> None:
        if await self._people.blocked(caller, others):
            raise Problem(403, "blocked", "Somebody among them blocks you, or you block them.")


async def _settled(waits: Iterable["asyncio.Future[None]"]) -> None:
    results = await asyncio.gather(*waits, return_exceptions=True)
    if any(isinstance(result, ChannelsUnavailableError) for result in results):
        log.warning("a change of a conversation could not be announced")


def _check_kind(kind: str, values: Mapping[str, Any]) -> None:
    """Raises a 422 `Problem` for what a conversation of that kind does not have."""
    for field in ("name", "topic"):
        if kind == "direct" and values.get(field) is not None:
            raise errors.invalid(f"body.{field}", f"a direct conversation has no {field}: leave it out")
    for field, plain in (("visibility", "private"), ("posting", "members")):
        if kind != "channel" and values.get(field, plain) != plain:
            raise errors.invalid(f"body.{field}", f"only a channel has another {field} than {plain}")
    if values.get("visibility") == "public" and "name" in values and values["name"] is None:
        raise errors.invalid("body.name", "a public channel has a name")
