"""What goes in and out of the gateway's own routes."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chatcluster_common.clock import GivenTime, Timestamp
from chatcluster_common.permissions import Scope

_ID = "019abf00-8d2c-7c33-9c5f-2b8f4e3d1a70"

TokenName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class NewApiToken(BaseModel):
    """What an API token shall be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "backup", "scopes": ["messages:read", "files:read"], "expires_at": "2027-01-31T12:00:00Z"}
            ]
        },
    )

    name: TokenName = Field(description="For its owner to know it by; 1 to 64 characters.")
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=len(Scope),
        description="What it may be used for. `moderation` and `admin` need the role.",
    )
    expires_at: GivenTime | None = Field(
        default=None, description="At most 366 days from now; 90 days from now when it is left out."
    )


class ApiToken(BaseModel):
    """An API token, without its secret."""

    id: str = Field(description="Opaque.", examples=[_ID])
    name: str = Field(description="As its owner called it.", examples=["backup"])
    scopes: list[Scope] = Field(description="What it may be used for.", examples=[["messages:read"]])
    created_at: Timestamp = Field(description="When it was made.")
    expires_at: Timestamp = Field(description="It opens nothing from then on; it is listed for another 30 days.")
    last_used_at: Timestamp | None = Field(description="To the minute; null: never.")


class MadeApiToken(ApiToken):
    """A new API token, with its secret."""

    token: str = Field(
        description="The secret, for `Authorization: Bearer`. It is shown this once and kept as a hash alone.",
        examples=["cct_pvUuzVPZk5Ztf0mFw8cH3yJH1v2n5PpkG5tO0YQhB6dGJYkQ"],
    )


class ApiTokenList(BaseModel):
    """All of one's API tokens."""

    items: list[ApiToken] = Field(description="Newest first.")
    next_cursor: None = Field(default=None, description="Always null: there are few.")


class AccessToken(BaseModel):
    """A short-lived access token."""

    access_token: str = Field(
        description="A JWT with the API token's scopes, for the file service's paths and the sockets.",
        examples=["eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"],
    )
    expires_in: int = Field(description="Seconds that it is good for.", examples=[240])
    token_type: Literal["Bearer"] = Field(default="Bearer", description="How to send it.")


AuditEvent = Literal["token_created", "token_first_used", "token_revoked", "admin_call", "moderation_call"]


class AuditEntry(BaseModel):
    """One line of the audit log."""

    id: str = Field(description="Opaque.", examples=[_ID])
    at: Timestamp = Field(description="When it happened.")
    event: AuditEvent = Field(description="What happened.")
    user_id: str = Field(description="Who did it.", examples=[_ID])
    token_id: str | None = Field(description="The API token concerned, or used for the call.", examples=[None])
    method: str = Field(description="Of the call.", examples=["PATCH"])
    path: str = Field(description="Of the call, without its query.", examples=["/api/v1/admin/users/1"])
    status: int = Field(description="What the call was answered with.", examples=[200])
    address: str = Field(description="Where the call came from.", examples=["203.0.113.7"])
    request_id: str = Field(description="As the call's answer had it in `X-Request-Id`.", examples=["5f2c"])


class AuditPage(BaseModel):
    """A page of the audit log."""

    items: list[AuditEntry] = Field(description="Newest first.")
    next_cursor: str | None = Field(description="For the next page; null at the end.", examples=[None])


class Erased(BaseModel):
    """Whether a person's data are all gone."""

    done: bool
