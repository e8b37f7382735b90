"""Accounts as admins see them."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from chatcluster_user import names
from chatcluster_user.people.models import Body, State, UserProfile, normal

AssignableRole = Literal["user", "moderator", "admin"]


class AdminUser(UserProfile):
    """Somebody's account."""

    email: str = Field(description="Where their mails go.", examples=["ada@example.com"])
    email_verified: bool = Field(description="Whether they have confirmed it.", examples=[True])
    role: AssignableRole = Field(description="As given, whether the address is confirmed or not.", examples=["user"])
    state: State = Field(description="`suspended`: cannot sign in.", examples=["active"])
    suspended_reason: str | None = Field(description="As the person is told.", examples=[None])


class AdminUserPage(BaseModel):
    """Some of the accounts."""

    items: list[AdminUser] = Field(description="By username.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class SetRole(Body):
    """What somebody may do from now on."""

    role: AssignableRole = Field(description="See what roles may do.", examples=["moderator"])


class Suspension(Body):
    """Why somebody is kept out."""

    reason: Annotated[str, normal(names.about), Field(min_length=1, max_length=500)] = Field(
        description="The person is told when they try to sign in.", examples=["Spam."]
    )
