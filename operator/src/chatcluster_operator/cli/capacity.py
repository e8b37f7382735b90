"""`kubectl chat capacity`: what a number of people connected at once asks for."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.options import Options
from chatcluster_operator.cli.screen import Screen, grid
from chatcluster_operator.cli.session import connect
from chatcluster_operator.cli.status import generic
from chatcluster_operator.desired.capacity import Demand, Number, derive


async def run(options: Options, screen: Screen, name: str | None, users: int | None) -> None:
    """Show what is derived for a number of people, or what the operator derived for a ChatCluster."""
    if users is not None:
        answer = as_json(derive(users))
        screen.show(answer, lambda: render(answer))
        return
    async with connect(options, screen) as session:
        cluster = await session.chatcluster(name)
    derived: Any = cluster.get("status", {}).get("capacity")
    if not derived:
        raise CliError(
            "Nothing is derived for it: spec.capacity.concurrentUsers is not set.",
            "See what a number asks for with: kubectl chat capacity --users 1000",
            ExitCode.ABSENT,
        )
    screen.show(derived, lambda: generic(derived))


def as_json(demand: Demand) -> dict[str, Any]:
    """What is derived, each number with its reason."""

    def said(number: Number | None, unit: str = "") -> dict[str, Any] | None:
        return {"value": f"{number.value}{unit}" if unit else number.value, "why": number.why} if number else None

    return {
        "users": demand.users,
        "total": {"cpu": f"{demand.cores:.1f}", "memory": f"{demand.memory_gib:.1f}Gi"},
        "components": {
            name: {
                key: value
                for key, value in {
                    "fewest": said(need.fewest),
                    "most": said(need.most),
                    "cpu": said(need.cpu, "m"),
                    "memory": said(need.memory, "Mi"),
                    "memoryLimit": said(need.memory_limit, "Mi"),
                    "volume": said(need.volume, "Gi"),
                    "connections": said(need.connections),
                }.items()
                if value is not None
            }
            for name, need in demand.needs.items()
        },
        "partitions": said(demand.partitions),
        "databaseConnections": said(demand.database_connections),
        "bounds": [{"component": item.component, "users": item.users, "why": item.why} for item in demand.bounds],
    }


def render(answer: Mapping[str, Any]) -> RenderableType:
    """The same for people."""
    table = grid("component", "replicas", "cpu", "memory", "limit", "volume", "connections", "why")
    for name, need in answer["components"].items():
        value = {key: str(item["value"]) for key, item in need.items()}
        replicas = value["fewest"] if value["fewest"] == value["most"] else f"{value['fewest']} to {value['most']}"
        row = (value.get(key, "") for key in ("cpu", "memory", "memoryLimit", "volume", "connections"))
        table.add_row(name, replicas, *row, need["fewest"]["why"])
    users, total = answer["users"], answer["total"]
    lines = [
        f"Together {total['cpu']} cores and {total['memory']} of memory are asked for with the fewest replicas.",
        *(
            f"{title}: {answer[key]['value']} ({answer[key]['why']})."
            for key, title in (("partitions", "Kafka partitions"), ("databaseConnections", "PostgreSQL connections"))
        ),
        *(
            f"{item['component']}: one managed member suffices for {item['users']:,} people ({item['why']}); "
            f"bring your own for {users:,}."
            for item in answer["bounds"]
            if item["users"] < users
        ),
    ]
    return Group(
        Text(f"For {users:,} people connected at once:"), Text(), table, Text(), *(Text(line) for line in lines)
    )
