"""Looks up what the rules of a review need, side by side and within a time that the API server waits."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

from chatcluster_operator.admission.review import Shared, World
from chatcluster_operator.api import STORES, ChatCluster
from chatcluster_operator.decide import Key, owned
from chatcluster_operator.desired import ReferenceKind, components, credentials_name, required
from chatcluster_operator.kube import CHATCLUSTER, KINDS, Client, Object
from chatcluster_operator.observe import Observer, child_of, look_up

PARALLEL: Final = 16
"""Calls at one time, for all reviews together."""
_NEIGHBOURS: Final = 500
"""ChatClusters of the namespace that are looked at."""


class Scout:
    """Asks the API server, and the observer for the image catalogue. Methods raise what `kube.Client` raises."""

    def __init__(self, client: Client, observer: Observer) -> None:
        self._client = client
        self._observer = observer
        self._limit = asyncio.Semaphore(PARALLEL)

    async def world(self, cluster: ChatCluster, *, new: bool) -> World:
        """What a review of this ChatCluster needs. Only a `new` one can find its names taken."""
        references = required(cluster)
        if not self._observer.synced:
            # The catalogue is not known yet, and none is not the same as an empty one.
            references = [item for item in references if item.kind is not ReferenceKind.RELEASE]
        found, taken, shared = await asyncio.gather(
            look_up(self._client, cluster.namespace, references, self._observer.catalogue),
            asyncio.gather(*(self._foreign(cluster, key) for key in _names(cluster))) if new else _nothing(),
            self._shared(cluster),
        )
        return World(found.missing, tuple(key for key in taken if key is not None), shared)

    async def _foreign(self, cluster: ChatCluster, key: Key) -> Key | None:
        async with self._limit:
            body = await self._client.find(KINDS[key.kind], cluster.namespace, key.name, metadata_only=True)
        if body is None or owned(child_of(body, key.kind), uid=cluster.uid, name=cluster.name):
            return None
        return key

    async def _shared(self, cluster: ChatCluster) -> tuple[Shared, ...]:
        mine = _secrets(cluster.spec.model_dump(mode="json", by_alias=True, include=set(STORES)))
        if not mine:
            return ()
        async for page in self._client.pages(CHATCLUSTER, cluster.namespace, selector={}, size=_NEIGHBOURS):
            return tuple(
                Shared(f"spec.{store}.external.secretName", secret, other["metadata"]["name"])
                for other in cast(list[Object], page["items"])
                if other["metadata"]["name"] != cluster.name
                for store, secret in _secrets(other.get("spec") or {}).items()
                if mine.get(store) == secret
            )
        return ()


async def _nothing() -> list[Key | None]:
    return []


def _names(cluster: ChatCluster) -> list[Key]:
    """The objects by which one would notice: what runs, how it is reached, and what it is opened with."""
    managed = components(cluster)
    return [
        *(Key(item.kind.value, item.workload) for item in managed),
        *(Key("Service", item.workload) for item in managed),
        Key("Secret", credentials_name(cluster)),
    ]


def _secrets(spec: Mapping[str, Any]) -> dict[str, str]:
    """The Secret of each external store."""
    found: dict[str, str] = {}
    for store in STORES:
        chosen: Object = spec.get(store) or {}
        external: Object = chosen.get("external") or {}
        if secret := external.get("secretName"):
            found[store] = str(secret)
    return found
