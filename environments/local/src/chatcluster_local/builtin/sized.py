"""The volumes of the storage class `sized`, on each node its own: they have a true size, can be full, and grow in use.

They are memory, and for tests alone: what is in them is gone with the node. The machines have no disks of which one
could give a part, so a volume is a tmpfs of the size that its claim asks for, mounted in its own namespace. Hence
a program on each node, where `volumes` is one for all.

A claim that asks for more than its volume has gets it at once: the file system first, then the volume's capacity, which
is what a driver's controller would set, then the claim's, as the kubelet does once a file system has grown.
"""

import argparse
import logging
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from .volumes import PROVISIONED_BY, VOLUMES, Api, Controller, Manifest, node_of, serve, volume_for, volume_name

PROVISIONER = "chatcluster.dev/sized"
STORAGE_CLASS = "sized"
_UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

log = logging.getLogger("sized")


def size_in_bytes(quantity: str) -> int:
    """What a quantity of storage comes to. Raises ValueError for what is none."""
    found = re.fullmatch(r"([0-9]+)([A-Za-z]*)", quantity)
    if not found or found[2] not in _UNITS:
        raise ValueError(f"{quantity!r} is no size that a volume can have here: such as 512Mi or 2Gi")
    return int(found[1]) * _UNITS[found[2]]


def is_here(volume: Manifest, node: str) -> bool:
    """Whether a volume is one of these, on this node."""
    if volume["metadata"].get("annotations", {}).get(PROVISIONED_BY) != PROVISIONER:
        return False
    term = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
    return term["values"] == [node]


def is_left(volume: Manifest) -> bool:
    """Whether nobody claims it any more, and it is not to be kept."""
    released = volume.get("status", {}).get("phase") == "Released"
    return released and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"


def growth(claim: Manifest, volume: Manifest) -> str | None:
    """The size that a claim asks for, where its volume, or what is said of the claim, is still smaller."""
    asked = claim["spec"]["resources"]["requests"]["storage"]
    there = volume["spec"]["capacity"]["storage"]
    told = claim.get("status", {}).get("capacity", {}).get("storage", there)
    return asked if size_in_bytes(asked) > min(size_in_bytes(there), size_in_bytes(told)) else None


class Sized(Controller):
    """Mends the claims and volumes of one node."""

    def __init__(self, api: Api, node: str, folder: Path) -> None:
        super().__init__(api, folder, folder)
        self._node = node

    def claim(self, claim: Manifest) -> None:
        """Give a claim its volume, or a larger one."""
        if claim["spec"].get("storageClassName") != STORAGE_CLASS or claim["metadata"].get("deletionTimestamp"):
            return
        if node_of(claim, STORAGE_CLASS) == self._node:
            self._provision(claim)
        elif name := claim["spec"].get("volumeName"):
            volume = self._api.call("GET", f"{VOLUMES}/{name}")
            if is_here(volume, self._node) and (size := growth(claim, volume)):
                self._grow(claim, volume, size)

    def volume(self, volume: Manifest) -> None:
        """Mount a volume that is not, as after the node's start, or remove one that nobody claims any more."""
        if not is_here(volume, self._node) or volume["metadata"].get("deletionTimestamp"):
            return
        name = volume["metadata"]["name"]
        if not is_left(volume):
            self._mount(name, volume["spec"]["capacity"]["storage"])
            return
        folder = self._folder(self._node, name)
        if folder.is_mount():
            _run("umount", "--lazy", str(folder))
        if folder.exists():
            folder.rmdir()
        self._api.call("DELETE", f"{VOLUMES}/{name}", fine=(404,))
        log.info("removed %s", name)

    def _folder(self, node: str, name: str) -> Path:
        super()._folder(node, name)  # refuses what would lead elsewhere
        return self._machines / name

    def _provision(self, claim: Manifest) -> None:
        name, size = volume_name(claim), claim["spec"]["resources"]["requests"]["storage"]
        self._mount(name, size)
        folder = self._folder(self._node, name)
        made = volume_for(claim, self._node, str(folder), "Delete", provisioner=PROVISIONER)
        self._api.call("POST", VOLUMES, made, fine=(409,))
        log.info("provisioned %s of %s", folder, size)

    def _mount(self, name: str, size: str) -> None:
        folder = self._folder(self._node, name)
        folder.mkdir(parents=True, exist_ok=True)
        if not folder.is_mount():
            # Open to all, as the folders of `local` are: the kubelet gives it to the pod's group.
            _run("mount", "-t", "tmpfs", "-o", f"mode=0777,size={size_in_bytes(size)}", "tmpfs", str(folder))

    def _grow(self, claim: Manifest, volume: Manifest, size: str) -> None:
        name, metadata = volume["metadata"]["name"], claim["metadata"]
        _run("mount", "-o", f"remount,size={size_in_bytes(size)}", str(self._folder(self._node, name)))
        capacity: dict[str, Any] = {"capacity": {"storage": size}}
        self._api.call("PATCH", f"{VOLUMES}/{name}", {"spec": capacity})
        path = f"/api/v1/namespaces/{metadata['namespace']}/persistentvolumeclaims/{metadata['name']}/status"
        self._api.call("PATCH", path, {"status": {**capacity, "conditions": []}}, fine=(404,))
        log.info("%s has grown to %s", name, size)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Give claims of the storage class `sized` memory of this node.")
    parser.add_argument("--host", required=True, help="where the API server listens")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pki", type=Path, required=True, help="folder with ca.crt, admin.crt and admin.key")
    parser.add_argument("--node", required=True, help="name of this node")
    parser.add_argument("--folder", type=Path, required=True, help="where its volumes are mounted")
    options = parser.parse_args()
    os.umask(0o022)
    serve(Sized(Api(options.host, options.port, options.pki), options.node, options.folder))


if __name__ == "__main__":
    main()
