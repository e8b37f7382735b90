"""The manifests of each ChatCluster of `specs` in full, as they are committed: a change shows as a diff to be read.

`python -m chatcluster_testing.golden --check | --write` compares or rewrites tests/unit/operator/golden.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import Manifest, manifests
from chatcluster_testing.specs import RESTORING, SPECS, body, inputs_maker, restoring

NAMES: Final = (*SPECS, *RESTORING)
FOLDER: Final = Path(__file__).resolve().parents[2] / "unit/operator/golden"


class _Dumper(yaml.SafeDumper):
    """Writes long texts as blocks, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def objects(name: str) -> list[Manifest]:
    """The manifests of the ChatCluster of this name."""
    if name in RESTORING:
        return manifests(*restoring(RESTORING[name]))
    cluster = ChatCluster.from_body(body(SPECS[name]))
    return manifests(cluster, inputs_maker()(cluster))


def render(name: str) -> str:
    """The same as the text that is committed. Secrets' values follow from the tests' randomness: names say enough."""
    made = objects(name)
    for item in made:
        if item["kind"] == "Secret":
            item["data"] = dict.fromkeys(item.get("data", ()), "(a value)")
    return yaml.dump_all(made, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def stale() -> list[str]:
    """The files that are not what the code makes; those that it makes no more, too."""
    wanted = {f"{name}.yaml": render(name) for name in NAMES}
    found = {file.name: file.read_text() for file in FOLDER.glob("*.yaml")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write() -> None:
    """Write the files anew, and remove those that nothing makes any more."""
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.yaml"):
        if file.stem not in NAMES:
            file.unlink()
    for name in NAMES:
        (FOLDER / f"{name}.yaml").write_text(render(name))


def main() -> int:
    """Check or write; 1 when a check finds a file out of date."""
    parser = argparse.ArgumentParser(prog="python -m chatcluster_testing.golden", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="fail when a file is not what the code makes")
    action.add_argument("--write", action="store_true", help="rewrite the files")
    if parser.parse_args().write:
        write()
        return 0
    if files := stale():
        sys.stderr.write(f"out of date: {', '.join(files)}; rewrite them with: make generate\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
