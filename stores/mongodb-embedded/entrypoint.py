"""Runs the embedded stand-in for MongoDB: one node, SCRAM required, every commit on disk before it is acknowledged.

``/run/secrets/chatcluster/users.json`` has the users of the database ``admin`` and their passwords: ``{"chat": "…",
"chat_b": null}``; one without a password is not let in. ``readers.json``, where there is one, has those who may only
read. Both are taken up at each start, and again whenever they change: open connections stay as they are. The listening
socket opens after that: a TCP probe on 27017 says both alive and ready.

While the volume is full, by the margin that ``volume`` keeps, writes are refused as MongoDB's own OutOfDiskSpace. Its
engine gives up for good when it cannot write; so it is kept from getting there, and reads go on.

    CHAT_MONGODB_PORT    27017
    CHAT_MONGODB_CACHE   256M, the storage engine's cache
    CHAT_MONGODB_DATA    /var/lib/chatcluster/mongodb
    CHAT_SECRETS_DIR     /run/secrets/chatcluster
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import secantus.server
from secantus.auth import SCRAM_SHA_256, derive_credentials
from secantus.server import SecantusDBServer

USERS_FILE = Path(os.environ.get("CHAT_SECRETS_DIR", "/run/secrets/chatcluster")) / "users.json"
READERS_FILE = USERS_FILE.with_name("readers.json")
ROLES = [{"role": "root", "db": "admin"}]
READS = [{"role": "readAnyDatabase", "db": "admin"}]
LOOK_SECONDS = 2.0

log = logging.getLogger("mongodb-embedded")


MIB = 1024 * 1024
WRITES = frozenset({"insert", "update", "delete", "findAndModify", "bulkWrite", "create", "createIndexes"})
MEASURED_SECONDS = 0.2


class Room:
    """Whether the volume has room, by the same margin as the program `volume`; measured a few times a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._measured = float("-inf")
        self._full = False

    @property
    def full(self) -> bool:
        """Whether nothing more should be written."""
        if time.monotonic() - self._measured > MEASURED_SECONDS:
            found = os.statvfs(self._folder)
            free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
            margin = min(max(96 * MIB, size // 20), 4096 * MIB)
            self._full = free < (margin * 5 // 4 if self._full else margin)
            self._measured = time.monotonic()
        return self._full


def refuse_writes_while_full(room: Room) -> None:
    """Have the server ask for room before each write. It has no hook: its one function for commands is wrapped."""
    dispatch: Any = secantus.server.dispatch

    def asked(command: Any, context: Any) -> Any:
        if next(iter(command), "") in WRITES and room.full:
            return {
                "ok": 0.0,
                "errmsg": "the volume is full: nothing is written until it grows",
                "code": 14031,
                "codeName": "OutOfDiskSpace",
            }
        return dispatch(command, context)

    secantus.server.dispatch = asked


Users = dict[str, tuple[str | None, list[dict[str, str]]]]
"""Each user's password and roles."""


def read_users() -> Users:
    """Those of both files. Raises OSError, or a ValueError whose message never shows a value of a file."""
    readers = _read(READERS_FILE, READS) if READERS_FILE.exists() else {}
    return {**readers, **_read(USERS_FILE, ROLES)}


def _read(file: Path, roles: list[dict[str, str]]) -> Users:
    try:
        users: Any = json.loads(file.read_text(encoding="utf-8"))
        if not any(users.values()):
            raise ValueError("nobody is let in")
        return {str(user): (password, roles) for user, password in users.items()}
    except (ValueError, TypeError, AttributeError):
        raise ValueError(f'{file} has to be JSON: {{"user": "password" or null}}, one with a password') from None


def take_up(storage: Any, users: Users) -> None:
    """Let in the users who have a password, with it, and no others."""
    for user, (password, roles) in users.items():
        if password is None:
            storage.drop_user("admin", user)
            continue
        document = {
            "_id": f"admin.{user}",
            "user": user,
            "db": "admin",
            "credentials": derive_credentials(password, mechanism=SCRAM_SHA_256).to_doc(),
            "roles": roles,
            "mechanisms": [SCRAM_SHA_256],
        }
        storage.add_user("admin", user, document, replace=True)


def follow(storage: Any, users: Users, stopping: threading.Event) -> None:
    """Take up changes of the files until told to stop."""
    while not stopping.wait(LOOK_SECONDS):
        try:
            found = read_users()
        except (OSError, ValueError) as error:
            log.warning("users stay as they are: %s", error)
            continue
        if found != users:
            take_up(storage, {**dict.fromkeys(users, (None, ROLES)), **found})
            users = found
            log.info("users taken up from %s", USERS_FILE.parent)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        users = read_users()
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    data = os.environ.get("CHAT_MONGODB_DATA", "/var/lib/chatcluster/mongodb")
    Path(data).mkdir(parents=True, exist_ok=True)
    own = {**os.environ, "CHAT_DATA_DIR": str(Path(data).parent)}
    subprocess.run(["volume", "once"], check=False, env=own)
    subprocess.Popen(["volume", "keep"], env=own)
    refuse_writes_while_full(Room(Path(data)))
    server = SecantusDBServer(
        host="0.0.0.0",  # noqa: S104 - a container's only address is given at run time
        port=int(os.environ.get("CHAT_MONGODB_PORT", "27017")),
        storage_path=data,
        replica_set_name="rs0",
        require_auth=True,
        enable_test_commands=False,
        cache_size=os.environ.get("CHAT_MONGODB_CACHE", "256M"),
        durable=True,
        sync_on_commit=True,
    )
    take_up(server.storage, users)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    server.start()
    log.info("listening on port %d, data in %s", server.port, data)
    follow(server.storage, users, stopping)
    log.info("stopping")
    server.stop()


if __name__ == "__main__":
    main()
