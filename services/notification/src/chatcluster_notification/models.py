"""The service's shapes: what clients see, and the mails that wait to be sent."""

from typing import Literal

from pydantic import BaseModel, Field

from chatcluster_common.clock import Timestamp


class Notification(BaseModel):
    """A message that came while the recipient was away."""

    id: str = Field(description="The same however often the event behind it is delivered.")
    type: Literal["message"] = "message"
    conversation_id: str
    message_id: str
    sender_id: str
    preview: str = Field(description="The beginning of the message's text.")
    created_at: Timestamp = Field(description="When the message was stored.")


class NotificationPage(BaseModel):
    """Some of the caller's notifications, the latest first."""

    items: list[Notification]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class MailJob(BaseModel):
    """One mail to one person, waiting to be sent. Addresses and names are looked up when it is, and never kept."""

    event_id: str
    recipient_id: str
    sender_id: str
    conversation_id: str
    conversation_type: str
    conversation_name: str | None
    preview: str
    occurred_at: Timestamp
    missed: int = Field(default=0, description="Earlier messages of the conversation that no mail was sent about.")

    @property
    def id(self) -> str:
        """One job an event and recipient."""
        return f"{self.event_id}:{self.recipient_id}"


class Claim(BaseModel):
    """A job that this process may work on until its lease ends."""

    job: MailJob
    attempt: int = Field(description="1 at the first.")
