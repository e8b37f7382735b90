"""What happens to messages once they are sent: edits, deletion, reactions, and threads that people follow."""

from collections.abc import Iterable

from chatcluster_common import errors
from chatcluster_common.clock import utc_now
from chatcluster_message import channels, roles
from chatcluster_message.models import Deletion, History, Message, PersonIds
from chatcluster_message.outbox import Relay
from chatcluster_message.reactions import MOST_EMOJI
from chatcluster_message.roles import Action
from chatcluster_message.service.access import Access
from chatcluster_message.service.messages import MessageService
from chatcluster_message.store import Store

_ATTEMPTS = 20


class ChangeService:
    """Changes of messages. Each is one write, and is told as surely as the message was."""

    def __init__(self, store: Store, access: Access, messages: MessageService, relay: Relay) -> None:
        self._store = store
        self._access = access
        self._messages = messages
        self._relay = relay

    async def edit(self, caller: str, message_id: str, body: str) -> Message:
        """Replace a text; the one before stays in the history."""
        for _ in range(_ATTEMPTS):
            message, conversation = await self._access.message(caller, message_id)
            if message.sender_id != caller:
                raise errors.forbidden("Only the sender edits a message.")
            _check_there(message)
            self._messages.check_body(body, has_files=bool(message.attachments))
            await self._access.check_not_blocked(caller, conversation)
            if body == message.body:
                return message
            people, everybody = await self._messages.mentioned(caller, conversation, body)
            if after := await self._store.messages.edit(message, body, people, everybody, utc_now()):
                self._relay.tell(after, channels.message_changed(after))
                return after
        raise errors.unavailable()

    async def delete(self, caller: str, message_id: str) -> Message:
        """Leave a tombstone. The sender may, and whoever looks after the conversation."""
        message, conversation = await self._access.message(caller, message_id)
        own = message.sender_id == caller
        if not own:
            roles.check(conversation, caller, Action.DELETE_ANY)
        return await self.tombstone(message, "sender" if own else "moderated")

    async def tombstone(self, message: Message, why: Deletion) -> Message:
        """Delete a message whoever asks; nothing changes when it is deleted already."""
        for _ in range(_ATTEMPTS):
            if message.deleted_at:
                return message
            if after := await self._store.messages.delete(message, why, utc_now()):
                self._relay.tell(after, channels.message_changed(after))
                return after
            message = await self._store.messages.get(message.id) or _gone()
        raise errors.unavailable()

    async def history(self, caller: str, message_id: str) -> History:
        """Earlier texts of a message; a deleted one has none."""
        await self._access.message(caller, message_id)
        return History(items=await self._store.messages.versions(message_id))

    # Reactions

    async def react(self, caller: str, message_id: str, emoji: str) -> Message:
        """Add a reaction; nothing changes when it is there already."""
        message, conversation = await self._access.message(caller, message_id)
        _check_there(message)
        await self._access.check_not_blocked(caller, conversation)
        if caller in message.reactions.get(emoji, ()):
            return message
        if emoji not in message.reactions and len(message.reactions) >= MOST_EMOJI:
            raise errors.conflict("too_many_reactions", f"A message has at most {MOST_EMOJI} different reactions.")
        return await self._reacted(message, await self._store.messages.react(message, emoji, caller, utc_now()))

    async def unreact(self, caller: str, message_id: str, emoji: str) -> Message:
        """Take the caller's reaction away; nothing changes when there is none."""
        message, _ = await self._access.message(caller, message_id)
        return await self._reacted(message, await self._store.messages.unreact(message, emoji, caller, utc_now()))

    async def forget_reactions(self, message: Message, emoji: Iterable[str], user_id: str) -> None:
        """Take all reactions of a person who is gone off a message."""
        for one in emoji:
            await self._reacted(message, await self._store.messages.unreact(message, one, user_id, utc_now()))
        await self._store.messages.forget_reactor(message.id, user_id)

    async def _reacted(self, before: Message, after: Message | None) -> Message:
        if after is None:
            return await self._store.messages.get(before.id) or before
        self._relay.tell(after, channels.reactions_changed(after))
        return after

    # Threads

    async def follow(self, caller: str, message_id: str, *, follow: bool) -> None:
        """Be told of replies to a message, or not any more."""
        message, _ = await self._access.message(caller, message_id)
        await self._store.messages.follow(_root(message), caller, follow=follow)

    async def followers(self, caller: str, message_id: str) -> PersonIds:
        """The members who follow a thread."""
        message, conversation = await self._access.message(caller, message_id)
        if message.thread_root:
            raise errors.invalid("path.message_id", f"that message is a reply: ask for {message.thread_root}")
        members = set(conversation.member_ids)
        return PersonIds(items=[u for u in await self._store.messages.followers(message) if u in members])


def _gone() -> Message:
    raise errors.not_found("message")


def _check_there(message: Message) -> None:
    if message.deleted_at:
        raise errors.conflict("message_deleted", "The message was deleted.")


def _root(message: Message) -> str:
    if message.thread_root:
        raise errors.invalid("path.message_id", f"that message is a reply: its thread is {message.thread_root}")
    return message.id
