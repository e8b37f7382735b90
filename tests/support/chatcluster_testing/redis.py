"""Redis as a process of the tests, with the same access rules as in a cluster: a service sees its own keys alone."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chatcluster_testing.process import Program, accepts, find_program, free_port

SERVICES = ("gateway", "user", "message", "file", "notification", "presence")


@dataclass
class Redis:
    """A running server. `program` can be stopped and started again; its data survives that if it is durable."""

    program: Program
    port: int

    def url(self, service: str) -> str:
        """What the service takes as `CHAT_REDIS_URL`: a user who may touch `<service>:*` alone."""
        return f"redis://{service}:{service}-password@127.0.0.1:{self.port}/0"

    @property
    def admin_url(self) -> str:
        """A user who may do everything, for a test to look at what services keep."""
        return f"redis://admin:admin-password@127.0.0.1:{self.port}/0"


@contextlib.contextmanager
def running_redis(*, durable: bool = False) -> Iterator[Redis]:
    """A server on a free loopback port, in a temporary folder; `durable` keeps an append-only file, as a cluster's."""
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-redis-"))
    port = free_port()
    users = ["user default off", "user admin on >admin-password ~* &* +@all"]
    users += [
        # All may read what the user service tells everybody; it alone may write that.
        f"user {name} on >{name}-password ~{name}:* &{name}:* {'~' if name == 'user' else '%R~'}auth:*"
        " +@all -@dangerous +info"
        for name in SERVICES
    ]
    (folder / "users.acl").write_text("\n".join(users) + "\n")
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "aclfile": str(folder / "users.acl"),
        "save": "",
        "appendonly": "yes" if durable else "no",
    }
    argv = [redis_server(folder), *(word for option, value in options.items() for word in (f"--{option}", value))]
    program = Program("redis", argv, folder, lambda: accepts(port))
    try:
        program.start()
        try:
            yield Redis(program, port)
        finally:
            program.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def redis_server(folder: Path) -> str:
    """The server program. Debian's `redis-tools` has it under another name, without the system service that
    `redis-server` brings; what it does follows from the name it is called by."""
    if path := shutil.which("redis-server"):
        return path
    link = folder / "redis-server"
    link.symlink_to(find_program("redis-check-rdb"))
    return str(link)
