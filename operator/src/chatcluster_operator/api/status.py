"""The status of a ChatCluster, by the Kubernetes conventions for conditions."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from chatcluster_operator.api.model import Model
from chatcluster_operator.api.spec.bootstrap import RecoverySource


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One aspect of the state, for people and for `kubectl wait`."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=316)]
    """Name of the aspect, such as Ready."""
    status: ConditionStatus
    """Whether it holds: True, False or Unknown."""
    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """Generation of the spec that this speaks of."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When `status` last changed, RFC 3339."""
    reason: Annotated[str, StringConstraints(max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """Why, in one word that programs may rely on."""
    message: Annotated[str, StringConstraints(max_length=32768)] = ""
    """Why, and what to do about it, for people."""


class ComponentStatus(Model):
    """How one component does."""

    name: Annotated[str, StringConstraints(max_length=63)]
    """Component, such as gateway."""
    ready: Annotated[int, Field(ge=0)] = 0
    """Replicas that are ready."""
    wanted: Annotated[int, Field(ge=0)] = 0
    """Replicas that there should be."""
    updated: Annotated[int, Field(ge=0)] = 0
    """Replicas that run the latest configuration and image."""
    image: Annotated[str, StringConstraints(max_length=512)] | None = None
    """Image that its replicas run, or are being changed to."""
    reason: Annotated[str, StringConstraints(max_length=63)] = "Starting"
    """State in one word: Ready, RollingOut, Starting, Hibernated, Waiting, or what is wrong with it."""
    message: Annotated[str, StringConstraints(max_length=4096)] | None = None
    """What is wrong and what to do about it, where something is."""


class Endpoints(Model):
    """Addresses of the parts of a ChatCluster."""

    api: Annotated[str, StringConstraints(max_length=512)]
    """REST API; paths of docs/contract.md follow it."""
    files: Annotated[str, StringConstraints(max_length=512)]
    """Uploads and downloads."""
    realtime: Annotated[str, StringConstraints(max_length=512)]
    """Socket.IO of conversations and messages."""
    presence: Annotated[str, StringConstraints(max_length=512)]
    """Socket.IO of who is there and who is typing."""
    internal: Annotated[str, StringConstraints(max_length=512)]
    """The edge from inside the Kubernetes cluster; the same paths lead to the same parts."""


class InventoryItem(Model):
    """One object that the operator made, recorded so that it can be removed once it is no longer wanted."""

    api_version: Annotated[str, StringConstraints(max_length=253)]
    """Group and version of the object."""
    kind: Annotated[str, StringConstraints(max_length=63)]
    """Its kind."""
    name: Annotated[str, StringConstraints(max_length=253)]
    """Its name."""
    mark: Annotated[str, StringConstraints(max_length=64)] | None = None
    """Digest of what was applied; none while the object is being written."""


class OperationPhase(StrEnum):
    """Where a change of release stands."""

    RUNNING = "Running"
    CONTRACTING = "Contracting"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"


_Seconds = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]


class Operation(Model):
    """A change of release under way, or one that was taken back."""

    from_version: Annotated[str, StringConstraints(max_length=63)]
    """Release that ran before."""
    to_version: Annotated[str, StringConstraints(max_length=63)]
    """Release that was asked for."""
    phase: OperationPhase
    """Running: one component after the other. Contracting: all run the new release, and what only the one before needed
    is taken from the schemas. RollingBack: all go back, since one failed. RolledBack: they have."""
    step: Annotated[str, StringConstraints(max_length=63)]
    """Component whose turn it is; before all of them expand, after all of them contract."""
    started: _Seconds
    """When the change began, Unix seconds."""
    since: _Seconds
    """When the step or phase began, Unix seconds."""
    message: Annotated[str, StringConstraints(max_length=4096)] = ""
    """Why it was taken back, or what hinders its last step."""
    waiting: Annotated[str, StringConstraints(max_length=4096)] = ""
    """Why it does not go on; empty while it does."""


class RotationKind(StrEnum):
    """What a rotation replaces."""

    PASSWORDS = "Passwords"
    KEYS = "Keys"


class RotationPhase(StrEnum):
    """Where a rotation stands."""

    ROLLING = "Rolling"
    PUBLISHING = "Publishing"
    SIGNING = "Signing"
    EXPIRING = "Expiring"
    ROLLING_BACK = "RollingBack"
    WITHDRAWING = "Withdrawing"
    FAILED = "Failed"


class Rotation(Model):
    """A replacement of passwords or keys under way, or one that was taken back."""

    what: RotationKind
    """Passwords: those of every managed store. Keys: the token key, and what services know each other by."""
    phase: RotationPhase
    """Rolling: services take up the new passwords, one after the other, while stores accept both. Publishing: services
    learn to accept the new keys. Signing: they begin to use them. Expiring: the last tokens of the old key run out.
    RollingBack: a service did not become ready, so all return to the old values, which are still accepted. Withdrawing:
    the same, with keys that nobody uses yet, so that nobody need be waited for. Failed: they have."""
    step: Annotated[str, StringConstraints(max_length=63)] = ""
    """Service whose turn it is, or that failed; none while tokens run out."""
    started: _Seconds
    """When the rotation began, Unix seconds."""
    since: _Seconds
    """When the step or phase began, Unix seconds."""
    message: Annotated[str, StringConstraints(max_length=4096)] = ""
    """Why it was taken back, or what hinders its last step."""
    waiting: Annotated[str, StringConstraints(max_length=4096)] = ""
    """Why it does not go on; empty while it does."""


class Rotated(Model):
    """When generated values were last replaced; absent when they are those of the beginning."""

    passwords: _Seconds | None = None
    """When the last rotation of the store passwords began, Unix seconds."""
    keys: _Seconds | None = None
    """When the last rotation of the keys began, Unix seconds."""


class RecoveryPhase(StrEnum):
    """Where a restore stands."""

    FINDING = "Finding"
    POSTGRES = "Postgres"
    FILLING = "Filling"
    RESTORED = "Restored"


class RecoveryTarget(Model):
    """How far PostgreSQL is restored."""

    label: Annotated[str, StringConstraints(max_length=128)]
    """Base backup of pgBackRest."""
    point: Annotated[str, StringConstraints(max_length=128)]
    """The restore point of the backup."""
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """The time in its place, where a later one is asked for."""


class RecoveryStatus(Model):
    """What the ChatCluster was restored from, or is being restored from."""

    phase: RecoveryPhase
    """Finding: the backup is looked up, and its keys are fetched. Postgres: PostgreSQL is restored, while other stores
    start, empty. Filling: so are messages and files. Restored: all is there, services start."""
    source: RecoverySource
    """Where the backup lies; its id once it is found."""
    cluster: Annotated[str, StringConstraints(max_length=128)] = ""
    """Namespace and name of the ChatCluster that was backed up."""
    release: Annotated[str, StringConstraints(max_length=63)] = ""
    """Release that ran then."""
    moment: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """Everything that was acknowledged before is in it."""
    postgres: RecoveryTarget | None = None
    """How far PostgreSQL is restored."""
    started: _Seconds
    """When the restore began, Unix seconds."""
    since: _Seconds
    """When the phase began, Unix seconds."""


class MemberRole(StrEnum):
    """What a member does in its store."""

    LEADER = "Leader"
    FOLLOWER = "Follower"
    UNKNOWN = "Unknown"


class MemberState(StrEnum):
    """How a member is."""

    RUNNING = "Running"
    JOINING = "Joining"
    UNREACHABLE = "Unreachable"
    ABSENT = "Absent"


class MemberStatus(Model):
    """One member of a store."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """Name of its pod."""
    node: Annotated[str, StringConstraints(max_length=253)] = ""
    """Node that it is on; none while it is on none."""
    role: MemberRole = MemberRole.UNKNOWN
    """Leader: takes writes, or leads the members. Follower: has a copy. Unknown: it did not say."""
    state: MemberState
    """Running: serves. Joining: copies what the others have, or waits for them. Unreachable: does not answer. Absent:
    has no pod."""
    in_step: bool = False
    """Whether it could take over, or go, without anything being lost."""
    detail: Annotated[str, StringConstraints(max_length=512)] = ""
    """What else there is to say of it, such as how far it is behind."""
    lost_since: _Seconds | None = None
    """When its node was seen to be lost, Unix seconds; absent while it is not."""


class StoreWork(StrEnum):
    """What is done in a store."""

    SWITCHOVER = "Switchover"
    FAILOVER = "Failover"
    REBUILD = "Rebuild"
    REPLACE = "Replace"


class StoreWorkPhase(StrEnum):
    """Where it stands."""

    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"


class StoreOperation(Model):
    """Something that is done in a store, or the last that was."""

    what: StoreWork
    """Switchover: the leader hands over to another member. Failover: another takes over although the leader does not
    answer. Rebuild: a member throws its data away and copies it anew. Replace: a member whose node is lost, and its
    volume with it, is made anew elsewhere."""
    phase: StoreWorkPhase
    """Running, Done or Failed."""
    member: Annotated[str, StringConstraints(max_length=253)] = ""
    """Member that it is about; for a switchover or failover the one that is to lead, where one was asked for."""
    leader: Annotated[str, StringConstraints(max_length=253)] = ""
    """Member that led when it began."""
    claim: Annotated[str, StringConstraints(max_length=63)] = ""
    """The uid of the volume claim that is given up, for a member that is made anew."""
    started: _Seconds
    """When it began, Unix seconds."""
    since: _Seconds
    """When the phase began, Unix seconds."""
    message: Annotated[str, StringConstraints(max_length=1024)] = ""
    """Why it failed, and what to do about it."""


class StoreStatus(Model):
    """How a store with several members does, as they told the operator."""

    size: Annotated[int, Field(ge=1)]
    """Members that there should be."""
    leader: Annotated[str, StringConstraints(max_length=253)] = ""
    """Member that leads; empty while none does, or for a store that has no leader."""
    members: Annotated[list[MemberStatus], Field(max_length=16)] = Field(default_factory=list[MemberStatus])
    """The members."""
    problem: Annotated[str, StringConstraints(max_length=1024)] = ""
    """What is wrong with the store as a whole, such as that no member leads."""
    operation: StoreOperation | None = None
    """What is done in it, or was last."""
    heeded: Annotated[dict[str, Annotated[str, StringConstraints(max_length=253)]], Field(max_length=8)] = Field(
        default_factory=dict[str, str]
    )
    """What people asked for by annotations and has been begun, or refused: the value last heeded of each."""


class CapacityFigure(Model):
    """One number that followed from spec.capacity, or that falls short of it."""

    component: Annotated[str, StringConstraints(max_length=63)]
    """Component, such as message."""
    what: Annotated[str, StringConstraints(max_length=63)]
    """What the number is of: replicas, maxReplicas, targetConnections, cpu, memory, volume, partitions, maxConnections;
    or bound, the most people that a store suffices for."""
    value: Annotated[str, StringConstraints(max_length=63)]
    """The number."""
    why: Annotated[str, StringConstraints(max_length=512)]
    """How it came about, in a line."""


class CapacityStatus(Model):
    """What followed from spec.capacity."""

    concurrent_users: Annotated[int, Field(ge=1)]
    """People that everything is sized for."""
    figures: Annotated[list[CapacityFigure], Field(max_length=128)] = Field(default_factory=list[CapacityFigure])
    """Numbers that were derived. What the spec sets, or what the operator's own is enough for, is left out."""


class ChatClusterStatus(Model):
    """What a ChatCluster is, as last observed."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = None
    """Generation of the spec that was last acted on."""
    version: Annotated[str, StringConstraints(max_length=63)] | None = None
    """Release that all components run; during a change, the one before it."""
    url: Annotated[str, StringConstraints(max_length=253)] | None = None
    """Address under which people reach the edge."""
    endpoints: Endpoints | None = None
    """Addresses of its parts."""
    connections: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(max_length=16)] | None = None
    """Sockets connected now, by service: message has one for each device that is online. Counted once a minute at most
    and told when it has changed by more than a twentieth; a service that cannot be asked is left out."""
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = Field(default_factory=list[Condition])
    """State by aspect; Ready sums it up."""
    components: Annotated[
        list[ComponentStatus],
        Field(
            max_length=64,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = Field(default_factory=list[ComponentStatus])
    """State by component."""
    capacity: CapacityStatus | None = None
    """What followed from spec.capacity, and why."""
    operation: Operation | None = None
    """The change of release under way."""
    rotation: Rotation | None = None
    """The rotation of passwords or keys under way, or the last one, where it failed."""
    stores: Annotated[dict[str, StoreStatus], Field(max_length=8)] | None = None
    """State of the stores that have several members, by store."""
    volumes: Annotated[dict[str, Annotated[int, Field(ge=0, le=100)]], Field(max_length=64)] | None = None
    """How full the volumes of the managed stores are, in percent, by the pods of their members. 100: the store takes no
    writes any more until the volume grows. Asked every two minutes or so, and told when it has changed by five points
    or has reached 80, 90 or 100."""
    rotated: Rotated | None = None
    """When passwords and keys were last replaced. Nothing uses the old ones any more; they are refused as soon as the
    kubelet has brought the change to the pods, usually within two minutes."""
    recovery: RecoveryStatus | None = None
    """The backup that it began with."""
    inventory: Annotated[list[InventoryItem], Field(max_length=512)] = Field(default_factory=list[InventoryItem])
    """Every object that the operator made for this ChatCluster."""
