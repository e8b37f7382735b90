"""Liveness, readiness and draining: what Kubernetes asks, and what a process does when told to go."""

import asyncio
from collections.abc import Awaitable, Callable

from chatcluster_common import logs, metrics

log = logs.get_logger(__name__)

Check = Callable[[], Awaitable[object]]
"""Returns when the dependency answers, raises when it does not."""

DrainHook = Callable[[float], Awaitable[None]]
"""Called once when draining starts, with the seconds it may take."""

_CHECK_TIMEOUT_SECONDS = 2.0


class Health:
    """One process's state: its dependency checks, its drain hooks, and whether it is draining."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.draining = False
        self._checks: dict[str, Check] = {}
        self._live_checks: dict[str, Callable[[], str]] = {}
        self._hooks: list[DrainHook] = []

    def add_check(self, name: str, check: Check) -> None:
        """Readiness also needs `check` to pass. Only for what the service cannot answer anything without."""
        self._checks[name] = check

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
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):
                await check()
        except TimeoutError:
            why = f"no answer within {_CHECK_TIMEOUT_SECONDS:g} s"
        except Exception as error:
            why = type(error).__name__
        metrics.READY.labels(self.service, name).set(0 if why else 1)
        return name, why
