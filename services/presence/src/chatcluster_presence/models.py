"""Shapes that clients and other services see."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from chatcluster_common.clock import GivenTime, Timestamp, utc_now

Chosen = Literal["online", "away", "dnd", "invisible"]
Status = Literal["online", "away", "dnd", "offline"]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

MAX_IDS = 200
MAX_AHEAD = timedelta(days=366)


def _ahead(moment: datetime) -> datetime:
    if not utc_now() < moment <= utc_now() + MAX_AHEAD:
        raise ValueError("give a time to come, at most a year ahead")
    return moment


Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=140, pattern=r"^[^\x00-\x1f\x7f]*$")]
Emoji = Annotated[str, StringConstraints(max_length=32, pattern=r"^[^\s\x00-\x1f\x7f]+$")]


class Presence(BaseModel):
    """How a person appears to whoever asks. Who is invisible, or in a block with them, appears offline."""

    user_id: str = Field(examples=["0198c5a4-7f2e-7c31-9d0b-2f6a1b3c4d5e"])
    status: Status = Field(
        description="`away`: connected, and chosen so or no device was used for some minutes.", examples=["online"]
    )
    last_seen: Timestamp | None = Field(
        description="When they were last seen online: now, while they are. Null: never, or they do not show it to you.",
        examples=["2026-01-31T12:00:00.000Z"],
    )
    text: str | None = Field(default=None, description="What they say of themselves.", examples=["On the train"])
    emoji: str | None = Field(default=None, description="A sign beside it.", examples=["🚆"])
    expires_at: Timestamp | None = Field(
        default=None, description="When status, text and emoji end.", examples=["2026-01-31T18:00:00.000Z"]
    )


class Presences(BaseModel):
    """Some people's presence, in the order asked for."""

    items: list[Presence]


class InternalPresence(BaseModel):
    """What the other services are told: regardless of who asks, and so never to be passed on."""

    user_id: str
    status: Status = Field(description="As it may be shown: offline for who is invisible.")
    last_seen: Timestamp | None
    active: bool = Field(description="A device of theirs was used within the last minutes, whatever status they chose.")


class InternalPresences(BaseModel):
    """Some people's presence, in the order asked for."""

    items: list[InternalPresence]


class Closed(BaseModel):
    """Base of what clients send: a field that is not known is refused, not dropped silently."""

    model_config = ConfigDict(extra="forbid")


class Setting(Closed):
    """What a person wants to appear as, on all their devices. What is not given is empty from then on."""

    status: Chosen = Field(examples=["dnd"])
    text: Text | None = Field(default=None, description="Up to 140 characters in one line.", examples=["In a meeting"])
    emoji: Emoji | None = Field(default=None, description="Up to 32 characters without spaces.", examples=["📅"])
    expires_at: Annotated[GivenTime, AfterValidator(_ahead)] | None = Field(
        default=None,
        description="Then they are `online` again, without text and emoji. At most a year ahead.",
        examples=["2026-12-31T18:00:00.000Z"],
    )


class Me(BaseModel):
    """A person's own setting, and what others make of it."""

    user_id: str
    status: Chosen = Field(description="As chosen.", examples=["invisible"])
    text: str | None
    emoji: str | None
    expires_at: Timestamp | None
    appears: Status = Field(description="What others see.", examples=["offline"])


class Activity(Closed):
    """`presence:activity`: the device was used, or is put aside (`active: false`: locked, in the background)."""

    active: StrictBool = True


class Watch(Closed):
    """`presence:subscribe`. With `batched`, the socket is sent `presence:changes` instead of `presence:changed`."""

    user_ids: list[Id] = Field(max_length=MAX_IDS)
    batched: StrictBool | None = None


class Unwatch(Closed):
    """`presence:unsubscribe`."""

    user_ids: list[Id] = Field(max_length=MAX_IDS)


class Typing(Closed):
    """`typing:start` and `typing:stop`."""

    conversation_id: Id


class Erasure(BaseModel):
    """How far the erasure of a person has come."""

    done: bool
