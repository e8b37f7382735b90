"""`kubectl chat uninstall`: everything goes, in an order in which nothing is left that nobody can remove.

ChatClusters go first, while there is an operator to see them off; then what calls the operator, the operator, its
rights, and the kind ChatCluster last. A finalizer that nobody is there to take off is taken off here.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from chatcluster_operator import install
from chatcluster_operator.api import GROUP, LABEL_INSTANCE, LABEL_NAME
from chatcluster_operator.cli.doctor import leads_to
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.kinds import CLAIM, WEBHOOK_KINDS
from chatcluster_operator.cli.session import Session
from chatcluster_operator.cli.switches import confirm
from chatcluster_operator.cli.waiting import Progress, wait_for
from chatcluster_operator.kube import CHATCLUSTER, KINDS, ApiError, Kind, Object
from chatcluster_operator.kube.kinds import LEASE
from chatcluster_operator.leader import LEASE_NAME

GRACE: Final = 20
"""Seconds that ChatClusters get when no operator runs that could see them off, and everything once it is free to go."""

_LAST: Final = (
    "ServiceAccount",
    "RoleBinding",
    "Role",
    "ClusterRoleBinding",
    "ClusterRole",
    "CustomResourceDefinition",
    "Namespace",
)
"""What the rest leans on, in the order in which it goes."""


async def run(session: Session, *, keep_crd: bool, yes: bool, within: int) -> None:
    """Say what becomes of the data, ask, and remove."""
    clusters = await _chatclusters(session)
    for line in [] if keep_crd else await consequences(session, clusters):
        session.screen.say(line)
    question = "Remove the operator?" if keep_crd or not clusters else f"Remove {_count(clusters)} and the operator?"
    confirm(f"{question} [y/N] ", yes=yes)
    if not keep_crd:
        await _remove_chatclusters(session, clusters, within)
    await _remove_operator(session, within)
    if keep_crd:
        await _free(session, clusters)
    await _remove_rest(session, keep_crd=keep_crd, seconds=within)
    kept = (
        "The kind ChatCluster stays, and chat goes on unattended." if keep_crd else "Nothing of the operator is left."
    )
    session.screen.say(kept)


async def _chatclusters(session: Session) -> list[Object]:
    return await session.items(CHATCLUSTER) if await session.client.serves(CHATCLUSTER) else []


async def consequences(session: Session, clusters: Sequence[Object]) -> list[str]:
    """A line for each ChatCluster: what of its data is kept, or lost for good."""
    lines: list[str] = []
    for cluster in clusters:
        namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
        claims = await session.readable(
            session.items(CLAIM, namespace, labels={LABEL_INSTANCE: name}), f"volumes in {namespace}", []
        )
        volumes = ", ".join(sorted(item["metadata"]["name"] for item in claims)) or "none"
        lost = cluster["spec"].get("deletionPolicy") == "Delete"
        fate = "LOST for good" if lost else f"kept, with the Secret {name}-credentials; a new {name} takes them up"
        lines.append(
            f"ChatCluster {namespace}/{name} (deletionPolicy {'Delete' if lost else 'Retain'}): volumes {fate}."
        )
        lines.append(f"  Volumes: {volumes}")
    return lines


async def _remove_chatclusters(session: Session, clusters: Sequence[Object], within: int) -> None:
    for cluster in clusters:
        metadata = cluster["metadata"]
        await session.client.delete(CHATCLUSTER, metadata["namespace"], metadata["name"], uid=metadata["uid"])

    async def look() -> Progress:
        left = await _chatclusters(session)
        return Progress(not left, f"{_count(left)} left")

    operator = await session.client.find(KINDS["Deployment"], session.options.operator_namespace, install.NAME)
    alive = bool(operator and operator.get("status", {}).get("readyReplicas"))
    try:
        await wait_for(session, "Removing ChatClusters", look, seconds=within if alive else GRACE, remedy="")
    except CliError as error:
        if error.code is not ExitCode.TIMEOUT:
            raise
        await _free(session, await _chatclusters(session))
        remedy = f"Something else holds them: kubectl get {CHATCLUSTER.plural} -A -o yaml shows their finalizers"
        await wait_for(session, "Removing ChatClusters", look, seconds=GRACE, remedy=remedy)


async def _free(session: Session, clusters: Sequence[Object]) -> None:
    """Take off the operator's finalizers: there is nobody left who would."""
    for cluster in clusters:
        namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
        finalizers: list[str] = cluster["metadata"].get("finalizers", [])
        others = [item for item in finalizers if not item.startswith(f"{GROUP}/")]
        if others != finalizers:
            session.screen.say(f"No operator sees off {namespace}/{name}; its finalizer is taken off.")
            patch = {"metadata": {"finalizers": others, "resourceVersion": cluster["metadata"]["resourceVersion"]}}
            try:
                await session.change(cluster, patch)
            except ApiError as error:
                if error.status != 404:
                    raise


async def _remove_operator(session: Session, within: int) -> None:
    """What calls the operator, then the operator itself, until its last pod has ended."""
    namespace = session.options.operator_namespace
    for kind in WEBHOOK_KINDS:
        for item in await session.items(kind):
            if leads_to(item, namespace):
                await _delete(session, kind, item)
    await _delete(session, KINDS["Deployment"], await session.client.find(KINDS["Deployment"], namespace, install.NAME))

    async def look() -> Progress:
        pods = await session.items(KINDS["Pod"], namespace, labels={LABEL_NAME: install.NAME})
        return Progress(not pods, f"{len(pods)} pods left")

    remedy = f"See what holds them with: kubectl --namespace {namespace} get pods"
    await wait_for(session, "Ending the operator", look, seconds=within, remedy=remedy)


async def _remove_rest(session: Session, *, keep_crd: bool, seconds: int) -> None:
    namespace = session.options.operator_namespace
    installed = sorted(install.objects(), key=lambda item: _LAST.index(item["kind"]) if item["kind"] in _LAST else -1)
    await _delete(session, LEASE, await session.client.find(LEASE, namespace, LEASE_NAME))
    for manifest in installed:
        if keep_crd and manifest["kind"] == "CustomResourceDefinition":
            continue
        kind = await _kind(session, manifest["apiVersion"], manifest["kind"])
        if kind is None:
            continue
        name = namespace if kind.name == "Namespace" else manifest["metadata"]["name"]
        found = await session.client.find(kind, namespace if kind.namespaced else None, name)
        if kind.name == "Namespace" and found is not None and not await _ours_alone(session, found):
            session.screen.say(f"The namespace {name} stays: there is more in it than the operator.")
            continue
        await _delete(session, kind, found)
        if found is not None and kind.name in {"CustomResourceDefinition", "Namespace"}:
            await _until_gone(session, kind, name, seconds)


async def _until_gone(session: Session, kind: Kind, name: str, seconds: int) -> None:
    async def look() -> Progress:
        found = await session.client.find(kind, None, name)
        conditions: list[Object] = (found or {}).get("status", {}).get("conditions", [])
        held = "; ".join(item.get("message", "") for item in conditions if item.get("status") == "True")
        return Progress(found is None, held or "still there")

    remedy = f"See what holds it with: kubectl get {kind.plural} {name} -o yaml"
    await wait_for(session, f"Removing {kind.name} {name}", look, seconds=seconds, remedy=remedy)


async def _ours_alone(session: Session, namespace: Object) -> bool:
    """Whether the namespace was made by install.yaml and nobody else moved in."""
    metadata = namespace["metadata"]
    if metadata.get("labels", {}).get(LABEL_NAME) != install.NAME:
        return False
    pods, clusters = await asyncio.gather(
        session.items(KINDS["Pod"], metadata["name"]), session.client.serves(CHATCLUSTER)
    )
    return not pods and not (clusters and await session.items(CHATCLUSTER, metadata["name"]))


async def _kind(session: Session, api_version: str, name: str) -> Kind | None:
    """A kind as the API server knows it; None when it does not."""
    group, _, version = api_version.rpartition("/")
    try:
        listing = await session.client.raw(f"/apis/{api_version}" if group else f"/api/{version}")
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    for item in listing.get("resources", []):
        if item["kind"] == name and "/" not in item["name"]:
            return Kind(group, version, name, item["name"], namespaced=item["namespaced"])
    return None


async def _delete(session: Session, kind: Kind, found: Object | None) -> None:
    if found is not None:
        metadata = found["metadata"]
        await session.client.delete(kind, metadata.get("namespace"), metadata["name"], uid=metadata["uid"])


def _count(clusters: Sequence[Object]) -> str:
    return "1 ChatCluster" if len(clusters) == 1 else f"{len(clusters)} ChatClusters"
