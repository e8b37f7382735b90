"""Shapes that clients see, over REST and Socket.IO alike."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from chatcluster_common.clock import GivenTime, Timestamp
from chatcluster_message import reactions

ConversationType = Literal["direct", "group", "channel"]
Role = Literal["owner", "admin", "member"]
Visibility = Literal["public", "private"]
Posting = Literal["members", "admins"]
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=NO_CONTROLS)]
Topic = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NO_CONTROLS)]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Seq = Annotated[int, Field(ge=0, le=2**53 - 1)]
BodySeq = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]


def _in_reach(moment: datetime) -> datetime:
    if not 1970 < moment.year < 9000:
        raise ValueError("give a time between 1971 and 8999")
    return moment


class Request(BaseModel):
    """Base of what clients send: a field that is not known is refused, not dropped silently."""

    model_config = ConfigDict(extra="forbid")


class Member(BaseModel):
    """A person in a conversation."""

    user_id: str
    role: Role
    joined_at: Timestamp


class Pin(BaseModel):
    """A message that a conversation keeps at hand."""

    message_id: str
    pinned_by: str
    pinned_at: Timestamp


class Conversation(BaseModel):
    """A conversation as its members see it."""

    id: str = Field(examples=["0198c1a2-7b3c-7def-8123-456789abcdef"])
    type: ConversationType
    name: str | None = Field(description="None for direct conversations.")
    topic: str | None = None
    visibility: Visibility = Field(
        default="private", description="A public channel stands in the directory, and anybody may join it."
    )
    posting: Posting = Field(default="members", description="Who may send messages.")
    retention_days: int | None = Field(default=None, description="Older messages are removed; null keeps them.")
    members: list[Member]
    pins: list[Pin] = Field(default=[], description="The one pinned last comes last.")
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp = Field(description="When anything but its messages last changed.")
    first_seq: int = Field(default=1, description="Messages with a lower `seq` were removed.")
    last_seq: int = Field(description="The newest message's `seq`; may be a moment behind.")
    last_message_at: Timestamp | None
    revision: int = Field(default=0, exclude=True)

    purged_seq: int = Field(default=0, exclude=True)
    """Messages up to this `seq` are gone from the store; those below `first_seq` may be about to go."""

    @property
    def member_ids(self) -> list[str]:
        """Everybody in it."""
        return [member.user_id for member in self.members]


class OwnConversation(Conversation):
    """A conversation with what is the caller's own in it. Each number may be a moment behind."""

    last_read_seq: int = Field(description="The caller's read mark.")
    unread: int = Field(description="Messages after it.")
    mentions: int = Field(description="Those of them that mention the caller; counted up to 100.")


class ConversationPage(BaseModel):
    """Conversations, the newest first."""

    items: list[OwnConversation]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")


class CreateConversation(Request):
    """A new conversation. The caller is in it without being listed."""

    type: ConversationType
    members: list[Id] = Field(max_length=10_000, description="User ids. Exactly one other person for `direct`.")
    name: Name | None = Field(default=None, description="Not for `direct`.", examples=["Release party"])
    topic: Topic | None = Field(default=None, description="Not for `direct`.")
    visibility: Visibility = Field(default="private", description="`public` for channels alone.")
    posting: Posting = Field(default="members", description="`admins` for channels alone.")


class ChangeConversation(Request):
    """What is to change; a field that is left out stays as it is."""

    name: Name | None = Field(default=None, description="Null takes the name away.")
    topic: Topic | None = Field(default=None, description="Null takes the topic away.")
    visibility: Visibility = "private"
    posting: Posting = "members"
    retention_days: Annotated[int, Field(strict=True, ge=1, le=36_500)] | None = Field(
        default=None, description="Null keeps messages for ever. The owner's to decide."
    )


class ChangeMember(Request):
    """A member's new role. `owner` hands the conversation over: the caller is an admin from then on."""

    role: Role


class DirectoryEntry(BaseModel):
    """A public channel."""

    id: str
    name: str
    topic: str | None
    member_count: int
    created_at: Timestamp
    joined: bool = Field(description="Whether the caller is in it.")


class Directory(BaseModel):
    """Public channels by name."""

    items: list[DirectoryEntry]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")


class PinnedMessages(BaseModel):
    """The pinned messages, the one pinned last first."""

    items: list["Message"]


class AddMember(Request):
    """A person to add."""

    user_id: Id


class Attachment(BaseModel):
    """A file of a message, as the file service describes it; `GET /files/{id}` has the rest."""

    model_config = ConfigDict(extra="ignore")

    id: str
    name: str
    content_type: str
    size: int = Field(description="Bytes.")
    width: int | None = Field(default=None, description="Pixels; images only.")
    height: int | None = Field(default=None, description="Pixels; images only.")
    animated: bool = False
    thumbnails: list["AttachmentThumbnail"] = []


class AttachmentThumbnail(BaseModel):
    """A thumbnail that `GET /files/{id}/thumbnails/{size}` has."""

    model_config = ConfigDict(extra="ignore")

    size: str
    width: int
    height: int


Body = Annotated[
    str,
    StringConstraints(max_length=20_000),
    Field(description="Text; may be empty when there are attachments.", examples=["Hi"]),
]
Emoji = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(reactions.normal_form),
    Field(description="One emoji, or a short code such as `:tada:`.", examples=["👍"]),
]
Moment = Annotated[GivenTime, AfterValidator(_in_reach)]
ReportReason = Literal["spam", "abuse", "illegal", "other"]
ReportState = Literal["open", "dismissed", "resolved"]
Deletion = Literal["sender", "moderated", "erased"]


class SendMessage(Request):
    """A message to send. Repeat it with the same `client_id` until it is acknowledged."""

    client_id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$")] = Field(
        description="Chosen by the client, unique for each of its messages for ever: a UUID.",
        examples=["5d0c2a1e-97a5-4b52-a9b0-5a4a4a4f9f10"],
    )
    body: Body
    thread_root: Id | None = Field(
        default=None, description="The message this answers: one of the same conversation that is no reply itself."
    )
    attachments: list[Id] = Field(
        default=[], max_length=10, description="Ids of files that the caller has uploaded and not yet used elsewhere."
    )


class Message(BaseModel):
    """A message. Of two versions the one with the higher `revision` counts."""

    id: str
    conversation_id: str
    seq: int = Field(description="Its place in the conversation: 1, 2, 3, … without a gap.")
    sender_id: str
    client_id: str
    body: str = Field(description="Empty once it is deleted.")
    attachments: list[Attachment] = []
    mentions: list[str] = Field(default=[], description="The members whom the text names; by `@here`, those online.")
    mentions_all: bool = Field(default=False, description="`@all`: every member besides is mentioned.")
    thread_root: str | None = Field(default=None, description="The message whose thread this belongs to.")
    reply_count: int = Field(default=0, description="Replies in its thread, deleted ones too.")
    reactions: dict[str, list[str]] = Field(default={}, description="User ids by emoji.")
    created_at: Timestamp
    edited_at: Timestamp | None = None
    deleted_at: Timestamp | None = None
    deletion: Deletion | None = Field(
        default=None, description="Who deleted it: its sender, an admin or moderator, or its sender's account is gone."
    )
    revision: int = Field(default=0, description="Rises with each change of the message.")


class SearchQuery(Request):
    """What to search for, and where. `from` is a sender's id."""

    query: str = Field(
        default="",
        max_length=200,
        description="Words that must all occur, and phrases in double quotes. May be empty with `from` or `has`.",
        examples=['party "next friday"'],
    )
    conversation_id: Id | None = None
    sender: Id | None = Field(default=None, alias="from")
    before: Moment | None = Field(default=None, description="Sent before.")
    after: Moment | None = Field(default=None, description="Sent at this time or later.")
    has: Literal["file"] | None = None
    limit: int = Field(default=20, ge=1, le=100)
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}$")] | None = Field(
        default=None, description="`next_cursor` of the page before."
    )


class SearchPage(BaseModel):
    """What was found, the best first."""

    items: list[Message]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")
    limited: bool = Field(description="There are older matches that were not ranked: narrow the search to see them.")


class EditMessage(Request):
    """The new text of a message."""

    body: Body


class Version(BaseModel):
    """A text that a message had before an edit."""

    body: str
    edited_at: Timestamp = Field(description="When it was replaced.")


class History(BaseModel):
    """Earlier texts of a message."""

    items: list[Version] = Field(description="The oldest first; the last 50 are kept.")


class PersonIds(BaseModel):
    """People."""

    items: list[str]


class HistoryQuery(Request):
    """Which page of the history."""

    before_seq: Seq | None = Field(default=None, description="Older than this, the newest first.")
    after_seq: Seq | None = Field(default=None, description="Newer than this, the oldest first.")
    limit: int = Field(default=50, ge=1, le=200)
    thread_root: Id | None = Field(default=None, description="Only replies in this message's thread.")


class MessagePage(BaseModel):
    """Messages of one conversation."""

    items: list[Message]
    has_more: bool = Field(description="Whether there are more in the direction that was read.")


class MarkRead(Request):
    """A read mark: everything up to `seq` was read."""

    seq: BodySeq


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


class EditEvent(EditMessage):
    """`message:edit`."""

    id: Id


class MessageEvent(Request):
    """`message:delete`."""

    id: Id


class ReactionEvent(MessageEvent):
    """`reaction:add`, `reaction:remove`."""

    emoji: Emoji


class SyncEvent(Request):
    """`sync`: the newest `seq` the client has without a gap, by conversation."""

    conversations: dict[Id, BodySeq] = Field(max_length=500)
    changed_since: Moment | None = Field(
        default=None, description="`as_of` of the last `sync`: older messages that changed since then come too."
    )


class SyncResult(BaseModel):
    """What the client missed."""

    messages: list[Message] = Field(description="By conversation, each in order of `seq`.")
    changed: list[Message] = Field(description="Older messages as they are now, where `changed_since` was given.")
    as_of: Timestamp = Field(description="Send it as `changed_since` next time.")
    more: list[str] = Field(description="Conversations with more: call again from the newest `seq` received.")
    reload: list[str] = Field(
        description="Conversations that cannot be continued: the caller is not in them, or is ahead of the store."
    )


class CreateReport(Request):
    """Why a message should be looked at."""

    reason: ReportReason
    comment: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""


class Report(BaseModel):
    """A message that somebody has reported, as it was then."""

    id: str
    message_id: str
    conversation_id: str
    sender_id: str = Field(description="Whose message it is.")
    reporter_id: str
    reason: ReportReason
    comment: str
    body: str = Field(description="The text when it was reported.")
    attachments: list[Attachment]
    state: ReportState
    created_at: Timestamp
    resolved_at: Timestamp | None = None
    resolved_by: str | None = None
    note: str = Field(default="", description="The moderator's.")


class ReportReceipt(BaseModel):
    """What the reporter is told."""

    id: str
    state: ReportState
    created_at: Timestamp


class ReportPage(BaseModel):
    """Reports, the oldest first."""

    items: list[Report]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")


class ResolveReport(Request):
    """A moderator's decision."""

    state: Literal["dismissed", "resolved"]
    delete_message: bool = Field(default=False, strict=True, description="Delete the message; for `resolved` alone.")
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""


class AuditEntry(BaseModel):
    """What a moderator did."""

    id: str
    at: Timestamp
    actor_id: str
    action: Literal["report_dismissed", "report_resolved", "message_deleted"]
    message_id: str
    report_id: str


class AuditPage(BaseModel):
    """What moderators did, the newest first."""

    items: list[AuditEntry]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")


class Erasure(BaseModel):
    """How far an erasure is."""

    done: bool = Field(description="False: call again, there is more.")


class InternalMember(BaseModel):
    """A member, for other services."""

    user_id: str
    role: Role


class InternalMembers(BaseModel):
    """A conversation's members, for other services."""

    id: str
    type: ConversationType
    name: str | None
    items: list[InternalMember]
