"""Refresh tokens and the signing of access tokens."""

import hashlib
import json
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.auth import TokenVerifier
from chatcluster_testing.tokens import TokenAuthority
from chatcluster_user.tokens import AccessTokens, NoSigningKeyError, RefreshToken


def test_refresh_token_there_and_back() -> None:
    token = RefreshToken.new()
    assert RefreshToken.parse(token.text) == token
    assert token.secret_hash == hashlib.sha256(token.secret).digest()
    assert len(token.secret) * 8 == 256


def test_the_next_token_is_of_the_same_family() -> None:
    token = RefreshToken.new()
    assert token.next().family_hash == token.family_hash
    assert token.next().secret_hash != token.secret_hash
    assert RefreshToken.new().family_hash != token.family_hash


@given(st.text(max_size=100))
def test_anything_else_is_no_refresh_token(text: str) -> None:
    token = RefreshToken.parse(text)
    assert token is None or token.text == text


def kid(tokens: AccessTokens) -> str:
    """The key id of the next token."""
    return jwt.get_unverified_header(tokens.issue("ada", "session"))["kid"]


class TestAccessTokens:
    """Signing, and the rotation of its key."""

    @pytest.fixture
    def old(self, tmp_path: Path) -> TokenAuthority:
        """The key in use."""
        return TokenAuthority.create(tmp_path)

    @pytest.fixture
    def new(self, tmp_path_factory: pytest.TempPathFactory) -> TokenAuthority:
        """The key to come."""
        return TokenAuthority.create(tmp_path_factory.mktemp("new"))

    def test_every_service_accepts_it(self, old: TokenAuthority) -> None:
        verifier = TokenVerifier(old.jwks_file)
        principal = verifier.verify(AccessTokens(old.key_file, 900, verifier.keys).issue("ada", "session"))
        assert (principal.user_id, principal.session_id) == ("ada", "session")

    def test_a_new_key_waits_until_it_is_published(self, old: TokenAuthority, new: TokenAuthority) -> None:
        now = 1_000.0
        published = json.loads(old.jwks_file.read_text())
        tokens = AccessTokens(old.key_file, 900, lambda: published, now=lambda: now)
        assert kid(tokens) == old.key_id
        old.key_file.write_bytes(new.key_file.read_bytes())
        now += 10
        assert kid(tokens) == old.key_id
        published["keys"] += json.loads(new.jwks_file.read_text())["keys"]
        now += 10
        assert kid(tokens) == new.key_id

    @pytest.mark.parametrize("content", [b"", b"nonsense", None])
    def test_a_broken_file_does_not_stop_signing(self, old: TokenAuthority, content: bytes | None) -> None:
        now = 1_000.0
        tokens = AccessTokens(old.key_file, 900, lambda: json.loads(old.jwks_file.read_text()), now=lambda: now)
        assert kid(tokens) == old.key_id
        if content is None:
            old.key_file.unlink()
        else:
            old.key_file.write_bytes(content)
        now += 10
        assert kid(tokens) == old.key_id

    def test_without_a_key_it_says_why(self, old: TokenAuthority, new: TokenAuthority) -> None:
        keys = json.loads(old.jwks_file.read_text())
        with pytest.raises(NoSigningKeyError, match="public half"):
            AccessTokens(new.key_file, 900, lambda: keys).check()
        with pytest.raises(NoSigningKeyError, match="No such file"):
            AccessTokens(new.key_file.with_name("absent"), 900, lambda: keys).check()
