"""What waits in Redis to be sent. Addresses and names are looked up when it is, and kept for account mails alone."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from chatcluster_common.clock import Timestamp
from chatcluster_notification.rules import Relevance

AccountMailKind = Literal[
    "verify_email",
    "reset_password",
    "password_changed",
    "new_sign_in",
    "totp_changed",
    "email_changed",
    "account_erased",
]


class AccountMail(BaseModel):
    """A mail about a person's account, as the user service asks for it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    id: str = Field(pattern=r"^[A-Za-z0-9_:.-]{1,100}$", description="One mail is sent for each.")
    kind: AccountMailKind
    user_id: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    address: str = Field(max_length=320)
    name: str = Field(default="", max_length=200)
    locale: str | None = Field(default=None, max_length=35)
    link: str | None = Field(default=None, max_length=2048, pattern=r"^(https?://[!-~]+)?$")


class Item(BaseModel):
    """One message that somebody is to be told of."""

    event_id: str
    message_id: str
    conversation_id: str
    conversation_type: str
    conversation_name: str | None
    sender_id: str
    preview: str
    occurred_at: Timestamp
    created_at: Timestamp
    listed: bool = Field(default=True, description="It is on the person's list already.")
    mentioned: bool = False
    reply: bool = False
    follower: bool = False

    @property
    def relevance(self) -> Relevance:
        """What the message is to its recipient."""
        return Relevance(
            direct=self.conversation_type == "direct",
            mentioned=self.mentioned,
            reply=self.reply,
            follower=self.follower,
        )


class Digest(BaseModel):
    """What one mail or push tells of, oldest first."""

    items: list[Item]
    earlier: int = Field(default=0, description="Messages before those that there was no room for.")

    @property
    def one_conversation(self) -> bool:
        """Whether all is known to be from the same conversation."""
        return not self.earlier and len({item.conversation_id for item in self.items}) == 1


class EmailJob(BaseModel):
    """One mail to one person."""

    channel: Literal["email"] = "email"
    id: str
    recipient_id: str
    created_at: Timestamp
    digest: Digest


class PushJob(BaseModel):
    """One push to one device."""

    channel: Literal["push"] = "push"
    id: str
    recipient_id: str
    subscription_id: str
    created_at: Timestamp
    digest: Digest


class AccountJob(BaseModel):
    """One account mail. It holds a link that is nobody else's business: never log it."""

    channel: Literal["account"] = "account"
    id: str
    recipient_id: str
    created_at: Timestamp
    mail: AccountMail


Channel = Literal["email", "push"]
"""Where notifications go."""
CHANNELS: tuple[Channel, ...] = ("email", "push")
Queue = Literal["email", "push", "account"]
"""Each is worked on by itself, so that a slow mail server holds up no push, and notifications no account mail."""
QUEUES: tuple[Queue, ...] = ("email", "push", "account")

Job = EmailJob | PushJob | AccountJob
JOB: TypeAdapter[Job] = TypeAdapter(Annotated[Job, Field(discriminator="channel")])
