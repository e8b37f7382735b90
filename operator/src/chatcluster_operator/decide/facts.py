"""Everything that the status is made from, as one value: the conditions are functions of it and of nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from chatcluster_operator.api import STORES, ChatCluster, InventoryItem, Operation, Rotated, Rotation
from chatcluster_operator.decide.certificates import CertificateFacts
from chatcluster_operator.decide.members import Course
from chatcluster_operator.decide.operations import Wait, Work
from chatcluster_operator.decide.plan import Plan
from chatcluster_operator.decide.protection import Protection
from chatcluster_operator.decide.recovery import Restoration
from chatcluster_operator.decide.restart import Restarts
from chatcluster_operator.decide.room import told
from chatcluster_operator.decide.snapshot import Key, Snapshot, Workload
from chatcluster_operator.decide.volumes import Growth
from chatcluster_operator.desired import Component


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that could not be taken."""

    key: Key
    reason: str
    message: str


@dataclass(frozen=True)
class Facts:
    """What one look found out and did."""

    cluster: ChatCluster
    components: Sequence[Component]
    """The managed components, in the order in which a person reads them."""
    snapshot: Snapshot
    """The surroundings after the plan was carried out."""
    url: str
    """Address of the edge."""
    now: str
    """The time, RFC 3339."""
    plan: Plan = field(default_factory=Plan)
    failures: Sequence[Failure] = ()
    inventory: Sequence[InventoryItem] = ()
    """What exists of what was asked for, and what is yet to be removed."""
    release: str | None = None
    """The release that the manifests lead to; None when there is none to apply."""
    operation: Operation | None = None
    """The change of release under way."""
    rotation: Rotation | None = None
    """The rotation of passwords or keys under way, or the last one, where it failed."""
    rotated: Rotated | None = None
    """When passwords and keys were last replaced."""
    waits: Mapping[Work, Wait] = field(default_factory=dict[Work, Wait])
    """What keeps operations from beginning, or from going on."""
    restarts: Restarts = field(default_factory=Restarts)
    """Restarts that were asked for."""
    apis: frozenset[str] = frozenset()
    """Optional kinds that the API server serves."""
    certificate: CertificateFacts | None = None
    """The edge's certificate; None: it speaks plain HTTP."""
    sockets: Mapping[str, int] = field(default_factory=dict[str, int])
    """Connected sockets by service, as last counted; a service that cannot be asked is absent."""
    room: Mapping[str, int] = field(default_factory=dict[str, int])
    """How full the volumes of stores are, in percent, by the pods of their members; one that does not say is absent."""
    stores: Mapping[str, Course] = field(default_factory=dict[str, Course])
    """Stores that have several members, as this look leaves them."""
    orders_failed: Mapping[str, str] = field(default_factory=dict[str, str])
    """What stores were told to do and did not, and why, by store."""
    growths: Mapping[str, Growth] = field(default_factory=dict[str, Growth])
    """Volumes of the stores that are made, by store."""
    growths_refused: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why the API server does not take a larger size of a store's volumes, by store."""
    protection: Protection | None = None
    """How well it is backed up; None: no backups are asked for."""

    recovery: Restoration = field(default_factory=Restoration)
    """The restore that it begins with."""

    @cached_property
    def volumes(self) -> Mapping[str, int]:
        """How full the volumes of stores are, as it is told (see `decide.room`), by the pods of their members."""
        known: Mapping[str, int] = self.cluster.status.get("volumes") or {}
        views = [course.view for course in self.stores.values() if course.view is not None]
        own = {member.name: member.full for view in views for member in view.members if member.full is not None}
        there = {key.name for key, pod in self.snapshot.pods.items() if pod.component in STORES}
        return told(known, {**own, **self.room}, there)

    @cached_property
    def workloads(self) -> Mapping[str, Workload]:
        """How far the workload of each component is, by component; one that is not made yet is absent."""
        found = {item.name: self.snapshot.children.get(key_of(item)) for item in self.components}
        return {name: child.workload for name, child in found.items() if child and child.workload}


def key_of(component: Component) -> Key:
    """The workload that runs a component."""
    return Key(component.kind.value, component.workload)
