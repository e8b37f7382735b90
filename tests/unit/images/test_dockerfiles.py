"""The rules that every Dockerfile of this repository keeps."""

import re
from pathlib import Path

import pytest

from chatcluster_local.images.inputs import copied, ignore_patterns, ignored
from chatcluster_local.images.recipes import RECIPES
from chatcluster_local.paths import repository
from chatcluster_operator.desired import postgres

ROOT = repository()
DOCKERFILES = sorted({recipe.dockerfile for recipe in RECIPES})
SECRET_WORDS = re.compile(r"(?i)\b(ENV|ARG)\b[^\n]*(password|secret|token|api_?key)")
BUILD_TOOLS = ("build-essential", "gcc", "g++", "make", "git", "curl", "wget", "maven", "jdk", "python3-venv", "pip")


def stages(text: str) -> list[str]:
    """The stages of a Dockerfile, each from its FROM line on."""
    return re.split(r"(?m)^(?=FROM )", text)[1:]


def lines(text: str) -> list[str]:
    """The instructions, one a line, without comments."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line for line in re.sub(r"\\\n\s*", " ", kept).splitlines() if line]


def ancestry(text: str) -> list[list[str]]:
    """The instructions of the last stage and of the stages it is built on."""
    named = {re.match(r"FROM (\S+) AS (\S+)", stage).groups()[1]: stage for stage in stages(text)}  # type: ignore[union-attr]
    stage = stages(text)[-1]
    found = [lines(stage)]
    while (parent := lines(stage)[0].split()[1]) in named:
        stage = named[parent]
        found.append(lines(stage))
    return found


@pytest.fixture(params=DOCKERFILES)
def text(request: pytest.FixtureRequest) -> str:
    return (ROOT / request.param).read_text(encoding="utf-8")


def test_no_dockerfile_is_without_a_recipe() -> None:
    folders = ("backup", "environments", "haproxy", "operator", "services", "stores")
    found = {str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob("Dockerfile*")}
    assert sorted(found) == DOCKERFILES


def test_every_stage_begins_at_the_base_image_or_at_another_stage(text: str) -> None:
    assert "ARG BASE_IMAGE=debian:trixie-slim\n" in text.split("FROM ", maxsplit=1)[0]
    names: set[str] = set()
    for stage in stages(text):
        origin, name = re.match(r"FROM (\S+) AS (\S+)\n", stage).groups()  # type: ignore[union-attr]
        assert origin == "${BASE_IMAGE}" or origin in names
        names.add(name)


def test_the_image_runs_as_user_10001_whom_its_passwd_names(text: str) -> None:
    final = lines(stages(text)[-1])
    assert [line for line in final if line.startswith("USER ")] == ["USER 10001:10001"]
    after = final[final.index("USER 10001:10001") :]
    assert not any(line.startswith(("RUN", "COPY", "ADD")) for line in after)
    everything = " ".join(line for stage in ancestry(text) for line in stage)
    assert "groupadd --gid 10001" in everything
    assert "useradd --uid 10001 --gid 10001" in everything


def test_the_image_says_what_it_runs(text: str) -> None:
    assert any(re.match(r'(ENTRYPOINT|CMD) \["', line) for line in lines(stages(text)[-1]))


def test_no_build_tool_is_installed_in_the_final_stage(text: str) -> None:
    for stage in ancestry(text):
        for line in stage:
            for installed in re.findall(r"apt-get install ([^&;]*)", line):
                words = [word for word in installed.split() if not word.startswith("-")]
                assert not [
                    word for word in words if any(word == tool or tool in word.split("-") for tool in BUILD_TOOLS)
                ]


def test_nothing_is_fetched_by_address_and_nothing_is_called_latest(text: str) -> None:
    code = "\n".join(lines(text))
    assert not re.search(r"(?m)^ADD ", code)
    assert "http://" not in code
    assert "https://" not in code
    assert ":latest" not in code


def test_no_secret_is_in_the_image(text: str) -> None:
    assert not SECRET_WORDS.search("\n".join(lines(text)))
    assert not any(re.search(r"(^|/)\.env|\.pem$|\.key$", path) for path in copied(text, {"SERVICE": "user"}))


def test_package_lists_do_not_stay(text: str) -> None:
    for line in lines(text):
        if "apt-get update" in line:
            assert "rm -rf /var/lib/apt/lists/*" in line
            assert "--no-install-recommends" in line


def test_versions_from_package_indexes_are_pinned(text: str) -> None:
    for line in lines(text):
        if "pip install" in line and "uv==" not in line and "--no-deps --no-sources" not in line:
            assert "--require-hashes" in line


def test_what_is_copied_is_in_the_context(text: str) -> None:
    patterns = ignore_patterns(ROOT)
    for recipe in RECIPES:
        if (ROOT / recipe.dockerfile).read_text(encoding="utf-8") == text:
            for path in copied(text, recipe.args):
                assert (ROOT / path).exists()
                assert not ignored(path, patterns)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "stores").rglob("entrypoint")) + sorted((ROOT / "stores").rglob("healthcheck"))
)
def test_scripts_can_be_run(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("#!/bin/")
    assert path.stat().st_mode & 0o111


def test_the_operator_knows_which_postgresql_the_image_has() -> None:
    """By it a restore is refused that could not start."""
    versions = set(re.findall(r"postgresql-(\d+)", (ROOT / "stores/postgres/Dockerfile").read_text(encoding="utf-8")))
    assert versions == {str(postgres.MAJOR)}
