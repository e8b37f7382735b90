"""What tells a store to do something: `async (Order, Reach) -> None`.

A command gets the orders that the store's decider gives, and those that all stores share (`Switchover`,
`Failover`). It returns once the store has taken the order, not once it is done: that is for the probe to see. Cancelled
after `COMMAND_SECONDS`. It raises `CommandError`, with a message for people (what the store said, and what to do about
it), when the store refuses; of `COMMAND_ERRORS` counts as "did not answer". Both become a condition, and the order is
given again with a growing delay for as long as it is decided on. No password gets into a message.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp

from chatcluster_operator.decide.members import Order, Reach


class CommandError(Exception):
    """The store refuses. The message is for people."""


Command = Callable[[Order, Reach], Awaitable[None]]

COMMAND_SECONDS: Final = 15.0
"""Seconds that a store may take to accept an order."""
COMMAND_ERRORS: Final = (aiohttp.ClientError, TimeoutError, OSError)
"""What a command may raise when the store does not answer."""
