"""Runs a service: uvicorn with the settings chat needs, and SIGTERM that drains before it stops."""

import asyncio
import gc
import signal
import socket
import sys
from types import FrameType
from typing import Any, TypeVar

import uvicorn
from pydantic import ValidationError
from starlette.types import ASGIApp

from chatcluster_common import logs
from chatcluster_common.health import Health
from chatcluster_common.realtime.websocket import WebSocket
from chatcluster_common.settings import ServiceSettings, Settings

log = logs.get_logger(__name__)

S = TypeVar("S", bound=Settings)

EXIT_CONFIGURATION = 78
"""sysexits.h EX_CONFIG: the settings are missing or malformed; restarting alone does not help."""

_STOP_SECONDS = 5


class DrainingServer(uvicorn.Server):
    """On the first SIGTERM or SIGINT drains, then stops with exit code 0; on the second stops at once.

    One that is still starting has nothing to drain and stops at once, whatever it waits for.
    """

    def __init__(self, config: uvicorn.Config, health: Health, settings: ServiceSettings) -> None:
        super().__init__(config)
        self._health = health
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[Any] | None = None
        self.given_up = False
        """Told to stop before it had started."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        self._loop = asyncio.get_running_loop()
        self._serving = asyncio.current_task()
        try:
            await super().serve(sockets)
        except asyncio.CancelledError:
            if not self.given_up:
                raise

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by uvicorn from the signal handler."""
        if self._loop is None or self._health.draining:
            self.should_exit = True
            return
        log.info("told to stop", signal=signal.Signals(sig).name)
        self._loop.call_soon_threadsafe(self._start_drain if self.started else self._give_up)

    def _give_up(self) -> None:
        self.given_up = True
        if self._serving:
            self._serving.cancel()

    def _start_drain(self) -> None:
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            await self._health.drain(self._settings.drain_notice_seconds, self._settings.drain_seconds - _STOP_SECONDS)
        finally:
            self.should_exit = True


def load_settings(cls: type[S], service: str) -> S:
    """Read the settings, or exit with `EXIT_CONFIGURATION` after one line that names each wrong variable."""
    # The first process of a container ignores what it does not handle: until the server does, leave at once.
    signal.signal(signal.SIGTERM, _leave)
    try:
        settings = cls.model_validate({})
    except ValidationError as error:
        logs.configure(service, "INFO")
        wrong = {f"CHAT_{'.'.join(str(p) for p in e['loc'])}".upper(): e["msg"] for e in error.errors()}
        log.error(
            "settings are missing or malformed: set each variable, or its file in the secrets folder", wrong=wrong
        )
        sys.exit(EXIT_CONFIGURATION)
    logs.configure(service, settings.log_level)
    return settings


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def run(app: ASGIApp, settings: ServiceSettings, health: Health) -> None:
    """Serve `app` until a signal; returns after draining."""
    # A chat server holds many long-lived objects: the default thresholds spend CPU looking through all of them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws=WebSocket,
        ws_max_size=1 << 17,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # whom to believe about the caller's address is the gateway's decision
        lifespan="on",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    server = DrainingServer(config, health, settings)
    server.run()
    if not server.started and not server.given_up:
        sys.exit(3)  # uvicorn's own code for a failed start; the reason is in the log
