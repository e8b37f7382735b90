"""Tokens remembered, addresses grouped."""

from pathlib import Path

import pytest

from chatcluster_common.auth import Principal, TokenVerifier
from chatcluster_common.errors import Problem
from chatcluster_gateway.callers import Callers, bearer, limited_address
from chatcluster_testing.tokens import TokenAuthority


@pytest.mark.parametrize(
    ("address", "limited"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::"),
        ("nonsense", "unknown"),
        ("", "unknown"),
    ],
)
def test_addresses(address: str, limited: str) -> None:
    assert limited_address(address) == limited


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"Bearer x", b"x"),
        (b"bearer x", b"x"),
        (b"BEARER  x ", b"x"),
        (b"Basic x", None),
        (b"Bearerx", None),
        (b"", None),
    ],
)
def test_bearer(header: bytes, token: bytes | None) -> None:
    assert bearer(header) == token


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_good_token_is_remembered_until_it_expires(tmp_path: Path) -> None:
    authority = TokenAuthority.create(tmp_path)
    verified: list[str] = []

    class Counting(TokenVerifier):
        def verify(self, token: str) -> Principal:
            verified.append(token)
            return super().verify(token)

    callers = Callers(Counting(authority.jwks_file), capacity=2)
    token = authority.token_for("ada").encode()
    assert [callers.principal(token).user_id for _ in range(3)] == ["ada"] * 3
    assert len(verified) == 1
    for other in ("bob", "eve"):
        callers.principal(authority.token_for(other).encode())
    callers.principal(token)
    assert len(verified) == 4, "the oldest made room"


def test_a_remembered_token_ends_with_its_time_and_its_key(tmp_path: Path) -> None:
    authority = TokenAuthority.create(tmp_path)
    token = authority.token_for("ada", lifetime=-3)  # within the leeway, so that it is good once
    with pytest.raises(Problem, match="401"):
        Callers(TokenVerifier(authority.jwks_file)).principal(authority.token_for("ada", lifetime=-60).encode())
    clock = Clock(0.0)
    callers = Callers(TokenVerifier(authority.jwks_file, now=clock), now=clock)
    assert callers.principal(token.encode()).user_id == "ada"
    clock.now = 61.0
    (tmp_path / "other").mkdir()
    authority.jwks_file.write_bytes(TokenAuthority.create(tmp_path / "other").jwks_file.read_bytes())
    with pytest.raises(Problem, match="401"):
        callers.principal(token.encode())
