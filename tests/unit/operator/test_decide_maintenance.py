"""Maintenance windows: the days on which clocks change, by table, and what holds for any window at any moment."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chatcluster_operator.api.spec import Day, MaintenanceWindow
from chatcluster_operator.decide.maintenance import Opening, opening

WEEK = 7 * 86_400
DAYS = [day.value for day in Day]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def window(start: str = "02:00", duration: str = "4h", zone: str = "Europe/Berlin", days: Any = ("Sun",)) -> Any:
    fields = {"start": start, "duration": duration, "timeZone": zone, "days": list(days)}
    return MaintenanceWindow.model_validate(fields)


def test_without_windows_or_when_they_are_overridden_it_is_always_open() -> None:
    assert opening([], at("2026-11-23T12:00:00Z")) == Opening()
    assert opening([window()], at("2026-11-23T12:00:00Z"), overridden=True) == Opening()


# In Berlin clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October 2026.
@pytest.mark.parametrize(
    ("given", "now", "opens"),
    [
        (window(), "2026-11-22T02:00:00+01:00", None),
        (window(), "2026-11-22T05:59:59+01:00", None),
        (window(), "2026-11-22T06:00:00+01:00", "2026-11-29T02:00:00+01:00"),
        (window(), "2026-11-22T01:59:59+01:00", "2026-11-22T02:00:00+01:00"),
        # Over midnight, into a day that is not its own.
        (window("23:00", "4h", days=["Sat"]), "2026-11-22T02:30:00+01:00", None),
        (window("23:00", "4h", days=["Sat"]), "2026-11-22T03:00:00+01:00", "2026-11-28T23:00:00+01:00"),
        (window("00:00", "24h", days=["Mon"]), "2026-11-23T23:59:59+01:00", None),
        # A start that the clocks leap over: with the offset from before.
        (window("02:30", "1h"), "2026-03-29T03:29:59+02:00", "2026-03-29T03:30:00+02:00"),
        (window("02:30", "1h"), "2026-03-29T04:29:59+02:00", None),
        # One that comes twice: the first. Four hours are four hours, not what the clocks show.
        (window("02:30", "1h"), "2026-10-25T02:30:00+02:00", None),
        (window("02:30", "1h"), "2026-10-25T02:30:00+01:00", "2026-11-01T02:30:00+01:00"),
        (window("01:00", "4h"), "2026-10-25T03:59:59+01:00", None),
        (window("01:00", "4h"), "2026-10-25T04:00:00+01:00", "2026-11-01T01:00:00+01:00"),
        # Days begin elsewhere.
        (window("00:30", "15m", "Pacific/Auckland", ["Mon"]), "2026-11-22T11:35:00Z", None),
        (window("23:30", "15m", "Pacific/Honolulu", ["Sun"]), "2026-11-23T09:35:00Z", None),
    ],
)
def test_open_and_next(given: Any, now: str, opens: str | None) -> None:
    found = opening([given], at(now))
    assert found == (Opening() if opens is None else Opening(open=False, next=at(opens)))


def test_of_several_windows_the_next_one_counts() -> None:
    windows = [window(days=["Sun"]), window("22:00", "30m", "Etc/UTC", ["Tue"])]
    assert opening(windows, at("2026-11-23T12:00:00Z")).next == at("2026-11-24T22:00:00Z")


ZONES = ("Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland", "Pacific/Apia")

windows = st.builds(
    window,
    start=st.times().map(lambda time: time.strftime("%H:%M")),
    duration=st.integers(15, 24 * 60).map(lambda minutes: f"{minutes}m"),
    zone=st.sampled_from(ZONES),
    days=st.sets(st.sampled_from(DAYS), min_size=1),
)
moments = st.integers(at("2020-01-01T00:00:00Z"), at("2040-01-01T00:00:00Z"))


@given(st.lists(windows, min_size=1, max_size=3), moments)
def test_closed_it_stays_until_the_next_opening_and_no_longer(given: Any, now: int) -> None:
    found = opening(given, now)
    if found.open:
        return
    assert found.next is not None
    # A week, and what a change of clocks may add; Apia once left out a day, before these years.
    assert now < found.next <= now + WEEK + 2 * 3600
    assert opening(given, found.next).open
    assert opening(given, found.next - 1) == Opening(open=False, next=found.next)
    assert opening(given, (now + found.next - 1) // 2) == found


@given(windows, moments)
def test_a_window_is_open_as_long_as_it_says(given: Any, now: int) -> None:
    closed = opening([given], now)
    if closed.open or closed.next is None:
        return
    assert opening([given], closed.next + given.seconds - 1).open
    local = datetime.fromtimestamp(closed.next, ZoneInfo(given.time_zone))
    leap = local.utcoffset() != (local - timedelta(hours=3)).utcoffset()
    assert leap or (local.strftime("%H:%M") == given.start and local.strftime("%a") in given.days)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("zone", "Berlin", "IANA"),
        ("zone", "../etc/passwd", "IANA"),
        ("duration", "10m", "between 15m and 24h"),
        ("duration", "25h", "between 15m and 24h"),
        ("duration", "4", "pattern"),
        ("duration", "", "pattern"),
        ("start", "24:00", "pattern"),
        ("days", [], "at least 1"),
    ],
)
def test_what_cannot_be_a_window_is_refused_with_a_remedy(field: str, value: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        window(**{field: value})
