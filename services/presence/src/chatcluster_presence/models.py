"""Shapes that clients see."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chatcluster_common.clock import Timestamp

Chosen = Literal["online", "away", "dnd", "invisible"]
Status = Literal["online", "away", "dnd", "offline"]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

MAX_IDS = 200


class Presence(BaseModel):
    """How a person appears to others; who is invisible appears offline."""

    user_id: str
    status: Status
    last_seen: Timestamp | None = Field(
        description="When they were last seen online: now, while they are. Null: never."
    )


class Presences(BaseModel):
    """Some people's presence, in the order asked for."""

    items: list[Presence]


class Event(BaseModel):
    """Base of what clients send: a field that is not known is refused, not dropped silently."""

    model_config = ConfigDict(extra="forbid")


class SetStatus(Event):
    """`presence:set`: for the person, on all their devices."""

    status: Chosen


class Watch(Event):
    """`presence:subscribe` and `presence:unsubscribe`."""

    user_ids: list[Id] = Field(max_length=MAX_IDS)


class Typing(Event):
    """`typing:start` and `typing:stop`."""

    conversation_id: Id
