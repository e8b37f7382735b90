"""What is built, in which order, and what is left alone."""

import io
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from chatcluster_local.errors import LocalError
from chatcluster_local.images.archive import write_archive
from chatcluster_local.images.build import build_side_by_side, build_with, lanes, locked, select
from chatcluster_local.images.engine import Docker, Engine
from chatcluster_local.images.recipes import COMPONENTS, RECIPES, Recipe
from chatcluster_local.paths import repository
from chatcluster_local.progress import Progress


def write_images(references: Sequence[str], archive: Path) -> None:
    """An archive of images without layers."""
    with TemporaryDirectory() as name:
        (Path(name) / "0").touch()
        manifest = json.dumps({"mediaType": "", "config": {"digest": "sha256:0"}, "layers": []}).encode()
        write_archive(Path(name), dict.fromkeys(references, manifest), archive)


class Recorder(Engine):
    """Remembers what it was asked to do; its images and archives are real enough to be read back."""

    def __init__(self) -> None:
        self.base = "base:1"
        self.there: set[str] = set()
        self.built: list[str] = []
        self.saved: list[list[str]] = []
        self.failing = ""

    def base_id(self) -> str:
        return self.base

    def prepare(self, progress: Progress) -> None:
        pass

    def references(self) -> set[str]:
        return set(self.there)

    def command(self, recipe: Recipe, reference: str, root: Path, secret: Path | None) -> list[str | Path]:
        return ["false"] if recipe.component == self.failing else ["true"]

    def build(self, recipe: Recipe, reference: str, root: Path, log: Path) -> None:
        super().build(recipe, reference, root, log)
        self.there.add(reference)
        self.built.append(recipe.component)

    def save(self, references: Sequence[str], archive: Path) -> None:
        self.saved.append(list(references))
        write_images(references, archive)

    def relabel(self, reference: str, new: str) -> None:
        self.there.add(new)

    def close(self) -> None:
        pass


@pytest.fixture
def progress() -> Progress:
    return Progress(io.StringIO(), live=False)


@pytest.fixture
def engine() -> Recorder:
    return Recorder()


def test_everything_is_built_once(engine: Recorder, progress: Progress, tmp_path: Path) -> None:
    images = build_with(engine, RECIPES, tmp_path, repository(), progress)
    assert [image.component for image in images] == list(COMPONENTS)
    assert sorted(engine.built) == sorted(COMPONENTS)
    assert len({image.archive for image in images}) == 1
    again = build_with(engine, RECIPES, tmp_path, repository(), progress)
    assert again == images
    assert len(engine.built) == len(COMPONENTS)
    assert len(engine.saved) == 1


def test_a_lost_archive_is_written_again_without_building(engine: Recorder, progress: Progress, tmp_path: Path) -> None:
    images = build_with(engine, RECIPES, tmp_path, repository(), progress)
    images[0].archive.unlink()
    assert build_with(engine, RECIPES, tmp_path, repository(), progress) == images
    assert len(engine.built) == len(COMPONENTS)


def test_building_some_leaves_the_archives_of_others(engine: Recorder, progress: Progress, tmp_path: Path) -> None:
    one = build_with(engine, select({"redis"}), tmp_path, repository(), progress)
    everything = build_with(engine, RECIPES, tmp_path, repository(), progress)
    assert [image for image in everything if image.component == "redis"] == one
    assert {len(names) for names in engine.saved} == {1, len(COMPONENTS) - 1}
    assert all(image.archive.exists() for image in everything)


def test_archives_of_images_gone_by_are_removed(engine: Recorder, progress: Progress, tmp_path: Path) -> None:
    before = build_with(engine, RECIPES, tmp_path, repository(), progress)
    engine.base = "base:2"
    after = build_with(engine, RECIPES, tmp_path, repository(), progress)
    assert {image.archive for image in before}.isdisjoint(image.archive for image in after)
    assert list((tmp_path / "archives").iterdir()) == [after[0].archive]


def test_a_build_that_fails_is_named_with_its_log(engine: Recorder, progress: Progress, tmp_path: Path) -> None:
    engine.failing = "redis"
    with pytest.raises(LocalError, match="image redis could not be built") as caught:
        build_with(engine, select({"redis"}), tmp_path, repository(), progress)
    assert str(tmp_path / "logs" / "redis.log") in str(caught.value)
    assert engine.saved == []


def test_after_a_failure_no_other_build_is_begun(progress: Progress) -> None:
    begun: list[str] = []

    def build(recipe: Recipe) -> None:
        begun.append(recipe.component)
        raise LocalError(f"{recipe.component} failed")

    with progress.step("Building") as step, pytest.raises(LocalError, match="gateway failed"):
        build_side_by_side(select({"gateway", "user", "message"}), build, step)
    assert begun == ["gateway"]


def test_images_of_one_dockerfile_follow_each_other() -> None:
    assert [[recipe.component for recipe in lane] for lane in lanes(select({"gateway", "redis", "user"}))] == [
        ["gateway", "user"],
        ["redis"],
    ]


def test_an_unknown_component_is_named() -> None:
    with pytest.raises(LocalError, match="no image webb"):
        select({"webb", "redis"})


def test_two_commands_do_not_build_at_once(tmp_path: Path) -> None:
    entered = threading.Event()

    def second() -> None:
        with locked(tmp_path / "lock"):
            entered.set()

    with locked(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait(5)
    thread.join()


def test_docker_builds_on_the_published_base() -> None:
    command = Docker().command(RECIPES[0], "chatcluster/gateway:1", Path("/src"), Path("/run/settings"))
    assert "--build-arg=BASE_IMAGE=debian:trixie-slim" in command
    assert "--build-arg=SERVICE=gateway" in command
    assert "--secret=id=settings,src=/run/settings" in command
