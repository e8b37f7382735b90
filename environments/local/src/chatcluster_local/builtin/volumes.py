"""The volume controller: gives each claim of the storage class `local` a folder on the node that its pod was put on.

A volume is a folder of its node's disk, so losing the node loses the volume until the node comes back. A claim whose
pod has a node (annotation `volume.kubernetes.io/selected-node`) gets a folder and a PersistentVolume bound to both. A
volume that was released and whose policy is Delete is removed with its folder, one with Retain is left alone.

Runs as a process of its own beside the API server: `python -m chatcluster_local.builtin.volumes --help`. It speaks to
the API by the standard library alone, which keeps it at a fifth of the memory that a full client needs.
"""

import argparse
import http.client
import json
import logging
import re
import shutil
import signal
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROVISIONER = "chatcluster.dev/local"
STORAGE_CLASS = "local"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
CLAIMS = "/api/v1/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
WATCH_SECONDS = 300
REQUEST_TIMEOUT = 30.0
BACKOFF_SECONDS = (0.2, 10.0)
ATTEMPTS = 6
"""How often one object is tried before the next look at all of them."""

log = logging.getLogger("volumes")
Manifest = dict[str, Any]


def volume_name(claim: Manifest) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def node_of(claim: Manifest, storage_class: str = STORAGE_CLASS) -> str | None:
    """The node that a claim of this class is to be provisioned on, or None when there is nothing to do for it."""
    metadata, spec = claim["metadata"], claim["spec"]
    if spec.get("storageClassName") != storage_class or spec.get("volumeName") or metadata.get("deletionTimestamp"):
        return None
    return metadata.get("annotations", {}).get(SELECTED_NODE)


def is_ours_to_delete(volume: Manifest) -> bool:
    """Whether a volume was made here, is no longer claimed and is not to be kept."""
    return (
        volume["metadata"].get("annotations", {}).get(PROVISIONED_BY) == PROVISIONER
        and volume.get("status", {}).get("phase") == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and "deletionTimestamp" not in volume["metadata"]
    )


def volume_for(
    claim: Manifest, node: str, path: str, reclaim_policy: str, *, provisioner: str = PROVISIONER
) -> Manifest:
    """The PersistentVolume of a claim: the folder `path` as the node sees it."""
    metadata, spec = claim["metadata"], claim["spec"]
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim), "annotations": {PROVISIONED_BY: provisioner}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": reclaim_policy,
            "storageClassName": spec["storageClassName"],
            "volumeMode": "Filesystem",
            # `local`, not `hostPath`: the kubelet then gives the folder to the pod's fsGroup.
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        },
    }


class Api:
    """The few calls to the Kubernetes API that are needed."""

    def __init__(self, host: str, port: int, pki: Path) -> None:
        self._address = host, port
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def _send(self, method: str, path: str, body: Manifest | None, timeout: float) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection(*self._address, context=self._context, timeout=timeout)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": kind})
        return connection.getresponse()

    def call(self, method: str, path: str, body: Manifest | None = None, *, fine: tuple[int, ...] = ()) -> Manifest:
        """Send a request; raises OSError on an error status that is not in `fine`."""
        with self._send(method, path, body, REQUEST_TIMEOUT) as response:
            text = response.read()
            if response.status >= 400 and response.status not in fine:
                raise OSError(f"{method} {path}: {response.status} {text[:300].decode(errors='replace')}")
            return json.loads(text)

    def follow(self, path: str) -> Iterator[Manifest]:
        """All objects as they are, then each as it changes; ends after `WATCH_SECONDS` or when the server says so."""
        listed = self.call("GET", path)
        yield from listed["items"]
        query = {
            "watch": "1",
            "resourceVersion": listed["metadata"]["resourceVersion"],
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        address = f"{path}?{urllib.parse.urlencode(query)}"
        with self._send("GET", address, None, WATCH_SECONDS + REQUEST_TIMEOUT) as response:
            for line in response:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] != "DELETED":
                    yield event["object"]


class Controller:
    """Mends claims and volumes, one at a time each."""

    def __init__(self, api: Api, machines: Path, seen_as: Path) -> None:
        self._api = api
        self._machines = machines
        self._seen_as = seen_as

    def _folder(self, node: str, name: str) -> Path:
        if not re.fullmatch(r"node-\d+", node) or not re.fullmatch(r"pvc-[0-9a-f-]{36}", name):
            raise ValueError(f"no folder for the volume {name!r} on the node {node!r}")
        return self._machines / node / "lib/chatcluster/volumes" / name

    def claim(self, claim: Manifest) -> None:
        """Provision a claim that waits for it."""
        node = node_of(claim)
        if node is None:
            return
        name = volume_name(claim)
        folder = self._folder(node, name)
        folder.mkdir(parents=True, exist_ok=True)
        # The folder above lets none but root list it; the kubelet gives this one to the pod's group.
        folder.chmod(0o777)
        storage_class = self._api.call("GET", f"/apis/storage.k8s.io/v1/storageclasses/{STORAGE_CLASS}")
        volume = volume_for(claim, node, str(self._seen_as / name), storage_class.get("reclaimPolicy", "Delete"))
        self._api.call("POST", VOLUMES, volume, fine=(409,))
        log.info("provisioned %s for %s/%s", folder, claim["metadata"]["namespace"], claim["metadata"]["name"])

    def volume(self, volume: Manifest) -> None:
        """Remove a volume that nobody claims any more."""
        if not is_ours_to_delete(volume):
            return
        name = volume["metadata"]["name"]
        term = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
        shutil.rmtree(self._folder(term["values"][0], name), ignore_errors=True)
        self._api.call("DELETE", f"{VOLUMES}/{name}", fine=(404,))
        log.info("removed %s", name)

    def _attempt(self, handle: Callable[[Manifest], None], item: Manifest, stop: threading.Event, left: int) -> None:
        """Handle one object; a failure holds up none of the others, and is tried again a few times."""
        try:
            handle(item)
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            log.warning("%s: %s", item["metadata"]["name"], error)
            # An object that is wrong stays so; the API or the disk may recover.
            if isinstance(error, OSError) and left > 1 and not stop.is_set():
                pause = BACKOFF_SECONDS[0] * 2 ** (ATTEMPTS - left)
                again = threading.Timer(pause, self._attempt, (handle, item, stop, left - 1))
                again.daemon = True
                again.start()

    def follow_all(self, stop: threading.Event) -> None:
        """Follow claims and volumes beside the caller, until told to stop."""
        for path, handle in ((CLAIMS, self.claim), (VOLUMES, self.volume)):
            threading.Thread(target=self.run, args=(path, handle, stop), daemon=True).start()

    def run(self, path: str, handle: Callable[[Manifest], None], stop: threading.Event) -> None:
        """Follow a resource until told to stop; after a failure look at all of it again, later and later."""
        pause = BACKOFF_SECONDS[0]
        while not stop.is_set():
            try:
                for item in self._api.follow(path):
                    self._attempt(handle, item, stop, ATTEMPTS)
                    pause = BACKOFF_SECONDS[0]
            except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
                log.warning("%s: %s; again in %.1f s", path, error, pause)
                stop.wait(pause)
                pause = min(pause * 2, BACKOFF_SECONDS[1])


def serve(controller: Controller) -> None:
    """Follow all that there is, as a program, until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    controller.follow_all(stop)
    stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Give claims of the storage class `local` folders on their nodes.")
    parser.add_argument("--host", default="127.0.0.1", help="where the API server listens")
    parser.add_argument("--port", type=int, default=6443)
    parser.add_argument("--pki", type=Path, required=True, help="folder with ca.crt, admin.crt and admin.key")
    parser.add_argument("--machines", type=Path, required=True, help="folder with the nodes' disks")
    parser.add_argument("--seen-as", type=Path, required=True, help="where a node sees the folder of its volumes")
    options = parser.parse_args()
    serve(Controller(Api(options.host, options.port, options.pki), options.machines, options.seen_as))


if __name__ == "__main__":
    main()
