"""Page cursors."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.errors import Problem
from chatcluster_user import cursors


@given(st.from_regex(r"\A[a-z0-9._-]{3,32}\Z"))
def test_there_and_back(username: str) -> None:
    assert cursors.decode(cursors.encode(username)) == username


@given(st.text(max_size=30))
def test_anything_else_is_refused(text: str) -> None:
    with contextlib.suppress(Problem):
        assert cursors.encode(cursors.decode(text)) == text


def test_the_problem_names_the_parameter() -> None:
    with pytest.raises(Problem) as caught:
        cursors.decode("!")
    assert caught.value.status == 422
    assert caught.value.errors[0].field == "query.cursor"
