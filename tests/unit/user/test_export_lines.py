"""The lines of an export, however the network cuts them."""

import itertools
from collections.abc import AsyncGenerator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.errors import Problem
from chatcluster_user.leaving import export


async def cut(content: bytes, at: list[int]) -> AsyncGenerator[bytes]:
    """The content in pieces."""
    edges = sorted({0, len(content), *(position % (len(content) + 1) for position in at)})
    for start, end in itertools.pairwise(edges):
        yield content[start:end]


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=10),
    st.lists(st.integers(0, 10_000), max_size=10),
    st.booleans(),
)
async def test_lines_come_whole(items: list[dict[str, str]], at: list[int], ended: bool) -> None:
    content = b"\n".join(orjson.dumps(item) for item in items) + (b"\n" if ended else b"")
    assert [orjson.loads(line) async for line in export.lines(cut(content, at))] == items


@pytest.mark.parametrize("content", [b'{"a": 1}\n{"b": ', b"nonsense\n", b"x" * (9 << 20)])
async def test_what_is_no_json_is_not_taken_for_an_end(content: bytes) -> None:
    with pytest.raises(Problem):
        _ = [line async for line in export.lines(cut(content, [4 << 20]))]
