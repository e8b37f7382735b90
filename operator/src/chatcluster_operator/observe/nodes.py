"""The nodes of the cluster, as far as one may see them: which there are, and whether each is heard from.

An operator for some namespaces alone has no rights over nodes, and does without.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chatcluster_operator.decide.members import Node
from chatcluster_operator.kube import Kind, Object
from chatcluster_operator.observe.informer import Listing


class Nodes:
    """Keeps them. `changed` is told the name of each that is lost, or is back."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._nodes: dict[str, tuple[Node, int]] = {}

    @property
    def known(self) -> Mapping[str, Node]:
        """All of them, by name."""
        return {name: node for name, (node, _) in self._nodes.items()}

    def put(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        del kind
        node = node_of(body)
        before = self._nodes.get(node.name)
        self._nodes[node.name] = node, int(body["metadata"]["resourceVersion"])
        if before is not None and before[0] != node:
            self._changed(node.name)

    def remove(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        del kind
        name = body["metadata"]["name"]
        if self._nodes.pop(name, None) is not None:
            self._changed(name)

    def retain(self, kind: Kind, listing: Listing) -> None:
        """As `Sink`."""
        for name, (_, version) in list(self._nodes.items()):
            if listing.lacks("", name, version):
                self.remove(kind, {"metadata": {"name": name}})


def node_of(body: Mapping[str, Any]) -> Node:
    """What is kept of a node."""
    conditions: Iterable[Mapping[str, Any]] = body.get("status", {}).get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return Node(body["metadata"]["name"], ready)
