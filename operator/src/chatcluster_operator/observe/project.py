"""From an API object to the few values that decisions rest on; the rest is let go at once, so memory stays small."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from chatcluster_operator.api import FIELD_MANAGER, LABEL_COMPONENT, LABEL_INSTANCE
from chatcluster_operator.api.backup import time_or_nothing
from chatcluster_operator.api.constants import BACKUP, NOT_ARCHIVED_SINCE, RECOVERY, VERIFICATION
from chatcluster_operator.decide import Child, Pod, Workload
from chatcluster_operator.decide.snapshot import Job, digest
from chatcluster_operator.decide.times import seconds
from chatcluster_operator.desired import migrations
from chatcluster_operator.desired.pods import CHECKSUM, RESTARTED_AT

_IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIGURATION_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_RESTARTS: Final = 3
_OF_STEPS: Final = frozenset({BACKUP, RECOVERY, VERIFICATION})


def owner_of(body: Mapping[str, Any]) -> tuple[str, str] | None:
    """Namespace and name of the ChatCluster that the object's labels name."""
    metadata = body["metadata"]
    instance = metadata.get("labels", {}).get(LABEL_INSTANCE)
    return (metadata["namespace"], instance) if instance and "namespace" in metadata else None


def child_of(body: Mapping[str, Any], kind: str) -> Child:
    """What is kept of an object that the operator may have made."""
    metadata = body["metadata"]
    references: Iterable[Mapping[str, Any]] = metadata.get("ownerReferences", [])
    return Child(
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        # Each of these is the same for many objects, of which there may be a hundred thousand.
        controller=next((sys.intern(item["uid"]) for item in references if item.get("controller")), None),
        instance=sys.intern(metadata.get("labels", {}).get(LABEL_INSTANCE, "")) or None,
        fields=sys.intern(fields_digest(body)),
        deleting="deletionTimestamp" in metadata,
        said=_said(body) if kind == "Certificate" else "",
        workload=_workload(body) if kind in {"Deployment", "StatefulSet"} and "spec" in body else None,
        job=_job(body) if kind == "Job" and "spec" in body else None,
    )


def fields_digest(body: Mapping[str, Any]) -> str:
    """Digest of the fields that the operator owns by server-side apply; empty when it owns none.

    The API server takes a field away from us as soon as another writer changes or removes its value. So an equal digest
    means that all we applied still stands, without reading one value; and fields of others do not enter it.
    """
    for entry in body["metadata"].get("managedFields", []):
        if (entry.get("manager"), entry.get("operation")) == (FIELD_MANAGER, "Apply") and not entry.get("subresource"):
            return digest(entry.get("fieldsV1", {}))
    return ""


def _said(body: Mapping[str, Any]) -> str:
    conditions: Iterable[Mapping[str, Any]] = body.get("status", {}).get("conditions", [])
    return next((str(item.get("message", "")) for item in conditions if item["type"] == "Ready"), "")


def _workload(body: Mapping[str, Any]) -> Workload:
    spec, status = body["spec"], body.get("status", {})
    template = spec.get("template", {})
    annotations: Mapping[str, str] = template.get("metadata", {}).get("annotations", {})
    wanted, ready = int(spec.get("replicas", 1)), int(status.get("readyReplicas", 0))
    current = status.get("observedGeneration", 0) >= body["metadata"].get("generation", 0)
    conditions: Mapping[str, str] = {item["type"]: item["status"] for item in status.get("conditions", [])}
    # A Deployment says itself whether enough replicas serve. A store serves with a majority of its members.
    enough = conditions["Available"] == "True" if "Available" in conditions else ready > wanted // 2
    return Workload(
        wanted=wanted,
        ready=ready,
        updated=int(status.get("updatedReplicas", 0)),
        current=current,
        available=enough and ready > 0,
        image=str(template.get("spec", {}).get("containers", [{}])[0].get("image", "")),
        checksum=str(annotations.get(CHECKSUM, "")),
        restarted=str(annotations.get(RESTARTED_AT, "")),
        total=int(status.get("replicas", 0)),
        storage=_storage(spec),
    )


def _job(body: Mapping[str, Any]) -> Job:
    found = {item["type"]: item for item in body.get("status", {}).get("conditions", []) if item["status"] == "True"}
    failed: Mapping[str, str] | None = found.get("Failed")
    if failed is None:
        return Job(done="Complete" in found)
    return Job(
        failed=f"{failed.get('reason', 'Failed')}: {failed.get('message', 'no message')}",
        since=seconds(failed["lastTransitionTime"]),
    )


def _storage(spec: Mapping[str, Any]) -> str:
    for claim in spec.get("volumeClaimTemplates", []):
        return str(claim["spec"].get("resources", {}).get("requests", {}).get("storage", ""))
    return ""


def pod_of(body: Mapping[str, Any]) -> Pod:
    """What is kept of a pod: its component, where it is, and what keeps it from running."""
    metadata, status = body["metadata"], body.get("status", {})
    reason, message = _trouble(body)
    return Pod(
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        component=sys.intern(metadata.get("labels", {}).get(LABEL_COMPONENT, "")),
        ready="deletionTimestamp" not in metadata
        and any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", [])),
        address=str(status.get("podIP", "")),
        node=sys.intern(str(body.get("spec", {}).get("nodeName", ""))),
        reason=reason,
        message=message,
        ending="deletionTimestamp" in metadata,
        archiving=time_or_nothing(metadata.get("annotations", {}).get(NOT_ARCHIVED_SINCE, "")),
        steps=_steps(body) if metadata.get("labels", {}).get(LABEL_COMPONENT) in _OF_STEPS else (),
    )


def _steps(body: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """The containers of a pod that runs to its end, in the order in which they go."""
    spec, status = body["spec"], body.get("status", {})
    listed = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    states: dict[str, Mapping[str, Any]] = {item["name"]: item.get("state", {}) for item in listed}
    steps: list[tuple[str, str, str]] = []
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        state = states.get(container["name"], {})
        if ended := state.get("terminated"):
            word = "Done" if ended.get("exitCode") == 0 else "Failed"
            steps.append((container["name"], word, str(ended.get("message", ""))))
        else:
            steps.append((container["name"], "Running" if "running" in state else "Waiting", ""))
    return tuple(steps)


def _trouble(body: Mapping[str, Any]) -> tuple[str, str]:
    metadata, status = body["metadata"], body.get("status", {})
    if "deletionTimestamp" in metadata:
        return "", ""
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return "Unschedulable", (
                f"no node takes the pod: {condition.get('message', 'no reason given')}; "
                "add nodes or storage, or lower spec's resources"
            )
    if status.get("phase") == "Failed" and metadata["labels"].get(LABEL_COMPONENT) == migrations.COMPONENT:
        return "MigrationFailed", _last_words(body)
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        found = _container_trouble(container, metadata)
        if found:
            return found
    return "", ""


def _last_words(body: Mapping[str, Any]) -> str:
    metadata, status = body["metadata"], body.get("status", {})
    ended: list[Mapping[str, Any]] = [
        item["state"]["terminated"] for item in status.get("containerStatuses", []) if "terminated" in item["state"]
    ]
    said = status.get("message", "it ended")
    for item in ended:
        said = item.get("message") or f"exit code {item.get('exitCode', 'unknown')}"
    logs = f"kubectl logs -n {metadata['namespace']} {metadata['name']}"
    return f"{metadata['labels'].get(migrations.LABEL_SERVICE, '')}: {str(said).strip()}; see more with: {logs}"


def _container_trouble(container: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[str, str] | None:
    waiting = container.get("state", {}).get("waiting", {})
    reason = waiting.get("reason", "")
    if reason in _IMAGE_REASONS:
        return "ImagePullFailed", (
            f"image {container['image']} cannot be fetched ({reason}); correct it in the image catalogue or in "
            "spec.images.overrides, or name a pull secret in spec.images.pullSecrets"
        )
    if reason in _CONFIGURATION_REASONS:
        return "ConfigurationMissing", f"container {container['name']} cannot start: {waiting.get('message', reason)}"
    last = container.get("lastState", {}).get("terminated")
    # The state alternates between running and waiting, so the count of restarts tells, and says it steadily.
    looping = reason == "CrashLoopBackOff" or container.get("restartCount", 0) >= _RESTARTS
    if last and looping and not container.get("ready"):
        return "CrashLooping", (
            f"container {container['name']} keeps failing (exit code {last.get('exitCode', 'unknown')}); see why with: "
            f"kubectl logs -n {metadata['namespace']} {metadata['name']} -c {container['name']} --previous"
        )
    return None
