"""How guessing is slowed down without locking anybody out.

Each login counts, before the password is looked at, for the pair of account and network, for the account from
everywhere, and for the network over all accounts. Over what is free, each failure makes the next attempt wait longer.
A device that the person has signed in on before (it sends its device token) counts for itself alone: whatever strangers
do to an account, its owner gets in from there. On a new device, while strangers are at the account, the way in is a
link by mail: setting a new password makes the device known. Nothing here says whether there is such an account.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

_LONGEST_EXPONENT = 30


@dataclass(frozen=True, slots=True)
class Policy:
    """How many failures are free, and how long one then waits: `first`, and twice as long each time, up to `longest`.
    After `forget` without a failure all is as if there had been none."""

    free: int
    first: timedelta
    longest: timedelta
    forget: timedelta


PAIR = Policy(free=5, first=timedelta(seconds=2), longest=timedelta(minutes=15), forget=timedelta(hours=24))
ACCOUNT = Policy(free=30, first=timedelta(seconds=5), longest=timedelta(minutes=5), forget=timedelta(hours=24))
NETWORK = Policy(free=100, first=timedelta(seconds=1), longest=timedelta(minutes=15), forget=timedelta(hours=1))
LONGEST_MEMORY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that attempts count for."""

    key: bytes
    policy: Policy


def wait(policy: Policy, failures: int, last_at: datetime, now: datetime) -> timedelta:
    """How long until the next attempt may be made; zero or less: at once."""
    over = failures - policy.free
    if over < 0 or now - last_at >= policy.forget:
        return timedelta(0)
    return last_at + min(policy.first * 2 ** min(over, _LONGEST_EXPONENT), policy.longest) - now


def login_limits(account: str, network: str, device_id: str | None) -> list[Limit]:
    """What a login counts for. `account` is the id or, where there is none, what was typed."""
    if device_id is not None:
        return [Limit(_key("device", account, device_id), PAIR)]
    return [
        Limit(_key("pair", account, network), PAIR),
        Limit(_key("account", account), ACCOUNT),
        Limit(_key("network", network), NETWORK),
    ]


def confirmation_limits(user_id: str) -> list[Limit]:
    """What a signed-in person's password counts for when they confirm something by it."""
    return [Limit(_key("confirmation", user_id), PAIR)]


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\n".join(parts).encode()).digest()
