"""What the manifests are made from beyond the spec: credentials, images, and the digests of the user's Secrets.

What costs a call is remembered for as long as it cannot have changed: a look at a settled ChatCluster makes none.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chatcluster_operator.api import ChatCluster, Operation
from chatcluster_operator.decide import Failure, Key, Missing
from chatcluster_operator.desired import Inputs, credentials_name, required
from chatcluster_operator.observe import Observer, Owner, References
from chatcluster_operator.reconcile.credentials import Vault
from chatcluster_operator.reconcile.rollout import choose

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
        self._vault = Vault(observer, owner)
        self._references = References()
        self._looked_up: tuple[int, Mapping[str, Mapping[str, str]], float] | None = None

    async def gather(self, cluster: ChatCluster) -> Gathered:
        """All inputs as they are now. Raises what `kube.Client` raises."""
        references = await self._look_up(cluster)
        held = await self._vault.hold(cluster)
        snapshot = self._observer.snapshot(self._owner, applied={})
        chosen = choose(cluster, snapshot, self._observer.catalogue, now=int(self._wall_clock()))
        if held.credentials is None or chosen.images is None:
            failures = () if held.failure is None else (held.failure,)
            return Gathered(None, chosen.release, references.missing, failures, operation=chosen.operation)
        inputs = Inputs(
            images=chosen.images,
            credentials=held.credentials,
            digests=references.digests,
            apis=self._observer.apis,
        )
        create_only = frozenset({Key("Secret", credentials_name(cluster))}) if held.absent else frozenset[Key]()
        return Gathered(inputs, chosen.release, references.missing, (), create_only, chosen.operation)

    async def _look_up(self, cluster: ChatCluster) -> References:
        catalogue, now = self._observer.catalogue, self._clock()
        if self._looked_up is not None:
            generation, seen, when = self._looked_up
            if generation == cluster.generation and seen is catalogue and now - when < LOOK_UP_SECONDS:
                return self._references
        self._references = await self._observer.references(self._owner, required(cluster))
        self._looked_up = (cluster.generation, catalogue, now)
        return self._references
