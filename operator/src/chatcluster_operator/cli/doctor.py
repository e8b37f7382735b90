"""`kubectl chat doctor`: gathers the facts, has them judged, and shows the findings with what to do."""

import asyncio
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from chatcluster_operator.api import GROUP, PLURAL, ChatCluster, InvalidSpecError
from chatcluster_operator.api.crd import crd
from chatcluster_operator.cli.diagnosis import Facts, Finding, Severity, diagnose
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.kinds import CLAIM, DEFINITION, NODE, WEBHOOK_KINDS
from chatcluster_operator.cli.plan import read_catalogue
from chatcluster_operator.cli.screen import now
from chatcluster_operator.cli.session import Session
from chatcluster_operator.desired import required
from chatcluster_operator.install import NAME
from chatcluster_operator.kube import KINDS, Kind, Object
from chatcluster_operator.kube.kinds import LEASE, STORAGE_CLASS
from chatcluster_operator.leader import LEASE_NAME
from chatcluster_operator.observe import References, look_up

_STYLES: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


async def run(session: Session, name: str | None) -> ExitCode:
    """Show all that is wrong."""
    async with session.screen.working("Looking"):
        facts = await gather(session, name)
    found = diagnose(facts)
    answer = as_json(facts, found)
    session.screen.show(answer, lambda: render(facts, found))
    return ExitCode.PROBLEM if answer["errors"] or answer["warnings"] else ExitCode.OK


async def gather(session: Session, name: str | None) -> Facts:
    """Everything that the checks ask for; what the user may not read is noted."""
    definition = await session.readable(
        session.client.find(DEFINITION, None, f"{PLURAL}.{GROUP}"), "CustomResourceDefinition", None
    )
    cluster = None
    if definition is not None or session.unreadable:
        cluster = await _chatcluster(session, name)
    operator_namespace = session.options.operator_namespace

    async def theirs(kind: Kind) -> list[Object]:
        if cluster is None:
            return []
        return await session.readable(session.theirs(kind, cluster), kind.plural, [])

    async def everywhere(kind: Kind, what: str) -> list[Object]:
        return await session.readable(session.items(kind), what, [])

    async def beside(kind: Kind, **labels: str) -> list[Object]:
        return await session.readable(session.items(kind, operator_namespace, labels=labels), "operator", [])

    found = await asyncio.gather(
        session.readable(session.client.find(KINDS["Deployment"], operator_namespace, NAME), "operator", None),
        session.readable(session.client.find(LEASE, operator_namespace, LEASE_NAME), "lease", None),
        read_catalogue(session),
        beside(KINDS["Pod"], **{"app.kubernetes.io/name": NAME}),
        beside(KINDS["Service"]),
    )
    operator, lease, catalogue, operator_pods, services = found
    pods, claims, budgets, autoscalers, nodes, classes = await asyncio.gather(
        theirs(KINDS["Pod"]),
        _claims(session, cluster),
        theirs(KINDS["PodDisruptionBudget"]),
        theirs(KINDS["HorizontalPodAutoscaler"]),
        everywhere(NODE, "nodes"),
        everywhere(STORAGE_CLASS, "storage classes"),
    )
    hooks = [item for kind in WEBHOOK_KINDS for item in await everywhere(kind, "webhooks")]
    return Facts(
        at=now(),
        operator_namespace=operator_namespace,
        cluster=cluster,
        definition=definition,
        expected_schema=crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
        operator=operator,
        operator_pods=operator_pods,
        lease=lease,
        releases=sorted(catalogue),
        missing=(await _references(session, cluster, catalogue)).missing,
        pods=pods,
        claims=claims,
        budgets=budgets,
        autoscalers=autoscalers,
        nodes=nodes,
        storage_classes=classes,
        webhooks=[item for item in hooks if leads_to(item, operator_namespace)],
        services=services,
        unreadable=dict(session.unreadable),
    )


async def _chatcluster(session: Session, name: str | None) -> Object | None:
    """The one asked for. Without a name, none is an answer too: the rest is looked at all the same."""
    try:
        return await session.chatcluster(name)
    except CliError as error:
        if name is None and error.code is ExitCode.ABSENT:
            return None
        raise


async def _claims(session: Session, cluster: Object | None) -> list[Object]:
    if cluster is None:
        return []
    # A StatefulSet gives its claims the labels of its selector alone.
    metadata = cluster["metadata"]
    labels = {"app.kubernetes.io/name": "chatcluster", "app.kubernetes.io/instance": metadata["name"]}
    return await session.readable(session.items(CLAIM, metadata["namespace"], labels=labels), "volume claims", [])


async def _references(session: Session, cluster: Object | None, catalogue: dict[str, dict[str, str]]) -> References:
    try:
        parsed = ChatCluster.from_body(cluster) if cluster else None
    except InvalidSpecError:
        parsed = None  # the conditions say so
    if parsed is None:
        return References()
    call = look_up(session.client, parsed.namespace, required(parsed), catalogue)
    return await session.readable(call, "what the spec refers to", References())


def leads_to(configuration: Object, namespace: str) -> bool:
    hooks: list[Object] = configuration.get("webhooks", [])
    return any(hook["clientConfig"].get("service", {}).get("namespace") == namespace for hook in hooks)


def as_json(facts: Facts, found: dict[str, list[Finding]]) -> dict[str, Any]:
    """Checks and findings as JSON."""
    listed = [item for findings in found.values() for item in findings]
    metadata: Object = (facts.cluster or {}).get("metadata", {})
    return {
        "chatcluster": f"{metadata['namespace']}/{metadata['name']}" if metadata else None,
        "errors": sum(item.severity is Severity.ERROR for item in listed),
        "warnings": sum(item.severity is Severity.WARNING for item in listed),
        "checks": [
            {
                "check": title,
                "findings": [
                    {
                        "severity": item.severity.value,
                        "subject": item.subject,
                        "message": item.message,
                        "remedy": item.remedy,
                    }
                    for item in findings
                ],
            }
            for title, findings in found.items()
        ],
        "unreadable": dict(facts.unreadable),
    }


def render(facts: Facts, found: dict[str, list[Finding]]) -> RenderableType:
    """The findings for people."""
    lines: list[Text] = []
    for title, findings in found.items():
        bad = any(item.severity is not Severity.NOTE for item in findings)
        lines.append(Text.assemble(("✗ ", "red") if bad else ("✓ ", "green"), title))
        for item in findings:
            lines.append(
                Text.assemble("    ", (item.severity.value, _STYLES[item.severity]), f" {item.subject}: {item.message}")
            )
            if item.remedy:
                lines.append(Text(f"      → {item.remedy}"))
    lines += [Text(f"Not looked at, as you may not read it: {what}", style="yellow") for what in facts.unreadable]
    if facts.cluster is None:
        lines.append(Text("No ChatCluster was looked at: there is none in this namespace.", style="yellow"))
    counts = as_json(facts, found)
    bad = counts["errors"] + counts["warnings"]
    said = f"{counts['errors']} errors, {counts['warnings']} warnings." if bad else "Nothing is wrong."
    return Group(*lines, Text(said, style="bold"))
