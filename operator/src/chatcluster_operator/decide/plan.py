"""Which objects to apply and which to delete, so that the world becomes what the spec asks for."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from chatcluster_operator.api import LABEL_COMPONENT, STORES
from chatcluster_operator.decide.ownership import owned
from chatcluster_operator.decide.snapshot import Key, Snapshot, digest


class Reason(StrEnum):
    """Why an object is applied."""

    CREATE = "create"
    CHANGE = "change"
    DRIFT = "drift"
    """Somebody deleted it, or changed a field that is ours."""
    VERIFY = "verify"
    """This process has not applied it yet. Where nothing differs the server writes nothing."""


class Wanted(NamedTuple):
    """What is asked of a manifest to decide: a hundredth of its size, so that it can be kept."""

    key: Key
    digest: str
    component: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Make the object as the manifest says, fields of others left alone."""

    key: Key
    manifest: dict[str, Any]
    digest: str
    reason: Reason
    known: bool
    """Seen in the snapshot as ours. Otherwise whoever has the name must be asked for first."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an object that the spec no longer asks for."""

    key: Key
    uid: str | None
    """None when only the inventory knows of it: then its owner is to be looked at first."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Remove an object that the API server cannot change as the spec asks, so that it is made anew.

    Only the removal is a step. What is gone is made by the look that follows, whoever takes that: nothing needs to be
    remembered between the two.
    """

    key: Key
    uid: str

    @property
    def orphan(self) -> bool:
        """Whether what belongs to the object stays: a StatefulSet's pods and volumes wait for the next one of its name,
        which takes them over. Anything else goes with its dependents, and only then is made anew."""
        return self.key.kind == "StatefulSet"


Step = Apply | Delete | Replace


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, in no order, and what stands in the way of others."""

    steps: tuple[Step, ...] = ()
    taken: tuple[Key, ...] = ()
    """Names that an object has which is not ours."""
    held: tuple[Key, ...] = ()
    """Stores not made yet, because what they refer to is missing and their volumes could not be changed later."""
    awake: tuple[Key, ...] = ()
    """Stores that stay up until everything that uses them has ended."""
    leaving: tuple[Key, ...] = ()
    """Objects that somebody deleted and that are not gone yet; then they are made anew."""


def plan(
    *,
    uid: str,
    name: str,
    wanted: Sequence[Wanted],
    manifest: Callable[[Key], dict[str, Any]],
    snapshot: Snapshot,
    inventory: Iterable[Key] = (),
    keep: Iterable[Key] = (),
    immutable: Mapping[Key, str] | None = None,
    retry: Collection[Key] = (),
    hibernating: bool = False,
) -> Plan:
    """Compare what should be with what is.

    `manifest` gives the whole of what is `wanted`, and is asked for what is to be applied alone. `inventory` lists what
    was made before; `keep` is never deleted.
    `immutable`: objects that the API server takes as their manifest of this digest says only if they are made anew.
    `retry`: Jobs that have failed and are to be made anew.
    `hibernating`: stores go to sleep after those who use them, so that these can end their work.
    """
    blocked = {missing.component for missing in snapshot.missing if missing.component}
    in_use = hibernating and any(pod.component not in STORES for pod in snapshot.pods.values())
    awake: list[Key] = []
    leaving: list[Key] = []
    kept = frozenset(keep)
    fixed = immutable or {}
    steps: list[Step] = []
    taken: list[Key] = []
    held: list[Key] = []
    for key, fingerprint, component in wanted:
        child = snapshot.children.get(key)
        if child is None and key.kind == "StatefulSet" and component in blocked:
            held.append(key)
        elif in_use and child is not None and key.kind == "StatefulSet":
            awake.append(key)
        elif child is not None and not owned(child, uid=uid, name=name):
            taken.append(key)
        elif child is not None and child.deleting:
            leaving.append(key)
        elif child is not None and key not in kept and (fixed.get(key) == fingerprint or key in retry):
            steps.append(Replace(key, child.uid))
        else:
            reason = _reason(key, fingerprint, snapshot)
            if reason is not None:
                steps.append(Apply(key, manifest(key), fingerprint, reason, known=child is not None))
    steps.extend(_prune(snapshot, {item.key for item in wanted} | kept, inventory, uid=uid))
    return Plan(tuple(steps), tuple(taken), tuple(held), tuple(awake), tuple(leaving))


def _reason(key: Key, fingerprint: str, snapshot: Snapshot) -> Reason | None:
    child, applied = snapshot.children.get(key), snapshot.applied.get(key)
    if child is None:
        return Reason.CREATE if applied is None else Reason.DRIFT
    if applied is None:
        return Reason.VERIFY
    if applied.manifest != fingerprint:
        return Reason.CHANGE
    return Reason.DRIFT if applied.fields != child.fields else None


def _prune(snapshot: Snapshot, keep: AbstractSet[Key], inventory: Iterable[Key], *, uid: str) -> Iterable[Delete]:
    # Only what this ChatCluster controls and this operator applied: controllers copy labels to objects of their own.
    for key, child in snapshot.children.items():
        if key not in keep and child.controller == uid and child.fields and not child.deleting:
            yield Delete(key, child.uid)
    for key in inventory:
        if key not in keep and key not in snapshot.children:
            yield Delete(key, None)


def key_of(manifest: Mapping[str, Any]) -> Key:
    """The object that a manifest is of."""
    return Key(manifest["kind"], manifest["metadata"]["name"])


def outlines(manifests: Iterable[Mapping[str, Any]]) -> list[Wanted]:
    """What `plan` asks of each manifest."""
    return [
        Wanted(key_of(item), digest(item), item["metadata"].get("labels", {}).get(LABEL_COMPONENT, ""))
        for item in manifests
    ]
