"""The readiness of a member of a replica set: what its script asks, byte by byte, and what it makes of answers."""

import socket
import subprocess
import threading
from importlib.resources import files

import bson
import pytest

READY = str(files("chatcluster_operator.desired") / "mongodb_scripts" / "ready")
OP_MSG = 2013


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        ({"isWritablePrimary": True, "secondary": False}, True),
        ({"isWritablePrimary": False, "secondary": True}, True),
        # Copies the others' data, or is in no set.
        ({"isWritablePrimary": False, "secondary": False, "isreplicaset": True}, False),
    ],
)
def test_a_member_is_ready_as_primary_or_secondary(answer: dict[str, bool], ready: bool) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                question = b""
                while len(question) < 52:
                    question += connection.recv(4096)
                asked.append(question)
                connection.sendall(bytes(21) + bson.encode(answer))

        peer = threading.Thread(target=serve)
        peer.start()
        port = server.getsockname()[1]
        done = subprocess.run(["bash", READY, str(port)], capture_output=True, check=False, timeout=60)
        peer.join(60)
    assert (done.returncode == 0) is ready
    [question] = asked
    assert int.from_bytes(question[:4], "little") == len(question)
    assert int.from_bytes(question[12:16], "little") == OP_MSG
    assert bson.decode(question[21:]) == {"hello": 1, "$db": "admin"}


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert subprocess.run(["bash", READY, str(port)], capture_output=True, check=False, timeout=60).returncode != 0
