"""Multipart bodies become the same events however they are cut into chunks."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.errors import Problem
from chatcluster_file.multipart import PartBegin, PartData, PartEnd, events

TYPE = 'multipart/form-data; boundary="b"'
BODY = (
    b'--b\r\nContent-Disposition: form-data; name="conversation_id"\r\n\r\nc-1\r\n'
    b'--b\r\nContent-Type: text/html\r\ncontent-disposition: form-data; name="file"; filename="gr\xc3\xbc\xc3\x9fe.txt"'
    b"\r\n\r\nline\r\n--not the boundary\r\n\r\n--b--\r\n"
)


async def read(body: bytes, cuts: list[int], content_type: str = TYPE) -> list[tuple[str, str | None, bytes]]:
    """Each part: name, file name, content."""

    async def chunks() -> AsyncIterator[bytes]:
        start = 0
        for cut in [*sorted(cut for cut in cuts if cut < len(body)), len(body)]:
            yield body[start:cut]
            start = cut

    parts: list[tuple[str, str | None, bytes]] = []
    content = b""
    head = PartBegin("", None)
    async for event in events(content_type, chunks(), idle_seconds=5):
        match event:
            case PartBegin():
                head, content = event, b""
            case PartData(data):
                content += data
            case PartEnd():
                parts.append((head.name, head.filename, content))
    return parts


@given(st.lists(st.integers(0, len(BODY)), max_size=20))
async def test_any_cut_gives_the_same_parts(cuts: list[int]) -> None:
    assert await read(BODY, cuts) == [
        ("conversation_id", None, b"c-1"),
        ("file", "grüße.txt", b"line\r\n--not the boundary\r\n"),
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (BODY, "text/plain", 415),
        (BODY, "", 415),
        (BODY, "multipart/form-data", 400),
        (BODY, f"multipart/form-data; boundary={'x' * 500}", 400),
        (BODY[:-10], TYPE, 400),
        (b"", TYPE, 400),
        (b"no boundary", TYPE, 400),
        (b"--b\r\n\r\nx\r\n--b--\r\n", TYPE, 400),
        (b"--b\r\n" + b"X: y\r\n" * 100 + b"\r\nx\r\n--b--\r\n", TYPE, 400),
    ],
)
async def test_malformed_bodies_are_problems(body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        await read(body, [], content_type)
    assert caught.value.status == status
