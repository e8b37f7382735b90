"""The limiter of one process."""

from chatcluster_gateway.gcra import Policy
from chatcluster_gateway.limiter import LocalLimiter


def test_it_forgets_the_key_longest_unused() -> None:
    now = 1_000_000_000
    limiter, policy = LocalLimiter(capacity=2, now=lambda: now), Policy("user", 1, 1)
    assert limiter.take(policy, "a").allowed
    assert limiter.take(policy, "b").allowed
    assert not limiter.take(policy, "a").allowed
    assert limiter.take(policy, "c").allowed  # b goes
    assert not limiter.take(policy, "a").allowed
    assert limiter.take(policy, "b").allowed
