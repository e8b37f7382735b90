#!/usr/bin/python3
"""Backups of PostgreSQL by pgBackRest, beside the files of the member that leads.

    backups watch PID         work off what is asked for in the table `requests` of the database chat_backup, for as
                              long as the process PID is there: Patroni's
    backups pgbackrest-push FILE
                              archive_command: bring a finished part of the write-ahead log into the repository;
                              pgBackRest looks for its own name in that command
    backups fetch FILE PATH   restore_command: bring it back from there
    backups restore …         Patroni's bootstrap method: fill the empty data folder given as --datadir=… from a backup
    backups restored CONNINFO its post_init after that, before anybody is led here: what speaks of the cluster that was
                              backed up goes, and roles get their passwords
    backups verify FILE       restore into a scratch folder what the JSON in FILE tells (label and point; nothing to do
                              where it is empty), start it, check every table and index, and throw it away

Where the repository is comes from CHAT_BACKUP_ENDPOINT (https://…), _BUCKET, _REGION, _PATH and _CA_FILE; its secrets
are the files access_key, secret_key and passphrase in CHAT_BACKUP_SECRETS_DIR. What is restored is the same with
CHAT_RECOVERY_…, and CHAT_RECOVERY_LABEL with _POINT (the name of a restore point) or _TIME (RFC 3339). Secrets reach
pgBackRest by its environment: they are in no argument list and in no file of ours.

Who owns the database chat_backup can do nothing but ask: "backup" makes a base backup, whole once a week; "point" makes
a named restore point and answers when all of the log before it is in the repository; "expire" lets go what no backup
needs. A request that a member did not finish, because it is gone, is begun anew by the next one that leads.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

STANZA = "main"
DATA = os.environ.get("CHAT_POSTGRES_DATA", "/var/lib/chatcluster/pgdata")
LOCAL = os.environ.get("CHAT_POSTGRES_LOCAL", "host=/tmp port=5432 dbname=postgres user=postgres")
DATABASE = "chat_backup"
OF_ANOTHER = (DATABASE, "chat_objects")
"""Databases that are made anew, empty: requests of that cluster's backups, and the list of its object store's files,
which speaks of volumes that are not here."""
RESTORED = "chatcluster.restored"
LOOK_SECONDS = 2.0
WHOLE_DAYS = 7
"""Age at which the last whole backup is followed by another; those between hold what has changed since."""
ARCHIVED_SECONDS = 600.0
STOPPED_SECONDS = float(os.environ.get("CHAT_ARCHIVING_STOPPED_SECONDS", "300"))
"""How long a part of the log may wait for the repository before that is told."""
NOT_ARCHIVED_SINCE = "chatcluster.dev/not-archived-since"
"""Annotation of the pod that tells it, with the time since when the part waits."""
BROKEN = frozenset({26, 28, 29, 55, 75, 95})
"""Exit codes of pgBackRest for what is not what it wrote: checksum, file, format, missing file, set, cipher."""
BROKEN_EXIT = 3
"""Exit code when a backup is broken: another try would find the same."""
UNREACHED = "recovery ended before configured recovery target was reached"
"""What PostgreSQL says when the log in the repository ends too early."""
START_SECONDS = 600
"""How long that server may take to read the first of the log."""
SCRATCH = {
    "archive_mode": "off",
    "listen_addresses": "''",
    "port": 5432,
    "hot_standby": "off",
    "max_connections": 20,
    "shared_buffers": "64MB",
    "synchronous_standby_names": "''",
    "fsync": "off",
}
"""Settings of a server that is thrown away, in place of those that were backed up."""

TABLE = """
CREATE TABLE IF NOT EXISTS requests (
    id text PRIMARY KEY, what text NOT NULL, detail jsonb NOT NULL, state text NOT NULL DEFAULT 'asked',
    answer jsonb, seen boolean NOT NULL DEFAULT false, asked_at timestamptz NOT NULL DEFAULT now());
ALTER TABLE requests OWNER TO chat_backup;
DELETE FROM requests WHERE asked_at < now() - interval '30 days'
"""


class FailedError(Exception):
    """What pgBackRest says is wrong."""


def environment(prefix: str = "CHAT_BACKUP") -> dict[str, str]:
    """pgBackRest's settings, all of them as variables."""

    def given(name: str) -> str:
        return os.environ.get(f"{prefix}_{name}", "")

    secrets = Path(given("SECRETS_DIR") or "/run/secrets/chatcluster-backup")
    host, _, port = given("ENDPOINT").removeprefix("https://").rstrip("/").partition(":")
    options = {
        # Nothing but these counts.
        "CONFIG": "/dev/null",
        "STANZA": STANZA,
        "PG1_PATH": DATA,
        "REPO1_TYPE": "s3",
        "REPO1_PATH": f"/{given('PATH').strip('/')}/postgres",
        "REPO1_S3_ENDPOINT": host,
        "REPO1_STORAGE_PORT": port or "443",
        "REPO1_S3_BUCKET": given("BUCKET"),
        "REPO1_S3_REGION": given("REGION") or "us-east-1",
        # Every S3 knows buckets by path; by host name only some do.
        "REPO1_S3_URI_STYLE": "path",
        "REPO1_S3_KEY": (secrets / "access_key").read_text(encoding="utf-8").strip(),
        "REPO1_S3_KEY_SECRET": (secrets / "secret_key").read_text(encoding="utf-8").strip(),
        "REPO1_CIPHER_TYPE": "aes-256-cbc",
        "REPO1_CIPHER_PASS": (secrets / "passphrase").read_text(encoding="utf-8").strip(),
        "COMPRESS_TYPE": "zst",
        "LOCK_PATH": "/tmp/pgbackrest",  # noqa: S108 - the container's own
        "SPOOL_PATH": "/tmp/pgbackrest",  # noqa: S108 - as above
        "LOG_LEVEL_FILE": "off",
        "LOG_LEVEL_CONSOLE": "warn",
        "LOG_LEVEL_STDERR": "off",
        # What may go is told by what the manifests of backups need: see "expire".
        "EXPIRE_AUTO": "n",
        "REPO1_RETENTION_FULL": "9999999",
        "START_FAST": "y",
        "ARCHIVE_TIMEOUT": str(int(ARCHIVED_SECONDS)),
    }
    if given("CA_FILE"):
        options["REPO1_STORAGE_CA_FILE"] = given("CA_FILE")
    settings = dict(item.split("=", 1) for item in LOCAL.split())
    options |= {"PG1_SOCKET_PATH": settings["host"], "PG1_PORT": settings["port"], "PG1_USER": settings["user"]}
    return {**os.environ, **{f"PGBACKREST_{name}": value for name, value in options.items()}}


def pgbackrest(*arguments: str) -> str:
    """What it prints. Raises FailedError with the last of what it complains of, which quotes no secret."""
    done = subprocess.run(["pgbackrest", *arguments], env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(" ".join((done.stderr + done.stdout).strip().splitlines()[-3:])[-1000:])
    return done.stdout


def info() -> list[dict[str, Any]]:
    """The base backups that there are, the oldest first."""
    found: Any = json.loads(pgbackrest("info", "--output=json"))
    return found[0]["backup"] if found else []


def make_backup(cursor: Any, detail: dict[str, Any]) -> dict[str, Any]:
    del cursor
    mine = [item for item in info() if (item.get("annotation") or {}).get("chatcluster") == detail["id"]]
    if not mine:
        whole = [item["timestamp"]["stop"] for item in info() if item["type"] == "full"]
        kind = "incr" if whole and time.time() - whole[-1] < WHOLE_DAYS * 86_400 else "full"
        pgbackrest("backup", f"--type={kind}", f"--annotation=chatcluster={detail['id']}")
        mine = info()
    last = mine[-1]
    return {
        "label": last["label"],
        "path": environment()["PGBACKREST_REPO1_PATH"],
        "bytes": last["info"]["repository"]["delta"],
        "version": int(Path(DATA, "PG_VERSION").read_text(encoding="ascii")),
    }


def make_point(cursor: Any, detail: dict[str, Any]) -> dict[str, Any]:
    cursor.execute("SELECT now(), pg_walfile_name(pg_create_restore_point(%s))", (detail["name"],))
    at, needed = cursor.fetchone()
    cursor.execute("SELECT pg_switch_wal()")
    deadline = time.monotonic() + ARCHIVED_SECONDS
    while time.monotonic() < deadline:
        cursor.execute("SELECT last_archived_wal, last_failed_wal FROM pg_stat_archiver")
        archived, failed = cursor.fetchone()
        # Names of one timeline sort by their place; a later timeline begins where an earlier one ended.
        if archived and archived[:24] >= needed:
            return {"name": detail["name"], "at": at.isoformat()}
        time.sleep(0.5)
    raise FailedError(f"the write-ahead log does not reach the repository (last failure: {failed or 'none'})")


def expire(cursor: Any, detail: dict[str, Any]) -> dict[str, Any]:
    del cursor
    oldest = detail["oldest"].partition("_")[0]
    needed = sum(item["type"] == "full" and item["label"] >= oldest for item in info())
    if needed:
        pgbackrest("expire", f"--repo1-retention-full={needed}")
    return {"whole": needed}


WORK = {"backup": make_backup, "point": make_point, "expire": expire}


def prepare() -> bool:
    """Make the table and the stanza. False on a member that only follows, or where the database is yet to be made."""
    with Cursor(LOCAL) as cursor:
        cursor.execute("SELECT pg_is_in_recovery(), EXISTS (SELECT FROM pg_database WHERE datname = %s)", (DATABASE,))
        following, there = cursor.fetchone()
    if following or not there:
        return False
    with Cursor(f"{LOCAL} dbname={DATABASE}") as cursor:
        cursor.execute(TABLE)
        try:
            pgbackrest("stanza-create")
        except FailedError as error:
            # Who waits is told: nothing of it can be done.
            answer = json.dumps({"why": f"the repository cannot be used: {error}"})
            cursor.execute("UPDATE requests SET state = 'failed', answer = %s WHERE state = 'asked'", (answer,))
            raise
    return True


def work_off() -> None:
    """What is asked for, or was begun by a member that is gone: one at a time leads, so nobody else works on it."""
    with Cursor(f"{LOCAL} dbname={DATABASE}") as cursor:
        cursor.execute("SELECT id, what, detail FROM requests WHERE state = 'asked' ORDER BY asked_at")
        for request, what, detail in cursor.fetchall():
            try:
                state, answer = "done", WORK[what](cursor, detail)
            except (FailedError, KeyError) as error:
                state, answer = "failed", {"why": f"{what}: {error}"}
            print(f"backups: {request}: {state}", flush=True)  # noqa: T201
            cursor.execute(
                "UPDATE requests SET state = %s, answer = %s, seen = false WHERE id = %s",
                (state, json.dumps(answer), request),
            )


class Cursor:
    """A cursor that commits each statement, and its connection, closed afterwards."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def __enter__(self) -> Any:
        self._connection = psycopg2.connect(self._conninfo, connect_timeout=10)
        self._connection.autocommit = True
        return self._connection.cursor()

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class Archiving:
    """Whether the write-ahead log reaches the repository, as the pod of the member that leads says.

    Parts that wait are marked as ready by PostgreSQL. Its statistics would not do: they count no command that was
    killed, or could not be run.
    """

    def __init__(self) -> None:
        self._due = 0.0
        self._told: str | None = None

    def look(self) -> None:
        """Tell a change, where this is a pod. What cannot be seen or told now is with another look."""
        if time.monotonic() >= self._due and "KUBERNETES_SERVICE_HOST" in os.environ:
            self._due = time.monotonic() + STOPPED_SECONDS / 10
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                if (since := _not_archived_since()) != self._told:
                    subprocess.run(["member", "annotate", NOT_ARCHIVED_SINCE, *since.split()], check=True)
                    self._told = since


def _not_archived_since() -> str:
    """When the first part was finished that has waited for too long; empty where none has, or this member follows."""
    if any(Path(DATA, name).exists() for name in ("standby.signal", "recovery.signal")):
        return ""
    oldest = min((part.stat().st_mtime for part in Path(DATA, "pg_wal/archive_status").glob("*.ready")), default=None)
    if oldest is None or time.time() - oldest < STOPPED_SECONDS:
        return ""
    return datetime.fromtimestamp(oldest, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def watch(patroni: int) -> None:
    """Work off, look after look; what cannot be done yet is tried again."""
    prepared, told = False, ""
    archiving = Archiving()
    while os.getppid() == patroni:
        time.sleep(LOOK_SECONDS)
        try:
            archiving.look()
            prepared = prepared or prepare()
            if prepared:
                work_off()
            told = ""
        except (FailedError, psycopg2.Error, OSError) as error:
            # Another member may lead by now.
            prepared = False
            why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            if why != told:
                print(f"backups: not yet, tried again: {why}", file=sys.stderr, flush=True)  # noqa: T201
                told = why


def promoting() -> list[str]:
    """Options by which the log comes from the repository, and recovery ends with a server that takes writes."""
    program = os.path.realpath(sys.argv[0])
    return ["--target-action=promote", f'--recovery-option=restore_command={program} fetch %f "%p"']


def restore(arguments: list[str]) -> None:
    """Fill the data folder. Recovery then ends at the point, and the member leads."""
    given = dict(item.removeprefix("--").split("=", 1) for item in arguments if "=" in item)
    folder = given.get("datadir", DATA)
    # Patroni keeps what a try has left that failed. There may not be room for both.
    shutil.rmtree(f"{folder}.failed", ignore_errors=True)
    options = {**environment("CHAT_RECOVERY"), "PGBACKREST_PG1_PATH": folder}
    time_, point = os.environ.get("CHAT_RECOVERY_TIME", ""), os.environ.get("CHAT_RECOVERY_POINT", "")
    if time_:
        # pgBackRest wants a zone by its offset.
        at = datetime.fromisoformat(time_).astimezone().isoformat(" ")
        target = ["--type=time", f"--target={at}", "--target-exclusive"]
    else:
        target = ["--type=name", f"--target={point}"]
    done = subprocess.run(
        ["pgbackrest", "restore", f"--set={os.environ['CHAT_RECOVERY_LABEL']}", *target, *promoting(), "--delta"],
        env=options,
        check=False,
    )
    sys.exit(done.returncode)


def restored(conninfo: str) -> None:
    """Patroni gives the whole bootstrap up when this fails, and begins anew."""
    with Cursor(conninfo) as cursor:
        for name in OF_ANOTHER:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute("SHOW data_directory")
        [folder] = cursor.fetchone()
    subprocess.run(["roles", "apply", conninfo], check=True)
    # It tells this database from what a try has left that broke off: see `member anew`.
    Path(folder, RESTORED).write_text(os.environ["CHAT_RECOVERY_POINT"], encoding="utf-8")


class BrokenError(Exception):
    """What lies at the repository is no whole backup any more."""


def verify(file: str) -> dict[str, Any]:
    """How many tables there are, and the size of all databases. Raises FailedError and BrokenError.

    Nothing here may write to the repository, so the server archives nothing; and nobody but this can reach it.
    """
    wanted = json.loads(Path(file).read_text(encoding="utf-8"))
    if not wanted:
        return {"items": 0, "bytes": 0}
    shutil.rmtree(DATA, ignore_errors=True)
    with tempfile.TemporaryDirectory() as sockets:
        try:
            _restore_scratch(wanted["label"], wanted["point"])
            _start_scratch(sockets, wanted["label"])
            return _check(sockets)
        finally:
            _pg_ctl("stop", "--mode=immediate")
            shutil.rmtree(DATA, ignore_errors=True)


def _restore_scratch(label: str, point: str) -> None:
    argv = ["pgbackrest", "restore", f"--set={label}", "--type=name", f"--target={point}", *promoting()]
    env = {**environment("CHAT_RECOVERY"), "PGBACKREST_PG1_PATH": DATA}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        why = " ".join((done.stderr + done.stdout).strip().splitlines()[-3:])[-1000:]
        raise (BrokenError if done.returncode in BROKEN else FailedError)(f"PostgreSQL: restore: {why}")


def _start_scratch(sockets: str, label: str) -> None:
    """Until it takes statements, which is when the log up to the point is read."""
    Path(sockets, "hba").write_text("local all all trust\n", encoding="ascii")
    settings = {**SCRATCH, "hba_file": f"{sockets}/hba", "unix_socket_directories": sockets}
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    log = Path(sockets, "log")
    # By its environment `backups fetch` knows which repository the log comes from.
    os.environ["CHAT_RECOVERY_LABEL"] = label
    _pg_ctl("start", f"--log={log}", "--wait", f"--timeout={START_SECONDS}", "-o", options)
    while not _answers(sockets):
        time.sleep(0.5)
        if not _pg_ctl("status"):
            said = log.read_text(encoding="utf-8", errors="replace")
            if UNREACHED in said:
                raise BrokenError(f"PostgreSQL: {UNREACHED}")
            raise FailedError(f"PostgreSQL does not start from it: {' '.join(said.splitlines()[-5:])[-1000:]}")


def _pg_ctl(action: str, *words: str) -> bool:
    argv = ["pg_ctl", action, f"--pgdata={DATA}", *words]
    return subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode == 0


def _answers(sockets: str) -> bool:
    with contextlib.suppress(psycopg2.OperationalError), Cursor(_scratch(sockets)) as cursor:
        cursor.execute("SELECT 1")
        return True
    return False


def _scratch(sockets: str, database: str = "postgres") -> str:
    user = dict(item.split("=", 1) for item in LOCAL.split())["user"]
    return f"host={sockets} user={user} dbname={database}"


def _check(sockets: str) -> dict[str, Any]:
    check = ["pg_amcheck", "--all", "--install-missing", f"--maintenance-db={_scratch(sockets)}"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    if done.returncode:
        what = " ".join((done.stdout + done.stderr).strip().splitlines()[:3])[:1000]
        # https://www.postgresql.org/docs/17/app-pgamcheck.html: 2 is corruption.
        raise (BrokenError if done.returncode == 2 else FailedError)(f"PostgreSQL: {what}")
    with Cursor(_scratch(sockets)) as cursor:
        cursor.execute(
            "SELECT datname, pg_database_size(oid) FROM pg_database WHERE datallowconn AND NOT datistemplate"
        )
        sizes = dict(cursor.fetchall())
    tables = 0
    for database in sizes:
        with Cursor(_scratch(sockets, database)) as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_user_tables")
            tables += cursor.fetchone()[0]
    if not tables:
        raise BrokenError("PostgreSQL: there is no table in it")
    return {"items": tables, "bytes": sum(sizes.values())}


def say(told: dict[str, Any]) -> None:
    """As this container's last word."""
    text = json.dumps(told)
    print(text, flush=True)  # noqa: T201
    Path(os.environ.get("CHAT_BACKUP_MESSAGE", "/dev/termination-log")).write_text(text, encoding="utf-8")


def main() -> None:
    match sys.argv[1:]:
        case ["watch", pid] if pid.isdigit():
            watch(int(pid))
        case ["pgbackrest-push", path]:
            os.execvpe("pgbackrest", ["pgbackrest", "archive-push", path], environment())  # noqa: S606
        case ["fetch", name, path]:
            options = environment("CHAT_RECOVERY" if "CHAT_RECOVERY_LABEL" in os.environ else "CHAT_BACKUP")
            os.execvpe("pgbackrest", ["pgbackrest", "archive-get", name, path], options)  # noqa: S606
        case ["restore", *arguments]:
            restore(arguments)
        case ["verify", file]:
            try:
                say(verify(file))
            except BrokenError as error:
                say({"broken": str(error)})
                sys.exit(BROKEN_EXIT)
            except (FailedError, OSError, psycopg2.Error) as error:
                say({"failed": str(error)})
                sys.exit(1)
        case ["restored", conninfo]:
            restored(conninfo)
        case _:
            usage = (
                "watch PID | pgbackrest-push FILE | fetch FILE PATH | restore [--datadir=FOLDER] | restored CONNINFO"
                " | verify FILE"
            )
            sys.exit(f"usage: backups {usage}")


if __name__ == "__main__":
    main()
