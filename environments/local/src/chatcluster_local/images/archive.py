"""Image archives: OCI layouts as tar files, each image under its full name, for `ctr image import`."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

IMAGE_NAME = "io.containerd.image.name"
REFERENCE_NAME = "org.opencontainers.image.ref.name"
MAX_ARCHIVES = 4
"""Archives that a set of images may be spread over before they are written into one again."""


def write_archive(blobs: Path, manifests: Mapping[str, bytes], archive: Path) -> None:
    """Write the tar file `archive` of the images in `manifests` (reference → manifest), whose blobs are in `blobs`.

    A blob's file is named by its digest. The index comes first in the archive, so that reading the names does not read
    the layers, and a layer that several images share is there once.
    """
    content: dict[str, bytes] = {}
    needed: set[str] = set()
    entries: list[dict[str, Any]] = []
    for reference, manifest in manifests.items():
        digest = hashlib.sha256(manifest).hexdigest()
        content[digest] = manifest
        parsed = json.loads(manifest)
        needed |= {entry["digest"].removeprefix("sha256:") for entry in (parsed["config"], *parsed["layers"])}
        entries.append(
            {
                "mediaType": parsed["mediaType"],
                "digest": f"sha256:{digest}",
                "size": len(manifest),
                "annotations": {
                    IMAGE_NAME: f"docker.io/{reference}",
                    REFERENCE_NAME: reference.rpartition(":")[2],
                },
            }
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    scratch = archive.with_name(f".{archive.name}.new")
    with tarfile.open(scratch, "w") as tar:
        add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": entries}).encode())
        add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        for digest, manifest in sorted(content.items()):
            add(tar, f"blobs/sha256/{digest}", manifest)
        for digest in sorted(needed):
            tar.add(blobs / digest, f"blobs/sha256/{digest}")
    scratch.replace(archive)


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file called `name` to `tar`."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def read_references(archive: Path) -> set[str]:
    """The images in an archive that `write_archive` or Docker wrote, as `chatcluster/<component>:<tag>`."""
    with tarfile.open(archive) as tar:
        member: Any = tar.extractfile("index.json")
        index = json.load(member)
    names = (entry.get("annotations", {}).get(IMAGE_NAME, "") for entry in index["manifests"])
    return {name.removeprefix("docker.io/") for name in names if name}


def plan(wanted: Sequence[str], held: Mapping[Path, set[str]]) -> tuple[dict[str, Path], list[str]]:
    """Where the `wanted` images are among the archives, given what each holds, and which have to be written anew.

    A change of one image writes a small archive with that one; when that has happened often, all are written again.
    """
    found: dict[str, Path] = {}
    for archive, references in held.items():
        for reference in references.intersection(wanted):
            found.setdefault(reference, archive)
    missing = [reference for reference in wanted if reference not in found]
    if missing and len(set(found.values())) >= MAX_ARCHIVES:
        return {}, list(wanted)
    return found, missing
