"""Checking access tokens."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from chatcluster_common.auth import TokenVerifier
from chatcluster_common.errors import Problem
from chatcluster_testing.tokens import TokenAuthority


@pytest.fixture
def authority(tmp_path: Path) -> TokenAuthority:
    """Who signs."""
    return TokenAuthority.create(tmp_path)


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> TokenAuthority:
    """Who signs too, but is not trusted."""
    return TokenAuthority.create(tmp_path_factory.mktemp("other"))


def test_a_good_token(authority: TokenAuthority) -> None:
    principal = TokenVerifier(authority.jwks_file).verify(authority.token_for("ada", session_id="s"))
    assert (principal.user_id, principal.session_id) == ("ada", "s")


@pytest.mark.parametrize(
    "claims",
    [{"iss": "x"}, {"aud": "x"}, {"aud": None}, {"exp": 1}, {"exp": None}, {"exp": "soon"}, {"sub": None}, {"sub": 7},
     {"sid": None}, {"iat": None}, {"iat": 99_999_999_999}, {"nbf": 99_999_999_999}],
)  # fmt: skip
def test_claims_that_do_not_hold(authority: TokenAuthority, claims: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="401"):
        TokenVerifier(authority.jwks_file).verify(authority.token_for("ada", claims=claims))


def _unsigned(header: dict[str, Any], token: str) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{token.split('.')[1]}."


def test_signatures_that_do_not_hold(authority: TokenAuthority, other: TokenAuthority) -> None:
    good = authority.token_for("ada")
    head, claims, signature = good.split(".")
    for bad in (
        "",
        "x",
        "a.b.c",
        f"{head}.{claims}",
        f"{head}.{claims}.",
        f"{head}.{claims}.{signature[:-8]}AAAAAAAA",
        other.token_for("ada"),
        other.token_for("ada", headers={"kid": authority.key_id}),
        authority.token_for("ada", headers={"kid": other.key_id}),
        _unsigned({"alg": "none", "kid": authority.key_id}, good),
        _unsigned({"alg": "HS256", "kid": authority.key_id}, good),
        _unsigned({"alg": "EdDSA"}, good),
    ):
        with pytest.raises(Problem, match="401"):
            TokenVerifier(authority.jwks_file).verify(bad)


def test_keys_overlap_while_they_are_rotated(authority: TokenAuthority, other: TokenAuthority) -> None:
    now = 0.0
    verifier = TokenVerifier(authority.jwks_file, now=lambda: now)
    old, new = authority.token_for("ada"), other.token_for("ada")
    verifier.verify(old)
    keys = [json.loads(each.jwks_file.read_text())["keys"][0] for each in (authority, other)]
    authority.jwks_file.write_text(json.dumps({"keys": keys}))
    now = 10.0
    verifier.verify(old)
    verifier.verify(new)
    authority.jwks_file.write_text(json.dumps({"keys": keys[1:]}))
    now = 20.0
    verifier.verify(new)
    with pytest.raises(Problem, match="401"):
        verifier.verify(old)


@pytest.mark.parametrize("content", [None, "", "{", '{"keys": []}'])
def test_a_broken_key_file_keeps_the_keys_at_hand(authority: TokenAuthority, content: str | None) -> None:
    now = 0.0
    verifier = TokenVerifier(authority.jwks_file, now=lambda: now)
    verifier.verify(authority.token_for("ada"))
    if content is None:
        authority.jwks_file.unlink()
    else:
        authority.jwks_file.write_text(content)
    now = 10.0
    verifier.verify(authority.token_for("ada"))
    with pytest.raises(Problem, match="503"):
        TokenVerifier(authority.jwks_file).verify(authority.token_for("ada"))
