"""A ChatCluster that is backed up to an S3 apart from it, lost with its volumes, and restored in another namespace."""

import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from chatcluster_operator.desired.tls import make_authority, make_leaf
from chatcluster_testing.cluster import Cluster, until
from chatcluster_testing.day_two import CATALOGUE, SYSTEM, DayTwo
from chatcluster_testing.failover.world import NODE_PORT, beside, several
from chatcluster_testing.s3 import ACCESS_KEY, SECRET_KEY

Object = dict[str, Any]

STORE: Final = "chatcluster-backups"
"""Namespace of the S3."""
ELSEWHERE: Final = "chatcluster-restored"
"""Namespace of the ChatCluster that is restored."""
NAME: Final = "mortal"
BACKUP: Final = "before-the-loss"
"""The ChatBackup; it stays when its ChatCluster goes, so it is removed by itself."""
BUCKET: Final = "backups"
PASSPHRASE: Final = "a passphrase of the tests, long enough"
_PORT: Final = 8443
_LABELS: Final = {"app": "s3"}
_START_SECONDS: Final = 900.0
_BACKUP_SECONDS: Final = 1800.0
_GONE_SECONDS: Final = 300.0
_RESTORE_SECONDS: Final = 2400.0


@contextlib.contextmanager
def store_apart(environment: Cluster) -> Iterator[Cluster]:
    """An S3 behind TLS of a private authority, in a namespace of its own; it goes with what is in it."""
    at = replace(environment, namespace=STORE)
    apply(environment, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STORE}})
    now = int(time.time())
    authority = make_authority("backups", now=now)
    leaf = make_leaf([f"s3.{STORE}.svc"], authority, now=now)
    identity = {
        "name": "backups",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    files = {"tls.crt": leaf.certificate, "tls.key": leaf.key, "s3.json": json.dumps({"identities": [identity]})}
    try:
        apply(at, secret("s3", {**files, "ca.crt": authority.certificate}))
        apply(at, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s3"}, "spec": _service()})
        apply(at, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "s3", "labels": _LABELS}, "spec": _pod(at)})
        at.kubectl("wait", "--for=condition=Ready", "--timeout=150s", "pod/s3")
        until(lambda: _bucket(at), f"the bucket {BUCKET}", 120, every=2.0)
        yield at
    finally:
        environment.kubectl("delete", "namespace", STORE, "--ignore-not-found", "--wait=false")


def _service() -> Object:
    return {"selector": _LABELS, "ports": [{"port": _PORT, "targetPort": _PORT}]}


def _pod(at: Cluster) -> Object:
    catalogue = at.get("configmap", CATALOGUE, "-n", SYSTEM)
    image = yaml.safe_load(next(iter(catalogue["data"].values())))["objects"]
    options = {
        "dir": "/data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": "256",
        "s3.ip.bind": "0.0.0.0",  # noqa: S104 the pod's own
        "s3.config": "/tls/s3.json",
        "s3.cert.file": "/tls/tls.crt",
        "s3.key.file": "/tls/tls.key",
        "s3.port.https": str(_PORT),
        "s3.iam": "false",
    }
    given = [f"-{name}={value}" for name, value in options.items()]
    container = {
        "name": "s3",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["weed", "-logtostderr", "server", "-filer", "-s3", *given],
        "workingDir": "/tmp",
        "readinessProbe": {"tcpSocket": {"port": _PORT}, "periodSeconds": 2},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tls", "mountPath": "/tls"}],
    }
    return {
        # Else S3_PORT would be in its environment, which weed takes for an option of its own.
        "enableServiceLinks": False,
        "securityContext": {"fsGroup": 10001},
        "containers": [container],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "tls", "secret": {"secretName": "s3", "defaultMode": 0o440}},
        ],
    }


def _bucket(at: Cluster) -> bool:
    shell = ("exec", "-i", "s3", "--", "weed", "shell", "-master=127.0.0.1:9333", "-filer=127.0.0.1:8888")
    at.kubectl(*shell, stdin=f"s3.bucket.create -name {BUCKET}\n", check=False)
    return BUCKET in at.kubectl(*shell, stdin="s3.bucket.list\n", check=False).stdout


def opened(store: Cluster, at: Cluster) -> None:
    """The Secrets by which backups are opened, in a namespace."""
    authority = base64.b64decode(store.get("secret", "s3")["data"]["ca.crt"]).decode()
    apply(at, secret("backup-s3", {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "ca.crt": authority}))
    apply(at, secret("backup-passphrase", {"passphrase": PASSPHRASE}))


@contextlib.contextmanager
def mortal(environment: Cluster, store: Cluster, *, members: bool) -> Iterator[Cluster]:
    """A ChatCluster beside the environment's, which sleeps meanwhile, with backups to the store."""
    asleep = environment.get("chatcluster", environment.chatcluster)["spec"].get("hibernated", False)
    destination = {"endpoint": f"https://s3.{STORE}.svc:{_PORT}", "bucket": BUCKET, "secretName": "backup-s3"}
    spec = _spec(environment, members=members) | {
        "backup": {
            "destination": destination | {"privateAuthority": True},
            "encryption": {"secretName": "backup-passphrase"},
        }
    }
    opened(store, environment)
    if not asleep:
        DayTwo(environment).hibernate()
    found = replace(environment, chatcluster=NAME, edge=spec["edge"]["publicUrl"])
    try:
        apply(environment, chatcluster(spec))
        found.wait_ready(int(_START_SECONDS))
        yield found
    finally:
        lose(found)
        environment.kubectl("delete", "chatbackup", BACKUP, "--ignore-not-found")
        environment.kubectl("delete", "secret", "backup-s3", "backup-passphrase", "--ignore-not-found")
        if not asleep:
            DayTwo(environment).wake()


def _spec(environment: Cluster, *, members: bool) -> Object:
    """The environment's, at another port; with three members of each store where that is asked for."""
    spec = environment.get("chatcluster", environment.chatcluster)["spec"]
    address = f"{urlsplit(environment.edge).hostname}:{NODE_PORT}"
    return several(spec, address) if members else beside(spec, address)


def lose(cluster: Cluster) -> None:
    """The ChatCluster goes, and its volumes with it."""
    cluster.kubectl("delete", "chatcluster", cluster.chatcluster, "--ignore-not-found", "--wait=true", "--timeout=150s")
    selector = f"app.kubernetes.io/instance={cluster.chatcluster}"

    def gone() -> bool:
        return not cluster.get("pods,persistentvolumeclaims", "-l", selector)["items"]

    until(gone, f"{cluster.chatcluster} and its volumes gone", _GONE_SECONDS, every=2.0)


def back_up(cluster: Cluster, name: str = BACKUP) -> Object:
    """A ChatBackup, made now; its status once it is whole."""
    apply(
        cluster,
        {
            "apiVersion": "chatcluster.dev/v1alpha1",
            "kind": "ChatBackup",
            "metadata": {"name": name},
            "spec": {"clusterName": cluster.chatcluster, "comment": "made under load"},
        },
    )

    def ended() -> Object | None:
        status = (cluster.find("chatbackup", name) or {}).get("status", {})
        assert status.get("phase") != "Failed", f"the backup failed: {_message(status, 'Completed')}"
        return status if status.get("phase") == "Completed" else None

    return until(ended, f"ChatBackup {name} whole", _BACKUP_SECONDS, every=1.0)


@dataclass
class Restored:
    """A ChatCluster that came up from a backup."""

    cluster: Cluster
    began: float = field(default_factory=time.monotonic)
    phases: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds from its creation to the beginning of each phase."""
    seconds: float = 0.0
    """Seconds from its creation until it was ready."""

    def wait(self, tell: Callable[[str], None]) -> None:
        """Until it is ready; what it says meanwhile is told."""
        said = ""

        def ready() -> bool:
            nonlocal said
            status = (self.cluster.find("chatcluster", self.cluster.chatcluster) or {}).get("status", {})
            if phase := status.get("recovery", {}).get("phase"):
                self.phases.setdefault(phase, time.monotonic() - self.began)
            if (message := _message(status, "Restored")) != said:
                said = message
                tell(f"{time.monotonic() - self.began:.0f} s: {message}")
            return self.cluster.condition().get("status") == "True"

        try:
            until(ready, "the restored ChatCluster Ready", _RESTORE_SECONDS, every=1.0)
        except AssertionError as error:
            raise AssertionError(f"{error}; it says: {self.cluster.condition().get('message')}") from None
        self.seconds = time.monotonic() - self.began


@contextlib.contextmanager
def elsewhere(lost: Cluster, store: Cluster, source: Mapping[str, Any], spec: Object) -> Iterator[Restored]:
    """The ChatCluster in another namespace, where only the Secrets are that open the backup."""
    at = replace(lost, namespace=ELSEWHERE)
    apply(lost, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ELSEWHERE}})
    try:
        opened(store, at)
        kept = {name: value for name, value in spec.items() if name != "backup"}
        apply(at, chatcluster(kept | {"bootstrap": {"recovery": {"source": source}}}))
        yield Restored(at)
    finally:
        lose(at)
        lost.kubectl("delete", "namespace", ELSEWHERE, "--ignore-not-found", "--wait=false")


def chatcluster(spec: Object) -> Object:
    """A ChatCluster called NAME."""
    return {
        "apiVersion": "chatcluster.dev/v1alpha1",
        "kind": "ChatCluster",
        "metadata": {"name": NAME},
        "spec": spec,
    }


def secret(name: str, values: Mapping[str, str]) -> Object:
    """A Secret of plain texts."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(values)}


def apply(at: Cluster, body: Object) -> None:
    """Make an object, in the namespace where it has one."""
    at.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(body))


def _message(status: Mapping[str, Any], kind: str) -> str:
    return next((item["message"] for item in status.get("conditions", []) if item["type"] == kind), "")
