"""What the machine reads out of a message's text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatcluster_message import text


@pytest.mark.parametrize(
    ("body", "names", "here", "everybody"),
    [
        ("hello", (), False, False),
        ("@ann, @bob-2 and @a.b.c.", ("ann", "bob-2", "a.b.c"), False, False),
        ("@Ann @ANN", ("ann",), False, False),
        ("ann@example.org and x/@ann", (), False, False),
        ("(@ann)", ("ann",), False, False),
        ("@all please, @here", (), True, True),
        ("@allison is not all", ("allison",), False, False),
        ("`@ann` and ```\n@bob\n``` @eve", ("eve",), False, False),
        ("``` @ann", (), False, False),
        ("@ab @x", (), False, False),
        ("@" + "a" * 33, (), False, False),
    ],
)
def test_who_is_mentioned(body: str, names: tuple[str, ...], here: bool, everybody: bool) -> None:
    assert text.mentions(body) == text.Mentions(names, here, everybody)


def test_only_so_many_are_mentioned() -> None:
    body = " ".join(f"@user{n}" for n in range(200))
    assert len(text.mentions(body).names) == text.MOST_MENTIONS


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("Crème brûlée!", ["creme", "brulee"]),
        ("\uff26\uff35\uff2c\uff2c width, don't", ["full", "width", "don", "t"]),
        ("Straße", ["strasse"]),
        ("東京都", ["東京", "京都"]),
        ("a" * 100, ["a" * 48]),
        ("--- \x00", []),
    ],
)
def test_the_words_of_a_text(body: str, words: list[str]) -> None:
    assert text.words(body) == words


@example("\N{SERVICE MARK}")
@given(st.text(max_size=300))
def test_words_are_the_same_in_any_case_and_however_often(body: str) -> None:
    assert text.words(" ".join(text.words(body))) == text.words(body)
    assert len(set(text.index_words(body))) == len(text.index_words(body)) <= text.MOST_WORDS


@pytest.mark.parametrize(
    ("asked", "body", "found"),
    [
        ("release", "The release is out", True),
        ("release party", "party after the release", True),
        ('"release party"', "party after the release", False),
        ('"release party"', "the release party!", True),
        ('"release party" snacks', "release party with drinks", False),
        ("CAFE", "in the Café", True),
    ],
)
def test_words_in_any_order_and_phrases_in_theirs(asked: str, body: str, found: bool) -> None:
    assert (text.relevance(text.query(asked), body) is not None) is found


def test_what_says_it_more_often_and_shorter_comes_first() -> None:
    asked = text.query("deploy")
    once = text.relevance(asked, "deploy " + "and other words " * 20)
    often = text.relevance(asked, "deploy, deploy, deploy")
    short = text.relevance(asked, "deploy it")
    assert once is not None
    assert often is not None
    assert short is not None
    assert often > short > once


@given(st.text(max_size=200))
def test_a_text_answers_to_its_own_words(body: str) -> None:
    asked = text.query(body)
    assert text.relevance(asked, body) is not None
    assert len(asked.words) <= 8
