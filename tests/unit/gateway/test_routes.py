"""Which paths are fit, and where they go."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_gateway import routes


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        (b"/api/v1/auth/login", "user"),
        (b"/api/v1/users", "user"),
        (b"/api/v1/users/me", "user"),
        (b"/api/v1/contacts", "user"),
        (b"/api/v1/conversations/1/messages", "message"),
        (b"/api/v1/messages/search", "message"),
        (b"/api/v1/notifications/preferences", "notification"),
        (b"/api/v1/presence", "presence"),
        (b"/api/v1/admin/users", "user"),
        (b"/api/v1/admin/requests/x", "user"),
        (b"/api/v1/moderation/reports", "message"),
        (b"/api/v1/files", None),
        (b"/api/v1/usersx", None),
        (b"/api/v1/", None),
        (b"/api/v1", None),
        (b"/internal/users/lookup", None),
        (b"/metrics", None),
        (b"/api/v1/internal", None),
    ],
)
def test_routes(path: bytes, upstream: str | None) -> None:
    route = routes.find(path)
    assert (route.upstream if route else None) == upstream


@pytest.mark.parametrize(
    "path",
    [b"/api/v1/tokens", b"/api/v1/tokens/1", b"/api/v1/admin/requests", b"/api/v1/openapi.json", b"/api/v1/docs"],
)
def test_what_the_gateway_answers_itself(path: bytes) -> None:
    route = routes.find(path)
    assert route
    assert route.upstream is None


def test_what_is_public() -> None:
    public = {f"{method} {path.decode()}" for (method, path), endpoint in routes.ENDPOINTS.items() if endpoint.public}
    assert public == {
        "POST /api/v1/auth/register",
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/logout",
        "POST /api/v1/auth/password/forgot",
        "POST /api/v1/auth/password/reset",
        "POST /api/v1/auth/email/verify",
        "GET /api/v1/auth/jwks.json",
        "HEAD /api/v1/auth/jwks.json",
        "GET /api/v1/notifications/unsubscribe",
        "POST /api/v1/notifications/unsubscribe",
        "GET /api/v1/openapi.json",
        "HEAD /api/v1/openapi.json",
        "GET /api/v1/docs",
        "HEAD /api/v1/docs",
    }
    assert all(routes.find(path) for _, path in routes.ENDPOINTS)


@given(st.binary(max_size=30).map(lambda tail: b"/api/v1/users/" + tail))
def test_a_fit_path_means_one_thing(path: bytes) -> None:
    if not routes.fit(path):
        return
    once = unquote_to_bytes(path)
    for reading in (path, once, unquote_to_bytes(once)):
        segments = reading.split(b"/")[1:]
        assert len(segments) == path.count(b"/")
        assert not {b"", b".", b".."} & set(segments)
        assert not any(byte < 0x20 or byte == 0x7F or byte == ord("\\") for byte in reading)


@given(st.text(min_size=1, max_size=20).filter(lambda text: text not in {".", ".."}))
def test_every_harmless_segment_is_fit(text: str) -> None:
    if any(character in '/\\%."<>^`{}|?#[] ' or ord(character) < 0x21 or ord(character) == 0x7F for character in text):
        return
    escaped = "".join(
        c if c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode("utf-8", "replace")) for c in text
    )
    assert routes.fit(f"/api/v1/messages/{escaped}".encode())
