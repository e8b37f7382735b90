"""Unsubscribe links: made here, for one person, and not to be made up."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from chatcluster_notification.unsubscribe import UnsubscribeLinks

LINKS = UnsubscribeLinks(SecretStr("0123456789abcdef"), "https://chat.example.org/")
USER_IDS = st.text("0123456789abcdef-", min_size=1, max_size=36)


@given(user_id=USER_IDS, other=USER_IDS)
def test_a_token_is_its_persons_alone(user_id: str, other: str) -> None:
    token = LINKS.token(user_id)
    assert LINKS.user_of(token) == user_id
    assert LINKS.url(user_id) == f"https://chat.example.org/api/v1/notifications/unsubscribe?token={token}"
    assert UnsubscribeLinks(SecretStr("another secret of ours"), "").user_of(token) is None
    if other != user_id:
        mixed = f"{LINKS.token(other).partition('.')[0]}.{token.partition('.')[2]}"
        assert LINKS.user_of(mixed) is None


@given(token=st.text() | st.from_regex(r"[A-Za-z0-9_-]{1,100}\.[A-Za-z0-9_-]{22}", fullmatch=True))
def test_no_text_breaks_the_check(token: str) -> None:
    assert LINKS.user_of(token) is None


def test_without_a_public_address_there_is_no_link() -> None:
    assert UnsubscribeLinks(SecretStr("0123456789abcdef"), "").url("bob") == ""
