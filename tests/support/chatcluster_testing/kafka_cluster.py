"""Kafka with several nodes, as processes of the tests: the image's own program with the operator's own files.

Each node has a loopback address of its own, so that all use the same ports, as pods do.
"""

import contextlib
import json
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatcluster_testing.kafka import class_path, classes, log_to_console
from chatcluster_testing.process import Program, find_program, free_port, wait_until

_JAVA = ["-Xms64m", "-Xmx160m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto"]
_START_SECONDS = 300.0
"""Three Java machines that start at once on two busy cores."""


@dataclass
class KafkaCluster:
    """Its nodes, none of which runs at first."""

    folder: Path
    config: Mapping[str, str]
    """The operator's ConfigMap."""
    password: str
    """Of the user `message`."""
    wished: dict[str, Any] = field(default_factory=dict[str, Any])
    nodes: dict[int, Program] = field(default_factory=dict[int, Program])

    def __post_init__(self) -> None:
        self.wished = json.loads(self.config["cluster.json"])
        self.wished["host"] = "127.0.0.1%d"
        self.wished["ports"] = {name: free_port() for name in ("client", "controller", "state")}
        self.wish()

    def wish(self, *, members: int | None = None, topics: Mapping[str, int] | None = None) -> None:
        """Say what the cluster should be from now on."""
        if members is not None:
            self.wished |= {"members": members, "replication": min(3, members)}
        self.wished |= {"topics": dict(topics)} if topics is not None else {}
        part = self.folder / "cluster.part"
        part.write_text(json.dumps(self.wished))
        part.replace(self.folder / "cluster.json")

    @property
    def bootstrap(self) -> str:
        """Addresses of the first nodes, as services are told."""
        return ",".join(f"{self._host(node)}:{self.wished['ports']['client']}" for node in range(3))

    def start(self, *nodes: int) -> None:
        """Start nodes at the same time, and wait until all of them are ready."""
        for node in nodes:
            self.spawn(node)
        for node in nodes:
            self.until_ready(node)

    def spawn(self, node: int) -> None:
        """Start a node."""
        self.program(node).spawn()

    def program(self, node: int) -> Program:
        """A node's program, whether or not it runs."""
        if node not in self.nodes:
            self.nodes[node] = self._program(node)
        return self.nodes[node]

    def until_ready(self, node: int) -> None:
        """Wait until the node says that it is ready."""
        self.until(lambda: self.state(node).get("ready", False), f"node {node} to be ready")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something; the end of all nodes' logs is told when it does not come."""
        try:
            wait_until(condition, what, _START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.report()}") from None

    def report(self) -> str:
        """What the nodes say, and the ends of their logs."""
        return "\n".join(
            f"{node}: {self.state(node)}\n{program.log[-3000:]}" for node, program in sorted(self.nodes.items())
        )

    def state(self, node: int) -> dict[str, Any]:
        """What a node says; empty while it says nothing."""
        return self._get(node, "/state", 5)

    def may_stop(self, node: int) -> None:
        """Wait, as the hook does before a pod is told to stop."""
        self._get(node, "/stop", 90)

    def stop(self, node: int) -> None:
        """As Kubernetes ends a pod."""
        self.may_stop(node)
        self.nodes[node].stop(120)

    def lose_disk(self, node: int) -> None:
        """Of a node that does not run."""
        shutil.rmtree(self.data(node))

    def data(self, node: int) -> Path:
        """Where a node keeps everything."""
        return self.folder / str(node) / "kafka"

    def _get(self, node: int, path: str, timeout: float) -> dict[str, Any]:
        url = f"http://{self._host(node)}:{self.wished['ports']['state']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                return json.load(answer)
        except (OSError, urllib.error.URLError):
            return {}

    def _host(self, node: int) -> str:
        return self.wished["host"] % node

    def _program(self, node: int) -> Program:
        folder = self.folder / str(node)
        folder.mkdir()
        properties = self.config["server.properties"].replace("/var/lib/chatcluster", str(folder))
        (folder / "given.properties").write_text(properties)
        env = {
            "KAFKA_NODE_ID": str(node),
            # One in 64 begins like an option.
            "KAFKA_CLUSTER_ID": "-kU3OEVBNTcwNTJENDM2Qg",
            "KAFKA_WISHED": str(self.folder / "cluster.json"),
            "KAFKA_PROPERTIES": str(folder / "given.properties"),
            "KAFKA_BIND": self._host(node),
        }
        options = [f"-Djava.io.tmpdir={folder}", f"-Dchatcluster.users={self.folder / 'users.properties'}"]
        path = f"{self.folder}:{classes()}:{class_path()}"
        argv = [find_program("java"), *_JAVA, *options, "-cp", path, "dev.chatcluster.kafka.Node"]
        return Program(f"kafka-{node}", ["nice", "-n", "19", *argv], folder, lambda: False, env=env)


@contextlib.contextmanager
def kafka_cluster(config: Mapping[str, str], users: str, password: str) -> Iterator[KafkaCluster]:
    """Nodes that are all ended at the end. `users` is the content of users.properties."""
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-kafka-"))
    try:
        log_to_console(folder)
        (folder / "users.properties").write_text(users)
        cluster = KafkaCluster(folder, config, password)
        try:
            yield cluster
        finally:
            for program in cluster.nodes.values():
                program.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
