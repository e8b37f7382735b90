"""kubeconform, built once, and schemas for it made from what a running API server says of its kinds.

By default kubeconform fetches schemas from the internet, of some release of Kubernetes; these are those of the very
server, and know the ChatCluster too. Unlike the server they take no field that they do not know.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from chatcluster_local.paths import cache_root
from chatcluster_local.progress import Progress
from chatcluster_local.toolchain import find_go, go_environment
from chatcluster_testing.control_plane import Api

Object = dict[str, Any]

VERSION: Final = "v0.7.0"
_MODULE: Final = "github.com/yannh/kubeconform/cmd/kubeconform"
_BUILD_SECONDS: Final = 900
_GROUP_VERSION_KIND: Final = "x-kubernetes-group-version-kind"


def kubeconform() -> Path:
    """The program."""
    folder = cache_root() / f"kubeconform-{VERSION}"
    if not (folder / "kubeconform").exists():
        scratch = folder.with_name(f".{folder.name}.{os.getpid()}")
        environment = {**go_environment(), "GOBIN": str(scratch), "GOFLAGS": "-trimpath"}
        try:
            argv = [str(find_go(Progress())), "install", f"{_MODULE}@{VERSION}"]
            subprocess.run(argv, env=environment, check=True, capture_output=True, timeout=_BUILD_SECONDS)
            shutil.rmtree(folder, ignore_errors=True)
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder / "kubeconform"


def write_schemas(api: Api, folder: Path) -> str:
    """Write a schema for each kind of each group that the server serves; returns kubeconform's `-schema-location`."""
    folder.mkdir(exist_ok=True)
    for group in api.call("GET", "/openapi/v3")["paths"].values():
        schemas: Object = api.call("GET", group["serverRelativeURL"]).get("components", {}).get("schemas", {})
        closed = {name: _closed(schema) for name, schema in schemas.items()}
        for name, schema in schemas.items():
            for kind in schema.get(_GROUP_VERSION_KIND, []):
                # What kubeconform calls the group is all before the slash: for the core kinds, their version.
                file = folder / f"{kind['kind']}_{kind['group'] or kind['version']}_{kind['version']}.json".lower()
                document = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": closed}}
                file.write_text(json.dumps(document))
    return f"{folder}/{{{{.ResourceKind}}}}_{{{{.Group}}}}_{{{{.ResourceAPIVersion}}}}.json"


def conform(location: str, manifests: str) -> tuple[int, list[Object]]:
    """How many of these manifests are valid, and what is wrong with the others."""
    argv = [str(kubeconform()), "-schema-location", location, "-output", "json", "-verbose", "-summary", "-"]
    done = subprocess.run(argv, input=manifests, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    said: Object = json.loads(done.stdout)
    # A document that holds a comment alone has no status at all.
    wrong = [item for item in said["resources"] if item["status"] not in {"statusValid", ""}]
    return said["summary"]["valid"], wrong


def _closed(schema: Any) -> Any:
    """The schema, refusing fields that it does not name."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    named = isinstance(closed.get("properties"), dict) and closed.get("type", "object") == "object"
    if named and not closed.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed
