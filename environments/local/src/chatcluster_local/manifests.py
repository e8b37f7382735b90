"""The manifests that make up the local environment, with the images that were built put in. Pure: text to objects."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from .errors import LocalError

RELEASE = "dev"
CATALOGUE = "chatcluster-images"
PREFIX = "chatcluster/"

Manifest = dict[str, Any]


def documents(text: str) -> list[Manifest]:
    """The objects in a YAML text."""
    return [document for document in yaml.safe_load_all(text) if document]


def image_for(reference: str, images: Mapping[str, str]) -> str:
    """The built image that takes the place of `reference`; `images` maps names (`message`) to references.

    What is not ours, such as MongoDB's own server, stays as it is.
    """
    if not reference.startswith(PREFIX):
        return reference
    name = reference.removeprefix(PREFIX).partition(":")[0]
    if name not in images:
        raise LocalError(f"no image was built for {reference}", f"Name one of {', '.join(sorted(images))}")
    return images[name]


def with_images(manifests: Iterable[Manifest], images: Mapping[str, str]) -> list[Manifest]:
    """The manifests with our images replaced by the built ones, and the catalogue turned into that of release `dev`."""
    return [
        catalogue(manifest, images) if _is_catalogue(manifest) else _replaced(manifest, images)
        for manifest in manifests
    ]


def _is_catalogue(manifest: Manifest) -> bool:
    return manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"] == CATALOGUE


def catalogue(manifest: Manifest, images: Mapping[str, str]) -> Manifest:
    """The image catalogue with one release, `dev`: the components of the released map, each with its built image."""
    [released] = manifest["data"].values()
    built = {component: image_for(image, images) for component, image in yaml.safe_load(released).items()}
    return manifest | {"data": {RELEASE: yaml.safe_dump(built, sort_keys=False)}}


def _replaced(value: Any, images: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: image_for(item, images) if key == "image" and isinstance(item, str) else _replaced(item, images)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_replaced(item, images) for item in value]
    return value


def as_list(manifests: Iterable[Manifest]) -> str:
    """The manifests as text for `kubectl apply`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})


def behind(workload: Manifest, references: set[str]) -> str | None:
    """Why a Deployment or StatefulSet is not yet as it should be, or None; `references` are the images in use."""
    spec, status = workload["spec"], workload.get("status", {})
    name = workload["metadata"]["labels"].get("app.kubernetes.io/component", workload["metadata"]["name"])
    wanted = spec.get("replicas", 1)
    if references.isdisjoint(container["image"] for container in spec["template"]["spec"]["containers"]):
        return f"{name} (new image)"
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return name
    updated = status.get("updatedReplicas", 0)
    if status.get("currentRevision") and status.get("currentRevision") == status.get("updateRevision"):
        # A StatefulSet that has nothing to update does not always count its replicas as updated.
        updated = status.get("currentReplicas", updated)
    ready = min(updated, status.get("readyReplicas", 0))
    return None if ready >= wanted and status.get("replicas", 0) == wanted else f"{name} {ready}/{wanted}"


def troubles(pods: Iterable[Manifest]) -> list[str]:
    """What keeps pods from running, a line for each that has something to say."""
    found: list[str] = []
    for pod in pods:
        status = pod.get("status", {})
        name = pod["metadata"]["name"]
        found += [
            f"{name}: {condition.get('message', 'cannot be scheduled')}"
            for condition in status.get("conditions") or []
            if condition["type"] == "PodScheduled" and condition["status"] == "False"
        ]
        for part in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            waiting = part.get("state", {}).get("waiting") or {}
            if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                found.append(f"{name}: {part['name']} {waiting['reason']}, {waiting.get('message', 'no message')}")
    return found
