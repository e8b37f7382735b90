"""Backups: one made now, and all that there are."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatcluster_operator.api.backup import BackupPhase
from chatcluster_operator.cli.errors import CliError
from chatcluster_operator.cli.screen import age, grid, now
from chatcluster_operator.cli.session import MANAGER, Session
from chatcluster_operator.cli.switches import check_acted_on, named
from chatcluster_operator.cli.waiting import Progress, wait_for
from chatcluster_operator.kube import Object
from chatcluster_operator.kube.kinds import CHATBACKUP

_STYLES: Final = {BackupPhase.COMPLETED: "green", BackupPhase.FAILED: "red"}
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


async def make(session: Session, name: str | None, comment: str | None, *, wait: bool, within: int) -> None:
    """Make a ChatBackup, and wait until it is whole. Raises CliError when it fails."""
    cluster = await session.chatcluster(name)
    if not cluster["spec"].get("backup"):
        raise CliError(
            f"{named(cluster)} has no spec.backup, so nobody knows where backups lie.",
            "Set spec.backup.destination and spec.backup.encryption; docs/backup.md has an example",
        )
    metadata = cluster["metadata"]
    body = {
        "apiVersion": CHATBACKUP.api_version,
        "kind": CHATBACKUP.name,
        "metadata": {"name": f"{metadata['name']}-{now():%Y%m%d%H%M%S}", "namespace": metadata["namespace"]},
        "spec": {"clusterName": metadata["name"], **({"comment": comment} if comment else {})},
    }
    made = await session.client.create(CHATBACKUP, body, manager=MANAGER)
    check_acted_on(cluster)
    own = made["metadata"]["name"]
    if wait:

        async def look() -> Progress:
            return progress(await session.client.get(CHATBACKUP, metadata["namespace"], own))

        see = f"It goes on all the same; see kubectl chat backups, kubectl --namespace {metadata['namespace']} describe"
        title = f"Backing up {named(cluster)}"
        await wait_for(session, title, look, seconds=within, remedy=f"{see} chatbackup {own}")
        made = await session.client.get(CHATBACKUP, metadata["namespace"], own)
    answer = view(made)
    session.screen.show(answer, lambda: _render(answer))


def progress(backup: Object) -> Progress:
    """How far one is, by its status. Raises CliError when it failed."""
    status: Object = backup.get("status", {})
    message = _message(status)
    match status.get("phase", BackupPhase.PENDING):
        case BackupPhase.COMPLETED:
            return Progress(True, message)
        case BackupPhase.FAILED:
            raise CliError(f"The backup failed: {message}.", "Mend the cause and ask again")
        case BackupPhase.RUNNING:
            steps: list[Object] = status.get("steps", [])
            done = sum(item["state"] == "Done" for item in steps)
            at = next((item["name"] for item in steps if item["state"] == "Running"), "starting")
            return Progress(False, f"{done} of {len(steps)} steps done, {at}" if steps else message)
        case _:
            return Progress(False, message or "waiting for the operator")


async def show(session: Session, name: str | None) -> None:
    """All in the namespace, or those of one ChatCluster, which need not be there any more."""
    found = [view(item) for item in await session.items(CHATBACKUP, session.namespace)]
    listed = sorted((item for item in found if name in {None, item["cluster"]}), key=lambda item: item["created"])
    session.screen.show(listed, lambda: _table(listed))


def view(backup: Object) -> dict[str, Any]:
    """What is shown of one. Sizes are bytes, times RFC 3339."""
    metadata, spec, status = backup["metadata"], backup["spec"], backup.get("status", {})
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "cluster": spec["clusterName"],
        "comment": spec.get("comment", ""),
        "created": metadata.get("creationTimestamp", ""),
        "phase": status.get("phase", BackupPhase.PENDING.value),
        "moment": status.get("moment"),
        "bytes": status.get("bytes"),
        "release": status.get("release"),
        "id": status.get("id"),
        "location": status.get("location"),
        "verified": status.get("verified"),
        "verification": _message(status, "Verified"),
        "message": _message(status),
    }


def _message(status: Object, kind: str = "Completed") -> str:
    conditions: Sequence[Object] = status.get("conditions", [])
    return next((item.get("message", "") for item in conditions if item["type"] == kind), "")


def _table(listed: Sequence[Mapping[str, Any]]) -> RenderableType:
    if not listed:
        return Text("There is none. Make one with: kubectl chat backup", style="yellow")
    table = grid("name", "cluster", "state", "moment", "size", "verified", "age", "")
    at = now()
    for item in listed:
        whole = item["phase"] == BackupPhase.COMPLETED
        tested = item["verified"]
        notes = [item["comment"], "" if whole else item["message"], "" if tested else item["verification"]]
        table.add_row(
            item["name"],
            item["cluster"],
            Text(item["phase"], style=_STYLES.get(item["phase"], "yellow")),
            item["moment"] or "",
            size(item["bytes"]),
            f"{age(tested, at)} ago" if tested else "",
            age(item["created"], at),
            "; ".join(filter(None, notes)),
        )
    return table


def _render(answer: Mapping[str, Any]) -> RenderableType:
    if answer["phase"] != BackupPhase.COMPLETED:
        return Text(f"Asked for: {answer['name']}; kubectl chat backups shows how far it is.")
    table = Table.grid(padding=(0, 3))
    for label, value in (
        ("ChatBackup", answer["name"]),
        ("Moment", answer["moment"]),
        ("Size", size(answer["bytes"])),
        ("Lies at", f"{answer['location']}, {answer['id']}"),
    ):
        table.add_row(label, value or "")
    return Group(Text("Backed up.", style="green"), table)


def size(count: int | None) -> str:
    """A number of bytes for people, such as 1.4 GiB; nothing for None."""
    if count is None:
        return ""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} B"
