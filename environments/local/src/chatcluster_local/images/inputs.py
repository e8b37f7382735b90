"""What an image is built from, and its hash.

The inputs are read from the Dockerfile's own COPY lines, so there is no second list to keep. `uv.lock` and the root
`pyproject.toml` count only as far as they say what goes into the image: a new development dependency rebuilds nothing.
"""

import fnmatch
import hashlib
import json
import os
import re
import shlex
import string
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import LocalError
from .recipes import Recipe

LOCK_FILES = frozenset({"uv.lock", "pyproject.toml"})
"""Copied whole, hashed by what they say about the image's own dependencies."""

TAG_LENGTH = 12


def copied(dockerfile: str, args: Mapping[str, str]) -> list[str]:
    """The paths in the build context that the COPY lines of `dockerfile` (its text) name, with `args` filled in."""
    paths: list[str] = []
    for line in re.sub(r"\\\n", " ", dockerfile).splitlines():
        if not line.startswith("COPY "):
            continue
        words = shlex.split(line)[1:]
        flags = [word for word in words if word.startswith("--")]
        if any(flag.startswith("--from=") for flag in flags):
            continue
        sources = [word for word in words if not word.startswith("--")][:-1]
        paths += [string.Template(source).substitute(args) for source in sources]
    return paths


def ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether a line of .dockerignore keeps `path` (or a folder it is in) out of the build context.

    Knows what our file uses: plain names from the root, and `**/` for any depth.
    """
    parts = Path(path).parts
    for pattern in patterns:
        name = pattern.removeprefix("**/")
        candidates = parts if pattern.startswith("**/") else parts[:1]
        if any(fnmatch.fnmatchcase(part, name) for part in candidates):
            return True
    return False


def ignore_patterns(root: Path) -> list[str]:
    """The patterns in the repository's .dockerignore."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def files(root: Path, paths: Sequence[str]) -> Iterator[str]:
    """The files under `paths`, sorted, as paths from `root`; raises LocalError for a path that is not there."""
    patterns = ignore_patterns(root)
    found: set[str] = set()
    for path in paths:
        start = root / path
        if start.is_file():
            found.add(path.removeprefix("./"))
        elif start.is_dir():
            inside = (Path(folder) / name for folder, _, names in os.walk(start) for name in names)
            found.update(str(file.relative_to(root)) for file in inside)
        else:
            raise LocalError(
                f"{path}, which a Dockerfile copies, is not in {root}", "Restore it with git and try again"
            )
    yield from sorted(path for path in found if not ignored(path, patterns))


def locked_closure(lock: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """The entries of uv.lock that `names` need, directly or not, in every platform and with every extra, by name."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in lock["package"]:
        packages.setdefault(package["name"], []).append(package)
    todo, seen = list(names), set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for package in packages.get(name, []):
            extras = package.get("optional-dependencies", {}).values()
            needed = [*package.get("dependencies", []), *(entry for group in extras for entry in group)]
            todo += [entry["name"] for entry in needed]
    return [package for name in sorted(seen) for package in packages.get(name, [])]


@lru_cache(maxsize=2)
def parse_lock(text: str) -> Mapping[str, Any]:
    """`uv.lock`, which every image asks for and takes a while to read."""
    return tomllib.loads(text)


def tag(recipe: Recipe, root: Path, base: str) -> str:
    """The image's tag: a hash of the Dockerfile, its arguments, the files it copies and `base`, the base image's id."""
    text = (root / recipe.dockerfile).read_text(encoding="utf-8")
    digest = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)

    add("base", base.encode())
    add("args", json.dumps(dict(recipe.args), sort_keys=True).encode())
    add("dockerfile", text.encode())
    for path in files(root, copied(text, recipe.args)):
        if recipe.locked and path in LOCK_FILES:
            continue
        file = root / path
        add(f"{path}:{'x' if os.access(file, os.X_OK) else '-'}", file.read_bytes())
    if recipe.locked:
        lock = parse_lock((root / "uv.lock").read_text(encoding="utf-8"))
        add("locked", json.dumps(locked_closure(lock, recipe.locked), sort_keys=True, default=str).encode())
    return digest.hexdigest()[:TAG_LENGTH]
