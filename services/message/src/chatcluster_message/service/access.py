"""What somebody may see: their conversations and the messages in them. Everything else is not there (404)."""

from chatcluster_common import errors
from chatcluster_common.recent import Recent
from chatcluster_message import roles
from chatcluster_message.models import Conversation, Message
from chatcluster_message.people import People
from chatcluster_message.roles import Action
from chatcluster_message.store import Store


class Access:
    """The way to every conversation and message that a person asks for."""

    def __init__(self, store: Store, recent: Recent[str, Conversation], people: People) -> None:
        self._store = store
        self._recent = recent
        self._people = people

    async def conversation(self, caller: str, conversation_id: str) -> Conversation:
        """A conversation of the caller's as the store has it."""
        conversation = await self._store.conversations.get(conversation_id)
        if conversation is None or roles.role_of(conversation.members, caller) is None:
            raise errors.not_found("conversation")
        return conversation

    async def message(self, caller: str, message_id: str) -> tuple[Message, Conversation]:
        """A message in a conversation of the caller's."""
        message = await self._store.messages.get(message_id)
        if message is None:
            raise errors.not_found("message")
        conversation = await self._store.conversations.get(message.conversation_id)
        if conversation is None or roles.role_of(conversation.members, caller) is None:
            raise errors.not_found("message")
        return message, conversation

    async def to_write(self, caller: str, conversation_id: str) -> Conversation:
        """A conversation that the caller may send to; from memory where they were a member a moment ago."""
        conversation = self._recent.get(conversation_id)
        if conversation is None or not roles.may(conversation, caller, Action.SEND):
            conversation = await self.conversation(caller, conversation_id)
            self._recent.put(conversation_id, conversation)
            roles.check(conversation, caller, Action.SEND)
        await self.check_not_blocked(caller, conversation)
        return conversation

    async def check_not_blocked(self, caller: str, conversation: Conversation) -> None:
        """Raises a 403 `Problem` in a direct conversation of two of whom one blocks the other."""
        if conversation.type == "direct":
            for other in conversation.member_ids:
                if other != caller:
                    await self._people.check_not_blocked(caller, other)

    def forget(self, conversation_id: str) -> None:
        """It has changed."""
        self._recent.forget(conversation_id)
