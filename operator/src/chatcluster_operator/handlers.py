"""Kopf's decorators and nothing more: kopf runs the process, starts and stops what is in it, and keeps its connection.

ChatClusters are watched by `observe`, as what belongs to them is. Kopf ends the whole operator when a watch is told an
error other than `410 Gone`, or when the API server is out of order for a minute; and its watch has no canary. Nothing
is written on a ChatCluster apart from its status, so it can be deleted while no operator runs.
"""

from typing import Any

import kopf

from chatcluster_operator.api import GROUP
from chatcluster_operator.runtime import Runtime

registry = kopf.OperatorRegistry()


@kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
async def start(settings: kopf.OperatorSettings, memo: Runtime, **_: Any) -> None:
    """Set kopf up on purpose, and start the rest of the operator.

    An error here ends the process, for the kubelet to start it anew. A second try in the same process would meet what
    the first has left, such as a port that it holds itself, and hide the reason behind that.
    """
    configure(settings)
    await memo.start()


@kopf.on.cleanup(registry=registry)
async def stop(memo: Runtime, **_: Any) -> None:
    """Stop the rest, and hand the lease over."""
    await memo.stop()


@kopf.on.login(registry=registry)
async def login(memo: Runtime, **_: Any) -> kopf.ConnectionInfo:
    """Connect as the rest of the operator does; asked again whenever the server no longer takes the token."""
    return await memo.connection()


def configure(settings: kopf.OperatorSettings) -> None:
    """Every setting whose default would be wrong here, or whose value must not change with kopf's version."""
    # Nothing is stored on objects now. Should a handler ever need to, it is under our name.
    settings.persistence.finalizer = f"{GROUP}/operator"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.execution.default_backoff = 5
    # Events are told by `act`, once. Kopf's copy of each log line would flood them.
    settings.posting.enabled = False
    # Watching CustomResourceDefinitions and namespaces would need rights over all of them.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = 30
