#!/usr/bin/python3
"""What a member of PostgreSQL does about who leads, beside Patroni, which decides it.

    member handover                     before its pod goes (preStop): has another member lead, where this one does
    member on_role_change ROLE SCOPE    Patroni's callback: who comes to lead takes the label of a leader off the others
    member guard                        in a container beside Patroni's: gives up the lock of a Patroni that is dead
    member release                      before Patroni starts: the same, where the guard was killed with it
    member watchdog PID                 beside Patroni, the process PID: stops a PostgreSQL that nobody looks after, and
                                        gives up the lock of another member whose container has ended
    member annotate KEY [VALUE]         an annotation of its own pod; without a value it is taken away
    member anew                         where a backup is restored, before Patroni starts: clears away a broken try

None of them makes a leader: each only asks Patroni for a switchover, or takes something from one that leads no more.

A Patroni that is killed leaves its lock behind, and the others wait until that has run out (`ttl`), unless its
container is back before; which the kubelet puts off ever longer when that happens often. The guard outlives it, and
knows: both containers share a folder with a file that Patroni has locked for as long as it lives. The guard keeps that
file locked while it gives up Patroni's lock in Kubernetes, so a new Patroni only starts when it has made up its mind.
Where both were killed, the other members look at its pod as soon as they hear no more from it: the kubelet says when a
container has ended, and a lock that was not renewed since belongs to nobody. Whichever container is back first gives up
the lock, too. Patroni would do so once it runs, but takes seconds to start, and may not be started again for minutes.

A Patroni that hangs cannot stop its PostgreSQL before another member is elected. Until the others have turned to that
one, a commit could still be acknowledged that the new leader does not have. Patroni would have the kernel's watchdog
restart the machine; a pod has none, and need not: another process stops PostgreSQL in time.
"""

import base64
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CONFIG = Path(os.environ.get("CHAT_CONFIG_DIR", "/etc/chatcluster"))
RUN = Path(os.environ.get("CHAT_RUN_DIR", "/tmp"))  # noqa: S108 - the pod's own
ACCOUNT = Path(os.environ.get("CHAT_SERVICE_ACCOUNT_DIR", "/var/run/secrets/kubernetes.io/serviceaccount"))
# Patroni takes its own variables away from what it starts; the entrypoint keeps this one.
NAME = os.environ.get("PATRONI_NAME") or os.environ.get("CHAT_MEMBER", "")

RESTORED = "chatcluster.restored"
"""File among PostgreSQL's own that `backups restored` leaves when all is there: the restore point."""
HANDOVER_SECONDS = 30.0
"""How long the others get to become fit to lead, and to do so; the pod's grace period has to be longer."""
CALL_SECONDS = 3.0
POLL_SECONDS = 0.2
HANGS_SECONDS = 14.0
"""How old Patroni's last look may be. It looks every 3 s, and tells PostgreSQL to stop within 12 s of the last time
that it renewed its lock; 20 s after that another may be elected."""
LOOK_SECONDS = 1.0
BURIAL_PAUSE = 30.0
"""Between two looks at the pod of a leader that has been silent for long."""
CONTAINER = "postgres"
"""Name of the container of Patroni and PostgreSQL."""


class Lock(NamedTuple):
    """Patroni's lock as it is in Kubernetes."""

    holder: str
    """The member that leads, or led; empty: nobody does."""
    renewed: str
    """When, ISO 8601, by the clock of the holder's node."""
    version: str
    """Resource version of the object."""


class Kubernetes:
    """The API server, as the pod's service account, and where Patroni keeps its state there."""

    def __init__(self) -> None:
        config: Any = yaml.safe_load((CONFIG / "patroni.yml").read_text(encoding="utf-8"))
        kept = config["kubernetes"]
        self.lock = f"configmaps/{config['scope']}-leader"
        self.role_label, self.leads, self.follows = (
            str(kept[name]) for name in ("role_label", "leader_label_value", "follower_label_value")
        )
        self.led = urllib.parse.quote(f"{kept['scope_label']}={config['scope']},{self.role_label}={self.leads}")
        host = os.environ["KUBERNETES_SERVICE_HOST"]
        host = f"[{host}]" if ":" in host else host
        port = os.environ["KUBERNETES_SERVICE_PORT"]
        self._url = f"https://{host}:{port}/api/v1/namespaces/{kept['namespace']}"
        self._tls = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))

    def get(self, path: str) -> dict[str, Any]:
        """An object or list."""
        return self._call("GET", path, None)

    def patch(self, path: str, version: str, metadata: dict[str, Any]) -> None:
        """Change an object's metadata, provided that it is still of this resource version."""
        self._call("PATCH", path, {"metadata": {"resourceVersion": version, **metadata}})

    def leader(self) -> Lock:
        """The lock, run out or not."""
        metadata = self.get(self.lock)["metadata"]
        said = metadata.get("annotations") or {}
        return Lock(said.get("leader", ""), said.get("renewTime", ""), metadata["resourceVersion"])

    def release(self, lock: Lock) -> None:
        """Take it from who has it, unless it was renewed meanwhile."""
        self.patch(self.lock, lock.version, {"annotations": {"leader": None}})

    def _call(self, method: str, path: str, body: Any) -> dict[str, Any]:
        # The token is read each time: the kubelet replaces it before it runs out.
        token = (ACCOUNT / "token").read_text(encoding="utf-8").strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/{path}", data, headers, method=method)  # noqa: S310 - https
        with urllib.request.urlopen(request, timeout=CALL_SECONDS, context=self._tls) as answer:  # noqa: S310
            return json.load(answer)


class Patroni:
    """This member's own Patroni."""

    def __init__(self) -> None:
        self._url = f"http://127.0.0.1:{os.environ.get('CHAT_PATRONI_PORT', '8008')}"

    def members(self) -> list[dict[str, Any]]:
        """All members as it knows them; empty while it does not answer."""
        return self._get("/cluster").get("members", [])

    def state(self) -> dict[str, Any]:
        """This member as it sees it; empty while it does not answer."""
        return self._get("/patroni")

    def _get(self, path: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self._url}{path}", timeout=CALL_SECONDS) as found:  # noqa: S310 - loopback
                return json.load(found)
        except (OSError, ValueError):
            return {}

    def switchover(self, candidate: str, seconds: float) -> str:
        """Have another member lead in place of this one; gives what Patroni says to it once it is over."""
        own: Any = yaml.safe_load((CONFIG / "secrets.yml").read_text(encoding="utf-8"))["restapi"]["authentication"]
        word = base64.b64encode(f"{own['username']}:{own['password']}".encode()).decode()
        headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
        body = json.dumps({"leader": NAME, "candidate": candidate}).encode()
        request = urllib.request.Request(f"{self._url}/switchover", body, headers)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
                return answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.read().decode(errors="replace")
        except OSError as error:
            return str(error)


def leading(members: list[dict[str, Any]]) -> bool:
    """Whether this member leads."""
    return any(m["name"] == NAME and m["role"] in {"leader", "standby_leader"} for m in members)


def candidates(members: list[dict[str, Any]]) -> list[str]:
    """Members whose copy is in step, the lowest ordinal first: those stay when there are to be fewer."""
    fit = [m["name"] for m in members if m["role"] == "quorum_standby" and m["state"] == "streaming"]
    return sorted(fit, key=lambda name: [int(n) for n in re.findall(r"\d+$", name)])


def handover() -> None:
    """Have another member lead, where this one does and another could within the time. Its last word is no failure:
    Patroni, which is then told to end, gives up its lock too, once PostgreSQL has stopped."""
    patroni, deadline = Patroni(), time.monotonic() + HANDOVER_SECONDS
    while leading(members := patroni.members()) and (left := deadline - time.monotonic()) > 0:
        said = patroni.switchover(found[0], left) if (found := candidates(members)) else "nobody is in step"
        say(f"handover: {said}")
        time.sleep(POLL_SECONDS)


def on_role_change(role: str) -> None:
    """Who comes to lead takes the label of a leader off those that have it still.

    A member that is cut off keeps it, and its pod counts as ready until Kubernetes notices: until then clients would be
    led to both. Had the lead gone on to somebody else meanwhile, their Patroni would put the label back with its next
    look.
    """
    kubernetes = Kubernetes()
    if role != "primary" or kubernetes.leader().holder != NAME:
        return
    for pod in kubernetes.get(f"pods?labelSelector={kubernetes.led}")["items"]:
        metadata = pod["metadata"]
        if metadata["name"] != NAME:
            label = {"labels": {kubernetes.role_label: kubernetes.follows}}
            with contextlib.suppress(urllib.error.HTTPError):
                kubernetes.patch(f"pods/{metadata['name']}", metadata["resourceVersion"], label)
                say(f"{metadata['name']} leads no more")


def guard() -> None:
    """Wait for Patroni's end, again and again, and give up its lock."""
    with (RUN / "member.lock").open("a") as file:
        while True:
            while locked(file):
                fcntl.flock(file, fcntl.LOCK_UN)
                time.sleep(POLL_SECONDS)
            fcntl.flock(file, fcntl.LOCK_EX)
            release()
            fcntl.flock(file, fcntl.LOCK_UN)


def locked(file: Any) -> bool:
    """Whether we have locked the file, so that nobody had."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def release() -> None:
    """Give up the lock in Kubernetes, where this member has it and its PostgreSQL is gone too."""
    deadline = time.monotonic() + CALL_SECONDS
    while serves():
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_SECONDS / 10)
    try:
        kubernetes = Kubernetes()
        lock = kubernetes.leader()
        if lock.holder == NAME:
            kubernetes.release(lock)
            say("release: gave up the lock of a Patroni that is dead")
    except (OSError, ValueError, KeyError) as error:
        say(f"release: the lock stays until it has run out: {error}")


def serves() -> bool:
    """Whether PostgreSQL could still be there: only a port that nobody has is a proof of the opposite."""
    try:
        socket.create_connection(("127.0.0.1", int(os.environ.get("CHAT_POSTGRES_PORT", "5432"))), 1).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        pass
    return True


def watchdog(patroni: int) -> None:
    """Stop PostgreSQL at once, where it takes writes and Patroni has not looked after it for too long."""
    own = Patroni()
    seen = time.time()
    burial = Burial()
    while os.getppid() == patroni:
        time.sleep(LOOK_SECONDS)
        state = own.state()
        burial.look(state)
        # With the API server away, and all other members' word that they elect nobody, Patroni knows what it does.
        seen = max(seen, time.time() if state.get("failsafe_mode_is_active") else state.get("dcs_last_seen", 0))
        if time.time() - seen > HANGS_SECONDS and (postmaster := writing()):
            say(f"watchdog: Patroni has not looked for {HANGS_SECONDS:.0f} s, so PostgreSQL is stopped")
            with contextlib.suppress(ProcessLookupError):
                # An immediate shutdown: nothing more is acknowledged.
                os.kill(postmaster, signal.SIGQUIT)


class Burial:
    """Gives up the lock of a leader whose container has ended, as soon as this member hears no more from it.

    Who is silent is looked at less and less often: its lock runs out by itself.
    """

    def __init__(self) -> None:
        self._pause, self._due = LOOK_SECONDS, 0.0

    def look(self, state: dict[str, Any]) -> None:
        """With each look of the watchdog at what its Patroni says."""
        if state.get("role") != "replica" or state.get("replication_state") == "streaming":
            self._pause, self._due = LOOK_SECONDS, 0.0
        elif time.monotonic() >= self._due:
            try:
                self._bury()
            except (OSError, ValueError, KeyError) as error:
                say(f"watchdog: whether the leader has ended cannot be seen: {error}")
            self._pause = min(self._pause * 1.5, BURIAL_PAUSE)
            self._due = time.monotonic() + self._pause

    @staticmethod
    def _bury() -> None:
        kubernetes = Kubernetes()
        lock = kubernetes.leader()
        if lock.holder not in {"", NAME} and ended(kubernetes.get(f"pods/{lock.holder}"), lock.renewed):
            kubernetes.release(lock)
            say(f"watchdog: gave up the lock of {lock.holder}, whose container has ended")


def ended(pod: dict[str, Any], renewed: str) -> bool:
    """Whether the kubelet says that PostgreSQL's container has ended and does not run again, and that after its member
    renewed its lock. It says so to the second; all is by the clock of one node, as the lock is this pod's."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses", []):
        if container["name"] == CONTAINER and "running" not in container["state"]:
            last = container["state"].get("terminated") or container.get("lastState", {}).get("terminated") or {}
            began, finished, lock = map(_moment, (status.get("startTime"), last.get("finishedAt"), renewed))
            return began <= lock < finished + timedelta(seconds=1) if began and finished and lock else False
    return False


def _moment(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said) if said else None


def writing() -> int:
    """The process id of a PostgreSQL here that is no copy; 0: there is none."""
    config: Any = yaml.safe_load((CONFIG / "patroni.yml").read_text(encoding="utf-8"))
    data = Path(config["postgresql"]["data_dir"])
    if any((data / name).exists() for name in ("standby.signal", "recovery.signal")):
        return 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    return 0


def annotate(key: str, value: str | None) -> None:
    """Have its pod say so; who looks after the ChatCluster sees its pods."""
    kubernetes, path = Kubernetes(), f"pods/{NAME}"
    metadata = kubernetes.get(path)["metadata"]
    if (metadata.get("annotations") or {}).get(key) != value:
        kubernetes.patch(path, metadata["resourceVersion"], {"annotations": {key: value}})


def anew() -> None:
    """Clear away what a restore has left that broke off, be it for a node that was drained: files that are no database
    yet, or would start as one of another moment, and Patroni's word that somebody begins, for whom all others wait.

    Until all is restored there is one member.
    """
    config: Any = yaml.safe_load((CONFIG / "patroni.yml").read_text(encoding="utf-8"))
    data = Path(config["postgresql"]["data_dir"])
    mark = data / RESTORED
    # What was backed up may have been restored itself, from another one.
    if mark.exists() and mark.read_text(encoding="utf-8") == os.environ["CHAT_RECOVERY_POINT"]:
        return
    if data.exists():
        say(f"anew: {data} is of a restore that broke off and is removed")
        shutil.rmtree(data)
    kubernetes = Kubernetes()
    path = f"configmaps/{config['scope']}-config"
    metadata = kubernetes.get(path)["metadata"]
    if "initialize" in (metadata.get("annotations") or {}):
        kubernetes.patch(path, metadata["resourceVersion"], {"annotations": {"initialize": None}})


def say(what: str) -> None:
    """To the log of the container that this runs in."""
    print(f"member: {what}", file=sys.stderr, flush=True)  # noqa: T201


def main() -> None:
    match sys.argv[1:]:
        case ["handover"]:
            handover()
        case ["on_role_change", role, _scope]:
            on_role_change(role)
        case ["guard"]:
            # The first process of a container is told to end in vain, unless it listens.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())
            guard()
        case ["release"]:
            release()
        case ["watchdog", pid] if pid.isdigit():
            watchdog(int(pid))
        case ["annotate", key, *value] if len(value) <= 1:
            annotate(key, next(iter(value), None))
        case ["anew"]:
            anew()
        case _:
            sys.exit(
                "usage: member handover | on_role_change ROLE SCOPE | guard | release | watchdog PID | "
                "annotate KEY [VALUE] | anew"
            )


if __name__ == "__main__":
    main()
