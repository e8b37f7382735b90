"""What one look runs: the release of each component, the migrations, and the change of release as it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from chatcluster_operator.api import ChatCluster, Operation, OperationPhase, Rotation, RotationPhase
from chatcluster_operator.api.spec import WhenUnhealthy
from chatcluster_operator.decide import FAILING, Key, Snapshot, State, Wait, Work, Workload, advance
from chatcluster_operator.decide.operations import Situation, may_begin, may_go_on, situation
from chatcluster_operator.decide.restart import Restarts, restarts
from chatcluster_operator.decide.snapshot import Job
from chatcluster_operator.decide.upgrade import ORDER, Limits, Schema
from chatcluster_operator.desired import Inputs, components, migrations
from chatcluster_operator.desired.components import available_images
from chatcluster_operator.desired.types import Migrations
from chatcluster_operator.observe.observer import Catalogue

RETRY_SECONDS: Final = 300
"""How long a failed migration is left alone before it is tried again, where nothing is taken back for it."""


@dataclass(frozen=True)
class Chosen:
    """What one look runs."""

    release: str | None
    """The release that the images are of."""
    images: Mapping[str, str] | None = None
    """Image by component; None when no release can be run."""
    migrations: Migrations | None = None
    operation: Operation | None = None
    """The change of release, as it goes on."""
    wait: Wait | None = None
    """Why a change of release does not begin, or does not go on."""
    failed: Mapping[Key, Job] = field(default_factory=dict[Key, Job])
    """Migrations that have failed and are to be tried again."""

    def retry(self, now: int) -> frozenset[Key]:
        """Those whose time has come; `now` is in Unix seconds."""
        return frozenset(key for key, job in self.failed.items() if now - job.since >= RETRY_SECONDS)

    @property
    def due(self) -> int | None:
        """When to look again at the latest, Unix seconds."""
        times = [job.since + RETRY_SECONDS for job in self.failed.values()]
        times += [self.wait.until] if self.wait and self.wait.until else []
        return min(times, default=None)


def choose(
    cluster: ChatCluster,
    snapshot: Snapshot,
    catalogue: Catalogue,
    inputs: Inputs,
    *,
    now: int,
    backing_up: Wait | None = None,
) -> Chosen:
    """What the ChatCluster is to run next. `inputs` need no images yet; `now` is in Unix seconds; `backing_up` is why a
    change of release does not begin for a backup."""
    running: str | None = cluster.status.get("version")
    known = cluster.status.get("operation")
    operation = Operation.model_validate(known) if known else None
    names = [item.name for item in components(cluster)]
    workloads = _workloads(cluster, snapshot)
    # What came with the new release has no image in the one before.
    new, old = (
        available_images(cluster, catalogue.get(release or "", {})) for release in (cluster.spec.version, running)
    )
    live = {name: workload.image for name, workload in workloads.items() if workload.image}
    if new.keys() != set(names):
        return _unknown(cluster, names, running, operation, {**old, **live})
    situated = situation(cluster, names, workloads, now=now)
    rollout = advance(
        wanted=cluster.spec.version,
        running=running,
        operation=operation,
        states=_states(workloads, snapshot, new, old),
        # Nobody asks while nothing changes.
        schema=_schema(cluster, snapshot, inputs, new) if operation or running != cluster.spec.version else Schema(),
        limits=Limits(cluster.spec.upgrade.step_timeout_seconds, cluster.spec.upgrade.migration_timeout_seconds),
        now=now,
        begin=may_begin(Work.UPGRADE, situated, unwell=cluster.spec.upgrade.when_unhealthy is WhenUnhealthy.PROCEED)
        or backing_up,
        go_on=may_go_on(Work.UPGRADE, situated),
        way_back=bool(running) and running in catalogue,
    )
    images = {
        name: new[name]
        if name in rollout.renewed
        # What is in neither stays with what it runs; so does what the release before did not have.
        else {**new, **old, **({} if name in rollout.restored and name in old else live)}[name]
        for name in names
    }
    wanted = Migrations(new, contract=False) if rollout.expand else _kept(cluster, snapshot, inputs, images, workloads)
    failed = {} if rollout.expand else _failed(snapshot, jobs_of(cluster, inputs, wanted))
    # What waits to begin leaves everything with the release before.
    release = cluster.spec.version if rollout.operation or not rollout.wait else running
    return Chosen(release, images, wanted, rollout.operation, rollout.wait, failed)


def _unknown(
    cluster: ChatCluster, names: list[str], running: str | None, operation: Operation | None, kept: Mapping[str, str]
) -> Chosen:
    """The release asked for has no images: what runs is kept as it is, and kept healthy."""
    wait = None
    if running != cluster.spec.version:
        wait = Wait("ReleaseUnknown", "waits for images; see the condition ConfigurationValid")
    if running is None or not kept.keys() >= set(names):
        return Chosen(None, operation=operation, wait=wait)
    return Chosen(running, {name: kept[name] for name in names}, None, operation, wait)


def _kept(
    cluster: ChatCluster,
    snapshot: Snapshot,
    inputs: Inputs,
    images: Mapping[str, str],
    workloads: Mapping[str, Workload],
) -> Migrations:
    """The migrations while no release is taken up or taken back: all the way, as soon as no pod runs that an earlier
    image may be in, be it ready or not. One that is on its way out still answers what it has begun.

    What has begun goes on: to narrow a schema cannot be taken back. A ChatCluster that has been asleep, or is new, has
    no pods, and so begins at once.
    """
    entire = Migrations(images, contract=True)
    begun = all(key in snapshot.children for key in jobs_of(cluster, inputs, entire))
    ending = {pod.component for pod in snapshot.pods.values() if pod.ending}
    alone = all(
        name not in ending and _runs_nothing_but(images[name], workloads.get(name))
        for name in migrations.services(cluster)
    )
    return Migrations(images, contract=begun or alone)


def _runs_nothing_but(image: str, workload: Workload | None) -> bool:
    """Whether each pod of the workload is of this image, as far as its controller counts them."""
    return workload is None or (workload.current and workload.image == image and workload.updated >= workload.total)


def jobs_of(cluster: ChatCluster, inputs: Inputs, wanted: Migrations) -> list[Key]:
    """The Jobs of these migrations."""
    return [
        Key(manifest["kind"], manifest["metadata"]["name"])
        for manifest in migrations.jobs(cluster, replace(inputs, migrations=wanted))
    ]


def _failed(snapshot: Snapshot, keys: list[Key]) -> dict[Key, Job]:
    found = {key: child.job for key in keys if (child := snapshot.children.get(key))}
    return {key: job for key, job in found.items() if job and job.failed}


def _schema(cluster: ChatCluster, snapshot: Snapshot, inputs: Inputs, new: Mapping[str, str]) -> Schema:
    steps = [jobs_of(cluster, inputs, Migrations(new, contract=contract)) for contract in (False, True)]
    found = [[child.job for key in keys if (child := snapshot.children.get(key)) and child.job] for keys in steps]
    expanded, contracted = (
        len(jobs) == len(keys) and all(job.done for job in jobs) for jobs, keys in zip(found, steps, strict=True)
    )
    pods = [pod for pod in snapshot.pods.values() if pod.component == migrations.COMPONENT]
    said = [pod.message for pod in pods if pod.reason == "MigrationFailed"]
    failed = [
        f"Job {key.name} failed ({child.job.failed})"
        for keys in steps
        for key in keys
        if (child := snapshot.children.get(key)) and child.job and child.job.failed
    ]
    trouble = next((pod.message for pod in pods if pod.reason in FAILING), "")
    return Schema(expanded, contracted, "; ".join([*dict.fromkeys(said), *failed]) if failed else "", trouble)


def restarted(
    cluster: ChatCluster, snapshot: Snapshot, *, upgrading: Operation | None, rotating: Rotation | None, now: int
) -> Restarts:
    """The restarts that people ask for; they come after what is under way, or begins in this look."""
    workloads = _workloads(cluster, snapshot)
    now_standing = standing(cluster, snapshot, upgrading=upgrading, rotating=rotating, now=now)
    order = [name for name in ORDER if name in {item.name for item in components(cluster)}]
    return restarts(cluster.annotations, order, workloads, now=now, wait=may_begin(Work.RESTART, now_standing))


def standing(
    cluster: ChatCluster, snapshot: Snapshot, *, upgrading: Operation | None, rotating: Rotation | None, now: int
) -> Situation:
    """What operations depend on, with what begins in this look."""
    workloads = _workloads(cluster, snapshot)
    found = situation(cluster, list(workloads), workloads, now=now)
    if upgrading is not None and upgrading.phase is not OperationPhase.ROLLED_BACK:
        return replace(found, under_way=Work.UPGRADE)
    if rotating is not None and rotating.phase is not RotationPhase.FAILED:
        return replace(found, under_way=Work.ROTATION)
    return found


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
            restored=name not in old or live == old[name],
            # Asleep, a workload is well with nothing running.
            well=workload is not None and workload.rolled_out and (workload.available or workload.wanted == 0),
            trouble=trouble.get(name, ""),
        )
    return states
