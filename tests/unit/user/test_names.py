"""Normal forms of names, addresses and passwords."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_user import names


@given(st.text(max_size=40))
def test_a_username_is_ascii_lower_case_or_refused(typed: str) -> None:
    try:
        name = names.username(typed)
    except ValueError:
        return
    assert name.isascii()
    assert name == name.lower() == names.username(name)
    assert 3 <= len(name) <= 32


@given(st.text(max_size=80))
def test_a_display_name_is_printable_or_refused(typed: str) -> None:
    try:
        name = names.display_name(typed)
    except ValueError:
        return
    assert name == names.display_name(name)
    assert 1 <= len(name) <= 64
    assert not any(character in name for character in "\0\n\r\t\u202e\u2066\ufeff")


@given(st.text(max_size=140))
def test_a_password_has_one_spelling(typed: str) -> None:
    try:
        password = names.password(typed)
    except ValueError:
        return
    assert names.password(password) == password
    assert 10 <= len(password) <= 128


def test_password_from_two_keyboards() -> None:
    assert names.password("pa\u0308ssw\u00f6rter!") == names.password("p\u00e4sswo\u0308rter!")


@pytest.mark.parametrize("typed", ["👩‍💻 Ada", "Ada", "李雷", "می‌خواهم", "Ada 🧮"])
def test_display_names_of_the_world(typed: str) -> None:
    assert names.display_name(f"  {typed} ") == typed


@pytest.mark.parametrize(
    ("typed", "normal"),
    [("Ada@EXAMPLE.com", "Ada@example.com"), (" a@b.co ", "a@b.co"), ("a@chat.test", "a@chat.test")],
)
def test_email(typed: str, normal: str) -> None:
    assert names.email(typed) == normal


@pytest.mark.parametrize("typed", ["", "a", "a@", "@b.co", "a b@c.de", "a@b..co", "a@[127.0.0.1]", "Ada <a@b.co>"])
def test_email_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        names.email(typed)


@given(st.text())
def test_search_key_ignores_case(text: str) -> None:
    assert names.search_key(names.search_key(text)) == names.search_key(text)


@pytest.mark.parametrize(
    ("typed", "tag"), [("en", "en"), ("PT-br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), (" es-419 ", "es-419")]
)
def test_locales_in_their_usual_case(typed: str, tag: str) -> None:
    assert names.locale(typed) == tag


@pytest.mark.parametrize("typed", ["", "e", "english", "en_GB", "en-GB-x", "en-", "ёё", "en\n-GB"])
def test_what_is_no_locale(typed: str) -> None:
    with pytest.raises(ValueError, match="language tag"):
        names.locale(typed)


@pytest.mark.parametrize("typed", ["", "Mars/Olympus", "../etc/passwd", "europe/london", "UTC\0"])
def test_what_is_no_time_zone(typed: str) -> None:
    assert names.time_zone("Europe/London") == "Europe/London"
    with pytest.raises(ValueError, match="IANA"):
        names.time_zone(typed)


@pytest.mark.parametrize("typed", ["a\0b", "a\u202eb", "x" * 501])
def test_what_nobody_may_say_of_themselves(typed: str) -> None:
    assert names.about(" one\r\ntwo ") == "one\ntwo"
    with pytest.raises(ValueError, match="use"):
        names.about(typed)
