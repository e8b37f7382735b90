"""Kopf's decorators and nothing more: kopf watches ChatClusters, and each of its events says "look again".

Only `on.event` is used. Such handlers need no finalizer and no annotation on the object, so that a ChatCluster can be
deleted while no operator runs: what it made goes by its owner references.
"""

from typing import Any

import kopf

from chatcluster_operator.api import GROUP, PLURAL, VERSION
from chatcluster_operator.runtime import Runtime

registry = kopf.OperatorRegistry()


@kopf.on.startup(registry=registry)
async def start(settings: kopf.OperatorSettings, memo: Runtime, **_: Any) -> None:
    """Set kopf up on purpose, and start the rest of the operator."""
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


@kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
async def look_again(event: kopf.RawEvent, memo: Runtime, **_: Any) -> None:
    """A ChatCluster was listed, made, changed or deleted."""
    if event["type"] == "DELETED":
        memo.reconciler.gone(dict(event["object"]))
    else:
        memo.reconciler.see(dict(event["object"]))


def configure(settings: kopf.OperatorSettings) -> None:
    """Every setting whose default would be wrong here, or whose value must not change with kopf's version."""
    # Nothing is stored on objects now. Should a handler ever need to, it is under our name.
    settings.persistence.finalizer = f"{GROUP}/operator"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    # A watch that the server forgot must not leave the operator deaf: both ends give up, the client a little later.
    settings.watching.server_timeout = 270
    settings.watching.client_timeout = 300
    settings.watching.connect_timeout = 10
    settings.watching.reconnect_backoff = 0.5
    settings.watching.chunk_size = 500
    # Above the number of ChatClusters, since each has one while it is listed; idle ones end at once.
    settings.queueing.worker_limit = 10_000
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 1.0
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.execution.default_backoff = 5
    # Events are told by `act`, once. Kopf's copy of each log line would flood them.
    settings.posting.enabled = False
    # Watching CustomResourceDefinitions and namespaces would need rights over all of them.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = 30
