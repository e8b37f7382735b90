"""`kubectl chat support-bundle`: all that somebody needs who was not there, and no secret."""

import asyncio
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from chatcluster_operator.cli import doctor, status, version
from chatcluster_operator.cli.diagnosis import diagnose
from chatcluster_operator.cli.errors import CliError
from chatcluster_operator.cli.kinds import CLAIM, DEFINITION, NODE, REPLICA_SET, WEBHOOK_KINDS
from chatcluster_operator.cli.loglines import seconds
from chatcluster_operator.cli.redaction import Scrubber, redacted, secret_values
from chatcluster_operator.cli.session import Session
from chatcluster_operator.kube import CHILD_KINDS, KINDS, ApiError, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.kube.kinds import EVENT, LEASE, STORAGE_CLASS

LINE: Final = 200
"""Bytes of a usual line: how many lines to ask for follows from it."""
SILENCE: Final = 20.0
"""Seconds that a node may take to send more of a log."""
_MIB: Final = 1 << 20

ABOUT: Final = """\
What `kubectl chat support-bundle` gathered of a ChatCluster. Values of Secrets are left out, here and wherever else
they stood; their keys are kept. Look through it before you hand it on.

doctor.json       what was found to be wrong, and what to do
status.json       the ChatCluster as kubectl chat status shows it
version.json      releases
chatcluster.yaml  the object itself
objects/          what the operator made for it, its volumes and events
operator/         the operator's own objects
cluster/          nodes, storage classes, the kind ChatCluster, webhooks
logs/             of each container, and of the one before its last restart
missing.txt       what could not be read
"""


@dataclass
class Archive:
    """A tar file being written, every text of which goes through the scrubber."""

    tar: tarfile.TarFile
    folder: str
    scrub: Scrubber

    def text(self, name: str, text: str) -> None:
        """Add a file."""
        data = self.scrub(text).encode()
        entry = tarfile.TarInfo(f"{self.folder}/{name}")
        entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
        self.tar.addfile(entry, io.BytesIO(data))

    def objects(self, name: str, items: Sequence[Mapping[str, Any]]) -> None:
        """Add objects as YAML; no file when there are none."""
        if items:
            documents = [redacted(item) for item in items]
            self.text(name, yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=120))

    def json(self, name: str, value: Any) -> None:
        """Add a JSON value."""
        self.text(name, json.dumps(value, indent=2, ensure_ascii=False, default=str))


async def run(session: Session, name: str | None, to: Path | None, *, since: str, megabytes: int) -> None:
    """Write the archive, readable for its owner alone, and print where it is."""
    span = seconds(since)
    cluster = await session.chatcluster(name)
    folder = f"chatcluster-{cluster['metadata']['name']}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    path = to or Path(f"{folder}.tar.gz")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}.", "Give another file with --to") from None
    with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as tar:
        async with session.screen.working("Gathering") as update:
            secrets = await _secrets(session, cluster)
            archive = Archive(tar, folder, Scrubber(secret_values(secrets)))
            update("objects")
            pods = await _objects(session, cluster, archive, secrets)
            await _logs(session, pods, archive, span=span, budget=megabytes * _MIB, update=update)
            archive.text("README.txt", ABOUT)
            archive.text("missing.txt", "".join(f"{what}: {why}\n" for what, why in session.unreadable.items()))
    session.screen.say(f"Look through it before you hand it on: {path.stat().st_size / _MIB:.1f} MiB.")
    session.screen.write(str(path))


async def _secrets(session: Session, cluster: Object) -> list[Object]:
    """The Secrets in the ChatCluster's namespace and beside the operator: what must not be seen anywhere."""
    namespaces = {cluster["metadata"]["namespace"], session.options.operator_namespace}
    found: list[Object] = []
    for namespace in sorted(namespaces):
        found += await session.readable(session.items(KINDS["Secret"], namespace), f"Secrets in {namespace}", [])
    return found


async def _objects(session: Session, cluster: Object, archive: Archive, secrets: list[Object]) -> list[Object]:
    """Add all objects; the pods whose logs are wanted come back."""
    namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
    beside = session.options.operator_namespace
    archive.objects("chatcluster.yaml", [cluster])
    archive.json("version.json", await version.versions(session))
    archive.json("status.json", await status.look(session, cluster))
    facts = await doctor.gather(session, name)
    archive.json("doctor.json", doctor.as_json(facts, diagnose(facts)))
    pods: list[Object] = []
    ours = {kind.name: kind for kind in (*CHILD_KINDS, REPLICA_SET, CLAIM, EVENT)}
    for kind in ours.values():
        items = await session.readable(session.items(kind, namespace), f"{kind.plural} in {namespace}", [])
        wanted = [item for item in items if _belongs(item, name)]
        archive.objects(f"objects/{kind.name}.yaml", wanted)
        pods += wanted if kind.name == "Pod" else []
    brought = [item for item in secrets if item["metadata"]["namespace"] == namespace and not _belongs(item, name)]
    archive.objects("objects/other-secrets.yaml", brought)
    for kind in (*(KINDS[name] for name in ("Deployment", "Pod", "ConfigMap", "Service")), REPLICA_SET, LEASE, EVENT):
        items = await session.readable(session.items(kind, beside), f"{kind.plural} in {beside}", [])
        archive.objects(f"operator/{kind.name}.yaml", items)
        pods += items if kind.name == "Pod" and beside != namespace else []
    for kind in (NODE, STORAGE_CLASS, DEFINITION, *WEBHOOK_KINDS):
        items = await session.readable(session.items(kind), kind.plural, [])
        if kind is DEFINITION:
            items = [item for item in items if item["metadata"]["name"].endswith(".chatcluster.dev")]
        archive.objects(f"cluster/{kind.name}.yaml", items)
    return pods


def _belongs(item: Object, name: str) -> bool:
    labels: Mapping[str, str] = item["metadata"].get("labels") or {}
    about = (item.get("involvedObject") or item["metadata"]).get("name", "")
    return labels.get("app.kubernetes.io/instance") == name or about == name or about.startswith(f"{name}-")


async def _logs(
    session: Session, pods: list[Object], archive: Archive, *, span: int, budget: int, update: Callable[[str], None]
) -> None:
    """Add the logs, the end of each when all of them together would be too large."""
    wanted = [
        (pod["metadata"]["namespace"], pod["metadata"]["name"], state["name"], previous)
        for pod in pods
        for state in (
            *pod.get("status", {}).get("initContainerStatuses", []),
            *pod.get("status", {}).get("containerStatuses", []),
        )
        for previous in ((False, True) if state.get("restartCount") else (False,))
    ]
    for number, (namespace, pod, container, previous) in enumerate(wanted):
        update(f"logs, {number + 1} of {len(wanted)}")
        share = budget // (len(wanted) - number)
        query = {"container": container} | ({"previous": "true"} if previous else {})
        text = await _log(session, KINDS["Pod"].path(namespace, pod, "log"), query, span=span, most=share)
        budget -= len(text)
        archive.text(f"logs/{pod}/{container}{'.previous' if previous else ''}.log", text.decode(errors="replace"))


async def _log(session: Session, path: str, query: dict[str, str], *, span: int, most: int) -> bytes:
    """The last `most` bytes."""
    query |= {"timestamps": "true", "tailLines": str(max(1, most // LINE))}
    if span:
        query["sinceSeconds"] = str(span)
    read = bytearray()
    try:
        async for line in session.client.lines(path, query, silence=SILENCE):
            read += line + b"\n"
            if len(read) > 2 * most:
                del read[:-most]
    except (ApiError, *CONNECTION_ERRORS, asyncio.IncompleteReadError) as error:
        session.unreadable[path] = str(error)
    return bytes(read[-most:])
