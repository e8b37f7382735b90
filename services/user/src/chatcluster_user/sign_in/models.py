"""Registration, login and sessions as JSON."""

from typing import Annotated

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from chatcluster_common.clock import Timestamp
from chatcluster_user import names
from chatcluster_user.people.models import EXAMPLE_ID, Body, DisplayName, Me, normal

RefreshText = Annotated[
    str, Field(min_length=1, max_length=256, description="Opaque; good for one use.", examples=["q7Zk…"])
]
NewPassword = Annotated[
    str,
    normal(names.password),
    Field(
        min_length=names.PASSWORD_MIN,
        max_length=names.PASSWORD_MAX,
        description="10 to 128 characters; not the username, not the address.",
        examples=["correct horse battery"],
    ),
]
Email = Annotated[
    str,
    normal(names.email),
    Field(
        max_length=320,
        description="An address of one's own.",
        examples=["ada@example.com"],
        json_schema_extra={"format": "email"},
    ),
]


class RegisterRequest(Body):
    """A new account."""

    username: Annotated[
        str,
        normal(names.username),
        Field(
            min_length=3,
            max_length=64,
            description="3 to 32 of `a-z 0-9 . _ -`; case does not matter.",
            examples=["ada"],
        ),
    ]
    email: Email
    password: NewPassword
    display_name: DisplayName | None = Field(default=None, description="The username when absent.")

    @field_validator("password")
    @classmethod
    def _password_differs(cls, password: str, others: ValidationInfo) -> str:
        names.check_password_differs(
            password, *(others.data[name] for name in ("username", "email") if name in others.data)
        )
        return password


class LoginRequest(Body):
    """Who signs in."""

    login: str = Field(
        min_length=1, max_length=320, pattern=r"^[^\x00]+$", description="Username or e-mail address.", examples=["ada"]
    )
    password: str = Field(
        min_length=1, max_length=512, description="The account's.", examples=["correct horse battery"]
    )

    totp: str | None = Field(
        default=None,
        min_length=6,
        max_length=32,
        pattern=r"^[0-9A-Za-z -]+$",
        description="The authenticator's code, or a recovery code; needed where a second factor is on.",
        examples=["492039"],
    )
    device_token: str | None = Field(
        default=None,
        max_length=512,
        description="Of an earlier login on this device: it is then not slowed down by what strangers try.",
        examples=["gAAAAAB…"],
    )


class RefreshRequest(Body):
    """The refresh token at hand."""

    refresh_token: RefreshText


class Tokens(BaseModel):
    """What a client calls with from now on."""

    access_token: str = Field(description="EdDSA JWT for `Authorization: Bearer`.", examples=["eyJhbGciOiJFZERTQSI…"])
    refresh_token: RefreshText
    expires_in: int = Field(description="Seconds that the access token is good for.", examples=[900])
    token_type: str = Field(default="Bearer", description="Always `Bearer`.", examples=["Bearer"])


class SignedIn(Tokens):
    """A fresh session."""

    user: Me = Field(description="Whose it is.")
    device_token: str = Field(
        description="Keep it on the device, also when the session ends, and send it with the next login.",
        examples=["gAAAAAB…"],
    )


class Session(BaseModel):
    """One device signed in."""

    id: str = Field(description="To end it by.", examples=[EXAMPLE_ID])
    user_agent: str = Field(description="As the device named itself; may be empty.", examples=["Firefox/145"])
    created_at: Timestamp = Field(description="When it signed in.")
    last_used_at: Timestamp = Field(description="When it last signed in or refreshed.")
    expires_at: Timestamp = Field(description="When it ends unless it refreshes before.")
    current: bool = Field(description="Whether this request came from it.", examples=[True])


class SessionPage(BaseModel):
    """All of them: there is never a next page, for their number is bounded."""

    items: list[Session] = Field(description="Last used first.")
    next_cursor: str | None = Field(default=None, description="Always null.")
