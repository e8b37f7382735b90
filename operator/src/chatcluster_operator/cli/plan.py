"""`kubectl chat plan`: what applying a file would change, and what would stand in its way. Nothing is written.

What `kubectl apply` makes of the file, kubectl says itself, by a dry run: so defaults, rules and webhooks of the API
server have spoken, and fields that others set are kept. What the operator would make of that, its own functions say.
Each object is then shown to the API server once more in a dry run, which refuses what could not be changed.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import yaml
from rich.console import Group, RenderableType
from rich.text import Text

from chatcluster_operator.api import FIELD_MANAGER, IMAGE_CATALOGUE, KIND, ChatCluster, InvalidSpecError
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.forecast import Forecast, ObjectChange, World, forecast
from chatcluster_operator.cli.session import Session
from chatcluster_operator.decide import Key
from chatcluster_operator.desired import required
from chatcluster_operator.kube import CHATCLUSTER, CHILD_KINDS, KINDS, ApiError, Object
from chatcluster_operator.observe import CatalogueError, child_of, look_up
from chatcluster_operator.observe.observer import parse_catalogue

PARALLEL: Final = 8
"""Dry runs at one time."""

_MARKS: Final = {
    "create": ("+", "green"),
    "change": ("~", "yellow"),
    "replace": ("±", "yellow"),
    "delete": ("-", "red"),
}


async def run(session: Session, file: str, *, detailed: bool) -> ExitCode:
    """Foretell, show, and say by the exit code what was found."""
    documents = read(file)
    found: list[Forecast] = []
    for document in documents:
        async with session.screen.working("Working out what would change"):
            found.append(await foretell(session, document))
    answer = [as_json(item) for item in found]
    session.screen.show(answer[0] if len(answer) == 1 else answer, lambda: Group(*(render(item) for item in found)))
    if any(item.refused or item.blocked for item in found):
        return ExitCode.PROBLEM
    return ExitCode.USAGE if detailed and any(item.changes for item in found) else ExitCode.OK


def read(file: str) -> list[Object]:
    """The ChatClusters in a file of YAML or JSON. Raises CliError."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        documents: list[Any] = list(yaml.safe_load_all(text))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CliError(f"{file} cannot be read: {error}.", code=ExitCode.USAGE) from None
    objects = [cast("Object", item) for item in documents if isinstance(item, dict)]
    found = [item for item in objects if item.get("kind") == KIND]
    if not found:
        raise CliError(f"{file} holds no {KIND}.", f"Give a file with kind: {KIND}", ExitCode.USAGE)
    for item in found:
        if not isinstance(item.get("metadata"), dict) or not item["metadata"].get("name"):
            raise CliError(f"{file} holds a {KIND} without a name.", "Set metadata.name", ExitCode.USAGE)
    return found


async def foretell(session: Session, document: Object) -> Forecast:
    """What applying this ChatCluster would do. Raises CliError."""
    name, namespace = document["metadata"]["name"], document["metadata"].get("namespace") or session.namespace
    live = await session.client.find(CHATCLUSTER, namespace, name)
    refusal, body = await _dry_apply(session, document, namespace)
    if body is None:
        return Forecast(name, namespace, created=live is None, refused=[refusal])
    try:
        after = ChatCluster.from_body(body)
    except InvalidSpecError as error:
        refused = [f"{field}: {problem}" for field, problem in error.problems.items()]
        return Forecast(name, namespace, created=live is None, refused=refused)
    try:
        before = ChatCluster.from_body(live) if live else None
    except InvalidSpecError:
        before = None
    found = forecast(before, after, await _world(session, live or body, after))
    await _dry_run(session, found)
    found.notes += [f"Not known, as you may not read them: {what}." for what in session.unreadable]
    return found


async def _dry_apply(session: Session, document: Object, namespace: str) -> tuple[str, Object | None]:
    """Why kubectl apply would be refused, or what it would store."""
    arguments = ("apply", "--namespace", namespace, "--dry-run=server", "--output=json", "--filename=-")
    code, out, err = await session.kubectl(*arguments, text=json.dumps(document))
    if code != 0:
        lines = [line for line in err.strip().splitlines() if not line.startswith("Warning:")]
        return " ".join(line.strip() for line in lines) or f"kubectl ended with {code}", None
    return "", json.loads(out)


async def _world(session: Session, body: Object, after: ChatCluster) -> World:
    served = await asyncio.gather(*(session.client.serves(kind) for kind in CHILD_KINDS if kind.optional))
    apis = {kind.name for kind, there in zip((k for k in CHILD_KINDS if k.optional), served, strict=True) if there}
    made = [kind for kind in CHILD_KINDS if kind.made and (not kind.optional or kind.name in apis)]
    lists = await asyncio.gather(
        *(session.readable(session.theirs(kind, body), kind.plural, list[Object]()) for kind in made)
    )
    children = {
        Key(item["kind"], item["metadata"]["name"]): child_of(item, item["kind"]) for items in lists for item in items
    }
    replicas = {
        Key(item["kind"], item["metadata"]["name"]): int(item["spec"].get("replicas", 1))
        for items in lists
        for item in items
        if item["kind"] in {"Deployment", "StatefulSet"}
    }
    catalogue = await read_catalogue(session)
    references = await session.readable(
        look_up(session.client, after.namespace, required(after), catalogue), "what the spec refers to", None
    )
    return World(children, replicas, catalogue, references.missing if references else (), frozenset(apis))


async def read_catalogue(session: Session) -> dict[str, dict[str, str]]:
    """The images of each release; empty when there is no catalogue. Raises CliError."""
    namespace = session.options.operator_namespace
    find = session.client.find(KINDS["ConfigMap"], namespace, IMAGE_CATALOGUE)
    found = await session.readable(find, f"the image catalogue, ConfigMap {IMAGE_CATALOGUE} in {namespace}", None)
    try:
        return {name: dict(images) for name, images in parse_catalogue((found or {}).get("data") or {}).items()}
    except CatalogueError as error:
        remedy = f"Mend the ConfigMap {IMAGE_CATALOGUE} in the namespace {namespace}"
        raise CliError(f"The image catalogue cannot be read: {error}.", remedy) from None


async def _dry_run(session: Session, found: Forecast) -> None:
    """Have the API server judge each object as the operator would apply it."""
    limit = asyncio.Semaphore(PARALLEL)
    forbidden: set[str] = set()

    async def judge(item: ObjectChange) -> None:
        # A Secret has no rule to break, and a stand-in for its values is nobody's business.
        if item.manifest is None or item.key.kind == "Secret":
            return
        try:
            async with limit:
                await session.client.apply(KINDS[item.key.kind], item.manifest, manager=FIELD_MANAGER, dry_run=True)
        except ApiError as error:
            if error.status == 403 and "cannot patch" in error.message:
                forbidden.add(KINDS[item.key.kind].plural)
            elif item.action == "change" and error.status == 422 and await _can_be_made(session, item):
                found.objects[found.objects.index(item)] = replace(item, action="replace")
            else:
                found.refused.append(f"{item.key}: {error.message}")

    await asyncio.gather(*(judge(item) for item in found.objects))
    if forbidden:
        found.notes.append(f"Not tried out with the API server, as you may not write: {', '.join(sorted(forbidden))}.")


async def _can_be_made(session: Session, item: ObjectChange) -> bool:
    """Whether an object that cannot be changed so could be made so: then the operator deletes it and makes it anew."""
    manifest: Object = item.manifest or {}
    trial = {**manifest, "metadata": {**manifest["metadata"], "name": f"{item.key.name[:50]}-trial"}}
    try:
        await session.client.create(KINDS[item.key.kind], trial, manager=FIELD_MANAGER, dry_run=True)
    except ApiError:
        return False
    return True


def as_json(found: Forecast) -> dict[str, Any]:
    """The forecast as JSON. Manifests themselves are left out."""
    return {
        "name": found.name,
        "namespace": found.namespace,
        "action": "create" if found.created else "change" if found.changes else "none",
        "refused": found.refused,
        "blocked": found.blocked,
        "spec": [item.as_json() for item in found.spec],
        "objects": [
            {
                "action": item.action,
                "kind": item.key.kind,
                "name": item.key.name,
                "changes": [change.as_json() for change in item.changes],
            }
            for item in found.objects
        ],
        "restarts": [{"component": item.component, "pods": item.pods, "why": item.why} for item in found.restarts],
        "order": found.order,
        "notes": found.notes,
    }


def render(found: Forecast) -> RenderableType:
    """The forecast for people."""
    lines: list[Text] = [Text(f"ChatCluster {found.namespace}/{found.name}", style="bold")]
    lines += _listed("Refused:", found.refused, "red")
    lines += _listed("Could not be carried out:", found.blocked, "red")
    if found.created and not found.refused:
        lines.append(Text(f"It is made anew, with {len(found.objects)} objects:"))
    elif found.spec:
        lines.append(Text("Fields of the spec:"))
        lines += [Text(f"    {line}") for change in found.spec for line in change.lines()]
    for item in sorted(found.objects, key=lambda item: item.action):
        mark, style = _MARKS[item.action]
        lines.append(Text(f"  {mark} {item.key}", style=style))
        lines += [Text(f"      {line}") for change in item.changes for line in change.lines()]
    if found.restarts:
        lines.append(Text("Pods that would restart:", style="yellow"))
        lines += [Text(f"    {item.component}: {_count(item.pods)} ({item.why})") for item in found.restarts]
    if found.order:
        lines.append(Text(f"Step by step, each once the one before is well: {' → '.join(found.order)}"))
    lines += [Text(note) for note in found.notes]
    lines.append(Text(summary(found)))
    return Group(*lines)


def _listed(head: str, items: Sequence[str], style: str) -> list[Text]:
    return [Text(head, style=style), *(Text(f"    {item}") for item in items)] if items else []


def _count(pods: int) -> str:
    return "1 pod" if pods == 1 else f"{pods} pods"


def summary(found: Forecast) -> str:
    """In a line."""
    if found.refused and not found.objects:
        return "It would be refused; nothing would change."
    if not found.changes:
        return "Nothing would change."
    counts = {action: sum(item.action == action for item in found.objects) for action in _MARKS}
    pods = sum(item.pods for item in found.restarts)
    said = ", ".join(f"{count} to {action}" for action, count in counts.items() if count) or "no object to change"
    return f"{said}; {_count(pods) if pods else 'no pod'} would restart."
