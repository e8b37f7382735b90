"""Who is notified, and when: the whole decision as a table, and what holds whatever a person sets."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_notification.quiet import QuietHours
from chatcluster_notification.rules import (
    Level,
    Notify,
    Presence,
    Reason,
    Relevance,
    Suppressed,
    Wishes,
    decide,
)

NOW = datetime(2026, 1, 28, 12, 0, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)
EVERY_DAY = frozenset(range(7))
AT_NOON = QuietHours(time(11), time(14), EVERY_DAY, ZoneInfo("UTC"))
AT_NIGHT = QuietHours(time(22), time(7), EVERY_DAY, ZoneInfo("UTC"))

NOBODY_SPECIAL = Relevance()
DIRECT = Relevance(direct=True)
MENTIONED = Relevance(mentioned=True)
REPLY = Relevance(reply=True)
FOLLOWED = Relevance(reply=True, follower=True)
MENTIONED_IN_REPLY = Relevance(reply=True, mentioned=True)

MENTIONS = Wishes(level=Level.MENTIONS)
NONE = Wishes(level=Level.NONE)
MUTED = Wishes(muted_until=NOW + HOUR)
ACTIVE = Presence(active=True)
IDLE = timedelta(minutes=5)
DND = Presence(do_not_disturb=True)

NOW_ = Notify(NOW)


@pytest.mark.parametrize(
    ("wishes", "relevance", "presence", "blocked", "expected"),
    [
        # the level, and what the message is to the person
        (Wishes(), NOBODY_SPECIAL, Presence(), False, NOW_),
        (Wishes(), DIRECT, Presence(), False, NOW_),
        (Wishes(), MENTIONED, Presence(), False, NOW_),
        (Wishes(), REPLY, Presence(), False, Suppressed(Reason.THREAD)),
        (Wishes(), FOLLOWED, Presence(), False, NOW_),
        (Wishes(), MENTIONED_IN_REPLY, Presence(), False, NOW_),
        (Wishes(), Relevance(direct=True, reply=True), Presence(), False, NOW_),
        (MENTIONS, NOBODY_SPECIAL, Presence(), False, Suppressed(Reason.LEVEL)),
        (MENTIONS, DIRECT, Presence(), False, NOW_),
        (MENTIONS, MENTIONED, Presence(), False, NOW_),
        (MENTIONS, REPLY, Presence(), False, Suppressed(Reason.LEVEL)),
        (MENTIONS, FOLLOWED, Presence(), False, NOW_),
        # To be a follower means nothing outside a thread.
        (MENTIONS, Relevance(follower=True), Presence(), False, Suppressed(Reason.LEVEL)),
        (NONE, NOBODY_SPECIAL, Presence(), False, Suppressed(Reason.LEVEL)),
        (NONE, MENTIONED, Presence(), False, Suppressed(Reason.LEVEL)),
        (NONE, DIRECT, Presence(), False, Suppressed(Reason.LEVEL)),
        # mutes
        (MUTED, MENTIONED, Presence(), False, Suppressed(Reason.MUTED)),
        (Wishes(muted_until=NOW), NOBODY_SPECIAL, Presence(), False, NOW_),
        (Wishes(muted_until=NOW - HOUR), NOBODY_SPECIAL, Presence(), False, NOW_),
        # presence
        (Wishes(), DIRECT, ACTIVE, False, Suppressed(Reason.ACTIVE)),
        (Wishes(), DIRECT, DND, False, Suppressed(Reason.DO_NOT_DISTURB)),
        (Wishes(), DIRECT, Presence(active=True, do_not_disturb=True), False, Suppressed(Reason.DO_NOT_DISTURB)),
        # blocks come before all else, and what lasts before what passes
        (Wishes(), DIRECT, Presence(), True, Suppressed(Reason.BLOCKED)),
        (MUTED, MENTIONED, ACTIVE, True, Suppressed(Reason.BLOCKED)),
        (MUTED, MENTIONED, ACTIVE, False, Suppressed(Reason.MUTED)),
        (NONE, MENTIONED, ACTIVE, False, Suppressed(Reason.LEVEL)),
        # quiet hours hold, and lose nothing
        (Wishes(quiet=AT_NOON), DIRECT, Presence(), False, Notify(NOW + 2 * HOUR)),
        (Wishes(quiet=AT_NIGHT), DIRECT, Presence(), False, NOW_),
        (Wishes(quiet=AT_NOON), DIRECT, ACTIVE, False, Suppressed(Reason.ACTIVE)),
    ],
)
def test_decisions(
    wishes: Wishes, relevance: Relevance, presence: Presence, blocked: bool, expected: Notify | Suppressed
) -> None:
    assert decide(wishes, relevance, presence, blocked=blocked, now=NOW, not_before=NOW, seen_by=NOW) == expected


@pytest.mark.parametrize(
    ("wishes", "relevance", "now", "not_before", "expected"),
    [
        (Wishes(), DIRECT, NOW, NOW, Notify(NOW + IDLE)),
        (Wishes(), FOLLOWED, NOW, NOW, Notify(NOW + IDLE)),
        (Wishes(), NOBODY_SPECIAL, NOW, NOW, Suppressed(Reason.ACTIVE)),
        (Wishes(), DIRECT, NOW + IDLE, NOW, Suppressed(Reason.ACTIVE)),
        (Wishes(), DIRECT, NOW, NOW + HOUR, Notify(NOW + HOUR)),
        (Wishes(quiet=AT_NOON), DIRECT, NOW, NOW, Notify(NOW + 2 * HOUR)),
        (MUTED, DIRECT, NOW, NOW, Suppressed(Reason.MUTED)),
    ],
)
def test_somebody_active_may_have_just_left(
    wishes: Wishes, relevance: Relevance, now: datetime, not_before: datetime, expected: Notify | Suppressed
) -> None:
    seen_by = NOW + IDLE
    assert decide(wishes, relevance, ACTIVE, blocked=False, now=now, not_before=not_before, seen_by=seen_by) == expected
    if isinstance(expected, Notify):
        away = decide(wishes, relevance, Presence(), blocked=False, now=now, not_before=now, seen_by=seen_by)
        assert isinstance(away, Notify)
        assert away.at <= expected.at


@pytest.mark.parametrize(
    ("not_before", "at"),
    [
        (NOW - HOUR, NOW),
        (NOW + HOUR / 2, NOW + HOUR / 2),
        (NOW + 11 * HOUR, datetime(2026, 1, 29, 7, 0, tzinfo=UTC)),  # within quiet hours by then
    ],
)
def test_a_digest_waits_for_the_one_before(not_before: datetime, at: datetime) -> None:
    decision = decide(
        Wishes(quiet=AT_NIGHT), DIRECT, Presence(), blocked=False, now=NOW, not_before=not_before, seen_by=NOW
    )
    assert decision == Notify(at)


BERLIN = ZoneInfo("Europe/Berlin")


def berlin(day: int, hour: int, minute: int = 0, *, month: int, fold: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("start", "end", "days", "moment", "until"),
    [
        # Over midnight, and the day that counts is the one it begins on: Friday the 30th.
        ("22:00", "07:00", {4}, berlin(31, 3, month=1), berlin(31, 7, month=1)),
        ("22:00", "07:00", {5}, berlin(31, 3, month=1), berlin(31, 3, month=1)),
        ("22:00", "07:00", {4}, berlin(30, 22, month=1), berlin(31, 7, month=1)),
        ("22:00", "07:00", {4}, berlin(31, 7, month=1), berlin(31, 7, month=1)),
        ("22:00", "07:00", {4}, berlin(30, 21, 59, month=1), berlin(30, 21, 59, month=1)),
        # A whole weekend, in two pieces.
        ("00:00", "00:00", {5, 6}, berlin(31, 9, month=1), berlin(2, 0, month=2)),
        # Clocks go forward on 29 March, 02:00 to 03:00: the end is a time that there is not.
        ("22:00", "02:30", EVERY_DAY, berlin(29, 1, 59, month=3), berlin(29, 3, 30, month=3)),
        ("22:00", "07:00", EVERY_DAY, berlin(28, 23, month=3), berlin(29, 7, month=3)),
        # Clocks go back on 25 October, 03:00 to 02:00: 02:30 comes twice.
        ("22:00", "02:30", EVERY_DAY, berlin(25, 2, 10, month=10), berlin(25, 2, 30, month=10, fold=1)),
        ("02:30", "02:45", EVERY_DAY, berlin(25, 2, 30, month=10), berlin(25, 2, 45, month=10, fold=1)),
        ("22:00", "07:00", EVERY_DAY, berlin(24, 23, month=10), berlin(25, 7, month=10)),
    ],
)
def test_quiet_hours(start: str, end: str, days: set[int], moment: datetime, until: datetime) -> None:
    quiet = QuietHours(time.fromisoformat(start), time.fromisoformat(end), frozenset(days), BERLIN)
    assert quiet.until(moment) == until.astimezone(UTC)


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham"]
MOMENTS = st.integers(1_700_000_000, 1_900_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
CLOCK = st.builds(time, st.integers(0, 23), st.integers(0, 59))


@st.composite
def quiet_hours(draw: st.DrawFn) -> QuietHours:
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    start, end = draw(CLOCK), draw(CLOCK)
    if start == end and len(days) == 7:
        days = frozenset({draw(st.integers(0, 6))})
    return QuietHours(start, end, days, ZoneInfo(draw(st.sampled_from(ZONES))))


@given(quiet=quiet_hours(), moment=MOMENTS)
def test_when_quiet_hours_are_over_they_are_over(quiet: QuietHours, moment: datetime) -> None:
    until = quiet.until(moment)
    assert until >= moment
    assert quiet.until(until) == until
    assert until - moment <= timedelta(days=7, hours=2)


@given(quiet=quiet_hours(), moment=MOMENTS)
def test_they_are_never_shorter_than_the_clock_on_the_wall_says(quiet: QuietHours, moment: datetime) -> None:
    wall = moment.astimezone(quiet.zone)
    clock, today = wall.time(), wall.weekday()
    if quiet.start < quiet.end:
        inside = quiet.start <= clock < quiet.end and today in quiet.days
    else:
        inside = (clock >= quiet.start and today in quiet.days) or (clock < quiet.end and (today - 1) % 7 in quiet.days)
    if inside:
        assert quiet.until(moment) > moment


@given(
    quiet=st.none() | quiet_hours(),
    level=st.sampled_from(Level),
    relevance=st.builds(Relevance, st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    presence=st.builds(Presence, st.booleans(), st.booleans()),
    blocked=st.booleans(),
    now=MOMENTS,
    pause=st.timedeltas(timedelta(days=-1), timedelta(days=1)),
    muted=st.none() | MOMENTS,
    idle=st.timedeltas(timedelta(minutes=-10), timedelta(minutes=10)),
)
def test_nobody_is_told_early_or_against_their_will(
    *,
    quiet: QuietHours | None,
    level: Level,
    relevance: Relevance,
    presence: Presence,
    blocked: bool,
    now: datetime,
    pause: timedelta,
    muted: datetime | None,
    idle: timedelta,
) -> None:
    wishes = Wishes(level, muted, quiet)
    decision = decide(wishes, relevance, presence, blocked=blocked, now=now, not_before=now + pause, seen_by=now + idle)
    refused = blocked or presence.do_not_disturb or level is Level.NONE
    assert not (refused and isinstance(decision, Notify))
    if isinstance(decision, Notify):
        assert decision.at >= max(now, now + pause)
        assert muted is None or muted <= now
        assert not presence.active or (relevance.personal and decision.at >= now + idle > now)
        assert relevance.personal or (level is Level.ALL and not relevance.reply)
        assert quiet is None or quiet.until(decision.at) == decision.at
