"""The images of one look: which release each component is to run, and the change of release as it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass

from chatcluster_operator.api import ChatCluster, Operation
from chatcluster_operator.decide import FAILING, Key, Snapshot, State, Workload, advance
from chatcluster_operator.desired import MissingImageError, components, resolve_images
from chatcluster_operator.observe.observer import Catalogue


@dataclass(frozen=True)
class Chosen:
    """What one look runs."""

    release: str | None
    """The release that the images are of."""
    images: Mapping[str, str] | None
    """Image by component; None when no release can be run."""
    operation: Operation | None = None
    """The change of release, as it goes on."""


def choose(cluster: ChatCluster, snapshot: Snapshot, catalogue: Catalogue, *, now: int) -> Chosen:
    """The images that the ChatCluster is to run next. `now` is in Unix seconds."""
    running: str | None = cluster.status.get("version")
    known = cluster.status.get("operation")
    operation = Operation.model_validate(known) if known else None
    new, old = _of_release(cluster, catalogue, cluster.spec.version), _of_release(cluster, catalogue, running)
    workloads = _workloads(cluster, snapshot)
    live = {name: workload.image for name, workload in workloads.items() if workload.image}
    if new is None:
        # The release asked for has no images: what runs is kept as it is, and kept healthy.
        return Chosen(running, {**old, **live}, operation) if old else Chosen(None, None, operation)
    rollout = advance(
        wanted=cluster.spec.version,
        running=running,
        operation=operation,
        states=_states(workloads, snapshot, new, old or {}),
        step_seconds=cluster.spec.upgrade.step_timeout_seconds,
        now=now,
    )
    # What is not renewed stays with what it runs; so does what the catalogue no longer knows the way back for.
    kept = {**new, **(old or {}), **({} if rollout.restored and old else live)}
    images = {name: new[name] if name in rollout.renewed else kept[name] for name in new}
    return Chosen(cluster.spec.version, images, rollout.operation)


def _of_release(cluster: ChatCluster, catalogue: Catalogue, release: str | None) -> Mapping[str, str] | None:
    if release is None:
        return None
    try:
        return resolve_images(cluster, catalogue.get(release, {}))
    except MissingImageError:
        return None


def _workloads(cluster: ChatCluster, snapshot: Snapshot) -> dict[str, Workload]:
    """Each component's workload, of those that exist."""
    found = {item.name: snapshot.children.get(Key(item.kind.value, item.workload)) for item in components(cluster)}
    return {name: child.workload for name, child in found.items() if child and child.workload}


def _states(
    workloads: Mapping[str, Workload], snapshot: Snapshot, new: Mapping[str, str], old: Mapping[str, str]
) -> dict[str, State]:
    trouble = {pod.component: pod.message for pod in snapshot.pods.values() if pod.reason in FAILING}
    states: dict[str, State] = {}
    for name, image in new.items():
        workload = workloads.get(name)
        live = workload.image if workload else None
        states[name] = State(
            renewed=live == image,
            restored=live == old.get(name),
            # Asleep, a workload is well with nothing running.
            well=workload is not None and workload.rolled_out and (workload.available or workload.wanted == 0),
            trouble=trouble.get(name, ""),
        )
    return states
