"""All informers together, and the image catalogue: what the reconciler asks about the world."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

import structlog
import yaml

from chatcluster_operator import metrics
from chatcluster_operator.api import FIELD_MANAGER, IMAGE_CATALOGUE, LABEL_MANAGED_BY
from chatcluster_operator.decide import Applied, Key, Missing, Snapshot
from chatcluster_operator.desired import Reference
from chatcluster_operator.kube import CHATCLUSTER, CHILD_KINDS, KINDS, Client, Kind, Object
from chatcluster_operator.observe.cache import Cache, Owner
from chatcluster_operator.observe.informer import Informer
from chatcluster_operator.observe.project import child_of, owner_of, pod_of
from chatcluster_operator.observe.references import References, look_up

DEAF_SECONDS: Final = 600.0
"""A watch that has had no answer for so long is not going to have one: the process had better start again."""

Catalogue = Mapping[str, Mapping[str, str]]
"""Image by component, by release."""


class CatalogueError(ValueError):
    """The image catalogue cannot be read."""


class Children:
    """Puts what the informers see into the cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def put(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        found = owner_of(body)
        if found is None:
            return
        owner, key = Owner(*found), Key(kind.name, body["metadata"]["name"])
        if kind.made:
            self._cache.put_child(owner, key, child_of(body, kind.name))
        else:
            self._cache.put_pod(owner, key, pod_of(body))

    def remove(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        found = owner_of(body)
        if found is not None:
            metadata = body["metadata"]
            self._cache.remove(Owner(*found), Key(kind.name, metadata["name"]), uid=metadata["uid"])

    def retain(self, kind: Kind, seen: set[tuple[str, str]]) -> None:
        """As `Sink`."""
        for owner, key in self._cache.keys(kind.name):
            if (owner.namespace, key.name) not in seen:
                self._cache.remove(owner, key)


class CatalogueSink:
    """Keeps the parsed catalogue. `changed` is called when it is another."""

    def __init__(self, namespace: str, changed: Callable[[], None]) -> None:
        self._namespace = namespace
        self._changed = changed
        self._log = structlog.get_logger(__name__)
        self.catalogue: Catalogue = {}

    def put(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        del kind
        try:
            self._set(parse_catalogue(body.get("data") or {}))
        except CatalogueError as error:
            # The last good one stays in force: a slip in an edit must not stop what runs.
            self._log.error("image catalogue unreadable", namespace=self._namespace, error=str(error))

    def remove(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        del kind, body
        self._set({})

    def retain(self, kind: Kind, seen: set[tuple[str, str]]) -> None:
        """As `Sink`."""
        del kind
        if not seen:
            self._set({})

    def _set(self, catalogue: Catalogue) -> None:
        if catalogue != self.catalogue:
            self.catalogue = catalogue
            self._changed()


class Observer:
    """Watches every kind of child in all namespaces, and the catalogue in the operator's own."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        changed: Callable[[Owner], None],
        catalogue_changed: Callable[[], None],
    ) -> None:
        self._client = client
        self.cache = Cache(changed)
        self._catalogue = CatalogueSink(namespace, catalogue_changed)
        self._children = Children(self.cache)
        ours = {"labelSelector": f"{LABEL_MANAGED_BY}={FIELD_MANAGER}"}
        self._informers = {kind.name: Informer(client, kind, self._children, selector=ours) for kind in CHILD_KINDS}
        self._informers["ImageCatalogue"] = Informer(
            client,
            replace(KINDS["ConfigMap"], metadata_only=False),
            self._catalogue,
            namespace=namespace,
            selector={"fieldSelector": f"metadata.name={IMAGE_CATALOGUE}"},
        )
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def catalogue(self) -> Catalogue:
        """The images of every release; empty when there is no catalogue."""
        return self._catalogue.catalogue

    def start(self) -> list[asyncio.Task[None]]:
        """Start watching. The tasks end only by cancellation or a defect."""
        for name, informer in self._informers.items():
            self._tasks.append(asyncio.create_task(informer.run(), name=f"informer {name}"))
            metrics.EVENT_AGE.labels(name).set_function(informer.silence)
        return list(self._tasks)

    @property
    def synced(self) -> bool:
        """Whether every first list is complete. Until then nothing may be concluded from what is absent."""
        return all(informer.synced.is_set() for informer in self._informers.values())

    async def wait_synced(self) -> None:
        """Wait until `synced`."""
        for informer in self._informers.values():
            await informer.synced.wait()

    def snapshot(self, owner: Owner, *, applied: Mapping[Key, Applied], missing: tuple[Missing, ...] = ()) -> Snapshot:
        """All that is known of one ChatCluster's surroundings at this moment."""
        return Snapshot(
            children=self.cache.children(owner), pods=self.cache.pods(owner), applied=dict(applied), missing=missing
        )

    def written(self, body: Object) -> None:
        """Take in an object that a write returned, ahead of the watch."""
        self._children.put(KINDS[body["kind"]], body)

    async def chatcluster(self, owner: Owner) -> Object | None:
        """The ChatCluster as it is now, None when there is none. Raises what `Client` raises."""
        return await self._client.find(CHATCLUSTER, owner.namespace, owner.name)

    async def secret(self, owner: Owner, name: str) -> Object | None:
        """A Secret with its content, None when there is none. Raises what `Client` raises."""
        return await self._client.find(KINDS["Secret"], owner.namespace, name)

    async def references(self, owner: Owner, references: list[Reference]) -> References:
        """Look up what a spec refers to. Raises what `Client` raises."""
        return await look_up(self._client, owner.namespace, references, self.catalogue)

    def deaf(self) -> list[str]:
        """The kinds whose watch has been silent for too long."""
        return [name for name, informer in self._informers.items() if informer.silence() > DEAF_SECONDS]

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def parse_catalogue(data: Mapping[str, str]) -> Catalogue:
    """Read the catalogue's `data`: release → YAML map of component → image. Raises CatalogueError."""
    catalogue: dict[str, dict[str, str]] = {}
    for release, text in data.items():
        try:
            images: Any = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise CatalogueError(f"release {release!r} is not YAML: {error}") from None
        if not isinstance(images, dict):
            raise CatalogueError(f"release {release!r} is not a map from component to image")
        catalogue[release] = {str(name): str(image) for name, image in cast(dict[Any, Any], images).items()}
    return catalogue
