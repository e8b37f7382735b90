"""`/livez`, `/readyz` and `/metrics`, served by the loop that does the work: when it hangs, so do they."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chatcluster_operator import metrics

Check = Callable[[], list[str]]
"""What is wrong, one line each; nothing when all is well."""


class HealthServer:
    """The HTTP server; `port` is the one it listens on, also when 0 was asked for."""

    def __init__(self, *, host: str, port: int, live: Check, ready: Check) -> None:
        self._host = host
        self.port = port
        application = web.Application()
        application.add_routes(
            [
                web.get("/livez", _checked(live)),
                web.get("/readyz", _checked(ready)),
                web.get("/metrics", _metrics),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _checked(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        problems = check()
        return web.Response(text="\n".join(problems or ["ok"]) + "\n", status=503 if problems else 200)

    return answer
