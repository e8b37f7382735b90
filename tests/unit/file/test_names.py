"""File names come in hostile and go out safe."""

import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_file import names


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\r\nSet-Cookie: x", "aSet-Cookie_ x"),
        ("evil\u202efdp.exe", "evilfdp.exe"),
        ("e\u0301.txt", "é.txt"),
        (" .. ", "file"),
        ("\0", "file"),
        ("con", "_con"),
        ("LPT1.txt", "_LPT1.txt"),
        ("console.txt", "console.txt"),
        ('a"b<c>.txt', "a_b_c_.txt"),
    ],
)
def test_sanitise(sent: str, kept: str) -> None:
    assert names.sanitise(sent) == kept


def test_long_names_keep_their_suffix() -> None:
    assert names.sanitise("ü" * 300 + ".jpeg") == "ü" * 125 + ".jpeg"
    assert len(names.sanitise("x" * 300)) == names.MAX_BYTES


@given(st.text())
def test_a_name_is_always_safe_and_stays_as_it_is(sent: str) -> None:
    name = names.sanitise(sent)
    assert name
    assert len(name.encode()) <= names.MAX_BYTES
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} or c in '/\\<>:"|?*' for c in name)
    assert names.sanitise(name) == name


@given(st.text(), st.sampled_from(["text/html", "image/png", "application/pdf", "image/svg+xml"]))
def test_content_disposition_is_one_ascii_line_that_holds_the_name(sent: str, content_type: str) -> None:
    name = names.sanitise(sent)
    header = names.content_disposition(name, content_type)
    assert header.isascii()
    assert header.isprintable()
    kind, plain, whole = header.split("; ", 1)[0], *header.split("; ", 1)[1].rsplit("; ", 1)
    assert kind == ("inline" if content_type == "image/png" else "attachment")
    assert plain.count('"') == 2
    assert unquote(whole.removeprefix("filename*=UTF-8''")) == name
