"""The claims of a ChatCluster's volumes, read when a StatefulSet is made, or its volumes are to grow; never else."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chatcluster_operator.api import LABEL_COMPONENT, LABEL_INSTANCE
from chatcluster_operator.decide.volumes import Claim
from chatcluster_operator.kube import ApiError, Client, Object
from chatcluster_operator.kube.kinds import CLAIM, STORAGE_CLASS

_SAID_LENGTH: Final = 200
_RESTARTS: Final = "FileSystemResizePending"
"""The condition of a claim whose volume has grown and whose file system has not: the kubelet does that, at once where
the driver can do it in use, else with the next start of the pod."""


async def claims_of(client: Client, namespace: str, instance: str) -> tuple[Claim, ...]:
    """All claims of a ChatCluster's stores, by name. Raises what `Client` raises."""
    listing = await client.raw(CLAIM.path(namespace), {"labelSelector": f"{LABEL_INSTANCE}={instance}"})
    return tuple(sorted(map(claim_of, listing["items"]), key=lambda claim: claim.name))


async def expandable_of(client: Client, classes: Iterable[str]) -> dict[str, bool]:
    """Whether volumes of these storage classes can grow; one that may not be seen, or is gone, is left out."""
    found: dict[str, bool] = {}
    for name in sorted({name for name in classes if name}):
        try:
            storage_class = await client.find(STORAGE_CLASS, None, name)
        except ApiError as error:
            # Installed for one namespace the operator may not look; the API server refuses what cannot be.
            if error.status != 403:
                raise
        else:
            if storage_class is not None:
                found[name] = bool(storage_class.get("allowVolumeExpansion", False))
    return found


def claim_of(body: Object) -> Claim:
    """What is kept of a claim."""
    metadata, spec, status = body["metadata"], body["spec"], body.get("status", {})
    return Claim(
        name=metadata["name"],
        store=metadata.get("labels", {}).get(LABEL_COMPONENT, ""),
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        asked=str(spec["resources"]["requests"]["storage"]),
        has=str(status.get("capacity", {}).get("storage", "")),
        storage_class=spec.get("storageClassName", ""),
        said=_said(status.get("conditions", []), metadata.get("labels", {})),
    )


def _said(conditions: Iterable[Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    found = {item["type"]: str(item.get("message", "")) for item in conditions if item["status"] == "True"}
    if _RESTARTS in found:
        return (
            "its file system grows next; should that not happen, the driver needs the pod to start anew: annotate the "
            f"ChatCluster with chatcluster.dev/restart-{labels.get(LABEL_COMPONENT, '')}"
        )
    failed = [message for kind, message in found.items() if kind.endswith("ResizeError")]
    return " ".join(failed)[:_SAID_LENGTH]
