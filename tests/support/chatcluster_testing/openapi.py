"""The OpenAPI documents of a running platform."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from chatcluster_testing.platform import Platform

SERVICES = ("user", "message", "file", "notification", "presence")
MERGED = "/api/v1/openapi.json"
_METHODS = {"get", "put", "post", "patch", "delete", "options", "head"}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    service: str
    id: str
    method: str
    path: str


def document(url: str) -> dict[str, Any]:
    """The document at `url`."""
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 http to loopback
        return json.load(response)


def operations(platform: Platform) -> list[Operation]:
    """Every public operation: of each service by its own document, then what the merged one has besides."""
    documents = {name: document(f"{platform.addresses[name]}/openapi.json") for name in SERVICES}
    documents["gateway"] = document(f"{platform.url}{MERGED}")
    found: dict[str, Operation] = {}
    for service, described in documents.items():
        for path, methods in described["paths"].items():
            for method, operation in methods.items():
                if method in _METHODS and path.startswith("/api/"):
                    name = operation["operationId"]
                    found.setdefault(name, Operation(service, name, method.upper(), path))
    return list(found.values())
