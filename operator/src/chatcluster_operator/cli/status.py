"""`kubectl chat status`: the whole of a ChatCluster on one screen."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from rich.console import Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chatcluster_operator.api import LABEL_COMPONENT
from chatcluster_operator.cli.errors import ExitCode
from chatcluster_operator.cli.screen import Format, age, grid, now, parse_time
from chatcluster_operator.cli.session import Session
from chatcluster_operator.kube import KINDS, Object
from chatcluster_operator.kube.kinds import EVENT

REFRESH: Final = 2.0
"""Seconds between two looks of --watch."""
RECENT: Final = timedelta(hours=1)
WARNINGS: Final = 10

_SHOWN: Final = frozenset({"conditions", "components", "inventory", "url", "version", "observedGeneration"})
"""Fields of the status that have a place of their own; all others are shown under their names."""
_MOMENTS: Final = frozenset({"started", "since", "passwords", "keys"})
"""Fields of long operations and rotations that hold Unix times."""
_NOTABLE: Final = {"Paused": "True", "Hibernated": "True", "Progressing": "", "Upgrading": ""}
"""The status of a condition that deserves notice, where that is not False; empty for none."""


async def run(session: Session, name: str | None, *, watch: bool) -> ExitCode:
    """Show it, once or over and over."""
    cluster = await session.chatcluster(name)
    found = await look(session, cluster)
    if not watch:
        session.screen.show(found, lambda: render(found))
    elif session.screen.output is not Format.TABLE or not session.screen.out.is_terminal:
        await _print_changes(session, cluster, found)
    else:
        with Live(render(found), console=session.screen.out, screen=False, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(REFRESH)
                cluster = await session.chatcluster(cluster["metadata"]["name"])
                live.update(render(await look(session, cluster)), refresh=True)
    return ExitCode.OK if found["ready"] else ExitCode.PROBLEM


async def _print_changes(session: Session, cluster: Object, found: Mapping[str, Any]) -> None:
    """What is no terminal gets the whole again whenever it has changed."""
    shown: Mapping[str, Any] = {}
    while True:
        if found != shown:
            shown = found
            session.screen.show(found, partial(render, found))
        await asyncio.sleep(REFRESH)
        cluster = await session.chatcluster(cluster["metadata"]["name"])
        found = await look(session, cluster)


async def look(session: Session, cluster: Object) -> dict[str, Any]:
    """All that is shown of a ChatCluster."""
    namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
    deployments, sets, services, pods, events = await asyncio.gather(
        session.theirs(KINDS["Deployment"], cluster),
        session.theirs(KINDS["StatefulSet"], cluster),
        session.theirs(KINDS["Service"], cluster),
        session.readable(session.theirs(KINDS["Pod"], cluster), "pods", []),
        session.readable(session.items(EVENT, namespace, fields="type=Warning"), "events", []),
    )
    return view(
        cluster,
        workloads=[*deployments, *sets],
        services=services,
        pods=pods,
        warnings=[event for event in events if _concerns(event, name)],
        at=now(),
    )


def _concerns(event: Object, name: str) -> bool:
    about = event["involvedObject"].get("name", "")
    return about == name or about.startswith(f"{name}-")


def view(
    cluster: Object,
    *,
    workloads: Sequence[Object],
    services: Sequence[Object],
    pods: Sequence[Object],
    warnings: Sequence[Object],
    at: datetime,
) -> dict[str, Any]:
    """What is known of a ChatCluster, in the order in which a person asks for it."""
    metadata, spec, status = cluster["metadata"], cluster["spec"], cluster.get("status", {})
    conditions: list[Object] = status.get("conditions", [])
    nothing: Object = {}
    ready = next((item for item in conditions if item["type"] == "Ready"), nothing)
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "ready": ready.get("status") == "True" and _seen(cluster),
        "reason": ready.get("reason", "NotSeenYet") if _seen(cluster) else "NotSeenYet",
        "message": ready.get("message", "") if _seen(cluster) else "The operator has not acted on the latest spec yet.",
        "url": status.get("url"),
        "version": {"wanted": spec.get("version"), "running": status.get("version")},
        "age": age(metadata.get("creationTimestamp"), at),
        "conditions": conditions,
        "components": _components(status, workloads, pods),
        "addresses": _addresses(services),
        **{key: value for key, value in status.items() if key not in _SHOWN and value not in (None, [], {})},
        "warnings": _warnings(warnings, at),
    }


def _seen(cluster: Object) -> bool:
    return cluster.get("status", {}).get("observedGeneration") == cluster["metadata"].get("generation")


def _components(status: Object, workloads: Sequence[Object], pods: Sequence[Object]) -> list[Object]:
    images = {_component(item): item["spec"]["template"]["spec"]["containers"][0]["image"] for item in workloads}
    restarts: dict[str, int] = {}
    for pod in pods:
        states: list[Object] = pod.get("status", {}).get("containerStatuses", [])
        count = sum(state.get("restartCount", 0) for state in states)
        restarts[_component(pod)] = restarts.get(_component(pod), 0) + count
    return [
        {"image": images.get(item["name"]), "restarts": restarts.get(item["name"], 0), **item}
        for item in status.get("components", [])
    ]


def _component(item: Object) -> str:
    return item["metadata"].get("labels", {}).get(LABEL_COMPONENT, "")


def _addresses(services: Sequence[Object]) -> list[str]:
    """Where the edge can be reached from outside, as far as its Service tells."""
    found: list[str] = []
    for service in services:
        spec = service["spec"]
        if _component(service) != "edge" or spec.get("clusterIP") == "None":
            continue
        ingresses: list[Object] = service.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        found += [f"load balancer {item.get('hostname') or item.get('ip')}" for item in ingresses]
        found += [f"port {port['nodePort']} of each node" for port in spec.get("ports", []) if port.get("nodePort")]
    return found


def _warnings(events: Sequence[Object], at: datetime) -> list[Object]:
    told = [(_last(event), event) for event in events]
    recent = sorted(((when, event) for when, event in told if when and at - when < RECENT), key=lambda pair: pair[0])
    return [
        {
            "last": when.isoformat(),
            "age": age(when.isoformat(), at),
            "count": event.get("count") or event.get("series", {}).get("count") or 1,
            "object": f"{event['involvedObject'].get('kind')}/{event['involvedObject'].get('name')}",
            "reason": event.get("reason"),
            "message": event.get("message", ""),
        }
        for when, event in recent[-WARNINGS:]
    ]


def _last(event: Object) -> datetime | None:
    last = event.get("lastTimestamp") or event.get("series", {}).get("lastObservedTime") or event.get("eventTime")
    return parse_time(last or event["metadata"].get("creationTimestamp"))


def render(found: Mapping[str, Any]) -> RenderableType:
    """What `view` says, for people."""
    wanted, running = found["version"]["wanted"], found["version"]["running"]
    release = wanted if wanted == running else f"{running or 'none yet'} → {wanted}"
    head = Table.grid(padding=(0, 3))
    state = Text("Ready" if found["ready"] else f"Not ready: {found['reason']}")
    state.stylize("green" if found["ready"] else "red")
    for label, value in (
        ("ChatCluster", f"{found['namespace']}/{found['name']}"),
        ("State", state),
        ("", "" if found["ready"] else found["message"]),
        ("Release", release),
        ("URL", found["url"] or ""),
        ("Reachable at", ", ".join(found["addresses"])),
        ("Age", found["age"]),
    ):
        if value:
            head.add_row(label, value)
    parts: list[RenderableType] = [head]
    parts += _section("Components", _component_table(found["components"]))
    parts += _section("Members of stores", _member_table(found.get("stores") or {}))
    parts += _section("Conditions", _condition_table(found["conditions"]))
    known = {"name", "namespace", "ready", "reason", "message", "url", "version", "age", "addresses"}
    for key, value in found.items():
        if key not in known | {"conditions", "components", "warnings", "stores"}:
            parts += _section(title(key), generic(value))
    parts += _section("Warnings of the last hour", _warning_table(found["warnings"]))
    return Group(*parts)


def _section(name: str, body: RenderableType | None) -> list[RenderableType]:
    return [Text(), Text(name, style="bold"), Padding(body, (0, 0, 0, 2), expand=False)] if body is not None else []


def _component_table(components: Sequence[Object]) -> Table | None:
    if not components:
        return None
    known = ("name", "ready", "wanted", "image", "restarts")
    more = list(dict.fromkeys(key for item in components for key in item if key not in known))
    table = grid("component", "ready", "restarts", *(title(key) for key in more), "image")
    for item in components:
        ready, wanted = item.get("ready", 0), item.get("wanted", 0)
        count = Text(f"{ready}/{wanted}", style="" if ready >= wanted else "yellow")
        image = (item["image"] or "").rpartition("/")[2]
        table.add_row(item["name"], count, str(item["restarts"]), *(_plain(item.get(key)) for key in more), image)
    return table


def _member_table(stores: Mapping[str, Object]) -> Table | None:
    if not stores:
        return None
    table = grid("member", "role", "state", "node", "")
    for store, item in stores.items():
        for member in item.get("members", []):
            running, well = member["state"] == "Running", member.get("inStep", False)
            state = Text("Behind" if running and not well else member["state"], style="" if well else "yellow")
            notes = [member.get("detail", "")]
            notes += [f"node lost {_moment(member['lostSince'])}"] if "lostSince" in member else []
            table.add_row(
                member["name"], member.get("role", ""), state, member.get("node", ""), "; ".join(filter(None, notes))
            )
        if item.get("problem"):
            table.add_row(store, "", Text("Problem", style="red"), "", item["problem"])
        if operation := item.get("operation"):
            what = " ".join(filter(None, (operation["what"], operation.get("member"))))
            notes = [_moment(operation["since"]), operation.get("message", "")]
            table.add_row(store, what, operation["phase"], "", ": ".join(filter(None, notes)))
    return table


def _condition_table(conditions: Sequence[Object]) -> Table | None:
    if not conditions:
        return None
    table = grid("condition", "status", "since", "reason", "message")
    for item in conditions:
        notable = item["status"] == _NOTABLE.get(item["type"], "False")
        since = age(item.get("lastTransitionTime"), now())
        status = Text(item["status"], style="yellow" if notable else "")
        table.add_row(item["type"], status, since, item["reason"], item.get("message", ""))
    return table


def _warning_table(warnings: Sequence[Object]) -> Table | None:
    if not warnings:
        return None
    table = grid("last", "times", "object", "reason", "message")
    for item in warnings:
        table.add_row(item["age"], str(item["count"]), item["object"], item["reason"], item["message"])
    return table


def generic(value: Any) -> RenderableType:
    """A JSON value for people, whatever it holds: objects as names and values, lists of objects as tables."""
    if isinstance(value, Mapping):
        table = Table.grid(padding=(0, 3))
        for key, item in cast("Mapping[str, Any]", value).items():
            if item in ("", None, []):
                continue
            table.add_row(title(key), _moment(item) if key in _MOMENTS else generic(item))
        return table
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in cast("list[Any]", value)):
        rows = cast("list[Mapping[str, Any]]", value)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        table = grid(*(title(column) for column in columns))
        for row in rows:
            table.add_row(*(_plain(row.get(column)) for column in columns))
        return table
    return _plain(value)


def _moment(seconds: int) -> str:
    """A Unix time, which is how long operations tell theirs, as an age."""
    return f"{age(datetime.fromtimestamp(seconds, UTC).isoformat(), now())} ago"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in cast("Mapping[str, Any]", value).items())
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in cast("list[Any]", value))
    return "" if value is None else str(value)


def title(name: str) -> str:
    """A field's name as words: `maxReplicas` is `max replicas`."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return words[:1].upper() + words[1:]
