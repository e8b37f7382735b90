"""What differs between two manifests, field by field, as a person would say it. Pure."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

ABSENT: Final = object()
"""The value of a field that is not there."""
HIDDEN: Final = "(hidden)"
CONTEXT: Final = 2
"""Lines shown around a changed one."""

_KEYS: Final = ("name", "mountPath", "containerPort", "port", "type", "key", "ip", "topologyKey")
"""Fields by which items of a list are known, the first that all items have."""


@dataclass(frozen=True)
class Change:
    """One field: `spec.template.spec.containers[message].image`."""

    path: str
    before: Any
    after: Any

    def lines(self) -> list[str]:
        """One line, or for a text of several the lines around each change."""
        if isinstance(self.before, str) and isinstance(self.after, str) and "\n" in self.before + self.after:
            lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), n=CONTEXT, lineterm="")
            return [f"{self.path}:", *(f"  {line}" for line in list(lines)[2:])]
        if self.before is ABSENT:
            return [f"{self.path}: {said(self.after)} (new)"]
        if self.after is ABSENT:
            return [f"{self.path}: {said(self.before)} (removed)"]
        return [f"{self.path}: {said(self.before)} → {said(self.after)}"]

    def as_json(self) -> dict[str, Any]:
        """With `before` and `after` left out where the field is absent."""
        sides = {"before": self.before, "after": self.after}
        return {"path": self.path} | {side: value for side, value in sides.items() if value is not ABSENT}


def changes(before: Any, after: Any, path: str = "") -> list[Change]:
    """Every field that differs. A Secret's values are hidden: that they differ is all that is said."""
    return list(_changes(before, after, path))


def manifest_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """As `changes`, for two manifests of one object. Of a Secret, values are hidden."""
    found = changes(before, after)
    if after.get("kind") != "Secret":
        return found
    return [
        Change(item.path, *(HIDDEN if side is not ABSENT else ABSENT for side in (item.before, item.after)))
        if item.path.split(".")[0] in {"data", "stringData"}
        else item
        for item in found
    ]


def _changes(before: Any, after: Any, path: str) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        old, new = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after)
        for name in dict.fromkeys((*old, *new)):
            place = f"{path}.{_quoted(name)}" if path else _quoted(name)
            yield from _changes(old.get(name, ABSENT), new.get(name, ABSENT), place)
    elif (
        isinstance(before, list)
        and isinstance(after, list)
        and (known := _by_key(cast("list[Any]", before), cast("list[Any]", after)))
    ):
        for name in dict.fromkeys((*known[0], *known[1])):
            yield from _changes(known[0].get(name, ABSENT), known[1].get(name, ABSENT), f"{path}[{name}]")
    elif before != after:
        yield Change(path, before, after)


def _by_key(*lists: Any) -> list[dict[str, Any]] | None:
    """Each list by the names of its items; None when they have none."""
    if not all(isinstance(item, Mapping) for items in lists for item in items):
        return None
    for key in _KEYS:
        named = [{str(item.get(key)): item for item in items} for items in lists]
        # Names that occur twice would hide each other.
        if all(len(names) == len(items) for names, items in zip(named, lists, strict=True)) and all(
            key in item for items in lists for item in items
        ):
            return named
    return None


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name


def said(value: Any) -> str:
    """A value in one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case Mapping():
            items = cast("Mapping[str, Any]", value)
            return "{" + ", ".join(f"{name}: {said(item)}" for name, item in items.items()) + "}"
        case list():
            return "[" + ", ".join(said(item) for item in cast("list[Any]", value)) + "]"
        case _:
            text = str(value)
            return text or '""'
