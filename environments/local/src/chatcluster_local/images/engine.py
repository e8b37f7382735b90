"""The programs that build images: Docker where an engine answers, else Buildah on a base image of our own."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from ..errors import LocalError
from ..progress import Progress
from ..shell import run
from . import base, packages, settings
from .apt import machine_mirrors
from .archive import write_archive
from .recipes import Recipe

PUBLISHED_BASE = "debian:trixie-slim"
VARIANT_LABEL = "dev.chatcluster.variant"
BUILD_TIMEOUT = 1800.0
TAIL_LINES = 25


class Engine(ABC):
    """Builds, lists and saves images. Every method may be called from several threads."""

    @abstractmethod
    def base_id(self) -> str:
        """What the base image is, in a word that changes with it. Need not have been built yet."""

    @abstractmethod
    def prepare(self, progress: Progress) -> None:
        """Get what building needs: programs and the base image."""

    @abstractmethod
    def references(self) -> set[str]:
        """The images of ours that are there, as `chatcluster/<component>:<tag>`."""

    @abstractmethod
    def command(self, recipe: Recipe, reference: str, root: Path, secret: Path | None) -> list[str | Path]:
        """The command that builds `recipe` as `reference` from the repository at `root`."""

    @abstractmethod
    def save(self, references: Sequence[str], archive: Path) -> None:
        """Write the images to one archive, sharing the layers that they share."""

    @abstractmethod
    def relabel(self, reference: str, new: str) -> None:
        """Make the image `new`, which differs from the image `reference` by a label alone."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing mounted or running."""

    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        return dict(os.environ)

    def build(self, recipe: Recipe, reference: str, root: Path, log: Path) -> None:
        """Build one image; its output goes to `log`, and the end of it into the error when it fails."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with settings.secret_file() as secret, log.open("wb") as output:
            command = [str(part) for part in self.command(recipe, reference, root, secret)]
            try:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self.environment(),
                    timeout=BUILD_TIMEOUT,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise LocalError(
                    f"the image {recipe.component} was not built within {BUILD_TIMEOUT:g} s", f"See {log}"
                ) from error
        if done.returncode:
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])
            raise LocalError(
                f"the image {recipe.component} could not be built:\n{tail}\n", f"The whole output is in {log}"
            )


def arguments(values: Mapping[str, str]) -> list[str]:
    """`values` as build arguments."""
    return [f"--build-arg={name}={value}" for name, value in values.items()]


def secret_arguments(secret: Path | None) -> list[str]:
    """The build secret that the Dockerfiles know, where there is one."""
    return [f"--secret=id=settings,src={secret}"] if secret else []


class Docker(Engine):
    """A Docker engine, on the published base image."""

    @staticmethod
    def answers() -> bool:
        """Whether there is an engine here."""
        if not shutil.which("docker"):
            return False
        return run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20, check=False).returncode == 0

    def base_id(self) -> str:
        inspect = ["docker", "image", "inspect", "--format", "{{.Id}}", PUBLISHED_BASE]
        if run(inspect, check=False).returncode:
            run(["docker", "pull", "--quiet", PUBLISHED_BASE], timeout=600)
        return run(inspect).stdout.strip()

    def prepare(self, progress: Progress) -> None:
        """Nothing: the engine is there, and the base image since `base_id`."""

    def references(self) -> set[str]:
        listed = run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "chatcluster/*"], timeout=60)
        return set(listed.stdout.split())

    def relabel(self, reference: str, new: str) -> None:
        dockerfile = f"FROM {reference}\nLABEL {VARIANT_LABEL}={new}\n"
        run(["docker", "buildx", "build", "--load", "--quiet", "--tag", new, "-"], input=dockerfile, timeout=120)

    def close(self) -> None:
        """Nothing: the engine looks after itself."""

    def command(self, recipe: Recipe, reference: str, root: Path, secret: Path | None) -> list[str | Path]:
        return [
            *("docker", "buildx", "build", "--load", "--progress=plain"),
            *arguments({"BASE_IMAGE": PUBLISHED_BASE} | dict(recipe.args) | settings.proxies(os.environ)),
            *secret_arguments(secret),
            *("--file", root / recipe.dockerfile, "--tag", reference, root),
        ]

    def save(self, references: Sequence[str], archive: Path) -> None:
        run(["docker", "image", "save", "--output", archive, *references], timeout=600)


class Buildah(Engine):
    """Buildah with a store of its own under `folder`, so that removing the folder removes all of it."""

    def __init__(self, folder: Path, today: date | None = None) -> None:
        self.folder = folder
        self._store = folder / "store"
        self._today = today or date.today()  # noqa: DTZ011 - the machine's own month will do
        self._base = ""

    def base_id(self) -> str:
        if not self._base:
            self._base = base.key(machine_mirrors(), base.machine_certificates(), self._today)
        return self._base

    @property
    def base_reference(self) -> str:
        """The local base image."""
        return f"chatcluster/base:{self.base_id()}"

    def environment(self) -> dict[str, str]:
        # TMPDIR holds the cache mounts too.
        return dict(os.environ) | {
            "STORAGE_DRIVER": "overlay",
            "BUILDAH_ISOLATION": "chroot",
            "TMPDIR": str(self.folder / "tmp"),
        }

    def prepare(self, progress: Progress) -> None:
        packages.install(progress, packages.BUILDAH_PACKAGES)
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        # What an interrupted build left behind; builds of other commands wait for the lock that the caller holds.
        self._buildah("rm", "--all", timeout=120)
        if self.base_reference not in self._ids():
            with progress.step(f"Making the base image from {machine_mirrors().main}"):
                self._make_base()

    def references(self) -> set[str]:
        if not self._store.exists() or packages.missing({"buildah": "buildah"}):
            return set()
        return set(self._ids())

    def command(self, recipe: Recipe, reference: str, root: Path, secret: Path | None) -> list[str | Path]:
        return [
            *self._program(),
            *("bud", "--layers", "--network", "host"),
            *arguments({"BASE_IMAGE": f"localhost/{self.base_reference}"} | dict(recipe.args)),
            *secret_arguments(secret),
            *("--ignorefile", root / ".dockerignore", "--file", root / recipe.dockerfile, "--tag", reference, root),
        ]

    def save(self, references: Sequence[str], archive: Path) -> None:
        ids = self._ids()
        collection = f"chatcluster/collection:{secrets.token_hex(6)}"
        with tempfile.TemporaryDirectory(prefix="blobs-", dir=self.folder) as folder:
            # Pushed as one list into one folder, so that a shared layer is written once; and as they are, uncompressed.
            self._buildah("manifest", "create", collection)
            try:
                for reference in references:
                    self._buildah("manifest", "add", collection, f"localhost/{reference}")
                self._buildah("manifest", "push", "--quiet", "--all", collection, f"dir:{folder}", timeout=900)
            finally:
                self._buildah("manifest", "rm", collection)
            pushed = [path.read_bytes() for path in Path(folder).glob("*.manifest.json")]
            # An image's id is its configuration's digest; two names may have one image.
            by_id = {json.loads(manifest)["config"]["digest"]: manifest for manifest in pushed}
            manifests = {reference: by_id[ids[reference]] for reference in references}
            write_archive(Path(folder), manifests, archive)

    def relabel(self, reference: str, new: str) -> None:
        container = self._buildah("from", "--pull-never", f"localhost/{reference}").strip()
        self._buildah("config", "--label", f"{VARIANT_LABEL}={new}", container)
        self._buildah("commit", "--quiet", "--rm", container, f"localhost/{new}")

    def close(self) -> None:
        # Buildah keeps its store mounted on itself, and the containers of a build that failed.
        if self._store.exists():
            self._buildah("rm", "--all", timeout=120)
        base.unmount_under(self.folder)

    def _program(self) -> list[str | Path]:
        return ["buildah", "--root", self._store, "--runroot", self.folder / "run"]

    def _buildah(self, *arguments: str | Path, timeout: float = 300) -> str:
        return run([*self._program(), *arguments], timeout=timeout, env=self.environment()).stdout

    def _ids(self) -> dict[str, str]:
        """The id (`sha256:…`) of each image, by its name without `localhost/`."""
        listed = json.loads(self._buildah("images", "--no-trunc", "--json") or "null") or []
        return {name.removeprefix("localhost/"): image["id"] for image in listed for name in image.get("names") or []}

    def _make_base(self) -> None:
        root = self.folder / "base"
        base.remove(root)
        try:
            base.make_root(root, machine_mirrors(), base.machine_certificates())
            container = self._buildah("from", "scratch").strip()
            self._buildah("add", "--quiet", container, root, "/")
            environment = [part for name, value in base.ENVIRONMENT.items() for part in ("--env", f"{name}={value}")]
            self._buildah("config", *environment, "--cmd", "bash", container)
            self._buildah("commit", "--quiet", "--rm", container, self.base_reference)
        finally:
            base.remove(root)


def find_engine(folder: Path) -> Engine:
    """Docker where an engine answers, else Buildah with its files under `folder`."""
    return Docker() if Docker.answers() else Buildah(folder)
