"""Images made or read without any image tool: the pause image, and the names that an archive holds."""

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

from ..errors import LocalError

PAUSE_REFERENCE = "localhost/chatcluster-pause:1"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


def write_image(target: Path, reference: str, files: Mapping[str, Path], config: Mapping[str, Any]) -> None:
    """Write an OCI archive with one image of one layer.

    `files` maps paths in the image (without a leading slash) to files here, whose modes are kept; `config` is the
    image's run configuration (`Entrypoint`, `User`, …).
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, source in files.items():
            entry = tar.gettarinfo(source, path)
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = 0
            with source.open("rb") as file:
                tar.addfile(entry, file)
    plain = layer.getvalue()
    blobs: dict[str, bytes] = {}

    def add(data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    layer_entry = add(gzip.compress(plain, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
    image = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]},
    }
    config_entry = add(json.dumps(image).encode(), "application/vnd.oci.image.config.v1+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config_entry,
        "layers": [layer_entry],
    }
    manifest_entry = add(json.dumps(manifest).encode(), manifest["mediaType"])
    index = {
        "schemaVersion": 2,
        "manifests": [manifest_entry | {"annotations": {NAME_ANNOTATIONS[0]: full_name(reference)}}],
    }
    members = {f"blobs/sha256/{digest}": data for digest, data in blobs.items()}
    members = {"index.json": json.dumps(index).encode(), "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'} | members
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.new")
    with tarfile.open(scratch, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    scratch.replace(target)


def pause_archive(target: Path) -> Path:
    """The archive of the pause image: a program that waits and reaps, in an otherwise empty image."""
    if not target.exists():
        catatonit = shutil.which("catatonit")
        if catatonit is None:
            raise LocalError("the program catatonit is missing", "Install the Debian package catatonit")
        write_image(
            target,
            PAUSE_REFERENCE,
            {"catatonit": Path(catatonit).resolve()},
            {"Entrypoint": ["/catatonit", "-P"], "User": "65535:65535"},
        )
    return target


def full_name(reference: str) -> str:
    """The name by which Kubernetes looks for an image: `chatcluster/user:1` is `docker.io/chatcluster/user:1`."""
    head, _, rest = reference.partition("/")
    if not rest:
        return f"docker.io/library/{head}"
    return reference if "." in head or ":" in head or head == "localhost" else f"docker.io/{reference}"


def archive_names(archive: Path) -> list[str]:
    """The names of the images in an OCI or docker archive, as they stand there; an image without one is left out."""
    try:
        with tarfile.open(archive) as tar:
            # Ours begin with the index: that one is then found without reading on.
            for member in tar:
                if member.name.removeprefix("./") == "index.json":
                    entries = json.load(_content(tar, member))["manifests"]
                    names = [_annotated(entry.get("annotations", {})) for entry in entries]
                    # A bare tag, as OCI would have it, names no image.
                    if found := [name for name in names if ":" in name]:
                        return found
                elif member.name.removeprefix("./") == "manifest.json":
                    return [tag for entry in json.load(_content(tar, member)) for tag in entry.get("RepoTags") or []]
            return []
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise LocalError(f"{archive} is not an image archive ({error})", "Give an OCI or a docker archive") from error


def copy_archive(archive: Path, target: IO[bytes], held: Collection[str]) -> None:
    """Copy an archive to a stream, which is closed, without the blobs that the reader holds (`sha256:…`)."""
    with target, tarfile.open(archive) as whole, tarfile.open(fileobj=target, mode="w|") as part:
        for member in whole:
            folder, _, digest = member.name.removeprefix("./").rpartition("/")
            if folder != "blobs/sha256" or f"sha256:{digest}" not in held:
                part.addfile(member, whole.extractfile(member) if member.isfile() else None)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise KeyError(member.name)
    return content


def _annotated(annotations: Mapping[str, str]) -> str:
    return next((annotations[key] for key in NAME_ANNOTATIONS if annotations.get(key)), "")
