"""Files that are committed and made from code: rewritten by `--write`, compared by `--check`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def main(
    wanted: Mapping[Path, str], *, command: str, description: str | None, arguments: Sequence[str] | None = None
) -> int:
    """Check or write files; `wanted` has the text of each, `command` is what runs this. 1 when one is out of date."""
    parser = argparse.ArgumentParser(
        prog=command, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="fail when what is committed is not what is generated")
    action.add_argument("--write", action="store_true", help="rewrite what is committed")
    write = parser.parse_args(arguments).write
    for file, text in wanted.items():
        if write:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            sys.stderr.write(f"{file.name} is out of date; rewrite it with: {command} --write\n")
            return 1
    return 0
