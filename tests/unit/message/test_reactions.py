"""What may stand as a reaction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_message.reactions import normal_form


@pytest.mark.parametrize(
    "emoji", ["👍", "👍🏽", "🎉", "👩‍💻", "👨‍👩‍👧‍👦", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1⃣", "☕", "♥", "🫠", ":tada:", ":+1:", "↔", "🩷"]
)
def test_one_emoji_or_a_short_code(emoji: str) -> None:
    assert normal_form(emoji) == emoji


@pytest.mark.parametrize(("typed", "stored"), [("❤️", "❤"), ("1️⃣", "1⃣"), ("🏳️‍🌈", "🏳‍🌈")])
def test_two_ways_to_write_an_emoji_are_one(typed: str, stored: str) -> None:
    assert normal_form(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "a",
        "👍👍",
        "hello",
        ":Tada:",
        "::",
        "1",
        "\ufe0f",
        "\u200d",
        "👍\x00",
        "🇩",
        "$set",
        "a.b",
        ":" + "a" * 40 + ":",
    ],
)
def test_nothing_else(typed: str) -> None:
    with pytest.raises(ValueError, match="one emoji"):
        normal_form(typed)


@given(st.text(max_size=20))
def test_what_is_taken_is_safe_as_a_key_and_stays_as_it_is(typed: str) -> None:
    try:
        stored = normal_form(typed)
    except ValueError:
        return
    assert normal_form(stored) == stored
    assert not set(stored) & set(".$\x00")
