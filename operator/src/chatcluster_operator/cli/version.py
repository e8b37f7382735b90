"""`kubectl chat version`: which release each part is of."""

import asyncio
from importlib.metadata import version
from typing import Any, cast

from rich.table import Table

from chatcluster_operator.api import GROUP, PLURAL
from chatcluster_operator.cli.kinds import DEFINITION
from chatcluster_operator.cli.session import Session
from chatcluster_operator.install import NAME
from chatcluster_operator.kube import KINDS, Object

DISTRIBUTION = "chatcluster-operator"


async def run(session: Session) -> None:
    """Show it."""
    answer = await versions(session)

    def render() -> Table:
        table = Table.grid(padding=(0, 3))
        for name, value in answer.items():
            table.add_row(name, ", ".join(cast("list[str]", value)) if isinstance(value, list) else value or "none")
        return table

    session.screen.show(answer, render)


async def versions(session: Session) -> dict[str, Any]:
    """The version of each part; None where there is none."""
    namespace = session.options.operator_namespace
    operator, definition, server = await asyncio.gather(
        session.readable(session.client.find(KINDS["Deployment"], namespace, NAME), "the operator's Deployment", None),
        session.readable(
            session.client.find(DEFINITION, None, f"{PLURAL}.{GROUP}"), "the CustomResourceDefinition", None
        ),
        session.client.raw("/version"),
    )
    return {
        "client": version(DISTRIBUTION),
        "operator": _image(operator),
        "api": [item["name"] for item in definition["spec"]["versions"]] if definition else None,
        "kubernetes": server.get("gitVersion"),
    }


def _image(deployment: Object | None) -> str | None:
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"] if deployment else None
