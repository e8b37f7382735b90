"""Page cursors."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common import cursors
from chatcluster_common.errors import Problem

ANY = re.compile(r".+", re.DOTALL)
NAMES = re.compile(r"[a-z]+")


@given(st.text(min_size=1))
def test_there_and_back(key: str) -> None:
    assert cursors.decode(cursors.encode(key), ANY) == key


@given(st.text(min_size=1, max_size=30) | st.binary(max_size=20).map(lambda data: data.hex()))
def test_a_cursor_that_was_not_given_out_is_refused(text: str) -> None:
    with contextlib.suppress(Problem):
        assert cursors.encode(cursors.decode(text, ANY)) == text


@pytest.mark.parametrize(
    "bad",
    ["!", "YQ=", "YQ==", "YR", " YQ", "YQ\n", "/w", "_w", "é", cursors.encode("a\0"), cursors.encode("A")],
)
def test_the_problem_names_the_parameter(bad: str) -> None:
    with pytest.raises(Problem) as caught:
        cursors.decode(bad, NAMES)
    assert caught.value.status == 422
    assert caught.value.errors[0].field == "query.cursor"


@pytest.mark.parametrize("none", [None, ""])
def test_the_first_page_is_before_all_keys(none: str | None) -> None:
    assert cursors.decode(none, NAMES) == ""
