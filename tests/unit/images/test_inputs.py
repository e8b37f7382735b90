"""An image's tag changes with what goes into the image, and with nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatcluster_local.errors import LocalError
from chatcluster_local.images.inputs import copied, files, ignored, locked_closure, tag
from chatcluster_local.images.recipes import Recipe

DOCKERFILE = """\
ARG BASE_IMAGE=debian:trixie-slim
FROM ${BASE_IMAGE} AS build
COPY pyproject.toml uv.lock ./
COPY services/common /src/common
ARG SERVICE
COPY --chmod=755 services/${SERVICE} \\
    /src/service
FROM ${BASE_IMAGE} AS final
COPY --from=build /out /out
"""
LOCK = """\
[[package]]
name = "chatcluster-message"
version = "0.1.0"
dependencies = [{{ name = "pymongo" }}]

[[package]]
name = "pymongo"
version = "{pymongo}"

[[package]]
name = "ruff"
version = "{ruff}"
"""
RECIPE = Recipe("message", "services/Dockerfile", {"SERVICE": "message"}, locked=("chatcluster-message",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in {
        ".dockerignore": "# what builds do not need\n**/__pycache__\ntests\n",
        "pyproject.toml": "[project]\n",
        "uv.lock": LOCK.format(pymongo="4.15", ruff="0.13"),
        "services/Dockerfile": DOCKERFILE,
        "services/common/a.py": "a = 1\n",
        "services/message/b.py": "b = 1\n",
        "services/user/c.py": "c = 1\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return tmp_path


def write(path: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")

    return change


@pytest.mark.parametrize(
    "change",
    [
        write("services/message/b.py", "b = 2\n"),
        write("services/message/new.py", ""),
        write("services/common/a.py", "a = 2\n"),
        write("services/Dockerfile", DOCKERFILE + "USER 10001\n"),
        write("uv.lock", LOCK.format(pymongo="4.16", ruff="0.13")),
        lambda root: (root / "services/message/b.py").chmod(0o755),
        lambda root: (root / "services/message/b.py").rename(root / "services/message/d.py"),
    ],
    ids=["code", "new file", "common code", "dockerfile", "own dependency", "mode", "name"],
)
def test_what_goes_into_the_image_changes_the_tag(root: Path, change: Callable[[Path], Any]) -> None:
    before = tag(RECIPE, root, "base")
    change(root)
    assert tag(RECIPE, root, "base") != before


@pytest.mark.parametrize(
    "change",
    [
        lambda root: None,
        write("services/user/c.py", "c = 2\n"),
        write("uv.lock", LOCK.format(pymongo="4.15", ruff="0.14")),
        write("pyproject.toml", "[project]\n[tool.ruff]\n"),
        write("services/message/__pycache__/b.pyc", "compiled"),
        write("README.md", "read me"),
    ],
    ids=["nothing", "another service", "development dependency", "root project", "bytecode", "elsewhere"],
)
def test_what_does_not_go_into_the_image_leaves_the_tag(root: Path, change: Callable[[Path], Any]) -> None:
    before = tag(RECIPE, root, "base")
    change(root)
    assert tag(RECIPE, root, "base") == before


def test_the_base_image_and_the_arguments_change_the_tag(root: Path) -> None:
    other = Recipe("user", RECIPE.dockerfile, {"SERVICE": "user"}, locked=RECIPE.locked)
    tags = {tag(RECIPE, root, "base"), tag(RECIPE, root, "newer"), tag(other, root, "base")}
    assert len(tags) == 3
    assert all(len(each) == 12 and int(each, 16) >= 0 for each in tags)


def test_the_copy_lines_are_read_with_their_arguments() -> None:
    assert copied(DOCKERFILE, {"SERVICE": "message"}) == [
        "pyproject.toml",
        "uv.lock",
        "services/common",
        "services/message",
    ]


def test_a_path_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(LocalError, match="services/absent"):
        list(files(root, ["services/absent"]))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/unit/a.py", True),
        ("services/tests/a.py", False),
        ("services/message/__pycache__/a.pyc", True),
        ("services/message/a.py", False),
    ],
)
def test_ignored_paths(path: str, expected: bool) -> None:
    assert ignored(path, ["tests", "**/__pycache__"]) is expected


def test_the_closure_follows_dependencies_and_extras_and_ends_in_circles() -> None:
    lock = {
        "package": [
            {"name": "a", "dependencies": [{"name": "b"}], "optional-dependencies": {"x": [{"name": "c"}]}},
            {"name": "b", "dependencies": [{"name": "a"}]},
            {"name": "c", "version": "1"},
            {"name": "c", "version": "2"},
            {"name": "d"},
        ]
    }
    assert [entry["name"] for entry in locked_closure(lock, ["a"])] == ["a", "b", "c", "c"]
