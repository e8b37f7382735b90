"""The document store as a process of the tests: SecantusDB, which speaks MongoDB's wire protocol."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chatcluster_testing.process import Program, accepts, free_port


@dataclass
class MongoDB:
    """A running server. `program` can be stopped and started again; its data survives that."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        """What the message service takes as `CHAT_MONGODB_URL`."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true&retryWrites=false"


@contextlib.contextmanager
def running_mongodb() -> Iterator[MongoDB]:
    """A server on a free loopback port with its data in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-mongodb-"))
    port = free_port()
    argv = [sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--storage-path", str(folder / "data"), "--cache-size", "128M", "--log-level", "WARNING"]
    program = Program("mongodb", argv, folder, lambda: accepts(port), env={"PYTHONUNBUFFERED": "1"}, timeout=60)
    try:
        program.start()
        try:
            yield MongoDB(program, port)
        finally:
            program.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
