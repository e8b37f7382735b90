"""What happens to messages once they are sent: edits, deletion, reactions, and threads that people follow."""

from collections.abc import Awaitable, Callable

from chatcluster_common import errors
from chatcluster_common.clock import utc_now
from chatcluster_message import channels, roles
from chatcluster_message.models import Conversation, Deletion, History, Message, PersonIds
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

        async def attempt(message: Message, conversation: Conversation) -> Message | None:
            if message.sender_id != caller:
                raise errors.forbidden("Only the sender edits a message.")
            _check_there(message)
            self._messages.check_body(body, has_files=bool(message.attachments))
            await self._access.check_not_blocked(caller, conversation)
            if body == message.body:
                return message
            people, everybody = await self._messages.mentioned(caller, conversation, body)
            after = await self._store.messages.edit(message, body, people, everybody, utc_now())
            if after:
                self._relay.tell(after, channels.message_changed(after))
            return after

        return await self._until_written(caller, message_id, attempt)

    async def delete(self, caller: str, message_id: str) -> Message:
        """Leave a tombstone. The sender may, and whoever looks after the conversation."""

        async def attempt(message: Message, conversation: Conversation) -> Message | None:
            own = message.sender_id == caller
            if not own:
                roles.check(conversation, caller, Action.DELETE_ANY)
            return await self.tombstone(message, "sender" if own else "moderated")

        return await self._until_written(caller, message_id, attempt)

    async def tombstone(self, message: Message, why: Deletion) -> Message | None:
        """Delete a message whoever asks; None when it has changed since it was read."""
        if message.deleted_at:
            return message
        after = await self._store.messages.delete(message, why, utc_now())
        if after:
            self._relay.tell(after, channels.message_changed(after))
        return after

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

    async def _until_written(
        self,
        caller: str,
        message_id: str,
        attempt: Callable[[Message, Conversation], Awaitable[Message | None]],
    ) -> Message:
        """`attempt` on the message as it is, again when somebody else changed it meanwhile."""
        for _ in range(_ATTEMPTS):
            if after := await attempt(*await self._access.message(caller, message_id)):
                return after
        raise errors.unavailable()


def _check_there(message: Message) -> None:
    if message.deleted_at:
        raise errors.conflict("message_deleted", "The message was deleted.")


def _root(message: Message) -> str:
    if message.thread_root:
        raise errors.invalid("path.message_id", f"that message is a reply: its thread is {message.thread_root}")
    return message.id
