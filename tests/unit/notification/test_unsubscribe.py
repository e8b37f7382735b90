"""Unsubscribe links: made here, for one person, and not to be made up."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from chatcluster_notification.settings import NotificationSettings
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


def test_links_outlast_another_internal_token() -> None:
    def links(internal_token: str, link_key: str = "") -> UnsubscribeLinks:
        settings = NotificationSettings(
            internal_token=SecretStr(internal_token),
            link_key=SecretStr(link_key),
            kafka_bootstrap="kafka:9092",
            database_url=SecretStr("postgresql+asyncpg://localhost/notification"),
            redis_url=SecretStr("redis://localhost"),
            user_url="http://user",
            presence_url="http://presence",
        )
        return UnsubscribeLinks(settings.link_secret, "")

    before, after = "first-internal-token", "second-internal-token"
    assert links(after, "key of the links").user_of(links(before, "key of the links").token("bob")) == "bob"
    assert links(after).user_of(links(before).token("bob")) is None, "without a key of their own they cannot"
    assert links(after, before).user_of(links(before).token("bob")) == "bob", "one may take the old token as the key"
