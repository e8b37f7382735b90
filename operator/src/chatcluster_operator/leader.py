"""Who of several operators acts: an election by Lease.

Our own and not the client's `leaderelection`, which ends for good on a broken connection, trusts wall clocks, and
keeps the lease on a clean exit. Here the holder counts from when it *began* its last renewal, by its own monotonic
clock, and stops leading `RENEW_DEADLINE` later; others count from when they *saw* the last renewal and wait
`LEASE_DURATION`. So at no time do two lead, whatever their clocks say, as long as clocks run equally fast.
"""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from chatcluster_operator import metrics
from chatcluster_operator.kube import ApiError, Client, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.kube.kinds import LEASE

LEASE_DURATION: Final = 15
RENEW_DEADLINE: Final = 10
RETRY_PERIOD: Final = 2
LEASE_NAME: Final = "chatcluster-operator"


class Elector:
    """Takes part in the election until cancelled. `changed` is called when this replica comes to lead or ceases to."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        identity: str,
        changed: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._changed = changed
        self._clock = clock
        self._log = structlog.get_logger(__name__).bind(identity=identity)
        self._leads_until = 0.0
        self._was_leading = False
        self._seen: tuple[Any, ...] = ()
        self._seen_at = 0.0

    @property
    def leading(self) -> bool:
        """Whether this replica may act now."""
        return self._clock() < self._leads_until

    async def run(self) -> None:
        """Stand for election, renew, and begin again when the lease is lost."""
        while True:
            await self.step()
            await asyncio.sleep(RETRY_PERIOD * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
            self._tell()

    async def step(self) -> None:
        """Try once to take or renew the lease."""
        began = self._clock()
        try:
            self._leads_until = began + RENEW_DEADLINE if await self._try() else 0.0
        except (ApiError, *CONNECTION_ERRORS) as error:
            # Leadership is not given up at once: it lasts until the deadline, and another try may come in time.
            self._log.warning("lease not renewed", error=str(error))
        self._tell()

    async def release(self) -> None:
        """Give the lease up on a clean exit, so that another need not wait for it to run out."""
        if not self.leading:
            return
        self._leads_until = 0.0
        self._tell()
        try:
            lease = await self._client.get(LEASE, self._namespace, LEASE_NAME)
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                await self._client.replace(LEASE, lease)
        except (ApiError, *CONNECTION_ERRORS) as error:
            self._log.warning("lease not released", error=str(error))

    async def _try(self) -> bool:
        lease = await self._client.find(LEASE, self._namespace, LEASE_NAME)
        if lease is None:
            fresh: Object = {
                "apiVersion": LEASE.api_version,
                "kind": LEASE.name,
                "metadata": {"name": LEASE_NAME, "namespace": self._namespace},
                "spec": self._spec(transitions=0),
            }
            return await self._write(self._client.create(LEASE, fresh, manager=LEASE_NAME))
        spec: Object = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        seen = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        if holder == self._identity:
            lease["spec"] = {**spec, "renewTime": _now(), "leaseDurationSeconds": LEASE_DURATION}
        elif not holder or self._clock() > self._seen_at + float(spec.get("leaseDurationSeconds", LEASE_DURATION)):
            lease["spec"] = self._spec(transitions=int(spec.get("leaseTransitions", 0)) + 1)
        else:
            return False
        return await self._write(self._client.replace(LEASE, lease))

    async def _write(self, call: Any) -> bool:
        try:
            await call
        except ApiError as error:
            if error.status == 409:  # another was quicker
                return False
            raise
        return True

    def _spec(self, *, transitions: int) -> Object:
        now = _now()
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE_DURATION,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    def _tell(self) -> None:
        leading = self.leading
        if leading != self._was_leading:
            self._was_leading = leading
            metrics.LEADER.set(leading)
            self._log.info("leading" if leading else "not leading")
            self._changed(leading)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
