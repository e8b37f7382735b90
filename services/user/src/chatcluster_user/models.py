"""What the user service takes and gives, as JSON."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from chatcluster_common.clock import Timestamp
from chatcluster_user import names

_EXAMPLE_ID = "019c1f6e-7c1a-7b3e-9c55-2f6d7a0b1c2d"


def _normal(rule: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(rule)


DisplayName = Annotated[
    str, _normal(names.display_name), Field(max_length=256, description="Shown to others.", examples=["Ada Lovelace"])
]
RefreshText = Annotated[
    str, Field(min_length=1, max_length=256, description="Opaque; good for one use.", examples=["q7Zk…"])
]


class UserProfile(BaseModel):
    """A person as others see them."""

    id: str = Field(examples=[_EXAMPLE_ID])
    username: str = Field(examples=["ada"])
    display_name: str = Field(examples=["Ada Lovelace"])
    avatar_url: str | None = Field(default=None, description="Where the picture is; null when there is none.")
    created_at: Timestamp


class Me(UserProfile):
    """A person as they see themselves."""

    email: str = Field(examples=["ada@example.com"])


class RegisterRequest(BaseModel):
    """A new account."""

    username: Annotated[
        str,
        _normal(names.username),
        Field(max_length=64, description="3 to 32 of `a-z 0-9 . _ -`; case does not matter.", examples=["ada"]),
    ]
    email: Annotated[
        str,
        _normal(names.email),
        Field(max_length=320, description="An address of one's own.", examples=["ada@example.com"]),
    ]
    password: Annotated[
        str,
        _normal(names.password),
        Field(
            max_length=512,
            description="10 to 128 characters; not the username, not the address.",
            examples=["correct horse battery"],
        ),
    ]
    display_name: DisplayName | None = Field(default=None, description="The username when absent.")

    @field_validator("password")
    @classmethod
    def _password_differs(cls, password: str, others: ValidationInfo) -> str:
        names.check_password_differs(
            password, *(others.data[name] for name in ("username", "email") if name in others.data)
        )
        return password


class LoginRequest(BaseModel):
    """Who signs in."""

    login: str = Field(
        min_length=1, max_length=320, pattern=r"^[^\x00]+$", description="Username or e-mail address.", examples=["ada"]
    )
    password: str = Field(min_length=1, max_length=512, examples=["correct horse battery"])


class RefreshRequest(BaseModel):
    """The refresh token at hand."""

    refresh_token: RefreshText


class Tokens(BaseModel):
    """What a client calls with from now on."""

    access_token: str = Field(description="EdDSA JWT for `Authorization: Bearer`.")
    refresh_token: RefreshText
    expires_in: int = Field(description="Seconds that the access token is good for.", examples=[900])
    token_type: str = Field(default="Bearer", description="Always `Bearer`.")


class SignedIn(Tokens):
    """A fresh session."""

    user: Me


class UpdateMe(BaseModel):
    """What to change; fields left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    display_name: DisplayName | None = Field(default=None, description="Null leaves it as it is.")


class Session(BaseModel):
    """One device signed in."""

    id: str = Field(examples=[_EXAMPLE_ID])
    user_agent: str = Field(description="As the device named itself; may be empty.", examples=["Firefox/145"])
    created_at: Timestamp
    last_used_at: Timestamp = Field(description="When it last signed in or refreshed.")
    expires_at: Timestamp = Field(description="When it ends unless it refreshes before.")
    current: bool = Field(description="Whether this request came from it.")


class SessionPage(BaseModel):
    """All of them: there is never a next page, for their number is bounded."""

    items: list[Session]
    next_cursor: str | None = None


class UserPage(BaseModel):
    """Some of the people found."""

    items: list[UserProfile]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class LookupRequest(BaseModel):
    """Whom another service asks about."""

    ids: list[str] = Field(max_length=500, description="At most 500; unknown ones are left out of the answer.")


class KnownUser(BaseModel):
    """A person as the other services see them."""

    id: str
    username: str
    display_name: str
    email: str


class LookupResult(BaseModel):
    """The people among those asked about who exist."""

    items: list[KnownUser]
