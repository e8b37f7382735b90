"""The generic cell rate algorithm: a rate with bursts, kept as one time stamp a key.

The stamp is the theoretical arrival time (TAT): when the next call would come if all had come evenly. A call is
allowed while the TAT is less than a burst ahead of now. Times are whole microseconds.
"""

import math
from dataclasses import dataclass

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """So many calls for good, and `burst` of them at once after a rest."""

    name: str
    """As the `RateLimit-Policy` header has it."""
    rate_per_second: float
    burst: int

    @property
    def interval(self) -> int:
        """Microseconds between two calls at the sustained rate."""
        return max(1, round(SECOND / self.rate_per_second))

    @property
    def tolerance(self) -> int:
        """How far ahead of now the TAT may be, in microseconds: a whole burst."""
        return self.interval * self.burst


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

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers), `Retry-After` when refused."""
        policy = self.policy
        window = math.ceil(policy.tolerance / SECOND)
        until = self.reset_seconds if self.allowed else self.retry_seconds
        fields = [
            (b"ratelimit-policy", f'"{policy.name}";q={policy.burst};w={window}'.encode()),
            (b"ratelimit", f'"{policy.name}";r={self.remaining if self.allowed else 0};t={until}'.encode()),
        ]
        if not self.allowed:
            fields.append((b"retry-after", str(max(1, until)).encode()))
        return fields


def decide(policy: Policy, tat: int, now: int) -> Decision:
    """One call at `now` of a key whose stamp is `tat` (0 for a new one)."""
    following = max(tat, now) + policy.interval
    if following - now > policy.tolerance:
        return Decision(policy, allowed=False, now=now, tat=tat)
    return Decision(policy, allowed=True, now=now, tat=following)
