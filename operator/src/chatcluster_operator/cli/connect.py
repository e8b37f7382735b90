"""`kubectl chat connect`: a way from this machine to the edge, through the API server."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final

from chatcluster_operator.api import EDGE
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.session import Session
from chatcluster_operator.kube import KINDS

TRIES: Final = 5
"""How often in a row it may fail to come about. A pod that ends takes the way with it; the next try finds another."""
PAUSE: Final = 2.0


async def run(session: Session, name: str | None, port: int) -> None:
    """Print the address on standard output, and stay until Ctrl-C. Raises CliError when there is no way."""
    cluster = await session.chatcluster(name)
    namespace, service = cluster["metadata"]["namespace"], f"{cluster['metadata']['name']}-{EDGE}"
    found = await session.client.find(KINDS["Service"], namespace, service)
    if found is None:
        raise CliError(
            f"There is no Service {service}: the edge is not made yet.",
            "See why with: kubectl chat status",
            ExitCode.ABSENT,
        )
    remote = int(found["spec"]["ports"][0]["port"])
    failed, told, wanted = 0, 0, port
    while failed < TRIES:
        process = await session.start_kubectl(
            "port-forward", "--namespace", namespace, f"service/{service}", f"{wanted or ''}:{remote}"
        )
        if process.stdout is None or process.stderr is None:
            raise AssertionError("kubectl's output was not piped")
        errors = asyncio.create_task(process.stderr.read())
        try:
            async for listening in _listening(process.stdout):
                failed, wanted = 0, listening
                if listening != told:
                    session.screen.write(f"http://127.0.0.1:{listening}")
                    session.screen.say(f"Connected to {service}; Ctrl-C ends it.")
                    told = listening
            await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
        failed += 1
        session.screen.say(f"The connection ended: {' '.join((await errors).decode().split())[:500]}")
        await asyncio.sleep(PAUSE)
    raise CliError(
        f"No connection to {service} came about in {TRIES} tries.",
        "See whether the edge is ready with: kubectl chat status",
    )


async def _listening(output: asyncio.StreamReader) -> AsyncIterator[int]:
    """The ports that kubectl says it listens on, until it ends."""
    async for line in output:
        found = re.search(rb"Forwarding from 127\.0\.0\.1:(\d+)", line)
        if found:
            yield int(found[1])
