"""One-time passwords: the test vectors of RFC 6238, clocks that drift, and codes that are used twice."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_user.credentials import totp

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_vectors_of_the_rfc(now: int, code: str) -> None:
    assert totp.code(RFC_SECRET, now // 30) == code
    assert totp.match(RFC_SECRET, code, now, last_step=0) == now // 30


@given(st.integers(min_value=120, max_value=2**40), st.integers(min_value=-3, max_value=3))
def test_a_clock_may_be_one_step_off(now: int, off: int) -> None:
    step = now // 30 + off
    matched = totp.match(RFC_SECRET, totp.code(RFC_SECRET, step), now, last_step=0)
    if abs(off) <= 1:
        assert matched is not None
    elif matched is not None:  # two steps share a code once in a million
        assert totp.code(RFC_SECRET, matched) == totp.code(RFC_SECRET, step)


def test_a_code_counts_once_and_none_before_it_does() -> None:
    now, step = 1_000_000, 1_000_000 // 30
    assert totp.match(RFC_SECRET, totp.code(RFC_SECRET, step), now, last_step=step) is None
    assert totp.match(RFC_SECRET, totp.code(RFC_SECRET, step - 1), now, last_step=step) is None
    assert totp.match(RFC_SECRET, totp.code(RFC_SECRET, step + 1), now, last_step=step) == step + 1


@given(st.text(max_size=10))
def test_other_text_is_no_code(shown: str) -> None:
    codes = {totp.code(RFC_SECRET, 1000 + off) for off in (-1, 0, 1)}
    assert (totp.match(RFC_SECRET, shown, 30_000, last_step=0) is not None) == (shown in codes)


def test_secrets_and_recovery_codes() -> None:
    assert len(base64.b32decode(totp.new_secret())) == 20
    assert totp.uri("JBSW", "a b") == "otpauth://totp/ChatCluster:a%20b?secret=JBSW&issuer=ChatCluster"
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == totp.RECOVERY_CODES
    assert totp.recovery_hash(codes[0]) == totp.recovery_hash(codes[0].lower().replace("-", " "))
    assert totp.recovery_hash(codes[0]) != totp.recovery_hash(codes[1])
