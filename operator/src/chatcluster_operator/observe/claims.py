"""Claims of volumes, looked up when a member may have to be made anew: where the volume is, and if it could move."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from chatcluster_operator.decide.members import Claim
from chatcluster_operator.kube import ApiError, Client
from chatcluster_operator.kube.kinds import CLAIM, VOLUME

_ON_NODE: Final = ("kubernetes.io/hostname", "In")


async def look_up_claim(client: Client, namespace: str, name: str) -> Claim | None:
    """The claim of that name; None when there is none. Raises what `Client` raises.

    Where the operator may not see volumes, its node is unknown, as if it could follow its pod.
    """
    body = await client.find(CLAIM, namespace, name)
    if body is None:
        return None
    metadata, volume = body["metadata"], body["spec"].get("volumeName")
    node = ""
    if volume:
        try:
            found = await client.find(VOLUME, None, volume)
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            found = None
        node = only_node(found) if found else ""
    return Claim(name, metadata["uid"], node, ending="deletionTimestamp" in metadata)


def only_node(volume: Mapping[str, Any]) -> str:
    """The one node that a volume can be used on, by its label kubernetes.io/hostname; empty when there may be more."""
    terms = volume["spec"].get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms", [])
    nodes: set[str] = set()
    for term in terms:
        named = [item for item in term.get("matchExpressions", []) if (item["key"], item["operator"]) == _ON_NODE]
        if not named:
            # Terms are alternatives: one that names no node allows many.
            return ""
        nodes.update(named[0].get("values", []))
    return nodes.pop() if len(nodes) == 1 else ""
