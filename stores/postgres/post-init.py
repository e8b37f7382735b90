#!/usr/bin/python3
"""Makes the roles and databases of a new cluster. Patroni runs it once, after initdb: ``post-init CONNINFO``.

``/run/secrets/chatcluster/users.json`` lists them: ``[{"role": "…", "database": "…", "password": "…"}]``. A role owns
its database and no other role may connect to it. Passwords reach the server as SCRAM verifiers, so that they are in no
argument list, query or log. Running it again changes nothing but passwords that differ from the file.
"""

import json
import sys
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

USERS = Path("/run/secrets/chatcluster/users.json")


def read_users() -> list[dict[str, str]]:
    """The roles to make; exits with a message that never shows a value of the file."""
    try:
        users: Any = json.loads(USERS.read_text(encoding="utf-8"))
        return [{key: str(user[key]) for key in ("role", "database", "password")} for user in users]
    except OSError as error:
        sys.exit(f"{USERS}: {error.strerror}; mount the secret that lists roles, databases and passwords there")
    except (ValueError, TypeError, KeyError):
        sys.exit(f'{USERS} has to be JSON: [{{"role": "…", "database": "…", "password": "…"}}]')


def apply(connection: Any, user: dict[str, str]) -> None:
    """Make one role and its database, or bring them up to date."""
    role, database = sql.Identifier(user["role"]), sql.Identifier(user["database"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user["role"],))
        verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
        verifier = encrypt_password(user["password"], user["role"], connection, "scram-sha-256")
        cursor.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, sql.Literal(verifier)))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (user["database"],))
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: post-init CONNINFO")
    users = read_users()
    connection = psycopg2.connect(sys.argv[1], connect_timeout=10)
    connection.autocommit = True
    try:
        for user in users:
            apply(connection, user)
            print(f"role {user['role']} owns database {user['database']}", flush=True)  # noqa: T201
    finally:
        connection.close()


if __name__ == "__main__":
    main()
