"""Runs the embedded stand-in for MongoDB: one node, SCRAM required, every commit on disk before it is acknowledged.

The user ``chat`` (database ``admin``) gets the password in ``/run/secrets/chatcluster/password`` at each start, so a
new password takes effect with the next start. The listening socket opens after that: a TCP probe on 27017 says both
alive and ready.

    CHAT_MONGODB_PORT    27017
    CHAT_MONGODB_CACHE   256M, the storage engine's cache
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from secantus.auth import SCRAM_SHA_256, derive_credentials
from secantus.server import SecantusDBServer

DATA = "/var/lib/chatcluster/mongodb"
PASSWORD_FILE = Path("/run/secrets/chatcluster/password")
USER = "chat"
ROLES = [{"role": "root", "db": "admin"}]

log = logging.getLogger("mongodb-embedded")


def read_password() -> str:
    """The user's password; exits with a message where the file is missing or empty."""
    try:
        password = PASSWORD_FILE.read_text(encoding="utf-8").strip()
    except OSError as error:
        sys.exit(f"{PASSWORD_FILE}: {error.strerror}; mount the secret that holds the password of user {USER!r} there")
    if not password:
        sys.exit(f"{PASSWORD_FILE} is empty; it has to hold the password of user {USER!r}")
    return password


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    password = read_password()
    server = SecantusDBServer(
        host="0.0.0.0",  # noqa: S104 - a container's only address is given at run time
        port=int(os.environ.get("CHAT_MONGODB_PORT", "27017")),
        storage_path=DATA,
        replica_set_name="rs0",
        require_auth=True,
        enable_test_commands=False,
        cache_size=os.environ.get("CHAT_MONGODB_CACHE", "256M"),
        durable=True,
        sync_on_commit=True,
    )
    server.storage.add_user(
        "admin",
        USER,
        {
            "_id": f"admin.{USER}",
            "user": USER,
            "db": "admin",
            "credentials": derive_credentials(password, mechanism=SCRAM_SHA_256).to_doc(),
            "roles": ROLES,
            "mechanisms": [SCRAM_SHA_256],
        },
        replace=True,
    )
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    server.start()
    log.info("listening on port %d, data in %s", server.port, DATA)
    stopping.wait()
    log.info("stopping")
    server.stop()


if __name__ == "__main__":
    main()
