"""What clients see and send."""

import base64
import re
from datetime import UTC, datetime, time
from functools import cache
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    WithJsonSchema,
    model_validator,
)

from chatcluster_common.clock import GivenTime, Timestamp, rfc3339
from chatcluster_notification.rules import Level

MOST_CONVERSATIONS = 1000
"""Conversations with preferences of their own, for one person."""

ConversationId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["0192d3a4-5b6c-7d8e-9f00-112233445566"])
]
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _stored(moment: datetime) -> datetime:
    if moment > _LATEST:
        raise ValueError("is too far ahead: take the level `none` to be left alone for good")
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


Until = Annotated[GivenTime, AfterValidator(_stored), PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A time that a client sets, with its offset."""

_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"


def _minutes(value: object) -> time:
    if not isinstance(value, str) or not re.fullmatch(_CLOCK, value):
        raise ValueError("is a time of day in hours and minutes, such as 22:00")
    return time.fromisoformat(value)


ClockTime = Annotated[
    time,
    PlainValidator(_minutes),
    PlainSerializer(lambda t: t.strftime("%H:%M"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_CLOCK}$", "examples": ["22:00"]}),
]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("is no time zone of the IANA database, such as Europe/Berlin")
    return name


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Days = Annotated[
    set[Weekday], PlainSerializer(lambda days: sorted(days, key=WEEKDAYS.index), return_type=list[Weekday])
]


class QuietTimes(_Request):
    """When notifications wait until the quiet hours end."""

    start: ClockTime
    end: ClockTime = Field(description="The next day's, unless it is after `start`; equal times are a whole day.")
    days: Days = Field(
        default_factory=lambda: set(WEEKDAYS),
        min_length=1,
        description="On which they begin.",
        json_schema_extra={"uniqueItems": False},  # a day that is named twice does no harm
    )
    time_zone: Annotated[str, AfterValidator(_zone), Field(max_length=64, examples=["Europe/Berlin"])] | None = Field(
        default=None, description="Of the IANA database; null: that of the profile."
    )

    @model_validator(mode="after")
    def _end(self) -> Self:
        if self.start == self.end and len(self.days) == len(WEEKDAYS):
            raise ValueError("these quiet hours never end: take the level `none` instead")
        return self


class NotificationChannels(_Request):
    """Where notifications go."""

    email: StrictBool = True
    push: StrictBool = Field(default=True, description="To every device with a push subscription.")


class ConversationPreferences(_Request):
    """What differs in one conversation."""

    level: Level | None = Field(default=None, description="null: as `default_level` says.")
    muted_until: Until | None = Field(default=None, description="Nothing until then, mentions included.")


class Preferences(_Request):
    """What a person wants to be told of, when and where."""

    default_level: Level = Field(
        default=Level.ALL,
        description="`mentions`: direct messages, mentions and replies in threads one follows. `none`: nothing.",
    )
    muted_until: Until | None = Field(default=None, description="Nothing at all until then.")
    channels: NotificationChannels = Field(default_factory=NotificationChannels)
    quiet_hours: QuietTimes | None = None
    digest_minutes: int | None = Field(
        default=None, strict=True, ge=1, le=1440, description="At most one mail in so many minutes; null: one a minute."
    )
    conversations: dict[ConversationId, ConversationPreferences] = Field(
        default_factory=dict[str, ConversationPreferences],
        max_length=MOST_CONVERSATIONS,
        description="By conversation; what is left out follows the default.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "default_level": "mentions",
                    "channels": {"email": True, "push": True},
                    "quiet_hours": {
                        "start": "22:00",
                        "end": "07:30",
                        "days": ["mon", "tue", "wed", "thu", "fri"],
                        "time_zone": "Europe/Berlin",
                    },
                    "digest_minutes": 15,
                    "conversations": {"0192d3a4-5b6c-7d8e-9f00-112233445566": {"level": "all"}},
                }
            ]
        }
    )


def base64url(text: str) -> bytes:
    """The bytes of base64url text, with or without padding. Raises `ValueError`."""
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)


def _public_key(text: str) -> str:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), base64url(text))
    except ValueError as error:
        raise ValueError("is no uncompressed point of P-256 in base64url") from error
    return text


class PushKeys(_Request):
    """Of the browser, for encryption (RFC 8291)."""

    p256dh: Annotated[str, Field(pattern=r"^B[A-P][A-Za-z0-9_-]{85}=?$"), AfterValidator(_public_key)]
    auth: str = Field(pattern=r"^[A-Za-z0-9_-]{22}(==)?$", description="16 bytes in base64url.")


class PushSubscriptionRequest(_Request):
    """What `PushSubscription.toJSON()` gives in a browser."""

    endpoint: str = Field(max_length=2048, description="An https URL on a public host.")
    expirationTime: float | None = Field(  # noqa: N815 the browser's name
        default=None, strict=True, ge=0, le=_LATEST.timestamp() * 1000, description="Unix milliseconds."
    )
    keys: PushKeys

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "endpoint": "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
                    "expirationTime": None,
                    "keys": {
                        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx"
                        "aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
                    },
                }
            ]
        }
    )


class PushSubscription(BaseModel):
    """A device that gets pushes."""

    id: str
    user_agent: str = Field(description="What the device called itself when it subscribed.")
    created_at: Timestamp
    expires_at: Timestamp | None


class PushSubscriptions(BaseModel):
    """The caller's, oldest first."""

    items: list[PushSubscription]


class PushKey(BaseModel):
    """What `pushManager.subscribe` takes as `applicationServerKey`."""

    public_key: str = Field(description="P-256 point, uncompressed, base64url (RFC 8292).")


class Notification(BaseModel):
    """A message that came while the recipient was away."""

    id: str = Field(description="The same however often the event behind it is delivered.")
    type: Literal["message"] = "message"
    conversation_id: str
    message_id: str
    sender_id: str
    preview: str = Field(description="The beginning of the message's text.")
    created_at: Timestamp = Field(description="When the message was stored.")
    read: bool = False


class NotificationPage(BaseModel):
    """Some of the caller's notifications, the latest first."""

    items: list[Notification]
    next_cursor: str | None = Field(description="For the next page; null on the last.")
    unread: int = Field(description="Of all that are kept.")


class ReadRequest(_Request):
    """Which notifications were read: those of `ids`, or those of one conversation, or all."""

    ids: list[Annotated[str, Field(max_length=64)]] | None = Field(default=None, max_length=200)
    conversation_id: ConversationId | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": ["0192d3a4-5b6c-7d8e-9f00-112233445566"]}, {}]})


class Unread(BaseModel):
    """What is left."""

    unread: int
