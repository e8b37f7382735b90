"""The copy of all children, by the ChatCluster they belong to."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from chatcluster_operator.decide import Child, Key, Pod


class Owner(NamedTuple):
    """A ChatCluster, by where it is."""

    namespace: str
    name: str


Entry = TypeVar("Entry", Child, Pod)


class Cache:
    """Children and pods by owner. `changed` is called with the owner whenever a decision might come out otherwise."""

    def __init__(self, changed: Callable[[Owner], None]) -> None:
        self._changed = changed
        self._children: dict[Owner, dict[Key, Child]] = {}
        self._pods: dict[Owner, dict[Key, Pod]] = {}

    def children(self, owner: Owner) -> dict[Key, Child]:
        """A copy of what is known to belong to `owner`."""
        return dict(self._children.get(owner, {}))

    def pods(self, owner: Owner) -> dict[Key, Pod]:
        """A copy of its pods."""
        return dict(self._pods.get(owner, {}))

    def owners_on(self, node: str) -> list[Owner]:
        """Those that have a pod on this node, or one on no node, which may wait for it."""
        return [owner for owner, pods in self._pods.items() if any(pod.node in {node, ""} for pod in pods.values())]

    def put_child(self, owner: Owner, key: Key, child: Child) -> None:
        """Take in an object as seen, or as returned by a write of our own; an older version of it is ignored."""
        self._put(self._children, owner, key, child)

    def put_pod(self, owner: Owner, key: Key, pod: Pod) -> None:
        """The same for a pod."""
        self._put(self._pods, owner, key, pod)

    def remove(self, owner: Owner, key: Key, *, uid: str | None = None) -> None:
        """The object is gone, or no longer has our labels. With a `uid`, a later object of the same name stays."""
        table = self._pods if key.kind == "Pod" else self._children
        entries = table.get(owner, {})
        known = entries.get(key)
        if known is not None and uid in {None, known.uid}:
            del entries[key]
            self._changed(owner)
        if not entries:
            table.pop(owner, None)

    def versions(self, kind: str) -> list[tuple[Owner, Key, int]]:
        """All that is known of one kind, with the resource version at which it is known."""
        table: Mapping[Owner, Mapping[Key, Child | Pod]] = self._pods if kind == "Pod" else self._children
        return [
            (owner, key, entry.version)
            for owner, entries in table.items()
            for key, entry in entries.items()
            if key.kind == kind
        ]

    def _put(self, table: dict[Owner, dict[Key, Entry]], owner: Owner, key: Key, entry: Entry) -> None:
        entries = table.setdefault(owner, {})
        old = entries.get(key)
        if old is not None and old.uid == entry.uid and old.version >= entry.version:
            return
        entries[key] = entry
        # A Secret is read by whoever uses it whenever its version is another.
        if old is None or key.kind == "Secret" or _without_version(old) != _without_version(entry):
            self._changed(owner)


def _without_version(entry: Child | Pod) -> tuple[object, ...]:
    return tuple(getattr(entry, name) for name in entry.__slots__ if name != "version")
