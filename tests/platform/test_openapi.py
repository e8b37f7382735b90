"""The OpenAPI documents are true: schemathesis, which reads them, finds nothing wrong with what the services answer.

`schemathesis.toml` says what it may expect and whom it acts as.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio

import chatcluster_testing
from chatcluster_testing.openapi import COMMITTED, MERGED, SERVICES, merged
from chatcluster_testing.people import Person
from chatcluster_testing.platform import Platform

pytestmark = pytest.mark.timeout(200)

_CONFIG = Path(__file__).with_name("schemathesis.toml")
_OWN = ("tokens", "documentation")
"""Tags of the routes that the gateway itself answers."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def callers(platform: Platform) -> dict[str, str]:
    """The variables of `schemathesis.toml`."""
    found: dict[str, str] = {}
    for name in ("admin", "leaver", "bystander"):
        async with await Person.register(platform.url, name) as person:
            found[f"CHAT_TEST_{name.upper()}"] = platform.tokens.token_for(person.id, claims={"role": "admin"})
            found[f"CHAT_TEST_{name.upper()}_ID"] = person.id
    return found


def check(url: str, callers: dict[str, str], folder: Path, *options: str) -> None:
    """Fails with schemathesis's own report, which has a call to repeat for each finding."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(_CONFIG), "run", url]
    environment = os.environ | callers | {"PYTHONPATH": str(Path(chatcluster_testing.__path__[0]).parent)}
    done = subprocess.run(
        [*command, "--no-color", *options],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_does_what_its_document_says(
    platform: Platform, callers: dict[str, str], tmp_path: Path, service: str
) -> None:
    check(f"{platform.addresses[service]}/openapi.json", callers, tmp_path)


def test_the_gateways_own_routes_do_what_its_document_says(
    platform: Platform, callers: dict[str, str], tmp_path: Path
) -> None:
    tags = [option for tag in _OWN for option in ("--include-tag", tag)]
    check(platform.url + MERGED, callers, tmp_path, *tags)


def test_the_merged_document_holds_at_the_edge(platform: Platform, callers: dict[str, str], tmp_path: Path) -> None:
    check(platform.url + MERGED, callers, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "1")


def test_the_web_clients_copy_of_the_merged_document_is_current(platform: Platform) -> None:
    assert COMMITTED.read_text() == merged(platform), "write it anew: see chatcluster_testing/openapi.py"
