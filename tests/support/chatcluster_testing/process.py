"""Programs under test: start one, wait until it answers, end it by its id, keep its log.

Everything here is synchronous, so that fixtures of any scope and event loop can use it.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

INTERNAL_TOKEN = "internal-token-of-the-tests"
"""What services under test take as `X-Internal-Token`."""

_POLL_SECONDS = 0.02
_STARTER = ThreadPoolExecutor(1, "starter")
"""By this thread all programs are started, as the kernel ends them with the thread that started them, not the process:
one started in passing, by a thread of `asyncio.to_thread`, would go with the test's event loop."""


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    """Poll `condition` until it holds; `AssertionError` naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(_POLL_SECONDS)


def accepts(port: int) -> bool:
    """Whether something accepts TCP connections on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def answers(url: str) -> bool:
    """Whether a GET of `url` succeeds with a 2xx status."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 http to loopback
            return 200 <= response.status < 300
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


def store_env(*programs: Path) -> dict[str, str]:
    """For the start script of a store's image: PATH with what all of these share and the folders of `programs` on it. A
    test's volume is told to nobody, unless the test gives it a port."""
    shared = Path(__file__).parents[3] / "stores/common"
    path = ":".join([*map(str, programs), str(shared), os.environ["PATH"]])
    return {"PATH": path, "CHAT_VOLUME_PORT": "0", "CHAT_RESERVE_MB": "1"}


def as_user(name: str) -> dict[str, Any]:
    """Arguments of `subprocess` functions to run a program as another user of the system; needs root."""
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@dataclass
class Program:
    """One program as a child process; it is ended with the process that started it, however that ends."""

    name: str
    argv: Sequence[str]
    folder: Path
    """Where its log `<name>.log` goes; also its working folder."""
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    """Its environment, apart from PATH and HOME."""
    user: str = ""
    """Run as this user of the system; only where the tests run as root."""
    timeout: float = 90.0
    """Seconds to become ready in."""
    orphaned: str = "TERM"
    """Signal that the kernel sends when the process that started it has ended."""
    _process: subprocess.Popen[Any] | None = None

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended since."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything the program has written so far, over all its starts."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    @property
    def _log_file(self) -> Path:
        return self.folder / f"{self.name}.log"

    def spawn(self) -> Self:
        """Start the program without waiting for it to be ready."""
        assert self._process is None, f"{self.name} runs already"
        self._process = _STARTER.submit(self._begin).result()
        return self

    def _begin(self) -> subprocess.Popen[Any]:
        # setpriv tells the kernel to end the child with its parent: nothing is left behind by a killed test run.
        until_we_go = ["setpriv", "--pdeathsig", self.orphaned, "--"]
        with self._log_file.open("ab") as log:
            return subprocess.Popen(
                [*until_we_go, *self.argv],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **(as_user(self.user) if self.user else {}),
            )

    def start(self) -> Self:
        """Start the program and wait until it is ready; fails with its log when it exits or takes too long."""
        return self.spawn().await_ready()

    def await_ready(self) -> Self:
        """Wait until the spawned program is ready; fails with its log when it exits or takes too long."""
        assert self._process is not None, f"{self.name} is not running"
        deadline = time.monotonic() + self.timeout
        while not self.ready():
            code = self._process.poll()
            if code is None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
                continue
            why = f"not ready within {self.timeout:g} s" if code is None else f"exited with {code}"
            self.kill()
            raise AssertionError(f"{self.name}: {why}; its log ends:\n{self.log[-4000:]}")
        return self

    def wait(self, timeout: float = 90.0) -> int:
        """The exit code, once the program ends by itself."""
        assert self._process is not None, f"{self.name} is not running"
        code = self._process.wait(timeout)
        self._process = None
        return code

    def stop(self, timeout: float = 15.0, *, by: signal.Signals = signal.SIGTERM) -> int:
        """Signal `by`, and SIGKILL when it has not gone after `timeout` seconds; returns the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(by)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {timeout:g} s") from None

    def kill(self) -> None:
        """SIGKILL, to its children too."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send any other signal (SIGSTOP and SIGCONT make a program hang for a while)."""
        os.kill(self.pid, number)


@dataclass
class Service:
    """A service of ours as a process, listening on `url`."""

    program: Program
    url: str

    @property
    def log(self) -> str:
        """Its log: JSON objects, one a line."""
        return self.program.log


def service_program(
    name: str,
    folder: Path,
    env: Mapping[str, str],
    *,
    jwks_file: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    args: Sequence[str] = (),
) -> Service:
    """The service `name` (`user`, `gateway`, …) as a program not yet started; ready means `/readyz` says so.

    `env` is what the service needs beyond the settings of every service, `jwks_file` the keys it trusts, `host` the
    loopback address it listens on.
    """
    port = port or free_port()
    url = f"http://{host}:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "CHAT_HOST": host,
        "CHAT_PORT": str(port),
        "CHAT_JWKS_FILE": str(jwks_file),
        "CHAT_INTERNAL_TOKEN": INTERNAL_TOKEN,
        "CHAT_DRAIN_SECONDS": "8",
        "CHAT_DRAIN_NOTICE_SECONDS": "0",
        "CHAT_SECRETS_DIR": str(folder / "no-secrets"),
        "PYTHONUNBUFFERED": "1",
    }
    argv = [sys.executable, "-m", f"chatcluster_{name}.main", *args]
    program = Program(name, argv, folder, lambda: answers(f"{url}/readyz"), env=settings | dict(env))
    return Service(program, url)


@contextlib.contextmanager
def running_service(
    name: str, folder: Path, env: Mapping[str, str], *, jwks_file: Path, port: int = 0
) -> Iterator[Service]:
    """The service `name`, started, ready, and stopped at the end; it must then drain and exit with 0."""
    service = service_program(name, folder, env, jwks_file=jwks_file, port=port)
    service.program.start()
    try:
        yield service
    finally:
        code = service.program.stop()
    assert code == 0, f"{name} exited with {code}; its log ends:\n{service.log[-4000:]}"


def find_program(name: str, *folders: str) -> str:
    """The path of a program, on PATH or in one of `folders`; fails with the remedy where it is absent."""
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))
    assert path, f"{name} is not installed: run tests/support/install-stores.sh"
    return path
