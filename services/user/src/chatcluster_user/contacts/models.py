"""Contacts as JSON."""

from typing import Literal

from pydantic import BaseModel, Field

from chatcluster_common.clock import Timestamp
from chatcluster_user.people.models import Body, UserId, UserProfile

ContactState = Literal["requested", "accepted", "blocked"]


class Contact(BaseModel):
    """How the caller stands to somebody."""

    user: UserProfile = Field(description="The other person.")
    state: ContactState = Field(description="`blocked` is seen by the one who blocks alone.", examples=["accepted"])
    incoming: bool = Field(description="Whether it is a request of theirs, for the caller to accept.", examples=[False])
    since: Timestamp = Field(description="When it became so.")


class ContactPage(BaseModel):
    """Some of the caller's contacts."""

    items: list[Contact] = Field(description="By username.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class ContactRequest(Body):
    """Whom to ask."""

    user_id: UserId


class ContactChange(Body):
    """What to make of it."""

    state: Literal["accepted", "blocked"] = Field(
        description="`accepted` answers their request; `blocked` works on anybody.", examples=["accepted"]
    )


class RelationsRequest(Body):
    """Whose relations to whom another service asks for."""

    user_id: str
    others: list[str] = Field(max_length=1000)


class Relations(BaseModel):
    """Those of the others to whom it applies."""

    blocking: list[str] = Field(description="Whom the person blocks.")
    blocked_by: list[str] = Field(description="Who blocks the person.")
    contacts: list[str] = Field(description="Accepted contacts.")
