"""Range headers against the RFC's rules; the table of whole requests is in tests/services."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_file.ranges import ByteRange, Unsatisfiable, etag_matches, parse


@given(first=st.integers(0, 200), last=st.integers(0, 200), size=st.integers(0, 100))
def test_a_range_is_what_slicing_gives(first: int, last: int, size: int) -> None:
    content = bytes(size)
    header = f"bytes={first}-{last}"
    if last < first:
        assert parse(header, size) is None
    elif first >= size:
        with pytest.raises(Unsatisfiable):
            parse(header, size)
    else:
        found = parse(header, size)
        assert found is not None
        assert (found.offset, found.length) == (first, len(content[first : last + 1]))


@given(st.text(), st.integers(0, 100))
def test_nonsense_never_fails(header: str, size: int) -> None:
    try:
        found = parse(header, size)
    except Unsatisfiable:
        return
    assert found is None or 0 < found.length <= size


def test_content_range() -> None:
    assert ByteRange(2, 3).content_range(10) == "bytes 2-4/10"


@pytest.mark.parametrize(
    ("header", "weak", "expected"),
    [
        (None, True, False),
        ('"a"', True, True),
        ('W/"a"', True, True),
        ('W/"a"', False, False),
        ('"b" , "a"', True, True),
        ("*", True, True),
        ("*", False, False),
        ('"b"', True, False),
    ],
)
def test_etag_matches(header: str | None, weak: bool, expected: bool) -> None:
    assert etag_matches(header, '"a"', weak=weak) is expected
