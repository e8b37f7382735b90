"""The form of API tokens' secrets."""

from hypothesis import given
from hypothesis import strategies as st

from chatcluster_gateway.apitokens import is_secret, new_secret


def test_secrets_are_told_from_anything_else() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(is_secret(secret) and len(secret) == 52 and secret.startswith(b"cct_") for secret in made)


@given(st.integers(0, 51), st.binary(min_size=1, max_size=1))
def test_a_mistyped_secret_is_none(place: int, typed: bytes) -> None:
    secret = new_secret()
    mistyped = secret[:place] + typed + secret[place + 1 :]
    assert is_secret(mistyped) == (mistyped == secret)


@given(st.binary(max_size=60))
def test_noise_is_no_secret(noise: bytes) -> None:
    assert not is_secret(noise)
    assert not is_secret(b"cct_" + noise)
