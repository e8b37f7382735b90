"""A restore against a real API server: the test plays the Jobs' and the workloads' controllers."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chatcluster_backup.keys import hand_over
from chatcluster_operator import install
from chatcluster_operator.api import SERVICES
from chatcluster_operator.desired import generate
from chatcluster_operator.desired.backup import KEYS
from chatcluster_operator.desired.postgres import MAJOR
from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import ControlPlane, until
from chatcluster_testing.operator import Room
from chatcluster_testing.rollouts import end_job
from chatcluster_testing.specs import even_randomness

Object = dict[str, Any]

ID: Final = "20261123T042549Z-0a1b2c3d"
SOURCE: Final[Object] = {
    "endpoint": "https://s3.example",
    "bucket": "backups",
    "secretName": "backup-s3",
    "path": "team/demo/0b9f",
    "encryption": {"secretName": "backup-passphrase"},
}
SPEC: Final[Object] = {
    "bootstrap": {"recovery": {"source": SOURCE}},
    "postgres": {"members": 3},
    "objects": {"members": 3},
}
SECONDS: Final = 120.0


@dataclass
class Restore:
    """What happens around a ChatCluster that is restored."""

    room: Room
    plane: ControlPlane
    folder: Path

    @property
    def status(self) -> Object:
        """What the ChatCluster says of it."""
        return (self.room.get() or {}).get("status", {}).get("recovery", {})

    @property
    def made(self) -> set[str]:
        """The StatefulSets and Deployments that there are."""
        return {name for kind, name in self.room.children() if kind in {"StatefulSet", "Deployment"}}

    def begin(self, spec: Object | None = None) -> None:
        """Make the ChatCluster, and the Secrets by which it finds the backup."""
        for name, keys in {"backup-s3": ("access_key", "secret_key"), "backup-passphrase": ("passphrase",)}.items():
            body: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
            body["stringData"] = dict.fromkeys(keys, "x")
            self.room.api.create(KINDS["Secret"].path(self.room.namespace), body)
        self.room.create({**SPEC, **(spec or {})})

    def find(self, release: str = install.RELEASE) -> dict[str, str]:
        """The first Job does its work, with its own rights; the backup's keys."""
        job = until(lambda: self.room.child("Job", "demo-recovery-find"), "the Job that finds the backup", SECONDS)
        backed_up = generate(None, even_randomness())
        keys = {name: str(getattr(backed_up, name)) for name in KEYS}
        point = {"label": "20261123-042550F", "point": f"{ID}-1", "at": "2026-11-23T04:30:00+00:00", "version": MAJOR}
        about = {"id": ID, "cluster": "team/demo", "release": release, "moment": "2026-11-23T04:26:00Z"}
        account = self.folder / "account"
        account.mkdir(exist_ok=True)
        namespace, name = self.room.namespace, "demo-recovery-keys"
        (account / "namespace").write_text(namespace)
        (account / "token").write_text(self.plane.service_account_token(namespace, name))
        (account / "ca.crt").write_bytes(self.plane.ca.read_bytes())
        hand_over(
            name, {**keys, "about": json.dumps({**about, "postgres": point})}, account=account, server=self.plane.url
        )
        end_job(self.room, job)
        return keys

    def ready(self, *stores: str) -> None:
        """These stores, as they are now, are ready."""
        for store in stores:
            name = f"demo-{store}"
            item = until(lambda at=name: self.room.child("StatefulSet", at), f"StatefulSet {name}", SECONDS)
            self.room.say_ready("StatefulSet", name, item)

    def phase(self, wanted: str) -> None:
        """Wait for it."""
        until(lambda: self.status.get("phase") == wanted, f"phase {wanted}", SECONDS)

    def fill(self) -> None:
        """All stores are ready, however they are changed meanwhile, and the last Job does its work."""

        def there() -> Object | None:
            self.ready("postgres", "mongodb", "redis", "kafka", "objects")
            return self.room.child("Job", "demo-recovery-fill")

        end_job(self.room, until(there, "the Job that fills the stores", SECONDS))

    def credentials(self) -> dict[str, str]:
        """The generated values."""
        found = self.room.child("Secret", "demo-credentials") or {}
        return {name: base64.b64decode(text).decode() for name, text in found.get("data", {}).items()}

    def run(self, each: Callable[[], None] = lambda: None) -> dict[str, str]:
        """From the first to the last phase, with something done before each; the backup's keys."""
        each()
        self.begin()
        keys = self.find()
        self.phase("Postgres")
        each()
        self.ready("postgres")
        self.phase("Filling")
        each()
        self.fill()
        self.phase("Restored")
        until(lambda: {f"demo-{name}" for name in SERVICES} <= self.made, "all services", SECONDS)
        return keys
