"""The built-in cluster as a whole: its machines, cables and record, and what up, down and status do with them."""

import fcntl
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import ExitCode, LocalError
from ..packages import ensure_packages
from ..paths import Paths, cache_root, state_root
from ..programs import BUILD_TIMEOUT, Programs, ensure_programs
from ..progress import Progress
from ..providers import Part, Provider
from ..shell import run
from .addresses import AddressPlan, choose_index
from .cgroups import Group
from .controlplane import COMPONENTS, ControlPlane
from .images import PAUSE_REFERENCE, archive_names, full_name, pause_archive
from .machines import Cables, Machine, write_private
from .nodes import Node, check_number, node_name
from .surroundings import PACKAGES, complaints, look, used_networks

NODES = 3
READY_TIMEOUT = 90.0
NODE_PROGRAMS = ("containerd", "kubelet", "kube-proxy", "sized")
CONTROL_PROGRAMS = ("coredns", "metrics-server", "volumes")


@dataclass(frozen=True)
class Record:
    """What a cluster is made of; written before anything is made, so that all of it can be found again."""

    index: int
    nodes: int = NODES
    programs: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where the programs that it runs are: a folder a module."""
    provider: str = "builtin"

    @property
    def plan(self) -> AddressPlan:
        return AddressPlan(self.index)


def load_record(path: Path) -> Record | None:
    """The record at `path`; None when there is none or it belongs to another provider."""
    try:
        data: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Record(**data) if data.get("provider") == "builtin" else None


@contextmanager
def locked(path: Path, what: str, *, patience: float = 0) -> Iterator[None]:
    """Hold a lock file; raise LocalError when another command still does after `patience` seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise LocalError(f"another command is changing {what}", "Wait until it has ended") from error
                time.sleep(0.1)
            else:
                break
        yield


def find_index() -> int | None:
    """An index that no cluster of this user and nothing else on this machine uses."""
    records = [load_record(path) for path in state_root().glob("*/cluster.json")]
    used = {record.index for record in records if record}
    return choose_index(used, Cables.links(), used_networks())


def _not_before(stamp: str, since: datetime | None) -> bool:
    return since is None or datetime.fromisoformat(stamp) >= since


class Builtin(Provider):
    """A real cluster of namespaces on this machine."""

    name = "builtin"

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths)
        self.group = Group(f"chatcluster-{paths.name}")

    @property
    def record(self) -> Record | None:
        return load_record(self.paths.record)

    def _existing(self) -> Record:
        record = self.record
        if record is None:
            raise LocalError(f"there is no cluster {self.paths.name}", "Make it with up", ExitCode.ABSENT)
        return record

    @property
    def kubeconfig(self) -> Path:
        return self.paths.kubeconfig

    @property
    def programs(self) -> Programs:
        """The programs that the cluster runs."""
        return Programs({module: Path(folder) for module, folder in self._existing().programs.items()})

    @property
    def kubectl(self) -> str:
        return str(self.programs.path("kubectl"))

    def node_addresses(self) -> list[str]:
        record = self._existing()
        return [str(record.plan.node(number)) for number in range(1, record.nodes + 1)]

    # The parts

    def _cables(self, record: Record) -> Cables:
        return Cables(record.plan.bridge, str(record.plan.host), record.plan.machines.prefixlen)

    def _control_plane(self, record: Record) -> ControlPlane:
        return ControlPlane(
            plan=record.plan,
            programs=self.programs,
            machines=self.paths.machines,
            logs=self.paths.logs,
            group=self.group.child("control-plane"),
            kubeconfig=self.paths.kubeconfig,
        )

    def _node(self, record: Record, number: int) -> Node:
        name = node_name(number)
        return Node(
            number,
            plan=record.plan,
            programs=self.programs,
            folder=self.paths.machines / name,
            logs=self.paths.logs,
            group=self.group.child(name),
        )

    def _nodes(self, record: Record) -> list[Node]:
        return [self._node(record, number) for number in range(1, record.nodes + 1)]

    def _machines(self, record: Record | None) -> list[Machine]:
        """All machines, only to look at or to stop: this needs no programs."""
        names = ["control-plane", *(node_name(number) for number in range(1, (record.nodes if record else 0) + 1))]
        return [
            Machine(
                name, folder=self.paths.machines / name, logs=self.paths.logs, group=self.group.child(name), path=""
            )
            for name in names
        ]

    # What a provider does

    def check(self) -> None:
        record = self.record
        found = complaints(look(index_free=record is not None or find_index() is not None), new=record is None)
        if record and record.plan.bridge not in Cables.links():
            taken = [
                network for network in used_networks() if network.prefixlen and network.overlaps(record.plan.network)
            ]
            if taken:
                found.append(
                    f"the cluster's addresses {record.plan.network} are in use by {taken[0]}: "
                    "end what uses them, or run clean and up for another range"
                )
        if found:
            raise LocalError("\n".join(found), code=ExitCode.UNFIT)

    def up(self, progress: Progress) -> None:
        with locked(self.paths.lock, f"the cluster {self.paths.name}"):
            ensure_packages(PACKAGES, progress)
            with locked(state_root() / ".programs.lock", "the programs", patience=BUILD_TIMEOUT):
                programs = ensure_programs(progress)
            record = self._claim(programs)
            with progress.step(f"Starting the cluster {self.paths.name}") as step:
                started = self._start(record, step.say)
                step.result("" if started else "all was running")

    def _claim(self, programs: Programs) -> Record:
        """The record of this cluster, written now if it is new."""
        record = self.record
        folders = {module: str(folder) for module, folder in programs.folders.items()}
        if record and record.programs == folders:
            return record
        if record:
            # Other programs than it runs on: start all anew with these.
            self._stop(record)
        with locked(state_root() / ".index.lock", "the list of clusters", patience=30):
            index = record.index if record else find_index()
            if index is None:
                raise LocalError("no free range of addresses", "End another cluster with down", ExitCode.UNFIT)
            record = Record(index=index, programs=folders)
            write_private(self.paths.record, json.dumps(asdict(record)))
        return record

    def _start(self, record: Record, say) -> bool:
        say("network")
        cables = self._cables(record)
        control_plane, nodes = self._control_plane(record), self._nodes(record)
        pause = pause_archive(cache_root() / "images/pause.tar")
        cables.lay_bridge()
        say("control plane and container runtimes")

        def start_node(node: Node) -> bool:
            started = node.start(cables, record.nodes)
            if started:
                self._await_runtime(node)
                if PAUSE_REFERENCE not in node.images():
                    node.load(pause)
            return started

        with ThreadPoolExecutor(1 + len(nodes)) as pool:
            futures = [
                pool.submit(control_plane.start, cables, record.nodes),
                *(pool.submit(start_node, node) for node in nodes),
            ]
            started = [future.result() for future in futures]
            routes = "".join(f"route replace {record.plan.pods_of(n.number)} via {n.address}\n" for n in nodes)
            run(["ip", "-batch", "-"], input=routes)
            say("nodes and add-ons")
            config, pki = self.kubeconfig.read_text(), control_plane.credentials()
            # The API tells times in whole seconds.
            joining = datetime.now(UTC).replace(microsecond=0)
            joins = [pool.submit(node.join, config, pki) for node in nodes]
            self.ask("apply", "--server-side", "--force-conflicts", "--filename", "-", input=control_plane.add_ons())
            joined = [future.result() for future in joins]
        say("nodes to be ready")
        # What the API says of a node that was started just now is from before, until its kubelet reports.
        since = {node.name: joining if new else None for node, new in zip(nodes, joined, strict=True)}
        self._await_ready(since)
        return any(started) or any(joined)

    def _await_runtime(self, node: Node) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while True:
            try:
                node.images()
            except LocalError:
                if time.monotonic() > deadline or "containerd" not in node.machine.programs():
                    raise
                time.sleep(0.1)
            else:
                return

    def _await_ready(self, nodes: Mapping[str, datetime | None]) -> None:
        """Wait until these nodes are ready and have said so since the given time."""
        deadline = time.monotonic() + READY_TIMEOUT
        while True:
            ready = {
                node["metadata"]["name"]
                for node in self.get("nodes")["items"]
                for condition in node["status"].get("conditions", [])
                if condition["type"] == "Ready"
                and condition["status"] == "True"
                and _not_before(condition["lastHeartbeatTime"], nodes.get(node["metadata"]["name"]))
            }
            waiting = set(nodes) - ready
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise LocalError(
                    f"{', '.join(sorted(waiting))} not ready after {READY_TIMEOUT:g} s",
                    f"See the kubelet's log in {self.paths.logs}",
                    ExitCode.TIMEOUT,
                )
            time.sleep(0.2)

    def down(self, progress: Progress) -> None:
        with locked(self.paths.lock, f"the cluster {self.paths.name}"):
            record = self.record
            if record is None and not self.group.exists:
                return
            with progress.step(f"Stopping the cluster {self.paths.name}"):
                self._stop(record)

    def _stop(self, record: Record | None) -> None:
        machines = self._machines(record)
        with ThreadPoolExecutor(len(machines)) as pool:
            list(pool.map(lambda machine: machine.stop(), machines))
        # Whatever else a crash may have left in the groups.
        self.group.kill()
        self.group.remove()
        if record:
            cables = self._cables(record)
            for machine in machines:
                cables.unplug(record.plan.link(machine.name))
            cables.remove()

    def status(self) -> list[Part]:
        record = self.record
        if record is None:
            return []
        parts: list[Part] = []
        for machine in self._machines(record):
            node = machine.name != "control-plane"
            wanted = set(NODE_PROGRAMS) if node else {*COMPONENTS, *CONTROL_PROGRAMS}
            running = set(machine.programs())
            if not node and machine.running:
                running |= ControlPlane.components_of(machine)
            address = record.plan.node(int(machine.name[5:])) if node else record.plan.control_plane
            if not machine.running:
                parts.append(Part(machine.name, False, f"{address}, not running"))
                continue
            memory = machine.group.memory() / 1024**2
            detail = f"{address}, {memory:.0f} MiB"
            cut = not Cables.is_up(record.plan.link(machine.name))
            if cut:
                detail += ", cut off"
            if lost := wanted - running:
                detail += f", not running: {', '.join(sorted(lost))}"
            parts.append(Part(machine.name, not cut and not lost, detail))
        return parts

    def images(self) -> dict[str, set[str]]:
        return {node.name: node.images() for node in self._nodes(self._existing())}

    def remove_images(self, node: str, names: Collection[str]) -> None:
        next(known for known in self._nodes(self._existing()) if known.name == node).forget(names)

    def load(self, archives: Sequence[Path], progress: Progress) -> None:
        nodes = self._nodes(self._existing())
        contents = {archive: archive_names(archive) for archive in archives}
        held = self.images()
        jobs = [
            (node, archive)
            for archive, names in contents.items()
            for node in nodes
            if not names or not held[node.name].issuperset(map(full_name, names))
        ]
        if not jobs:
            return
        with progress.step("Loading images into the nodes") as step:
            done = 0
            step.update(0, len(jobs))
            with ThreadPoolExecutor(min(len(jobs), max(2, os.cpu_count() or 1))) as pool:
                futures = {pool.submit(node.load, archive): (node, archive) for node, archive in jobs}
                for future, (node, archive) in futures.items():
                    future.result()
                    done += 1
                    step.update(done, len(jobs), f"{archive.name} → {node.name}")

    def set_node(self, number: int, state: str) -> None:
        with locked(self.paths.lock, f"the cluster {self.paths.name}"):
            record = self._existing()
            node = self._node(record, check_number(number, record.nodes))
            if state == "kill":
                node.machine.stop()
                self._cables(record).unplug(node.link)
            elif state == "partition":
                if node.link not in Cables.links():
                    raise LocalError(f"{node.name} is not running", "Heal it first", ExitCode.ABSENT)
                Cables.set_up(node.link, False)
            elif state == "heal":
                node.start(self._cables(record), record.nodes)
                self._await_runtime(node)
                run(["ip", "-batch", "-"], input=f"route replace {record.plan.pods_of(number)} via {node.address}\n")
                node.join(self.kubeconfig.read_text(), self._control_plane(record).credentials())
            else:
                raise ValueError(state)
