"""The Kubernetes programs: built from the Go modules that `environments/local/programs/*/go.mod` name, once.

Each module's programs are kept in the user's cache under a key made of its go.mod, go.sum, build flags and Go version.
A build appears there whole or not at all.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .errors import LocalError
from .paths import cache_root, repository
from .progress import Progress
from .shell import TAIL_LINES
from .toolchain import find_go, go_environment

SOURCES = repository() / "environments/local/programs"
MODULES = ("kubernetes", "containerd", "coredns")
RENAMED = {"server": "etcd"}
"""What Go names after the last part of the import path, where that says too little."""
MEMORY_PER_BUILD = 3 * 1024**3
"""Bytes that one `go build` may need at its peak, with room to spare."""
BUILD_TIMEOUT = 3600.0


def module_version(go_mod: str, module: str) -> str:
    """The version of `module` that the text of a go.mod requires (`v1.36.3`)."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise LocalError(f"go.mod does not require {module}", "Restore environments/local/programs from the repository")
    return found[1]


def build_flags(name: str, go_mod: str) -> list[str]:
    """The flags that the programs of a module are built with; some learn their version only from these."""
    stamps: dict[str, str] = {}
    if name == "kubernetes":
        version = module_version(go_mod, "k8s.io/kubernetes")
        major, minor = version.removeprefix("v").split(".")[:2]
        package = "k8s.io/component-base/version"
        stamps = {f"{package}.gitVersion": version, f"{package}.gitMajor": major, f"{package}.gitMinor": minor}
    elif name == "containerd":
        package = "github.com/containerd/containerd/v2"
        stamps = {f"{package}/version.Version": module_version(go_mod, package)}
    linker = " ".join(["-s", "-w", *(f"-X {variable}={value}" for variable, value in stamps.items())])
    return ["-trimpath", "-buildvcs=false", "-ldflags", linker]


def tools(go_mod: str) -> list[str]:
    """The names of the programs that the `tool` lines of a go.mod give."""
    block = re.search(r"^tool \((.*?)^\)", go_mod, re.MULTILINE | re.DOTALL)
    paths = block[1].split() if block else re.findall(r"^tool (\S+)", go_mod, re.MULTILINE)
    # A last part such as `v3` is a major version, not a name.
    names = [re.sub(r"/v\d+$", "", path).rpartition("/")[2] for path in paths]
    return sorted(RENAMED.get(name, name) for name in names)


def key(go_mod: str, go_sum: str, flags: list[str], go_version: str) -> str:
    """What a module's build is known by in the cache."""
    return hashlib.sha256(json.dumps([go_mod, go_sum, flags, go_version]).encode()).hexdigest()[:16]


def builds_at_once(modules: int, processors: int, memory: int) -> int:
    """How many modules to build side by side with this many processors and bytes of free memory."""
    return max(1, min(modules, processors, memory // MEMORY_PER_BUILD))


@dataclass(frozen=True)
class Programs:
    """The built programs: a folder a module."""

    folders: Mapping[str, Path]

    def names(self) -> list[tuple[str, str]]:
        """Each program as (module, name)."""
        return [(module, name) for module in self.folders for name in tools(_go_mod(module))]

    def path(self, name: str) -> Path:
        """Where the program of this name is."""
        for module, folder in self.folders.items():
            if name in tools(_go_mod(module)):
                return folder / name
        raise KeyError(name)


@dataclass(frozen=True)
class _Build:
    """One module to be built."""

    module: str
    go: Path
    flags: list[str]
    target: Path

    @property
    def source(self) -> Path:
        return SOURCES / self.module

    def run(self, progress: Progress) -> None:
        scratch = self.target.with_name(f".{self.target.name}.{os.getpid()}")
        shutil.rmtree(scratch, ignore_errors=True)
        (scratch / "bin").mkdir(parents=True)
        try:
            with progress.step(f"Building the {self.module} programs") as step:
                step.say("downloading modules")
                paths = self._output("list", "tool").split()
                packages = len(set(self._output("list", "-deps", *paths).split()))
                self._compile(paths, scratch / "bin", packages, step.update)
            for built, name in RENAMED.items():
                if (scratch / "bin" / built).exists():
                    (scratch / "bin" / built).rename(scratch / "bin" / name)
            missing = set(tools(_go_mod(self.module))) - {file.name for file in (scratch / "bin").iterdir()}
            if missing:
                raise LocalError(f"the build of {self.module} made no {', '.join(sorted(missing))}", "See its go.mod")
            shutil.rmtree(self.target, ignore_errors=True)
            scratch.replace(self.target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _output(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.go, *arguments],
            cwd=self.source,
            env=go_environment(),
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise self._failure(done.stderr.splitlines())
        return done.stdout

    def _compile(self, paths: list[str], output: Path, packages: int, update) -> None:
        command = [self.go, "build", "-v", *self.flags, "-o", f"{output}/", *paths]
        with subprocess.Popen(
            command, cwd=self.source, env=go_environment(), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stderr is not None  # noqa: S101 - asked for above
            alarm = threading.Timer(BUILD_TIMEOUT, process.kill)
            alarm.daemon = True
            alarm.start()
            lines: list[str] = []
            try:
                for line in process.stderr:
                    lines.append(line.rstrip())
                    # With -v each line is a package being compiled; those that Go has in its cache are not named.
                    update(min(len(lines), packages), packages, line.strip())
            except BaseException:
                process.kill()
                raise
            finally:
                alarm.cancel()
        if process.returncode:
            raise self._failure(lines)

    def _failure(self, lines: list[str]) -> LocalError:
        tail = "\n".join(lines[-TAIL_LINES:])
        return LocalError(f"the {self.module} programs could not be built: {tail}", "Mend the cause and try again")


def _go_mod(module: str) -> str:
    return (SOURCES / module / "go.mod").read_text()


def _available_memory() -> int:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def ensure_programs(progress: Progress) -> Programs:
    """Build what the cache lacks and return where the programs are."""
    go = find_go(progress)
    folders: dict[str, Path] = {}
    builds: list[_Build] = []
    for module in MODULES:
        go_mod = _go_mod(module)
        flags = build_flags(module, go_mod)
        version = subprocess.run(
            [go, "env", "GOVERSION"],
            cwd=SOURCES / module,
            env=go_environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout.strip()
        name = f"{module}-{key(go_mod, (SOURCES / module / 'go.sum').read_text(), flags, version)}"
        target = cache_root() / "programs" / name
        folders[module] = target / "bin"
        if not target.exists():
            builds.append(_Build(module, go, flags, target))
    if builds:
        workers = builds_at_once(len(builds), os.cpu_count() or 1, _available_memory())
        with progress, ThreadPoolExecutor(workers) as pool:
            for future in [pool.submit(build.run, progress) for build in builds]:
                future.result()
    return Programs(folders)
