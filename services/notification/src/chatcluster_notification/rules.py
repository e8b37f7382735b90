"""Whether a person is notified of a message: one function of what the message is to them and what they wish."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chatcluster_notification.quiet import QuietHours


class Level(StrEnum):
    """How much of a conversation a person wants to be told of."""

    ALL = "all"
    MENTIONS = "mentions"
    NONE = "none"


class Reason(StrEnum):
    """Why a person is not notified; also a label of the metrics."""

    BLOCKED = "blocked"
    """They block the sender."""
    MUTED = "muted"
    LEVEL = "level"
    THREAD = "thread"
    """A reply in a thread that they do not follow."""
    DO_NOT_DISTURB = "dnd"
    ACTIVE = "active"
    """They are using a device: they see the message there."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person has set, as it applies to one conversation."""

    level: Level = Level.ALL
    muted_until: datetime | None = None
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Relevance:
    """What a message is to its recipient."""

    direct: bool = False
    mentioned: bool = False
    reply: bool = False
    """It stands in a thread."""
    follower: bool = False
    """Of that thread."""

    @property
    def personal(self) -> bool:
        """Meant for them rather than for everybody in the conversation."""
        return self.direct or self.mentioned or (self.reply and self.follower)


@dataclass(frozen=True, slots=True)
class Presence:
    """What the recipient is doing."""

    active: bool = False
    do_not_disturb: bool = False


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Not notified."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Notify:
    """Notified at `at`: now, or held until the pause after the last notification is over, the quiet hours are, or it
    is known whether they have seen the message."""

    at: datetime


Decision = Notify | Suppressed


def decide(
    wishes: Wishes,
    relevance: Relevance,
    presence: Presence,
    *,
    blocked: bool,
    now: datetime,
    not_before: datetime,
    seen_by: datetime,
) -> Decision:
    """What becomes of a message for one recipient.

    `not_before`: when the next digest may go out. `seen_by`: who is active then has used a device since the message
    came. Somebody who is active before may have just got up and left: what is personal is held until it is known.

    The lasting reasons come before the passing ones. A reply in a thread is for those who follow it, are mentioned,
    or have nobody else in the conversation; `mentions` lets through what is personal.
    """
    unsure = presence.active and relevance.personal and now < seen_by
    against = {
        Reason.BLOCKED: blocked,
        Reason.MUTED: wishes.muted_until is not None and now < wishes.muted_until,
        Reason.LEVEL: wishes.level is Level.NONE or (wishes.level is Level.MENTIONS and not relevance.personal),
        Reason.THREAD: relevance.reply and not relevance.personal,
        Reason.DO_NOT_DISTURB: presence.do_not_disturb,
        Reason.ACTIVE: presence.active and not unsure,
    }
    for reason, applies in against.items():
        if applies:
            return Suppressed(reason)
    at = max(now, not_before, seen_by) if unsure else max(now, not_before)
    return Notify(wishes.quiet.until(at) if wishes.quiet else at)
