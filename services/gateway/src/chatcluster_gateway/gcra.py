"""The generic cell rate algorithm: a rate with bursts, kept as one time stamp a key.

The stamp is the theoretical arrival time (TAT): when the next call would come if all had come evenly. A call is
allowed while the TAT is less than a burst ahead of now. Times are whole microseconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """So many calls for good, and `burst` of them at once after a rest."""

    name: str
    rate_per_second: float
    burst: int

    interval: int = field(init=False)
    """Microseconds between two calls at the sustained rate."""
    tolerance: int = field(init=False)
    """How far ahead of now the TAT may be, in microseconds: a whole burst."""
    described: str = field(init=False)
    """As the `RateLimit-Policy` header has it."""

    def __post_init__(self) -> None:
        interval = max(1, round(SECOND / self.rate_per_second))
        tolerance = interval * self.burst
        object.__setattr__(self, "interval", interval)
        object.__setattr__(self, "tolerance", tolerance)
        window = math.ceil(tolerance / SECOND)
        object.__setattr__(self, "described", f'"{self.name}";q={self.burst};w={window}')


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one call. `tat` is the stamp after it; a refused call does not move it."""

    policy: Policy
    allowed: bool
    now: int
    tat: int

    @property
    def remaining(self) -> int:
        """Calls allowed at this moment, after this one."""
        ahead = max(0, self.tat - self.now)
        return max(0, (self.policy.tolerance - ahead) // self.policy.interval)

    @property
    def reset_seconds(self) -> int:
        """Until a whole burst is allowed again."""
        return math.ceil(max(0, self.tat - self.now) / SECOND)

    @property
    def retry_seconds(self) -> int:
        """Until one call is allowed; 0 if one is now, else at least 1."""
        wait = self.tat + self.policy.interval - self.policy.tolerance - self.now
        return max(0, math.ceil(wait / SECOND))


def headers(decisions: Sequence[Decision]) -> list[tuple[bytes, bytes]]:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers), `Retry-After` when one refused."""
    policies, states, retry = [], [], 0
    for decision in decisions:
        policy = decision.policy
        if decision.allowed:
            remaining, until = decision.remaining, decision.reset_seconds
        else:
            remaining, until = 0, decision.retry_seconds
            retry = max(retry, until, 1)
        policies.append(policy.described)
        states.append(f'"{policy.name}";r={remaining};t={until}')
    fields = [
        (b"ratelimit-policy", ", ".join(policies).encode()),
        (b"ratelimit", ", ".join(states).encode()),
    ]
    if retry:
        fields.append((b"retry-after", str(retry).encode()))
    return fields


def decide(policy: Policy, tat: int, now: int) -> Decision:
    """One call at `now` of a key whose stamp is `tat` (0 for a new one)."""
    following = max(tat, now) + policy.interval
    if following - now > policy.tolerance:
        return Decision(policy, allowed=False, now=now, tat=tat)
    return Decision(policy, allowed=True, now=now, tat=following)
