"""What the manifests are made from beyond the spec: credentials, images, and the digests of the user's Secrets.

What costs a call is remembered for as long as it cannot have changed: a look at a settled ChatCluster makes none.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from chatcluster_operator.api import ChatCluster, Operation, Rotated, Rotation
from chatcluster_operator.decide import Failure, Key, Missing, Wait, Work
from chatcluster_operator.decide.backups import Course, holds_up
from chatcluster_operator.decide.certificates import CertificateFacts
from chatcluster_operator.decide.protection import Protection
from chatcluster_operator.decide.recovery import Restoration
from chatcluster_operator.decide.restart import Restarts
from chatcluster_operator.decide.volumes import Growth
from chatcluster_operator.desired import Inputs, Reference, credentials_name, required
from chatcluster_operator.observe import Observer, Owner, References
from chatcluster_operator.reconcile import backups, recovery
from chatcluster_operator.reconcile.certificates import Keeper, Kept
from chatcluster_operator.reconcile.credentials import Vault
from chatcluster_operator.reconcile.members import Members, Membership
from chatcluster_operator.reconcile.rollout import choose, restarted, standing
from chatcluster_operator.reconcile.rotation import noted, rotate
from chatcluster_operator.reconcile.volumes import Volumes

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
    guarded: Mapping[Key, int] = field(default_factory=dict[Key, int])
    """The credentials, and the resource version that they were read at: see `Actor.execute`."""
    retry: frozenset[Key] = frozenset()
    """Jobs that have failed and are to be made anew."""
    operation: Operation | None = None
    """The change of release, as it goes on."""
    restarts: Restarts = field(default_factory=Restarts)
    """The restarts that people ask for."""
    rotation: Rotation | None = None
    """The rotation of credentials, as it goes on."""
    rotated: Rotated | None = None
    """When credentials were last replaced."""
    waits: Mapping[Work, Wait] = field(default_factory=dict[Work, Wait])
    """What keeps operations from beginning, or from going on."""
    certificate: CertificateFacts | None = None
    """The edge's certificate; None: it speaks plain HTTP."""
    membership: Membership = field(default_factory=Membership)
    """Stores with several members."""
    growths: Mapping[str, Growth] = field(default_factory=dict[str, Growth])
    """Volumes of the stores that are made, by store."""
    backups: Course = field(default_factory=Course)
    """Backups, as they go on."""
    protection: Protection | None = None
    """How well it is backed up; None: no backups are asked for."""
    recovery: Restoration = field(default_factory=Restoration)
    """The restore that it begins with."""
    due: int | None = None
    """When to look again at the latest, Unix seconds."""


class Gatherer:
    """Gathers for one ChatCluster, and remembers."""

    def __init__(
        self,
        observer: Observer,
        owner: Owner,
        members: Members,
        volumes: Volumes,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._observer = observer
        self._owner = owner
        self._members = members
        self._volumes = volumes
        self._clock = clock
        self._wall_clock = wall_clock
        self._vault = Vault(observer, owner)
        self._keeper = Keeper(observer, owner, clock=wall_clock)
        self._required: list[Reference] = []
        self._references = References()
        self._looked_up: tuple[int, Mapping[str, Mapping[str, str]], float] | None = None

    async def gather(self, cluster: ChatCluster) -> Gathered:
        """All inputs as they are now. Raises what `kube.Client` raises."""
        references = await self._look_up(cluster)
        held = await self._vault.hold(cluster)
        kept = await self._keeper.keep(cluster, references.certificate)
        snapshot = self._observer.snapshot(self._owner, applied={})
        now = int(self._wall_clock())
        nothing = _nothing(cluster, references, kept, held.failure)
        if held.credentials is None:
            return nothing
        restore = await recovery.look(cluster, self._observer, self._owner, held, snapshot, now=now)
        if restore.course.under_way and restore.course.status is None:
            # It does not begin, and until it does nothing may be there.
            return replace(nothing, recovery=restore.course)
        membership = await self._members.look(cluster, held.credentials, snapshot, now=now)
        growths = await self._volumes.look(cluster, snapshot, now=now)
        bare = Inputs(
            images={},
            credentials=restore.credentials(held.credentials),
            digests=references.digests,
            volumes={name: growth.template for name, growth in growths.items()},
            members=membership.replicas,
            tls=kept.own,
            apis=self._observer.apis,
        )
        kept_backups = self._observer.backups.of(self._owner)
        held_up = holds_up(kept_backups, now=now)
        chosen = choose(cluster, snapshot, self._observer.catalogue, bare, now=now, backing_up=held_up)
        if chosen.images is None:
            return nothing
        inputs = replace(bare, images=chosen.images, migrations=chosen.migrations)
        turned = rotate(cluster, inputs, snapshot, upgrading=chosen.operation, now=now, backing_up=held_up)
        restarts = restarted(cluster, snapshot, upgrading=chosen.operation, rotating=turned.rotation, now=now)
        waits = {Work.UPGRADE: chosen.wait, Work.ROTATION: turned.wait, Work.RESTART: restarts.wait}
        situated = standing(cluster, snapshot, upgrading=chosen.operation, rotating=turned.rotation, now=now)
        known = self._observer.catalogue.get(chosen.release or "", {})
        backed_up = backups.look(cluster, kept_backups, snapshot, situated, known, now=now)
        times = (
            backed_up.course.due,
            kept.due,
            chosen.due,
            membership.due,
            self._volumes.due,
            *(wait.until for wait in waits.values() if wait),
        )
        return Gathered(
            restore.inputs(
                replace(
                    turned.inputs, restarts=restarts.stamps, backup=backed_up.run, verification=backed_up.verification
                )
            ),
            chosen.release,
            references.missing,
            guarded={Key("Secret", credentials_name(cluster)): held.version},
            retry=chosen.retry(now) | backed_up.again,
            operation=chosen.operation,
            restarts=restarts,
            rotation=turned.rotation,
            rotated=turned.rotated,
            waits={work: wait for work, wait in waits.items() if wait},
            certificate=kept.facts,
            membership=membership,
            growths=growths,
            backups=backed_up.course,
            protection=backed_up.protection,
            recovery=restore.course,
            due=min((at for at in times if at is not None), default=None),
        )

    async def unchanged(self) -> bool:
        """Whether all that the spec refers to is as it was last seen. Raises what `kube.Client` raises."""
        return await self._observer.references(self._owner, self._required) == self._references

    async def _look_up(self, cluster: ChatCluster) -> References:
        catalogue, now = self._observer.catalogue, self._clock()
        if self._looked_up is not None:
            generation, seen, when = self._looked_up
            if generation == cluster.generation and seen is catalogue and now - when < LOOK_UP_SECONDS:
                return self._references
        self._required = required(cluster)
        self._references = await self._observer.references(self._owner, self._required)
        self._looked_up = (cluster.generation, catalogue, now)
        return self._references


def _nothing(cluster: ChatCluster, references: References, kept: Kept, failure: Failure | None) -> Gathered:
    """Nothing can be made; what goes on stays as the status has it."""
    operation = cluster.status.get("operation")
    rotation, rotated = noted(cluster)
    restore = recovery.noted(cluster)
    return Gathered(
        None,
        None,
        references.missing,
        (failure,) if failure else (),
        operation=Operation.model_validate(operation) if operation else None,
        rotation=rotation,
        rotated=rotated,
        certificate=kept.facts,
        recovery=Restoration(restore),
    )
