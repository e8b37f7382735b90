"""Building all images, or what has changed of them, side by side as the machine allows."""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ExitCode, LocalError
from ..paths import cache_root, repository
from ..progress import Progress, Step
from .archive import plan, read_references
from .engine import Engine, find_engine
from .inputs import tag
from .recipes import COMPONENTS, RECIPES, Recipe

MEMORY_PER_BUILD = 2 * 1024**3
MAX_BUILDS = 4
LOCK_TIMEOUT = 1800.0


@dataclass(frozen=True)
class BuiltImage:
    """One image that is there to be loaded."""

    component: str
    reference: str
    """`chatcluster/<component>:<tag>`."""
    archive: Path
    """The archive that holds it; several images share one."""


def build_all(progress: Progress, only: Collection[str] | None = None) -> list[BuiltImage]:
    """Build the images, or those of the components `only`, and return them all with their archives.

    Nothing is built or written whose inputs are as they were. Raises LocalError when an image can not be built.
    """
    folder = cache_root() / "images"
    recipes = select(only)
    with locked(folder / "lock"):
        engine = find_engine(folder)
        try:
            return build_with(engine, recipes, folder, repository(), progress)
        finally:
            engine.close()


def relabel(renamed: Mapping[str, str], archive: Path) -> None:
    """Write to `archive` images that differ by a label alone from those built; `renamed` maps built ones to new ones.

    Rolling out such images exercises a roll-out without changing what runs.
    """
    folder = cache_root() / "images"
    short = {old.removeprefix("docker.io/"): new.removeprefix("docker.io/") for old, new in renamed.items()}
    with locked(folder / "lock"):
        engine = find_engine(folder)
        try:
            for old, new in short.items():
                engine.relabel(old, new)
            engine.save(list(short.values()), archive)
        finally:
            engine.close()


def select(only: Collection[str] | None) -> list[Recipe]:
    """The recipes of the components `only`, or all; raises LocalError for a name that is none."""
    if unknown := sorted(set(only or ()) - set(COMPONENTS)):
        raise LocalError(f"there is no image {', '.join(unknown)}", f"There are: {', '.join(COMPONENTS)}")
    return [recipe for recipe in RECIPES if only is None or recipe.component in only]


def build_with(
    engine: Engine, recipes: Sequence[Recipe], folder: Path, root: Path, progress: Progress
) -> list[BuiltImage]:
    """Build `recipes` with `engine` from the repository at `root`; archives and logs go to `folder`."""
    base = engine.base_id()
    current = {recipe.component: f"chatcluster/{recipe.component}:{tag(recipe, root, base)}" for recipe in RECIPES}
    there = engine.references()
    todo = [recipe for recipe in recipes if current[recipe.component] not in there]
    if todo:
        engine.prepare(progress)
        with progress.step("Building images") as step:

            def build(recipe: Recipe) -> None:
                engine.build(recipe, current[recipe.component], root, folder / "logs" / f"{recipe.component}.log")

            build_side_by_side(todo, build, step)
    wanted = [current[recipe.component] for recipe in recipes]
    archives = save(engine, wanted, set(current.values()), folder / "archives", progress)
    return [BuiltImage(recipe.component, name, archives[name]) for recipe, name in zip(recipes, wanted, strict=True)]


def lanes(recipes: Sequence[Recipe]) -> list[list[Recipe]]:
    """`recipes` in lanes that may run side by side: one Dockerfile's images follow each other and share its layers."""
    by_file: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        by_file.setdefault(recipe.dockerfile, []).append(recipe)
    return list(by_file.values())


def build_side_by_side(todo: Sequence[Recipe], build: Callable[[Recipe], None], step: Step) -> None:
    """Call `build` for each of `todo`, a few lanes at a time.

    The first failure is raised once the builds under way are through; no other is begun.
    """
    done: list[str] = []
    failed = False

    def run_lane(lane: Sequence[Recipe]) -> None:
        nonlocal failed
        for recipe in lane:
            if failed:
                return
            try:
                build(recipe)
            except BaseException:
                failed = True
                raise
            done.append(recipe.component)
            step.update(len(done), len(todo), recipe.component)

    step.update(0, len(todo), todo[0].component)
    with ThreadPoolExecutor(parallel_builds(), thread_name_prefix="image") as pool:
        running = [pool.submit(run_lane, lane) for lane in lanes(todo)]
        wait(running, return_when=FIRST_EXCEPTION)
    for future in running:
        future.result()


def parallel_builds() -> int:
    """How many builds fit this machine at once."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, memory // MEMORY_PER_BUILD, MAX_BUILDS))


def save(
    engine: Engine, wanted: Sequence[str], current: Collection[str], folder: Path, progress: Progress
) -> dict[str, Path]:
    """The archive of each wanted image; those in none yet are written to a new one.

    Archives that hold none of the `current` images, but those that were just written anew, are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for scratch in folder.glob(".*"):
        scratch.unlink()
    held = {archive: read_references(archive) for archive in sorted(folder.glob("*.tar"))}
    found, missing = plan(wanted, held)
    if missing:
        name = hashlib.sha256("\0".join(sorted(missing)).encode()).hexdigest()[:12]
        archive = folder / f"{name}.tar"
        with progress.step("Writing the image archive") as step:
            engine.save(missing, archive)
            step.result(f"{archive.stat().st_size / 1024**2:.0f} MiB")
        found |= dict.fromkeys(missing, archive)
    for archive, references in held.items():
        if archive not in found.values() and references.intersection(current) <= set(missing):
            archive.unlink(missing_ok=True)
    return found


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock at `path`; two commands would else build the same images twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_TIMEOUT
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise LocalError(
                        "another command has been building images for too long",
                        "End it and try again",
                        ExitCode.TIMEOUT,
                    ) from error
                time.sleep(0.2)
        yield
