"""Liveness, readiness and draining: what Kubernetes asks, and what a process does when told to go."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from chatcluster_common import logs, metrics

log = logs.get_logger(__name__)

Check = Callable[[], Awaitable[object]]
"""Returns when the dependency answers, raises when it does not."""

DrainHook = Callable[[float], Awaitable[None]]
"""Called once when draining starts, with the seconds it may take."""

_CHECK_TIMEOUT_SECONDS = 2.0
_GRACE_CHECK_SECONDS = 0.6
"""For a store that may be away: the edge takes a pod that does not answer within a second for dead."""


class Health:
    """One process's state: its dependency checks, its drain hooks, and whether it is draining."""

    def __init__(
        self, service: str, *, store_grace_seconds: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.service = service
        self.draining = False
        self._grace = store_grace_seconds
        self._now = now
        self._checks: dict[str, Check] = {}
        self._last_seen: dict[str, float] = {}
        self._live_checks: dict[str, Callable[[], str]] = {}
        self._hooks: list[DrainHook] = []

    def add_check(self, name: str, check: Check) -> None:
        """Readiness also needs `check` to pass. Only for what the service cannot answer anything without."""
        self._checks[name] = check

    def add_store(self, name: str, check: Check) -> None:
        """As `add_check`, for what all replicas share: once it has answered, it may be away for the grace time.

        A failover takes some seconds, in which no replica can do better than another. Taken out of their Service all
        at once they would refuse what needs no store, and be missing for a while after it is back.
        """
        self._last_seen[name] = float("-inf")
        self.add_check(name, check)

    def add_live_check(self, name: str, why_not: Callable[[], str]) -> None:
        """Liveness also needs `why_not` to return "". Only for what a restart mends, such as a loop that hangs."""
        self._live_checks[name] = why_not

    def not_live(self) -> dict[str, str]:
        """What a restart of the process would mend, by name; empty when it is well."""
        return {name: why for name, why_not in self._live_checks.items() if (why := why_not())}

    def on_drain(self, hook: DrainHook) -> None:
        """Run `hook` when the process drains, before the server stops."""
        self._hooks.append(hook)

    async def not_ready(self) -> dict[str, str]:
        """What keeps the process from being ready, by name; empty when it is ready."""
        if self.draining:
            return {"draining": "the process is going away"}
        results = await asyncio.gather(*(self._run(name, check) for name, check in self._checks.items()))
        return {name: why for name, why in results if why}

    async def drain(self, notice_seconds: float, budget_seconds: float) -> None:
        """Turn unready, wait until that is noticed, then run the hooks within what is left of the budget."""
        self.draining = True
        metrics.DRAINING.labels(self.service).set(1)
        log.info("draining", notice_seconds=notice_seconds, budget_seconds=budget_seconds)
        await asyncio.sleep(notice_seconds)
        left = max(budget_seconds - notice_seconds, 1.0)
        try:
            async with asyncio.timeout(left):
                await asyncio.gather(*(hook(left) for hook in self._hooks))
        except TimeoutError:
            log.warning("draining took too long; what is left is cut", budget_seconds=budget_seconds)
        except Exception:
            log.exception("a drain hook failed")

    async def _run(self, name: str, check: Check) -> tuple[str, str]:
        why = ""
        spared = self._now() - self._last_seen.get(name, float("-inf")) < self._grace
        seconds = _GRACE_CHECK_SECONDS if spared else _CHECK_TIMEOUT_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await check()
        except TimeoutError:
            why = f"no answer within {seconds:g} s"
        except Exception as error:
            why = type(error).__name__
        metrics.READY.labels(self.service, name).set(0 if why else 1)
        if not why and name in self._last_seen:
            self._last_seen[name] = self._now()
        return name, "" if spared else why
