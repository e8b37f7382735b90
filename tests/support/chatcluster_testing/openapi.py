"""The OpenAPI documents of a running platform.

The web client's types are made from the merged one, `services/web/openapi.json`. To write it anew, then the types:

    PYTHONPATH=tests/support python -m chatcluster_testing.openapi
    npm --prefix services/web run api
"""

import json
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcluster_testing.platform import Platform, running_platform
from chatcluster_testing.process import wait_until

SERVICES = ("user", "message", "file", "notification", "presence")
MERGED = "/api/v1/openapi.json"
COMMITTED = Path(__file__).parents[3] / "services" / "web" / "openapi.json"
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


def merged(platform: Platform) -> str:
    """The merged document of all services, as the text that is committed."""
    found: dict[str, Any] = {}

    def complete() -> bool:
        found.update(document(f"{platform.url}{MERGED}"))
        # A service that was busy is asked again after some seconds.
        return not found.pop("x-unavailable", None)

    wait_until(complete, "all services to give their OpenAPI documents")
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running_platform(Path(folder)) as running:
        COMMITTED.write_text(merged(running))
