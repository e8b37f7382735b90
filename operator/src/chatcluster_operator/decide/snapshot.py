"""What one ChatCluster looks like at one moment: the only thing besides the spec that decisions may rest on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Key(NamedTuple):
    """An object of a ChatCluster; its namespace is the ChatCluster's."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Workload:
    """How far a Deployment or StatefulSet has come, in replicas."""

    wanted: int
    ready: int
    updated: int
    current: bool
    """Its controller has seen the latest spec."""
    available: bool
    """Enough replicas are ready to serve."""
    image: str = ""
    """Image of its first container."""
    checksum: str = ""
    """Digest of what its pods read when they start, as `desired` has it."""
    total: int = 0
    """Replicas of the latest spec and of those before it."""
    restarted: str = ""
    """When the restart of its pods was last asked for, RFC 3339."""
    storage: str = ""
    """Size of each of its volumes, as claimed when it was made; empty when it has none."""

    @property
    def rolled_out(self) -> bool:
        """Every replica runs the latest spec and is ready."""
        return self.current and self.updated >= max(self.wanted, self.total) and self.ready >= self.wanted


@dataclass(frozen=True, slots=True)
class Job:
    """How far a Job has come."""

    done: bool = False
    failed: str = ""
    """Why it has failed for good; empty when it has not."""
    since: int = 0
    """When it failed, Unix seconds."""


@dataclass(frozen=True, slots=True)
class Child:
    """A live object as far as reconciling it asks: whose it is, and whether the fields we applied are still ours."""

    uid: str
    version: int
    """Resource version, which only ever rises."""
    controller: str | None
    """uid of the object's controlling owner."""
    instance: str | None
    """The ChatCluster that its labels name."""
    fields: str
    """Digest of the fields that are ours by its managed fields; empty when none is. It changes whenever somebody
    changes or removes a value that we applied, and never for a value that we did not."""
    deleting: bool = False
    said: str = ""
    """What a controller says of it in its condition Ready, where that is read."""
    workload: Workload | None = None
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, and what keeps it from running."""

    uid: str
    version: int
    component: str
    reason: str = ""
    """One of the reasons in `decide.verdict.POD_REASONS`; empty when nothing is known to be wrong."""
    message: str = ""
    ending: bool = False
    """It was told to end."""
    ready: bool = False
    """Serves."""
    address: str = ""
    """Its IP address, once it has one."""
    steps: tuple[tuple[str, str, str], ...] = ()
    """Of a backup's or restore's pod, what its containers are: name, Waiting, Running, Done or Failed, and their last
    word."""
    node: str = ""
    """The node that it was put on, once there is one."""
    archiving: str = ""
    """Of PostgreSQL's leader, since when its log has not reached the backups' destination, RFC 3339; empty: it does."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What this process applied last: the digest of the manifest, and of the fields that were ours afterwards."""

    manifest: str
    fields: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that the spec refers to and that is not there."""

    reason: str
    message: str
    component: str | None = None
    """The component that cannot run without it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One ChatCluster's surroundings."""

    children: Mapping[Key, Child] = field(default_factory=dict[Key, Child])
    pods: Mapping[Key, Pod] = field(default_factory=dict[Key, Pod])
    applied: Mapping[Key, Applied] = field(default_factory=dict[Key, Applied])
    missing: tuple[Missing, ...] = ()


def digest(value: Any) -> str:
    """A short fingerprint of a JSON value, the same for equal values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]
