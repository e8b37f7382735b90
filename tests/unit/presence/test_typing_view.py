"""Who types, as one person sees it."""

from chatcluster_presence.typing_view import EXPIRES_SECONDS, TypingView


def test_only_the_first_sign_is_news_and_each_one_prolongs_it() -> None:
    view = TypingView()
    assert view.started("c", "ann", now=0)
    assert not view.started("c", "ann", now=4)
    assert list(view.expire(now=EXPIRES_SECONDS)) == []
    assert view.typing("c") == ["ann"]
    assert list(view.expire(now=4 + EXPIRES_SECONDS)) == ["c"]
    assert view.typing("c") == []
    assert not view


def test_a_sign_after_the_end_is_news_again() -> None:
    view = TypingView()
    view.started("c", "ann", now=0)
    assert view.started("c", "ann", now=EXPIRES_SECONDS)


def test_stopping_is_news_once() -> None:
    view = TypingView()
    view.started("c", "ann", now=0)
    assert view.stopped("c", "ann")
    assert not view.stopped("c", "ann")
    assert not view.stopped("other", "ann")
    assert not view


def test_conversations_are_apart() -> None:
    view = TypingView()
    view.started("c", "ann", now=0)
    view.started("c", "bob", now=3)
    view.started("d", "eve", now=3)
    assert view.typing("c") == ["ann", "bob"]
    assert list(view.expire(now=7)) == ["c"]
    assert (view.typing("c"), view.typing("d")) == (["bob"], ["eve"])
