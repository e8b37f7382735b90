"""A person as JSON: to others, to themselves, to the other services."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from chatcluster_common.clock import Timestamp
from chatcluster_common.permissions import Role, Scope
from chatcluster_user import names

EXAMPLE_ID = "019c1f6e-7c1a-7b3e-9c55-2f6d7a0b1c2d"

LastSeen = Literal["everyone", "contacts", "nobody"]
State = Literal["active", "suspended"]


class Body(BaseModel):
    """What a request may say; anything else in it is refused."""

    model_config = ConfigDict(extra="forbid")


def normal(rule: Callable[[str], str]) -> AfterValidator:
    """The text as one of the rules of `names` writes it."""
    return AfterValidator(rule)


DisplayName = Annotated[
    str,
    normal(names.display_name),
    Field(min_length=1, max_length=names.DISPLAY_NAME_MAX, description="Shown to others.", examples=["Ada Lovelace"]),
]
UserId = Annotated[str, Field(description="A person's id.", min_length=1, max_length=64, examples=[EXAMPLE_ID])]


class UserProfile(BaseModel):
    """A person as others see them."""

    id: str = Field(description="Never changes.", examples=[EXAMPLE_ID])
    username: str = Field(description="What they are mentioned by.", examples=["ada"])
    display_name: str = Field(description="What they want to be called.", examples=["Ada Lovelace"])
    about: str = Field(description="What they say of themselves; may be empty.", examples=["Analytical engines."])
    avatar_url: str | None = Field(
        description="Where the picture is; null when there is none.",
        examples=["/api/v1/files/avatars/Qm3Yk0h8Zb1nX4vT7sLdPg.webp"],
    )
    created_at: Timestamp = Field(description="When they joined.")


class Privacy(BaseModel):
    """What others are told of a person."""

    read_receipts: bool = Field(description="Whether others see what they have read.", examples=[True])
    last_seen: LastSeen = Field(description="Who sees when they were last here.", examples=["contacts"])


class PrivacyChanges(Body):
    """What to change; fields left out stay as they are."""

    read_receipts: StrictBool | None = Field(default=None, description="Whether others see what one has read.")
    last_seen: LastSeen | None = Field(default=None, description="Who sees when one was last here.")


class Me(UserProfile):
    """A person as they see themselves."""

    email: str = Field(description="Where mails go.", examples=["ada@example.com"])
    email_verified: bool = Field(description="Whether a link sent there was followed.", examples=[True])
    role: Role = Field(
        description="On the platform; `unverified` until the address is confirmed, where that is required.",
        examples=["user"],
    )
    locale: str = Field(description="Language tag (BCP 47) that mails are written in.", examples=["en-GB"])
    time_zone: str = Field(description="IANA name.", examples=["Europe/London"])
    privacy: Privacy = Field(description="What others are told.")


class UpdateMe(Body):
    """What to change; fields left out, or null, stay as they are."""

    display_name: DisplayName | None = Field(default=None, description="1 to 64 printable characters.")
    about: Annotated[str, normal(names.about), Field(max_length=names.ABOUT_MAX)] | None = Field(
        default=None, description="At most 500 printable characters, line breaks among them.", examples=["Engines."]
    )
    locale: Annotated[str, normal(names.locale), Field(max_length=35)] | None = Field(
        default=None, description="Language, script and region, as in `en`, `pt-BR`, `zh-Hant-TW`.", examples=["en-GB"]
    )
    time_zone: Annotated[str, normal(names.time_zone), Field(max_length=64)] | None = Field(
        default=None, description="IANA name.", examples=["Europe/London"]
    )
    privacy: PrivacyChanges | None = Field(default=None, description="What others are told.")


class Avatar(BaseModel):
    """A new picture."""

    avatar_url: str = Field(
        max_length=2048,
        description="Where it is; another address each time, so that it may be cached.",
        examples=["/api/v1/files/avatars/Qm3Yk0h8Zb1nX4vT7sLdPg.webp"],
    )


class UserPage(BaseModel):
    """Some of the people found."""

    items: list[UserProfile] = Field(description="By username.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class LookupRequest(Body):
    """Whom another service asks about."""

    ids: list[str] = Field(max_length=500, description="At most 500; unknown ones are left out of the answer.")


class KnownUser(BaseModel):
    """A person as the other services see them."""

    id: str
    username: str
    display_name: str
    email: str
    email_verified: bool
    role: Role
    state: State
    locale: str
    time_zone: str
    avatar_url: str | None
    privacy: Privacy


class LookupResult(BaseModel):
    """The people among those asked about who exist."""

    items: list[KnownUser]


class NamesRequest(Body):
    """Usernames that somebody wrote."""

    usernames: list[str] = Field(max_length=100, description="At most 100; case does not matter.")


class Named(BaseModel):
    """Whose name it is."""

    id: str
    username: str


class NamesResult(BaseModel):
    """Those of the names that belong to somebody."""

    items: list[Named]


class AccessTokenRequest(Body):
    """For whom the gateway needs a token: the owner of an API token."""

    user_id: str
    token_id: str = Field(min_length=1, max_length=64, description="Becomes the session, so that it can be revoked.")
    scopes: list[Scope]


class AccessToken(BaseModel):
    """A scoped access token."""

    access_token: str
    expires_in: int
