"""What the manifests are made from beyond the spec: credentials, images, and the digests of the user's Secrets.

What costs a call is remembered for as long as it cannot have changed: a look at a settled ChatCluster makes none.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.decide import Failure, Key, Missing, owned
from chatcluster_operator.desired import (
    Credentials,
    Inputs,
    MissingImageError,
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


class Gatherer:
    """Gathers for one ChatCluster, and remembers."""

    def __init__(self, observer: Observer, owner: Owner, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._observer = observer
        self._owner = owner
        self._clock = clock
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
        release, images = self._images(cluster)
        if failure is not None or images is None or self._credentials is None:
            failures = () if failure is None else (failure,)
            return Gathered(None, release, references.missing, failures)
        inputs = Inputs(images=images, credentials=self._credentials, digests=references.digests)
        create_only = frozenset({key}) if absent else frozenset[Key]()
        return Gathered(inputs, release, references.missing, (), create_only)

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

    def _images(self, cluster: ChatCluster) -> tuple[str | None, Mapping[str, str] | None]:
        # When the release asked for has no images, what runs is kept as it is, and kept healthy.
        for release in (cluster.spec.version, cluster.status.get("version")):
            if release is not None and (release in self._observer.catalogue or release == cluster.spec.version):
                try:
                    return release, resolve_images(cluster, self._observer.catalogue.get(release, {}))
                except MissingImageError:
                    continue
        return None, None
