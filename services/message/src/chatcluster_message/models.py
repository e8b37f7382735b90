"""Shapes that clients see, over REST and Socket.IO alike."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chatcluster_common.clock import Timestamp

ConversationType = Literal["direct", "group", "channel"]
Role = Literal["owner", "admin", "member"]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Seq = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Request(BaseModel):
    """Base of what clients send: a field that is not known is refused, not dropped silently."""

    model_config = ConfigDict(extra="forbid")


class Member(BaseModel):
    """A person in a conversation."""

    user_id: str
    role: Role
    joined_at: Timestamp


class Conversation(BaseModel):
    """A conversation as its members see it."""

    id: str = Field(examples=["0198c1a2-7b3c-7def-8123-456789abcdef"])
    type: ConversationType
    name: str | None = Field(description="None for direct conversations.")
    members: list[Member]
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp = Field(description="When name or members last changed.")
    last_seq: int = Field(description="The newest message's `seq`; may be a moment behind.")
    last_message_at: Timestamp | None

    @property
    def member_ids(self) -> list[str]:
        """Everybody in it."""
        return [member.user_id for member in self.members]


class ConversationPage(BaseModel):
    """Conversations, the newest first."""

    items: list[Conversation]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")


class CreateConversation(Request):
    """A new conversation. The caller is in it without being listed."""

    type: ConversationType
    members: list[Id] = Field(max_length=10_000, description="User ids. Exactly one other person for `direct`.")
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)] | None = Field(
        default=None, description="Not for `direct`.", examples=["Release party"]
    )


class AddMember(Request):
    """A person to add."""

    user_id: Id


class Attachment(BaseModel):
    """A file as the file service described it after the upload; what else that answer holds is left out."""

    model_config = ConfigDict(extra="ignore")

    id: Id
    name: str = Field(min_length=1, max_length=255)
    content_type: str = Field(min_length=1, max_length=127)
    size: int = Field(ge=0, description="Bytes.")
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    thumbnails: list["AttachmentThumbnail"] = Field(default=[], max_length=8)


class AttachmentThumbnail(BaseModel):
    """A thumbnail that `GET /files/{id}/thumbnails/{size}` has."""

    model_config = ConfigDict(extra="ignore")

    size: Annotated[str, StringConstraints(pattern=r"^[a-z]{1,16}$")]
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class SendMessage(Request):
    """A message to send. Repeat it with the same `client_id` until it is acknowledged."""

    client_id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$")] = Field(
        description="Chosen by the client, unique for each of its messages for ever: a UUID.",
        examples=["5d0c2a1e-97a5-4b52-a9b0-5a4a4a4f9f10"],
    )
    body: str = Field(max_length=20_000, description="Text; may be empty when there are attachments.", examples=["Hi"])
    attachments: list[Attachment] = Field(default=[], max_length=10)


class Message(BaseModel):
    """A message."""

    id: str
    conversation_id: str
    seq: int = Field(description="Its place in the conversation: 1, 2, 3, … without a gap.")
    sender_id: str
    client_id: str
    body: str
    attachments: list[Attachment]
    mentions: list[str]
    thread_root: str | None
    reply_count: int
    reactions: dict[str, list[str]]
    created_at: Timestamp
    edited_at: Timestamp | None
    deleted_at: Timestamp | None


class HistoryQuery(Request):
    """Which page of the history."""

    before_seq: Seq | None = Field(default=None, description="Older than this, the newest first.")
    after_seq: Seq | None = Field(default=None, description="Newer than this, the oldest first.")
    limit: int = Field(default=50, ge=1, le=200)


class MessagePage(BaseModel):
    """Messages of one conversation."""

    items: list[Message]
    has_more: bool = Field(description="Whether there are more in the direction that was read.")


class MarkRead(Request):
    """A read mark: everything up to `seq` was read."""

    seq: Seq


class ReadMark(BaseModel):
    """How far somebody has read."""

    user_id: str
    seq: int
    read_at: Timestamp


class Reads(BaseModel):
    """The members' read marks; who has read nothing is left out."""

    items: list[ReadMark]


class Seen(BaseModel):
    """A read mark as it stands now."""

    seq: int


class SendEvent(SendMessage):
    """`message:send`."""

    conversation_id: Id


class MarkEvent(MarkRead):
    """`read:mark`."""

    conversation_id: Id


class SyncEvent(Request):
    """`sync`: the newest `seq` the client has without a gap, by conversation."""

    conversations: dict[Id, Seq] = Field(max_length=500)


class SyncResult(BaseModel):
    """What the client missed."""

    messages: list[Message] = Field(description="By conversation, each in order of `seq`.")
    more: list[str] = Field(description="Conversations with more: call again from the newest `seq` received.")
    reload: list[str] = Field(
        description="Conversations that cannot be continued: the caller is not in them, or is ahead of the store."
    )


class InternalMember(BaseModel):
    """A member, for other services."""

    user_id: str
    role: Role


class InternalMembers(BaseModel):
    """A conversation's members, for other services."""

    items: list[InternalMember]
