"""Writes or checks `docs/asyncapi.yaml`, the Socket.IO events of all services.

python services/asyncapi.py --write
"""

import argparse
import sys
from pathlib import Path

import yaml

from chatcluster_common.realtime.asyncapi import document
from chatcluster_message.asyncapi import CHANNEL as MESSAGE
from chatcluster_presence.asyncapi import CHANNEL as PRESENCE

COMMITTED = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"
_HEADER = "# Made from the services' models by `python services/asyncapi.py --write`.\n"


def render() -> str:
    """The document as the text that is committed."""
    return _HEADER + yaml.safe_dump(document([MESSAGE, PRESENCE]), sort_keys=False, width=120, allow_unicode=True)


def main() -> int:
    """Check or write the committed file; 1 when a check finds it out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="fail when the committed file is not what the models say")
    action.add_argument("--write", action="store_true", help="rewrite the committed file")
    if parser.parse_args().write:
        COMMITTED.write_text(render())
        return 0
    if not COMMITTED.exists() or COMMITTED.read_text() != render():
        sys.stderr.write("docs/asyncapi.yaml is out of date; rewrite it: python services/asyncapi.py --write\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
