"""What travels over this service's sockets, for the AsyncAPI document."""

from pydantic import BaseModel, Field

from chatcluster_common.realtime.asyncapi import Channel, ClientEvent, Nothing, ServerEvent
from chatcluster_message.models import (
    Conversation,
    EditEvent,
    MarkEvent,
    Message,
    MessageEvent,
    ReactionEvent,
    Seen,
    SendEvent,
    SyncEvent,
    SyncResult,
)


class MessageAnswer(BaseModel):
    """A message as it is now."""

    message: Message


class ReadChanged(BaseModel):
    """`read:changed`."""

    conversation_id: str
    user_id: str
    seq: int


class ReactionChanged(BaseModel):
    """`reaction:changed`: all reactions to a message as they are now."""

    message_id: str
    conversation_id: str
    seq: int
    reactions: dict[str, list[str]] = Field(description="User ids by emoji.")
    revision: int = Field(description="The message's.")


class ConversationChanged(BaseModel):
    """`conversation:changed`."""

    conversation_id: str
    conversation: Conversation | None = Field(description="Null for whom it no longer concerns.")


CHANNEL = Channel(
    "message",
    "/socket.io/",
    "Conversations and messages.",
    client=(
        ClientEvent("message:send", SendEvent, MessageAnswer, "Send a message; repeat it until it is acknowledged."),
        ClientEvent("message:edit", EditEvent, MessageAnswer, "Change the text of one's own message."),
        ClientEvent("message:delete", MessageEvent, MessageAnswer, "Delete a message; its place stays."),
        ClientEvent("reaction:add", ReactionEvent, MessageAnswer, "React to a message."),
        ClientEvent("reaction:remove", ReactionEvent, MessageAnswer, "Take a reaction back."),
        ClientEvent("read:mark", MarkEvent, Seen, "Move the read mark; answered with where it stands."),
        ClientEvent("sync", SyncEvent, SyncResult, "Fetch what was missed, after each connection."),
    ),
    server=(
        ServerEvent("message:new", Message, "A message for the members of its conversation."),
        ServerEvent("message:updated", Message, "A message as it is now."),
        ServerEvent("message:deleted", Message, "What is left of a message."),
        ServerEvent("reaction:changed", ReactionChanged, "The reactions to a message."),
        ServerEvent("read:changed", ReadChanged, "A member's read mark moved."),
        ServerEvent("conversation:changed", ConversationChanged, "A conversation is new to the person, or changed."),
        ServerEvent(
            "server:resync", Nothing, "Changes may have been missed: fetch conversations and read marks again."
        ),
    ),
)
