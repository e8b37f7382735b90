"""The header in which a tus client tells what it sends, and the parts into which everything is cut."""

import asyncio
import base64
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.errors import Problem
from chatcluster_file.bucket import Bucket, StoredPart
from chatcluster_file.uploads_api import parse_metadata
from chatcluster_file.writer import PART_BYTES, PartSender


@given(st.dictionaries(st.sampled_from(["filename", "conversation_id", "relativePath"]), st.text()))
def test_metadata_come_back(pairs: dict[str, str]) -> None:
    header = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
    assert parse_metadata(header) == pairs


@pytest.mark.parametrize("header", ["filename !", "filename Zg", "filename /w==", "a Zg==,b \0"])
def test_metadata_that_are_not_text_in_base64_are_refused(header: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_metadata(header)
    assert caught.value.status == 422


def test_a_key_alone_has_an_empty_value() -> None:
    assert parse_metadata("is_confidential, filename Zg==") == {"is_confidential": "", "filename": "f"}


class Parts:
    """Stands where a bucket does, and keeps the parts that it is sent: how parts are cut is a rule of its own."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.at_a_time = 0

    async def begin_parts(self, key: str) -> str:
        return "upload"

    async def put_part(self, key: str, upload_id: str, number: int, make: Callable[[], bytes]) -> StoredPart:
        self.at_a_time += 1
        assert self.at_a_time == 1
        await asyncio.sleep(0)
        data = make()
        self.at_a_time -= 1
        self.sizes.append(len(data))
        return StoredPart(number, "etag", len(data))


async def test_parts_have_the_same_borders_however_the_bytes_come() -> None:
    total = 3 * PART_BYTES + 17
    for piece in (total, PART_BYTES, PART_BYTES + 1, 700_001):
        bucket = Parts()
        sender = PartSender(cast(Bucket, bucket), key="content/x")
        for start in range(0, total, piece):
            await sender.write(bytes(min(piece, total - start)))
        assert await sender.flush() == bytes(17)
        await sender.send_last(bytes(17))
        assert bucket.sizes == [PART_BYTES] * 3 + [17]
        assert sender.parts
        assert sender.parts.size == total
        assert [part.number for part in sender.parts.stored] == [1, 2, 3, 4]
