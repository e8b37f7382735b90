"""What a changed spec would do: the manifests that `desired` makes before and after, and the steps that `decide` takes.

Pure. Credentials stand in for the real ones, the same before and after: so no secret is needed to foretell, and none
can be shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chatcluster_operator.api import LABEL_COMPONENT, ChatCluster
from chatcluster_operator.cli.diff import Change, changes, manifest_changes
from chatcluster_operator.decide import Applied, Apply, Child, Delete, Key, Missing, Replace, Snapshot, plan
from chatcluster_operator.decide.plan import key_of, outlines
from chatcluster_operator.decide.upgrade import ORDER
from chatcluster_operator.desired import (
    Inputs,
    Manifest,
    MissingImageError,
    components,
    credentials_name,
    generate,
    manifests,
    resolve_images,
)

_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet"})
_CHECKSUM: Final = "checksum"


@dataclass(frozen=True)
class ObjectChange:
    """One object that would be made, changed or deleted."""

    action: str
    """create, change, replace (what cannot be changed is made anew) or delete."""
    key: Key
    changes: tuple[Change, ...] = ()
    manifest: Manifest | None = None
    """What would be applied."""


@dataclass(frozen=True)
class Restart:
    """A component whose pods would be renewed."""

    component: str
    pods: int
    """How many there are now."""
    why: str


@dataclass
class Forecast:
    """Everything that applying a spec would do."""

    name: str
    namespace: str
    created: bool
    """There is no such ChatCluster yet."""
    spec: list[Change] = field(default_factory=list[Change])
    objects: list[ObjectChange] = field(default_factory=list[ObjectChange])
    restarts: list[Restart] = field(default_factory=list[Restart])
    order: list[str] = field(default_factory=list[str])
    """The steps of a change of release."""
    refused: list[str] = field(default_factory=list[str])
    """What the API server or the operator would not take, and why."""
    blocked: list[str] = field(default_factory=list[str])
    """What would be taken, but could not be carried out."""
    notes: list[str] = field(default_factory=list[str])

    @property
    def changes(self) -> bool:
        """Whether anything would change."""
        return self.created or bool(self.spec or self.objects)


@dataclass(frozen=True)
class World:
    """What is there now, as far as the forecast rests on it."""

    children: Mapping[Key, Child]
    replicas: Mapping[Key, int]
    """Pods of each workload."""
    catalogue: Mapping[str, Mapping[str, str]]
    missing: tuple[Missing, ...] = ()
    """What the new spec refers to and is not there."""
    apis: frozenset[str] = frozenset()
    """The optional kinds that the cluster has."""


def forecast(before: ChatCluster | None, after: ChatCluster, world: World) -> Forecast:
    """What the operator would do once the spec is `after`; `before` is what it acts on now, None for nothing."""
    found = Forecast(after.name, after.namespace, created=before is None)
    found.spec = changes(_spec(before) if before else {}, _spec(after))
    found.blocked = [missing.message for missing in world.missing]
    try:
        images = resolve_images(after, world.catalogue.get(after.spec.version, {}))
    except MissingImageError as error:
        if not found.blocked:
            found.blocked.append(str(error))
        return found
    new = manifests(after, _inputs(images, world))
    old = (
        {_key(item): item for item in manifests(before, _inputs(_images(before, world, images), world))}
        if before
        else {}
    )
    applied = {
        key: Applied(digest, world.children[key].fields)
        for key, digest, _ in outlines(old.values())
        if key in world.children
    }
    steps = plan(
        uid=after.uid,
        name=after.name,
        wanted=outlines(new),
        manifest={key_of(item): item for item in new}.__getitem__,
        snapshot=Snapshot(children=world.children, applied=applied, missing=world.missing),
        keep={Key("Secret", credentials_name(after))},
        hibernating=False,
    )
    for step in steps.steps:
        match step:
            case Apply(key=key, manifest=manifest) if key in old and key in world.children:
                differing = manifest_changes(old[key], manifest)
                found.objects.append(ObjectChange("change", key, tuple(differing), manifest))
            case Apply(key=key, manifest=manifest):
                found.objects.append(ObjectChange("create", key, (), manifest))
            case Replace(key=key):
                found.objects.append(ObjectChange("replace", key))
            case Delete(key=key):
                found.objects.append(ObjectChange("delete", key))
    found.blocked += [f"{key} exists and is not this ChatCluster's; delete or rename it" for key in steps.taken]
    found.blocked += [f"{key} would wait until what the spec refers to exists" for key in steps.held]
    found.restarts = list(_restarts(found.objects, old, world))
    found.notes = list(_notes(before, after))
    if before and before.spec.version != after.spec.version:
        renewed = {item.component for item in found.restarts}
        found.order = [component for component in ORDER if component in renewed]
    return found


def _spec(cluster: ChatCluster) -> dict[str, Any]:
    return cluster.spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def _inputs(images: Mapping[str, str], world: World) -> Inputs:
    return Inputs(images=images, credentials=generate(None, bytes), apis=world.apis)


def _images(before: ChatCluster, world: World, otherwise: Mapping[str, str]) -> dict[str, str]:
    """What each component runs, as its workload says; of one that has none yet, what it is about to run."""
    live = {
        key.name.removeprefix(f"{before.name}-"): child.workload.image
        for key, child in world.children.items()
        if child.workload and child.workload.image
    }
    known = {**otherwise, **live}
    return {item.name: known[item.name] for item in components(before) if item.name in known}


def _restarts(objects: list[ObjectChange], old: Mapping[Key, Manifest], world: World) -> Iterator[Restart]:
    for item in objects:
        if item.action != "change" or item.key.kind not in _WORKLOADS or item.manifest is None:
            continue
        differing = changes(old[item.key]["spec"]["template"], item.manifest["spec"]["template"])
        pods = world.replicas.get(item.key, 0)
        if differing and pods:
            plain = [change for change in differing if _CHECKSUM not in change.path]
            why = ", ".join(dict.fromkeys(_short(change.path) for change in plain)) or "its configuration"
            yield Restart(item.manifest["metadata"]["labels"][LABEL_COMPONENT], pods, why)


def _short(path: str) -> str:
    return path.removeprefix("spec.").removeprefix("metadata.")


def _notes(before: ChatCluster | None, after: ChatCluster) -> Iterator[str]:
    if after.spec.paused:
        yield "spec.paused is true: the operator changes nothing before it is resumed."
    if after.spec.hibernated and not (before and before.spec.hibernated):
        yield "spec.hibernated becomes true: everything stops, people are disconnected; data is kept."
    if before and before.spec.deletion_policy is not after.spec.deletion_policy:
        yield f"deletionPolicy becomes {after.spec.deletion_policy.value}: it counts once the ChatCluster is deleted."


def _key(manifest: Manifest) -> Key:
    return Key(manifest["kind"], manifest["metadata"]["name"])
