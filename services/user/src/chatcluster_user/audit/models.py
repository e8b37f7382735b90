"""Security events as JSON."""

from typing import Any

from pydantic import BaseModel, Field

from chatcluster_common.clock import Timestamp
from chatcluster_user.audit.store import EventKind
from chatcluster_user.people.models import EXAMPLE_ID


class SecurityEvent(BaseModel):
    """Something that happened to an account."""

    id: str = Field(description="Later events have greater ids.", examples=[EXAMPLE_ID])
    at: Timestamp = Field(description="When.")
    kind: EventKind = Field(description="What.", examples=["signed_in"])
    user_id: str | None = Field(description="Whose account; null for a login as nobody we know.", examples=[EXAMPLE_ID])
    actor_id: str | None = Field(
        description="Who did it; null when nobody was signed in, or it was the service.", examples=[EXAMPLE_ID]
    )
    address: str = Field(description="Where the request came from; may be empty.", examples=["198.51.100.7"])
    user_agent: str = Field(description="As the device named itself; may be empty.", examples=["Firefox/145"])
    details: dict[str, Any] = Field(description="What else is known, by kind.", examples=[{"session_id": EXAMPLE_ID}])


class SecurityEventPage(BaseModel):
    """Some of the events."""

    items: list[SecurityEvent] = Field(description="The latest first.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")
