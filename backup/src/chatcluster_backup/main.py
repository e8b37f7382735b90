"""`chatcluster-backup STEP`: a step of a backup or a restore, each a container of a Job.

The steps of a backup, in this order: `postgres` asks for a base backup; `objects` copies files; `messages` dumps the
message store, and the beginning of that is the moment; `index` copies what files came since, and lists all; `seal` sets
PostgreSQL's restore point, stores the keys, writes the manifest, and removes what need not be kept.

So whatever was acknowledged before the moment is there: messages, because the dump began then; files and accounts,
because they are read later. What a message of the backup refers to is there for the same reason, unless it was removed
in between.

The steps of a restore: `find` chooses the backup and fetches its manifest and keys, PostgreSQL's own pods restore
PostgreSQL, `restore-messages` and `restore-objects` the rest, and `reconcile` mends what crossed the moment. `verify`
reads a whole backup to its end.

A step leaves a line of JSON as its container's termination message: its result, `{"failed": why}`, or, by `verify`,
`{"broken": what}` with an exit code of its own.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from minio.error import MinioException
from pymongo.errors import PyMongoError
from urllib3.exceptions import HTTPError

from chatcluster_backup import backups, keys, messages, objects, postgres
from chatcluster_backup.manifest import Manifest, Objects, Part
from chatcluster_backup.repository import MissingError, Repository, connect
from chatcluster_backup.sealing import SealError
from chatcluster_backup.settings import (
    Destination,
    MessagesSettings,
    ObjectsSettings,
    PostgresSettings,
    ReconcileSettings,
    RestoreSettings,
    Run,
    SealSettings,
)

_FAILURES: Final = (
    OSError,
    ValueError,
    MinioException,
    HTTPError,
    PyMongoError,
    asyncpg.PostgresError,
    MissingError,
    SealError,
    backups.UnknownFormatError,
    messages.OccupiedError,
    postgres.RequestError,
)
BROKEN: Final = 3
"""Exit code when a backup is not what was written: another try would find the same."""
_BASE_SECONDS: Final = 24 * 3600.0
_POINT_SECONDS: Final = 900.0
_MESSAGE_BYTES: Final = 4000
"""What the kubelet takes of a termination message, with room to spare."""
_MOST_PRUNED: Final = 50
"""Backups that one run removes: their names must fit into its message."""

Result = Mapping[str, Any]


class BrokenError(Exception):
    """What lies at the destination is no whole backup any more."""


def backup_postgres() -> Result:
    """Ask for a base backup."""
    run, settings = Run.read(), PostgresSettings.read()
    base = asyncio.run(postgres.base_backup(settings.database_url.get_secret_value(), run.id, within=_BASE_SECONDS))
    _note(run, "postgres", base.model_dump(mode="json"))
    return {"bytes": base.bytes, "label": base.label}


def copy_objects() -> Result:
    """Copy files ahead of the moment, so that little is left to copy after it."""
    run = Run.read()
    with objects.Ledger(run.work / "objects.sqlite") as ledger:
        copied = objects.copy(_source(), Repository(Destination.read()), ledger)
        count, size = ledger.totals()
    _note(run, "copied", {"copied": copied})
    return {"items": count, "bytes": size, "copied": copied}


def backup_messages() -> Result:
    """Dump the message store. This is the moment."""
    run, settings = Run.read(), MessagesSettings.read()
    database = messages.connect(settings.mongodb_url.get_secret_value(), settings.mongodb_database)
    moment, parts = messages.dump(database, Repository(Destination.read()), f"parts/{run.id}/messages")
    _note(run, "messages", {"moment": moment.isoformat(), "parts": [part.model_dump() for part in parts]})
    items, size = sum(part.items for part in parts), sum(part.bytes for part in parts)
    return {"moment": _rfc3339(moment), "items": items, "bytes": size}


def index_objects() -> Result:
    """Copy the files that came since, and list all."""
    run, repository = Run.read(), Repository(Destination.read())
    before = (_noted(run, "copied") or {"copied": 0})["copied"]
    with objects.Ledger(run.work / "index.sqlite") as ledger:
        copied = before + objects.copy(_source(), repository, ledger)
        made = objects.write_index(ledger, repository, f"parts/{run.id}/objects", copied)
    _note(run, "objects", made.model_dump())
    return {"items": made.index.items, "bytes": made.bytes, "copied": copied}


def seal() -> Result:
    """Bind everything together; then remove what need not be kept."""
    run, settings, repository = Run.read(), SealSettings.read(), Repository(Destination.read())
    manifest = _bind(run, settings, repository)
    found = [(id_, backups.read(repository, id_)) for id_ in backups.ids(repository)]
    retention = backups.Retention(settings.keep_last, settings.keep_days)
    moments = [(id_, item.moment) for id_, item in found]
    gone = backups.doomed(moments, retention, datetime.now(UTC))[:_MOST_PRUNED]
    backups.prune(repository, gone, run.work)
    kept = [item.postgres for id_, item in found if id_ not in gone and item.postgres]
    if gone and kept and settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        asyncio.run(postgres.expire(url, run.id, kept[0].label, within=_POINT_SECONDS))
    return {
        "id": manifest.id,
        "moment": _rfc3339(manifest.moment),
        "completed": _rfc3339(manifest.completed),
        "bytes": manifest.bytes,
        "removed": gone,
    }


def _bind(run: Run, settings: SealSettings, repository: Repository) -> Manifest:
    try:
        # It was cut off after that: the backup is whole.
        return backups.read(repository, run.id)
    except MissingError:
        pass
    dumped, files, base = _noted(run, "messages"), _noted(run, "objects"), _noted(run, "postgres")
    if dumped is None:
        raise MissingError(f"{run.work} has nothing of the step messages; begin the backup anew")
    made = None
    if base is not None and settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        # A backup that was begun anew needs one after its own moment.
        name = f"{run.id}-{datetime.fromisoformat(dumped['moment']):%H%M%S%f}"
        point = asyncio.run(postgres.restore_point(url, name, within=_POINT_SECONDS))
        made = postgres.part(postgres.BaseBackup.model_validate(base), point)
    manifest = Manifest(
        id=run.id,
        namespace=run.namespace,
        cluster=run.cluster,
        release=run.release,
        moment=datetime.fromisoformat(dumped["moment"]),
        completed=datetime.now(UTC),
        postgres=made,
        messages=tuple(Part.model_validate(item) for item in dumped["parts"]),
        objects=Objects.model_validate(files) if files else None,
        keys=repository.put(f"parts/{run.id}/keys", [settings.keys.get_secret_value().encode()]),
    )
    backups.write(repository, manifest)
    return manifest


def verify() -> Result:
    """Read a backup to its end."""
    repository, run = Repository(Destination.read()), Run.read()
    try:
        manifest = backups.read(repository, run.id)
    except (SealError, MissingError) as error:
        raise BrokenError(str(error)) from None
    found = list(backups.problems(repository, manifest))
    if found:
        raise BrokenError(f"backup {run.id} is broken in {len(found)} places: {'; '.join(found[:5])}")
    # What is checked next to it, in PostgreSQL's own image.
    _note(run, "base", manifest.postgres.model_dump(mode="json") if manifest.postgres else {})
    files, parts = manifest.objects, manifest.messages
    items = sum(part.items for part in parts) + (files.index.items if files else 0)
    size = manifest.bytes - (manifest.postgres.bytes if manifest.postgres else 0)
    return {"id": run.id, "moment": _rfc3339(manifest.moment), "items": items, "bytes": size}


def find() -> Result:
    """Choose the backup to restore, and bring its keys, and what it is, to where the operator takes them from."""
    repository, settings = Repository(Destination.read()), RestoreSettings.read()
    manifest = backups.chosen(repository, settings.backup, settings.before)
    content = b"".join(repository.get(manifest.keys.name, manifest.keys))
    about = {
        "id": manifest.id,
        "cluster": f"{manifest.namespace}/{manifest.cluster}",
        "release": manifest.release,
        "moment": _rfc3339(manifest.moment),
        "postgres": manifest.postgres.model_dump(mode="json") if manifest.postgres else None,
    }
    keys.hand_over(settings.keys_secret, {**json.loads(content), "about": json.dumps(about)})
    return {"id": manifest.id, "moment": _rfc3339(manifest.moment)}


def restore_messages() -> Result:
    """Fill the message store."""
    run, repository, settings = Run.read(), Repository(Destination.read()), MessagesSettings.read()
    manifest = backups.read(repository, run.id)
    database = messages.connect(settings.mongodb_url.get_secret_value(), settings.mongodb_database)
    count = messages.load(database, repository, manifest.messages, backup=run.id, target=run.target)
    return {"items": count}


def restore_objects() -> Result:
    """Put the files into the bucket."""
    repository = Repository(Destination.read())
    manifest = backups.read(repository, Run.read().id)
    if manifest.objects is None:
        return {"items": 0}
    objects.restore(repository, manifest.objects, _source())
    return {"items": manifest.objects.index.items}


def reconcile() -> Result:
    """Mend what crossed the moment."""
    manifest = backups.read(Repository(Destination.read()), Run.read().id)
    settings = ReconcileSettings.read()
    url = settings.user_database_url.get_secret_value()
    return {"erasures": asyncio.run(postgres.ask_erasures_again(url, manifest.moment, settings.holders))}


STEPS: Final[Mapping[str, Callable[[], Result]]] = {
    "postgres": backup_postgres,
    "objects": copy_objects,
    "messages": backup_messages,
    "index": index_objects,
    "seal": seal,
    "verify": verify,
    "find": find,
    "restore-messages": restore_messages,
    "restore-objects": restore_objects,
    "reconcile": reconcile,
}


def _source() -> objects.Bucket:
    settings = ObjectsSettings.read()
    access, secret = settings.source_access_key.get_secret_value(), settings.source_secret_key.get_secret_value()
    return objects.Bucket(
        connect(settings.source_endpoint, access, secret, region=settings.source_region), settings.source_bucket
    )


def _note(run: Run, step: str, result: Mapping[str, Any]) -> None:
    """Leave what later steps need."""
    part = run.work / f".{step}"
    part.write_text(json.dumps(result), encoding="utf-8")
    part.replace(run.work / f"{step}.json")


def _noted(run: Run, step: str) -> dict[str, Any] | None:
    path = run.work / f"{step}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(prog="chatcluster-backup", description="A step of a backup or a restore.")
    parser.add_argument("step", choices=STEPS)
    step = parser.parse_args().step
    log = Path(os.environ.get("CHAT_BACKUP_MESSAGE", "/dev/termination-log"))
    try:
        result = STEPS[step]()
    except BrokenError as error:
        _say(log, {"broken": str(error)})
        sys.exit(BROKEN)
    except _FAILURES as error:
        # Settings that are wrong are a ValueError of pydantic's, which quotes none of its secret values.
        why = f"{step}: {type(error).__name__}: {error}"
        _say(log, {"failed": why})
        sys.exit(why)
    _say(log, result)


def _say(log: Path, result: Result) -> None:
    text = json.dumps(result)
    if len(text) > _MESSAGE_BYTES:
        name, value = next(iter(result.items()))
        text = json.dumps({name if name in {"failed", "broken"} else "failed": str(value)[: _MESSAGE_BYTES // 2]})
    print(text, flush=True)  # noqa: T201 - the log of a Job
    log.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
