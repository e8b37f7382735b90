"""All informers together, and the image catalogue: what the reconciler asks about the world."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

import structlog
import yaml

from chatcluster_operator import metrics
from chatcluster_operator.api import FIELD_MANAGER, IMAGE_CATALOGUE, LABEL_MANAGED_BY
from chatcluster_operator.decide import Applied, Key, Missing, Snapshot, volumes
from chatcluster_operator.decide.members import Claim, Node
from chatcluster_operator.desired import Reference
from chatcluster_operator.kube import CHATCLUSTER, CHILD_KINDS, KINDS, Client, Kind, Object
from chatcluster_operator.kube.kinds import CHATBACKUP, NODE
from chatcluster_operator.observe.backups import Backups
from chatcluster_operator.observe.cache import Cache, Owner
from chatcluster_operator.observe.canary import Canary
from chatcluster_operator.observe.claims import look_up_claim
from chatcluster_operator.observe.informer import Informer, Listing, Sink
from chatcluster_operator.observe.nodes import Nodes
from chatcluster_operator.observe.optional import OptionalKinds
from chatcluster_operator.observe.project import child_of, owner_of, pod_of
from chatcluster_operator.observe.references import References, look_up
from chatcluster_operator.observe.volumes import claims_of, expandable_of

DEAF_SECONDS: Final = 300.0
"""A watch that stayed deaf for so long, listed anew time and again, is not going to be mended by that."""
ANSWERS_SECONDS: Final = 30.0
"""The API server counts as answering for so long after an answer; the election alone asks every two seconds."""

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

    def retain(self, kind: Kind, listing: Listing) -> None:
        """As `Sink`."""
        for owner, key, version in self._cache.versions(kind.name):
            if listing.lacks(owner.namespace, key.name, version):
                self._cache.remove(owner, key)

    def forget(self, kind: Kind) -> None:
        """The kind is no longer served: nothing of it is there."""
        for owner, key, _ in self._cache.versions(kind.name):
            self._cache.remove(owner, key)


class ChatClusters:
    """Tells which ChatClusters there are: `seen` gets each as it is, `gone` what is known of one that is no more."""

    def __init__(self, seen: Callable[[Object], None], gone: Callable[[Object], None]) -> None:
        self._seen = seen
        self._gone = gone
        self._known: dict[Owner, Object] = {}

    def put(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        del kind
        metadata = body["metadata"]
        # Who wrote which field is of no use here, and often longer than all the rest.
        metadata.pop("managedFields", None)
        self._known[Owner(metadata["namespace"], metadata["name"])] = {"metadata": metadata}
        self._seen(body)

    def remove(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        del kind
        self._known.pop(Owner(body["metadata"]["namespace"], body["metadata"]["name"]), None)
        self._gone(body)

    def retain(self, kind: Kind, listing: Listing) -> None:
        """As `Sink`."""
        for owner, body in list(self._known.items()):
            if listing.lacks(owner.namespace, owner.name, int(body["metadata"]["resourceVersion"])):
                self.remove(kind, body)


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

    def retain(self, kind: Kind, listing: Listing) -> None:
        """As `Sink`."""
        del kind
        if not listing.seen:
            self._set({})

    def _set(self, catalogue: Catalogue) -> None:
        if catalogue != self.catalogue:
            self.catalogue = catalogue
            self._changed()


class Observer:
    """Watches ChatClusters and what belongs to them, in all namespaces or in some, and the catalogue in its own."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        watched: Sequence[str] = (),
        seen: Callable[[Object], None],
        gone: Callable[[Object], None],
        changed: Callable[[Owner], None],
        catalogue_changed: Callable[[], None],
        apis_changed: Callable[[], None],
    ) -> None:
        """`namespace` is the operator's own, `watched` those with ChatClusters (none: all).

        `seen` and `gone` are told of ChatClusters, `changed` of what belongs to one, `catalogue_changed` of the images,
        `apis_changed` of another set of optional kinds.
        """
        self._client = client
        self._changed = changed
        self.cache = Cache(changed)
        self._catalogue = CatalogueSink(namespace, catalogue_changed)
        self._children = Children(self.cache)
        self.backups = Backups(changed)
        at_home = not watched or namespace in watched
        self._canary = Canary(
            client, self._children, namespace=namespace if at_home else watched[0], unseen=self._canary_unseen
        )
        clusters = ChatClusters(seen, gone)
        ours = {"labelSelector": f"{LABEL_MANAGED_BY}={FIELD_MANAGER}"}
        self._informers: dict[str, list[Informer]] = {}
        for where in watched or (None,):
            self._add(CHATCLUSTER.name, CHATCLUSTER, clusters, {}, where)
            self._add(CHATBACKUP.name, CHATBACKUP, self.backups, {}, where)
            for kind in CHILD_KINDS:
                if kind.optional:
                    continue
                self._add(kind.name, kind, self._canary if kind.name == "ConfigMap" else self._children, ours, where)
        catalogue = replace(KINDS["ConfigMap"], metadata_only=False)
        by_name = {"fieldSelector": f"metadata.name={IMAGE_CATALOGUE}"}
        self._add("ImageCatalogue", catalogue, self._catalogue, by_name, namespace)
        self._nodes: Nodes | None = None
        if not watched:
            self._nodes = Nodes(self._node_changed)
            self._add(NODE.name, NODE, self._nodes, {}, None)
        self._optional = OptionalKinds(
            client,
            [kind for kind in CHILD_KINDS if kind.optional],
            informers=lambda kind: [
                Informer(client, kind, self._children, selector=ours, namespace=where) for where in watched or (None,)
            ],
            forget=self._children.forget,
            changed=apis_changed,
        )
        self._tasks: list[asyncio.Task[None]] = []

    def _add(self, name: str, kind: Kind, sink: Sink, selector: Mapping[str, str], namespace: str | None) -> None:
        informer = Informer(self._client, kind, sink, selector=selector, namespace=namespace)
        self._informers.setdefault(name, []).append(informer)

    def _node_changed(self, name: str) -> None:
        for owner in self.cache.owners_on(name):
            self._changed(owner)

    def _canary_unseen(self) -> None:
        for informer in self._informers["ConfigMap"]:
            informer.relist()

    @property
    def catalogue(self) -> Catalogue:
        """The images of every release; empty when there is no catalogue."""
        return self._catalogue.catalogue

    @property
    def apis(self) -> frozenset[str]:
        """Names of the optional kinds that the API server serves."""
        return self._optional.served

    @property
    def nodes(self) -> Mapping[str, Node] | None:
        """All nodes; None where the operator looks after some namespaces alone, and has no rights over nodes."""
        return None if self._nodes is None else self._nodes.known

    @property
    def steady(self) -> float:
        """Seconds for which the API server has answered without a gap."""
        return self._client.steady()

    async def claim(self, owner: Owner, name: str) -> Claim | None:
        """The claim of a volume; None when there is none. Raises what `Client` raises."""
        return await look_up_claim(self._client, owner.namespace, name)

    async def claims(self, owner: Owner) -> tuple[volumes.Claim, ...]:
        """The claims of all volumes of a ChatCluster's stores. Raises what `Client` raises."""
        return await claims_of(self._client, owner.namespace, owner.name)

    async def expandable(self, classes: Iterable[str]) -> dict[str, bool]:
        """Whether volumes of these storage classes can grow, as far as it may be seen. Raises what `Client` raises."""
        return await expandable_of(self._client, classes)

    def start(self) -> list[asyncio.Task[None]]:
        """Start watching. The tasks end only by cancellation or a defect."""
        self._tasks.append(asyncio.create_task(self._optional.run(), name="optional kinds"))
        for name, informers in self._informers.items():
            self._tasks += [asyncio.create_task(informer.run(), name=f"informer {name}") for informer in informers]
            metrics.EVENT_AGE.labels(name).set_function(partial(_silence, informers))
        self._tasks.append(asyncio.create_task(self._canary.run(), name="canary"))
        return list(self._tasks)

    @property
    def synced(self) -> bool:
        """Whether every first list is complete. Until then nothing may be concluded from what is absent."""
        required = (informer for informers in self._informers.values() for informer in informers)
        return self._optional.synced and all(informer.synced.is_set() for informer in required)

    async def wait_synced(self) -> None:
        """Wait until `synced`."""
        for informers in self._informers.values():
            for informer in informers:
                await informer.synced.wait()
        await self._optional.wait_synced()

    def snapshot(self, owner: Owner, *, applied: Mapping[Key, Applied], missing: tuple[Missing, ...] = ()) -> Snapshot:
        """All that is known of one ChatCluster's surroundings at this moment."""
        return Snapshot(
            children=self.cache.children(owner), pods=self.cache.pods(owner), applied=dict(applied), missing=missing
        )

    def written(self, body: Object) -> None:
        """Take in an object that a write returned, ahead of the watch."""
        if body["kind"] == CHATBACKUP.name:
            self.backups.put(CHATBACKUP, body)
        else:
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
        """The kinds whose watch could not be mended, although the API server answers."""
        if self._client.silence() > ANSWERS_SECONDS:
            return []
        watched = {**self._informers, **self._optional.informers}
        silent = [name for name, informers in watched.items() if _silence(informers) > DEAF_SECONDS]
        return silent or (["ConfigMap"] if self._canary.missed_for() > DEAF_SECONDS else [])

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _silence(informers: Sequence[Informer]) -> float:
    return max(informer.silence() for informer in informers)


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
