"""Strategic merge, as `kubectl patch` does it, of what the spec overrides in a pod template.

Objects are merged field by field; null removes a field. Lists that have a merge key are merged by it, all others are
replaced. `$patch: delete` removes an item or an object, `$patch: replace` puts the rest in place of all there was. The
keys are those of Kubernetes' PodSpec (`patchMergeKey` in its API types).
"""

from collections.abc import Mapping
from typing import Any, Final, cast

_MERGE_KEYS: Final[Mapping[str, str]] = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
_DIRECTIVE: Final = "$patch"


class PatchError(ValueError):
    """A patch that cannot be applied; the message names the place."""


def merge(original: Any, patch: Any, path: str = "") -> Any:
    """`original` with `patch` merged in; neither is changed. Raises `PatchError`."""
    if isinstance(patch, Mapping):
        return _merge_object(original, cast("Mapping[str, Any]", patch), path)
    return patch


def _merge_object(original: Any, patch: Mapping[str, Any], path: str) -> Any:
    rest = {name: value for name, value in patch.items() if name != _DIRECTIVE}
    match patch.get(_DIRECTIVE, "merge"):
        case "replace":
            return rest
        case "delete":
            return None
        case "merge":
            pass
        case other:
            raise PatchError(f"{path or 'the patch'}: $patch is merge, replace or delete, not {other!r}")
    # Into a value of another type nothing can be merged: the API server will say what it thinks of the replacement.
    merged = dict(cast("Mapping[str, Any]", original)) if isinstance(original, Mapping) else {}
    for name, value in rest.items():
        place = f"{path}.{name}" if path else name
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, list) and name in _MERGE_KEYS:
            merged[name] = _merge_list(merged.get(name) or [], cast("list[Any]", value), _MERGE_KEYS[name], place)
        elif (result := merge(merged.get(name), value, place)) is None:
            merged.pop(name, None)
        else:
            merged[name] = result
    return merged


def _merge_list(original: list[Any], patch: list[Any], key: str, path: str) -> list[Any]:
    merged = [] if {_DIRECTIVE: "replace"} in patch else list(original)
    for item in patch:
        if item == {_DIRECTIVE: "replace"}:
            continue
        if not isinstance(item, Mapping) or key not in item:
            raise PatchError(f"{path}: each item needs the field {key}")
        entry = cast("Mapping[str, Any]", item)
        place = f"{path}[{key}={entry[key]}]"
        at = next((index for index, known in enumerate(merged) if known.get(key) == entry[key]), None)
        result = _merge_object(merged[at] if at is not None else None, entry, place)
        if at is None:
            if result is not None:
                merged.append(result)
        elif result is None:
            del merged[at]
        else:
            merged[at] = result
    return merged
