"""Orders given to stores: each within its time, one after the other in a store, and rarely where a store refuses."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.act.actor import Leadership, StandbyError
from chatcluster_operator.act.stores.command import COMMAND_ERRORS, COMMAND_SECONDS, Command, CommandError
from chatcluster_operator.decide.members import Order, Reach

FIRST_PAUSE: Final = 2.0
LAST_PAUSE: Final = 60.0
"""Seconds before an order is given again that failed: the first time, and at most."""
TAKEN_SECONDS: Final = 15.0
"""Seconds before an order is given again that was taken, and that is still decided on: the store is at it."""


class Commander:
    """Gives orders to the stores of one ChatCluster."""

    def __init__(
        self, commands: Mapping[str, Command], leadership: Leadership, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._commands = commands
        self._leadership = leadership
        self._clock = clock
        self._failed: dict[str, tuple[Order, int, float, str]] = {}
        self._taken: dict[tuple[str, Order], float] = {}
        self._log = structlog.get_logger(__name__)

    async def give(self, orders: Mapping[str, tuple[Order, ...]], reaches: Mapping[str, Reach]) -> dict[str, str]:
        """Give the orders of each store, stores side by side. Returns what failed and why, by store.

        An order that failed is given again once its pause is over; until then it counts as failed as before. Raises
        StandbyError.
        """
        for store in self._failed.keys() - orders.keys():
            del self._failed[store]
        self._taken = {key: until for key, until in self._taken.items() if self._clock() < until}
        results = await asyncio.gather(*(self._give(store, items, reaches) for store, items in orders.items()))
        return {store: message for store, message in zip(orders, results, strict=True) if message}

    async def _give(self, store: str, orders: tuple[Order, ...], reaches: Mapping[str, Reach]) -> str:
        command, reach = self._commands.get(store), reaches.get(store)
        if command is None or reach is None:
            return ""
        for order in orders:
            known, attempts, again, message = self._failed.get(store, (None, 0, 0.0, ""))
            if known == order and self._clock() < again:
                return message
            if (store, order) in self._taken:
                continue
            if not self._leadership.leading:
                raise StandbyError
            message = await self._one(command, order, reach)
            metrics.STORE_ORDERS.labels(store, type(order).__name__.lower(), "failed" if message else "ok").inc()
            if message:
                attempts = attempts + 1 if known == order else 1
                pause = min(FIRST_PAUSE * 2 ** (attempts - 1), LAST_PAUSE)
                pause *= random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
                self._failed[store] = (order, attempts, self._clock() + pause, message)
                return message
            self._failed.pop(store, None)
            self._taken[store, order] = self._clock() + TAKEN_SECONDS
        return ""

    async def _one(self, command: Command, order: Order, reach: Reach) -> str:
        kind = type(order).__name__
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                await command(order, reach)
        except CommandError as error:
            message = f"{kind} refused: {error}"
        except COMMAND_ERRORS as error:
            message = f"{kind}: the store did not answer ({type(error).__name__})"
        except Exception:
            # A defect met in one store must not hold up the rest of the ChatCluster.
            self._log.exception("an order failed on a defect", store=order.store, order=kind)
            message = f"{kind} failed by a defect of the operator: see the operator's log"
        else:
            message = ""
        self._log.info("order", store=order.store, order=kind, why=order.why, failed=message)
        return message
