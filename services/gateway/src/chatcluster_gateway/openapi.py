"""One OpenAPI document of all services: theirs, merged.

A path belongs to the service that the route table sends it to, whatever else a service may offer. Components that two
services call by one name stay one when they are the same, with all they refer to, and otherwise get the service's name
in front.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from chatcluster_gateway import routes

Document = dict[str, Any]

SERVICES: Final = ("gateway", "user", "message", "file", "notification", "presence")

_REFERENCE: Final = "#/components/"
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_DESCRIPTION: Final = """\
Sign in by `POST /api/v1/auth/login`, then send `Authorization: Bearer` with the access token, or with an API token \
(`cct_…`). Errors are problem documents (RFC 9457). Lists page by cursor. Live events come over Socket.IO."""


def merge(documents: Mapping[str, Document], expected: Collection[str] = SERVICES) -> Document:
    """The merged document of the services that have answered; `x-unavailable` names the others that are `expected`."""
    present = [service for service in SERVICES if service in documents]
    names = _names({service: documents[service].get("components", {}) for service in present})
    components: dict[str, dict[str, Any]] = {}
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, Any] = {}
    operations: set[str] = set()
    for service in present:
        document = _renamed(documents[service], names[service])
        for kind, items in document.get("components", {}).items():
            for name, item in items.items():
                components.setdefault(kind, {})[names[service].get((kind, name)) or name] = item
        for tag in document.get("tags", []):
            tags[tag["name"]] = tag
        for path, item in document.get("paths", {}).items():
            if _owner(path) != service:
                continue
            paths[path] = item
            for method in _METHODS:
                if operation := item.get(method):
                    operation.setdefault("tags", [service])
                    for tag in operation["tags"]:
                        tags.setdefault(tag, {"name": tag})
                    operation_id = operation.get("operationId", f"{method}_{path}")
                    operation["operationId"] = (
                        f"{service}_{operation_id}" if operation_id in operations else operation_id
                    )
                    operations.add(operation["operationId"])
    missing = [service for service in SERVICES if service in expected and service not in documents]
    return {
        "openapi": "3.1.0",
        "info": {"title": "ChatCluster", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/", "description": "The edge that this document came from."}],
        "tags": list(tags.values()),
        "paths": dict(sorted(paths.items())),
        "components": components,
        **({"x-unavailable": missing} if missing else {}),
    }


def _owner(path: str) -> str | None:
    """Whose the path is. A parameter's place is taken by any word: it never is the first segment."""
    return routes.owner(path.replace("{", "").replace("}", "").encode())


Names = dict[tuple[str, str], str]
"""A component's new name by its kind and old name, where it has one."""


def _names(components: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Names]:
    """New names of the components that cannot keep theirs."""
    holders: dict[tuple[str, str], list[str]] = {}
    for service, kinds in components.items():
        for kind, items in kinds.items():
            for name in items:
                holders.setdefault((kind, name), []).append(service)

    def item(service: str, key: tuple[str, str]) -> Any:
        return components[service][key[0]][key[1]]

    shared = {key: services for key, services in holders.items() if len(services) > 1}
    clashing = {
        key
        for key, services in shared.items()
        if any(item(service, key) != item(services[0], key) for service in services[1:])
    }
    # What refers to something that is two things is two things as well.
    while more := {
        key
        for key, services in shared.items()
        if key not in clashing and any(clashing & _references(item(service, key)) for service in services)
    }:
        clashing |= more
    return {
        service: {key: f"{service}.{key[1]}" for key in clashing if service in holders[key]} for service in components
    }


def _references(value: Any) -> set[tuple[str, str]]:
    """The components that a value refers to, as (kind, name)."""
    if isinstance(value, str) and value.startswith(_REFERENCE):
        kind, _, name = value.removeprefix(_REFERENCE).partition("/")
        return {(kind, name)}
    found: set[tuple[str, str]] = set()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found |= _references(inner)
    return found


def _renamed(value: Any, names: Names) -> Any:
    """A copy in which every reference has its new name."""
    if isinstance(value, dict):
        return {key: _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    if isinstance(value, str) and value.startswith(_REFERENCE):
        kind, _, name = value.removeprefix(_REFERENCE).partition("/")
        return f"{_REFERENCE}{kind}/{names.get((kind, name), name)}"
    return value
