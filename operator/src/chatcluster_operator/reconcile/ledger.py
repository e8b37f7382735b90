"""What was applied, as the status keeps it, so that who comes to lead need not apply everything again to be sure.

A mark speaks of an object as it was after it was applied: the manifest, and the fields that were ours. It is taken out
of the status before the object is written, and put back after that. So, wherever the operator is killed, no mark is
older than the object it speaks of. An object without one is applied again, which changes nothing where nothing differs.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from chatcluster_operator.decide import Applied, Child, Key
from chatcluster_operator.decide.plan import Wanted
from chatcluster_operator.decide.snapshot import digest


def mark(applied: Applied | None, child: Child) -> str | None:
    """The mark of an object that is as it was applied; None when it is not, or nothing is known of that."""
    return None if applied is None or applied.fields != child.fields else digest([applied.manifest, applied.fields])


def recall(status: Mapping[str, Any], wanted: Iterable[Wanted], children: Mapping[Key, Child]) -> dict[Key, Applied]:
    """What needs no look, by the marks in `status`: each of `wanted` that is still as another process applied it."""
    marks = {_key(item): item.get("mark") for item in status.get("inventory", [])}
    known: dict[Key, Applied] = {}
    for key, fingerprint, _ in wanted:
        child = children.get(key)
        if child is not None and marks.get(key) == digest([fingerprint, child.fields]):
            known[key] = Applied(fingerprint, child.fields)
    return known


def unmarked(status: Mapping[str, Any], keys: Collection[Key]) -> dict[str, Any] | None:
    """The status without the marks of `keys`; None when it has none of them."""
    inventory: list[dict[str, Any]] = status.get("inventory", [])
    if not any("mark" in item and _key(item) in keys for item in inventory):
        return None
    bare = [{name: value for name, value in item.items() if name != "mark"} for item in inventory]
    kept = [bare[place] if _key(item) in keys else item for place, item in enumerate(inventory)]
    return {**status, "inventory": kept}


def _key(item: Mapping[str, Any]) -> Key:
    return Key(item["kind"], item["name"])
