"""Composite keys in one string: they must sort as their parts do, and a range must hold what it should and no more."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chatcluster_message.store.base import seq_key, seq_range, time_key

IDS = st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")
SEQS = st.integers(0, 2**53 - 1)


@given(IDS, SEQS, SEQS)
def test_keys_of_one_thing_sort_by_seq(prefix: str, one: int, other: int) -> None:
    assert (seq_key(prefix, seq=one) < seq_key(prefix, seq=other)) == (one < other)


@given(IDS, IDS, SEQS, SEQS)
def test_a_range_holds_what_is_above_and_of_the_same_thing(mine: str, other: str, seq: int, above: int) -> None:
    within = seq_range(mine, above=above)

    def holds(key: str) -> bool:
        return within["$gt"] < key < within["$lt"]

    assert holds(seq_key(mine, seq=seq)) == (seq > above)
    assert not holds(seq_key(other, seq=seq)) or other == mine


@given(st.datetimes(datetime(1971, 1, 1), datetime(8999, 1, 1)), st.timedeltas(timedelta(), timedelta(days=365)))  # noqa: DTZ001
def test_times_sort_too(moment: datetime, later: timedelta) -> None:
    moment = moment.replace(tzinfo=UTC)
    assert time_key("c", moment) <= time_key("c", moment + later)
