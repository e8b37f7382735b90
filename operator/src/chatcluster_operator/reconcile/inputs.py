"""What the manifests are made from beyond the spec: credentials, images, and the digests of the user's Secrets.

What costs a call is remembered for as long as it cannot have changed: a look at a settled ChatCluster makes none.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chatcluster_operator.api import ChatCluster, Operation
from chatcluster_operator.decide import FAILING, Failure, Key, Missing, Rollout, Snapshot, State, advance, owned
from chatcluster_operator.desired import (
    Credentials,
    Inputs,
    MissingImageError,
    components,
    credentials_name,
    generate,
    required,
    resolve_images,
)
from chatcluster_operator.observe import Observer, Owner, References, child_of

LOOK_UP_SECONDS: Final = 5.0
"""How long an answer about what the spec refers to is good for."""


@dataclass(frozen=True)
class Gathered:
    """Inputs for one pass. `inputs` is None when nothing can be made; `missing` and `failures` say why."""

    inputs: Inputs | None
    release: str | None
    """The release that the images are of."""
    missing: tuple[Missing, ...] = ()
    failures: tuple[Failure, ...] = ()
    create_only: frozenset[Key] = frozenset()
    """Credentials that are to be made, never written over."""
    operation: Operation | None = None
    """The change of release, as it goes on."""


class Gatherer:
    """Gathers for one ChatCluster, and remembers."""

    def __init__(
        self,
        observer: Observer,
        owner: Owner,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._observer = observer
        self._owner = owner
        self._clock = clock
        self._wall_clock = wall_clock
        self._credentials: Credentials | None = None
        self._version = 0
        self._references = References()
        self._looked_up: tuple[int, Mapping[str, Mapping[str, str]], float] | None = None

    async def gather(self, cluster: ChatCluster) -> Gathered:
        """All inputs as they are now. Raises what `kube.Client` raises."""
        references = await self._look_up(cluster)
        key = Key("Secret", credentials_name(cluster))
        failure = None
        absent = False
        known = self._observer.cache.children(self._owner).get(key)
        if self._credentials is None or known is None or known.version != self._version:
            absent, failure = await self._read_credentials(cluster, key)
        release, images, operation = self._images(cluster)
        if failure is not None or images is None or self._credentials is None:
            failures = () if failure is None else (failure,)
            return Gathered(None, release, references.missing, failures, operation=operation)
        inputs = Inputs(images=images, credentials=self._credentials, digests=references.digests)
        create_only = frozenset({key}) if absent else frozenset[Key]()
        return Gathered(inputs, release, references.missing, (), create_only, operation)

    async def _look_up(self, cluster: ChatCluster) -> References:
        catalogue, now = self._observer.catalogue, self._clock()
        if self._looked_up is not None:
            generation, seen, when = self._looked_up
            if generation == cluster.generation and seen is catalogue and now - when < LOOK_UP_SECONDS:
                return self._references
        self._references = await self._observer.references(self._owner, required(cluster))
        self._looked_up = (cluster.generation, catalogue, now)
        return self._references

    async def _read_credentials(self, cluster: ChatCluster, key: Key) -> tuple[bool, Failure | None]:
        secret = await self._observer.secret(self._owner, key.name)
        if secret is None:
            # Values once known are restored: the stores still have them, new ones would lock everybody out.
            existing = self._credentials.to_secret() if self._credentials else None
            self._credentials, self._version = generate(existing, secrets.token_bytes), 0
            return True, None
        child = child_of(secret, "Secret")
        if not owned(child, uid=cluster.uid, name=cluster.name):
            message = "exists and is not this ChatCluster's; delete or rename it, or give the ChatCluster another name"
            return False, Failure(key, "NameTaken", message)
        self._credentials = generate(secret.get("data") or {}, secrets.token_bytes)
        self._version = child.version
        return False, None

    def _images(self, cluster: ChatCluster) -> tuple[str | None, Mapping[str, str] | None, Operation | None]:
        """The release that the images are of, the image of each component, and the change of release under way."""
        running: str | None = cluster.status.get("version")
        known = cluster.status.get("operation")
        operation = Operation.model_validate(known) if known else None
        new, old = self._of_release(cluster, cluster.spec.version), self._of_release(cluster, running)
        live = _live_images(cluster, self._observer.snapshot(self._owner, applied={}))
        if new is None:
            # The release asked for has no images: what runs is kept as it is, and kept healthy.
            return (running, {**old, **live}, operation) if old else (None, None, operation)
        rollout = self._rollout(cluster, running, operation, new, old or {})
        # What is not renewed stays with what it runs; so does what the catalogue no longer knows the way back for.
        kept = {**new, **(old or {}), **({} if rollout.restored and old else live)}
        images = {name: new[name] if name in rollout.renewed else kept[name] for name in new}
        return cluster.spec.version, images, rollout.operation

    def _of_release(self, cluster: ChatCluster, release: str | None) -> Mapping[str, str] | None:
        if release is None:
            return None
        try:
            return resolve_images(cluster, self._observer.catalogue.get(release, {}))
        except MissingImageError:
            return None

    def _rollout(
        self,
        cluster: ChatCluster,
        running: str | None,
        operation: Operation | None,
        new: Mapping[str, str],
        old: Mapping[str, str],
    ) -> Rollout:
        snapshot = self._observer.snapshot(self._owner, applied={})
        return advance(
            wanted=cluster.spec.version,
            running=running,
            operation=operation,
            states=_states(cluster, snapshot, new, old),
            step_seconds=cluster.spec.upgrade.step_timeout_seconds,
            now=int(self._wall_clock()),
        )


def _live_images(cluster: ChatCluster, snapshot: Snapshot) -> dict[str, str]:
    """The image that each component's workload has now."""
    found = {item.name: snapshot.children.get(Key(item.kind.value, item.workload)) for item in components(cluster)}
    return {
        name: child.workload.image for name, child in found.items() if child and child.workload and child.workload.image
    }


def _states(
    cluster: ChatCluster, snapshot: Snapshot, new: Mapping[str, str], old: Mapping[str, str]
) -> dict[str, State]:
    live = _live_images(cluster, snapshot)
    trouble = {pod.component: pod.message for pod in snapshot.pods.values() if pod.reason in FAILING}
    states: dict[str, State] = {}
    for item in components(cluster):
        child = snapshot.children.get(Key(item.kind.value, item.workload))
        workload = child.workload if child else None
        image = live.get(item.name)
        states[item.name] = State(
            renewed=image == new[item.name],
            restored=image == old.get(item.name),
            # Asleep, a workload is well with nothing running.
            well=workload is not None and workload.rolled_out and (workload.available or workload.wanted == 0),
            trouble=trouble.get(item.name, ""),
        )
    return states
