"""The program `chatcluster-operator`."""

import asyncio
import gc
import sys
from typing import Final

import kopf
from kubernetes.aio.config import ConfigException

from chatcluster_operator import logs
from chatcluster_operator.handlers import registry
from chatcluster_operator.kube import Client
from chatcluster_operator.runtime import Runtime
from chatcluster_operator.settings import Settings, SettingsError

GARBAGE_THRESHOLDS: Final = (100_000, 20, 50)
"""Python's collector goes by the count of new containers, and an API object read from JSON is hundreds of them, none in
a cycle. With its own thresholds (700, 10, 10) it takes four fifths of the time of a first list: it goes through all
that is kept, again and again, to find nothing."""


def main() -> None:
    """Run until SIGTERM or SIGINT. Exits with 1 when a part has failed, with 2 when it cannot start as set up."""
    try:
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        sys.exit(asyncio.run(run(settings)))
    except SettingsError as error:
        sys.exit(_cannot_start(str(error)))
    except ConfigException as error:
        sys.exit(_cannot_start(f"{error}; run in a cluster, or set KUBECONFIG"))


async def run(settings: Settings) -> int:
    """Run the operator in this event loop, and return its exit code."""
    client = await Client.connect()
    try:
        runtime = Runtime(client, settings)
        await kopf.operator(
            registry=registry,
            settings=kopf.OperatorSettings(),
            memo=runtime,
            clusterwide=True,
            standalone=True,
            stop_flag=runtime.failed,
        )
    finally:
        await client.close()
    return 1 if runtime.failed.is_set() else 0


def _cannot_start(message: str) -> int:
    sys.stderr.write(f"chatcluster-operator: {message}\n")
    return 2


if __name__ == "__main__":
    main()
