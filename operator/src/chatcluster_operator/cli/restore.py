"""`kubectl chat restore`: a new ChatCluster that begins with a backup."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import RenderableType
from rich.text import Text

from chatcluster_operator.api.backup import BackupPhase
from chatcluster_operator.cli import plan
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.screen import Format
from chatcluster_operator.cli.session import MANAGER, Session
from chatcluster_operator.cli.switches import SEE, named
from chatcluster_operator.cli.waiting import Progress, wait_for
from chatcluster_operator.decide.verdict import PROBLEMS
from chatcluster_operator.kube import CHATCLUSTER, Object
from chatcluster_operator.kube.kinds import CHATBACKUP

_CONDITION: Final = "Restored"


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    source: str
    """A ChatBackup, or s3://bucket/folder."""
    name: str | None = None
    file: str | None = None
    release: str | None = None
    target_time: str | None = None
    backup_id: str | None = None
    endpoint: str | None = None
    region: str | None = None
    secret: str | None = None
    passphrase: str | None = None
    private_authority: bool = False


async def run(session: Session, wanted: Wanted, *, dry_run: bool, wait: bool, within: int) -> None:
    """Make the ChatCluster, and wait until everything is restored. Raises CliError."""
    manifest = await build(session, wanted)
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    if dry_run:
        if session.screen.output is Format.TABLE:
            session.screen.output = Format.YAML
        session.screen.show(manifest, Text)
        return
    if await session.client.find(CHATCLUSTER, namespace, name) is not None:
        raise CliError(
            f"There is a ChatCluster {namespace}/{name} already, and a backup is restored into a new one alone.",
            "Give the new one another name with --as, or delete the old one with its volumes first",
            ExitCode.USAGE,
        )
    made = await session.client.create(CHATCLUSTER, manifest, manager=MANAGER)
    answer: dict[str, Any] = {"namespace": namespace, "name": name, "restored": False, "message": ""}
    if wait:

        async def look() -> Progress:
            return progress(await session.client.get(CHATCLUSTER, namespace, name))

        said = await wait_for(session, f"Restoring {named(made)}", look, seconds=within, remedy=SEE)
        answer |= {"restored": True, "message": said}
    session.screen.show(answer, lambda: _render(answer))


async def build(session: Session, wanted: Wanted) -> Object:
    """The ChatCluster as it is to be made. Raises CliError where something is lacking."""
    given: Object = {"metadata": {}, "spec": {}}
    if wanted.file:
        documents = plan.read(wanted.file)
        if len(documents) > 1:
            raise CliError(f"{wanted.file} holds several ChatClusters.", "Give a file with one", ExitCode.USAGE)
        [given] = documents
    name = wanted.name or given["metadata"].get("name")
    if not name:
        raise CliError("The new ChatCluster has no name.", "Name it with --as, or in --file", ExitCode.USAGE)
    release, recovery = await _recovery(session, wanted)
    spec: Object = {**(given.get("spec") or {})}
    version = wanted.release or spec.get("version") or release
    if not version:
        raise CliError(
            "Which release is to run is not known.",
            "Say it with --release, or in --file as spec.version",
            ExitCode.USAGE,
        )
    if wanted.target_time:
        recovery["targetTime"] = wanted.target_time
    return {
        "apiVersion": CHATCLUSTER.api_version,
        "kind": CHATCLUSTER.name,
        "metadata": {**given["metadata"], "name": name, "namespace": session.namespace},
        "spec": {**spec, "version": version, "bootstrap": {"recovery": recovery}},
    }


async def _recovery(session: Session, wanted: Wanted) -> tuple[str | None, Object]:
    """The release that ran, where that is known, and spec.bootstrap.recovery."""
    if wanted.source.startswith("s3://"):
        return None, {"source": _source(wanted)}
    found = await session.client.find(CHATBACKUP, session.namespace, wanted.source)
    if found is None:
        raise CliError(
            f"There is no ChatBackup {wanted.source!r} in the namespace {session.namespace!r}.",
            "kubectl chat backups lists all; for one of another cluster give s3://bucket/folder",
            ExitCode.ABSENT,
        )
    status: Object = found.get("status", {})
    if status.get("phase") != BackupPhase.COMPLETED:
        raise CliError(
            f"ChatBackup {wanted.source} is not whole: {status.get('phase', 'Pending')}.",
            "kubectl chat backups lists those that are",
        )
    return status.get("release"), {"backup": {"name": wanted.source}}


def _source(wanted: Wanted) -> Object:
    where = urlsplit(wanted.source)
    needed = {"--endpoint": wanted.endpoint, "--secret": wanted.secret, "--passphrase-secret": wanted.passphrase}
    lacking = [option for option, value in needed.items() if not value]
    if not where.path.strip("/") or lacking:
        raise CliError(
            f"{wanted.source} alone does not say where the backup lies.",
            f"Give {', '.join(lacking) or 'the folder too: s3://bucket/folder'}; status.location of a ChatBackup and "
            "spec.backup of its ChatCluster had them",
            ExitCode.USAGE,
        )
    source: Object = {
        "endpoint": wanted.endpoint,
        "bucket": where.netloc,
        "path": where.path.strip("/"),
        "region": wanted.region,
        "secretName": wanted.secret,
        "privateAuthority": wanted.private_authority or None,
        "encryption": {"secretName": wanted.passphrase},
        "backupId": wanted.backup_id,
    }
    return {field: value for field, value in source.items() if value is not None}


def progress(cluster: Object) -> Progress:
    """How far it is, by the condition Restored. Raises CliError when a person is needed."""
    conditions: list[Object] = cluster.get("status", {}).get("conditions", [])
    known = {item["type"]: item for item in conditions}
    found = known.get(_CONDITION, {})
    if found.get("status") == "True":
        return Progress(True, found.get("message", ""))
    for item in (found, known.get("ConfigurationValid", {})):
        if item.get("reason") in PROBLEMS:
            raise CliError(f"Nothing can be restored: {item.get('message', '')}", SEE)
    return Progress(False, found.get("message", "") or "waiting for the operator")


def _render(answer: Mapping[str, Any]) -> RenderableType:
    if not answer["restored"]:
        return Text("Asked for; kubectl chat status shows how far it is.")
    return Text(f"{answer['message']} Services start now; kubectl chat status shows when people can sign in.")
