"""The rules: what is refused, and what is only warned of. Pure; what they need of the world is looked up before.

Refused is what could never work as it stands. What the world may yet bring, such as a Secret that another tool is about
to make, is a warning: `kubectl apply` of a whole folder has no order.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chatcluster_operator.api import EDGE, SERVICES, ChatCluster
from chatcluster_operator.api.spec.services import Services
from chatcluster_operator.decide import Key, Missing
from chatcluster_operator.desired import components
from chatcluster_operator.desired.sizing import sizing

_ABOUT_IMAGES: Final = frozenset({"ReleaseUnknown", "ImageMissing"})


@dataclass(frozen=True, slots=True)
class Shared:
    """A Secret of an external store that another ChatCluster uses too."""

    field: str
    secret: str
    other: str
    """Name of the other ChatCluster."""


@dataclass(frozen=True, slots=True)
class World:
    """What the rules need to know beyond the ChatCluster itself."""

    missing: tuple[Missing, ...] = ()
    """What the spec refers to and what is not there."""
    taken: tuple[Key, ...] = ()
    """Names that a new ChatCluster needs and that objects have which are not its own."""
    shared: tuple[Shared, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Refused when there is a problem; warnings are shown by kubectl either way."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def review(cluster: ChatCluster, before: ChatCluster | None, world: World) -> Answer:
    """Judge a ChatCluster that is about to be made, or changed from what it was `before`."""
    # A release that the catalogue has lost since is told by a condition; the rest of the spec may change all the same.
    chosen = before is None or (before.spec.version, before.spec.images) != (cluster.spec.version, cluster.spec.images)
    about_images = [item.message for item in world.missing if item.reason in _ABOUT_IMAGES]
    problems = [
        *(about_images if chosen else ()),
        *(
            f"{key} exists in this namespace and is not this ChatCluster's; delete or rename it, or choose another "
            "metadata.name"
            for key in world.taken
        ),
        *(_stays_single(cluster) if before is None or before.spec.objects != cluster.spec.objects else ()),
    ]
    warnings = [
        *(() if chosen else about_images),
        *(item.message for item in world.missing if item.reason not in _ABOUT_IMAGES),
        *(_shared(item) for item in world.shared),
        *_downgrade(cluster),
        *_too_few(cluster),
    ]
    return Answer(tuple(problems), tuple(warnings))


def _stays_single(cluster: ChatCluster) -> Iterator[str]:
    """What the schema cannot see where `members` was left out before."""
    asked = cluster.spec.objects.members
    if asked is not None and asked > sizing(cluster)["objects"].replicas.value:
        yield (
            f"spec.objects.members is {asked}, and the object store was made with one member, which keeps its own list "
            "of files; remove it, or make a new ChatCluster and move the data"
        )


def _shared(item: Shared) -> str:
    return (
        f"{item.field} names the Secret {item.secret!r}, which the ChatCluster {item.other!r} uses too; two of them in "
        "one store mix up their data: give each a store or a database of its own"
    )


def _downgrade(cluster: ChatCluster) -> Iterator[str]:
    running, wanted = cluster.status.get("version"), cluster.spec.version
    if running and (old := _numbers(running)) and (new := _numbers(wanted)) and new < old:
        yield (
            f"spec.version goes back from {running} to {wanted}: schemas are not taken back, and an older release "
            "works with those of the next one alone; read the notes of the releases between"
        )


def _numbers(version: str) -> tuple[int, ...] | None:
    """A release as numbers, None for one that is not made of numbers, such as `dev`."""
    if not re.fullmatch(r"v?[0-9]+(\.[0-9]+)*", version):
        return None
    return tuple(int(number) for number in version.removeprefix("v").split("."))


def _too_few(cluster: ChatCluster) -> Iterator[str]:
    """Explicit numbers below what `spec.capacity` asks for: they win, but perhaps they were forgotten."""
    if cluster.spec.capacity is None:
        return
    edge = cluster.spec.edge.model_copy(update={"replicas": None})
    bare = cluster.spec.model_copy(update={"services": Services(), "edge": edge})
    sizes, needed = sizing(cluster), sizing(cluster.model_copy(update={"spec": bare}))
    running = {item.name for item in components(cluster)}
    for name in (*SERVICES, EDGE):
        have, need = sizes[name].ceiling, needed[name].replicas.value
        if name in running and have < need:
            field = f"spec.{name}" if name == EDGE else f"spec.services.{name}"
            yield (
                f"{field} allows {have} replicas, fewer than the {need} that spec.capacity.concurrentUsers asks for; "
                "raise or remove them"
            )
