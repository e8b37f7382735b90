"""What a file is told to be, by its first bytes alone."""

import pytest

from chatcluster_file import content


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", content.UNKNOWN),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"%PDF-1.7", "application/pdf"),
        (b"PK\x03\x04" + b"\0" * 60, "application/zip"),
        (b"plain words", content.TEXT),
        ("grüße".encode(), content.TEXT),
        ("grüße".encode()[:3], content.TEXT),  # cut within a character
        ("grüße".encode("latin-1"), content.UNKNOWN),
        (b"text with \0 in it", content.UNKNOWN),
        (b"<html><script>alert(1)</script>", content.TEXT),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', content.TEXT),
        (b"\xfe\xed nonsense", content.UNKNOWN),
    ],
)
def test_content_type(head: bytes, expected: str) -> None:
    assert content.content_type(head) == expected
