#!/usr/bin/python3
"""Keeps the roles, passwords and databases of PostgreSQL as two files in /run/secrets/chatcluster say.

``users.json`` lists who owns which database and under which names one signs in as them:
``[{"role": "chat_user", "database": "chat_user", "logins": {"chat_user": "…", "chat_user_b": null}}]``. The owner's own
name is one of them; another is a role of its own, a member of the owner's, that acts as the owner from its first
statement on: whoever made a table, it is the owner's. A name without a password is not let in, and its sessions end. Of
``secrets.yml``, a part of Patroni's configuration, the passwords under ``postgresql.authentication`` are set, and
Patroni is told to read it again.

    roles apply [CONNINFO]   once; Patroni does so when it has made the database (post_init)
    roles watch PID          at the start and after each change, for as long as the process PID is there: Patroni's

Of several members the one that leads does all this. One that follows gets the roles from it, and tells its own Patroni
of new passwords once they are good there: what it is connected by stays until then, so no copy falls behind.

Within the container the superuser needs no password, so a new one is set whatever the old one was. Passwords reach the
server as SCRAM verifiers: they are in no argument list, query or log. Doing it again changes nothing.
"""

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psycopg2
import yaml
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

SECRETS = Path(os.environ.get("CHAT_SECRETS_DIR", "/run/secrets/chatcluster"))
LOCAL = os.environ.get("CHAT_POSTGRES_LOCAL", "host=/tmp dbname=postgres user=postgres")
PATRONI = f"http://127.0.0.1:{os.environ.get('CHAT_PATRONI_PORT', '8008')}"
LOOK_SECONDS = 2.0
REWIND = (
    "pg_ls_dir(text, boolean, boolean)",
    "pg_stat_file(text, boolean)",
    "pg_read_binary_file(text)",
    "pg_read_binary_file(text, bigint, bigint, boolean)",
)
"""What pg_rewind calls on the member that leads, by PostgreSQL's documentation of it."""


class UnusableFileError(Exception):
    """What is wrong with a file; never a value of it."""


def read(name: str) -> str:
    """A file's text."""
    try:
        return (SECRETS / name).read_text(encoding="utf-8")
    except OSError as error:
        raise UnusableFileError(f"{SECRETS / name}: {error.strerror}; mount the secret there") from None


def read_users() -> list[dict[str, Any]]:
    """The owners, their databases and logins."""
    try:
        users: Any = json.loads(read("users.json"))
        return [{"role": str(u["role"]), "database": str(u["database"]), "logins": dict(u["logins"])} for u in users]
    except (ValueError, TypeError, KeyError):
        shape = '[{"role": "…", "database": "…", "logins": {"…": "…"}}]'
        raise UnusableFileError(f"{SECRETS / 'users.json'} has to be JSON: {shape}") from None


def read_own() -> dict[str, tuple[str, str]]:
    """The names and passwords of Patroni's own roles, by what they are for: superuser, replication, rewind."""
    if not (SECRETS / "secrets.yml").exists():
        return {}
    try:
        own: Any = yaml.safe_load(read("secrets.yml"))["postgresql"]["authentication"]
        return {purpose: (str(item["username"]), str(item["password"])) for purpose, item in own.items()}
    except (yaml.YAMLError, TypeError, KeyError):
        raise UnusableFileError(f"{SECRETS / 'secrets.yml'} is no part of a configuration of Patroni") from None


def apply(connection: Any) -> None:
    """Bring everything up to date."""
    with connection.cursor() as cursor:
        for purpose, (role, password) in read_own().items():
            if purpose == "rewind" and not exists(cursor, role):
                # Patroni makes it with the database alone, and that may be older than the role.
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
                for function in REWIND:
                    grant = sql.SQL(f"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {{}}")
                    cursor.execute(grant.format(sql.Identifier(role)))
            if exists(cursor, role):
                set_password(cursor, connection, role, password)
        for user in read_users():
            apply_user(cursor, connection, user)


def apply_user(cursor: Any, connection: Any, user: dict[str, Any]) -> None:
    """Make one owner, the names to sign in by, and the database."""
    role, database = user["role"], user["database"]
    for login in sorted(user["logins"], key=lambda name: name != role):
        if not exists(cursor, login):
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(login)))
        if login != role:
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(login)))
            cursor.execute(sql.SQL("ALTER ROLE {} SET role TO {}").format(sql.Identifier(login), sql.Literal(role)))
        set_password(cursor, connection, login, user["logins"][login])
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
    if not cursor.fetchone():
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(role)))
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))


def exists(cursor: Any, role: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    return cursor.fetchone() is not None


def set_password(cursor: Any, connection: Any, role: str, password: str | None) -> None:
    """Let a role in by this password alone; without one not at all."""
    if password is None:
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD NULL").format(sql.Identifier(role)))
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
        return
    verifier = encrypt_password(password, role, connection, "scram-sha-256")
    cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))


def apply_once(conninfo: str) -> bool:
    """Connect and apply. False on a member that only follows: it gets the roles from the one that leads."""
    connection = psycopg2.connect(conninfo, connect_timeout=10)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            if cursor.fetchone()[0]:
                return False
        apply(connection)
        return True
    finally:
        connection.close()


def leads() -> bool:
    """Whether this member leads by Patroni's word, which comes only once it has made its own roles.

    Two who change a role at the same moment hinder each other, and Patroni takes that for a failed bootstrap.
    """
    try:
        urllib.request.urlopen(f"{PATRONI}/primary", timeout=5).close()  # noqa: S310 - loopback
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False
    return True


def check_accepted(conninfo: str) -> None:
    """`psycopg2.OperationalError` where the member that this one copies from does not take our new password yet."""
    connection = psycopg2.connect(conninfo, connect_timeout=10)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT sender_host, sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'")
            sender = cursor.fetchone()
    finally:
        connection.close()
    if sender and (own := read_own().get("replication")):
        host, port = sender
        psycopg2.connect(
            host=host, port=port, dbname="postgres", user=own[0], password=own[1], connect_timeout=10
        ).close()


def watch(patroni: int) -> None:
    """Apply at the start and after each change; what cannot be done yet is tried again."""
    done: tuple[str, str] | None = None
    known: str | None = None
    told = ""
    while os.getppid() == patroni:
        time.sleep(LOOK_SECONDS)
        try:
            found = read("users.json"), read("secrets.yml")
            # At its start Patroni has read the file itself.
            known = known or found[1]
            if found != done:
                if leads() and apply_once(LOCAL):
                    done, told = found, ""
                    print("roles: as the files say", flush=True)  # noqa: T201
                elif found[1] != known:
                    check_accepted(LOCAL)
            if found[1] != known:
                os.kill(patroni, signal.SIGHUP)
                known = found[1]
        except (UnusableFileError, psycopg2.Error, OSError) as error:
            # PostgreSQL's messages quote no password: it only ever gets verifiers, and says less of those.
            why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            if isinstance(error, psycopg2.Error) and not isinstance(error, psycopg2.OperationalError):
                why = type(error).__name__
            if why != told:
                print(f"roles: not yet, tried again: {why}", file=sys.stderr, flush=True)  # noqa: T201
                told = why


def main() -> None:
    match sys.argv[1:]:
        case ["apply", *conninfo] if len(conninfo) <= 1:
            try:
                apply_once(conninfo[0] if conninfo else LOCAL)
            except UnusableFileError as error:
                sys.exit(str(error))
        case ["watch", pid] if pid.isdigit():
            watch(int(pid))
        case _:
            sys.exit("usage: roles apply [CONNINFO] | roles watch PID")


if __name__ == "__main__":
    main()
