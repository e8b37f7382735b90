"""Files that a virus scanner must see before anybody else does."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatcluster_testing.clamd import EICAR, Clamd, running_clamd
from chatcluster_testing.files import Files, picture, running_files
from chatcluster_testing.process import Program, accepts, find_program, free_port, wait_until
from chatcluster_testing.s3 import S3
from chatcluster_testing.tokens import TokenAuthority


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    with running_clamd() as scanner:
        yield scanner


def scanned_by(clamd: Clamd) -> dict[str, str]:
    return {"CHAT_CLAMAV_HOST": "127.0.0.1", "CHAT_CLAMAV_PORT": str(clamd.port)}


@pytest.fixture(scope="module")
def world(s3: S3, tokens: TokenAuthority, clamd: Clamd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """A service that soon answers without a verdict, and soon asks again."""
    quick = {"CHAT_SCAN_SECONDS": "2", "CHAT_SCAN_WAIT_SECONDS": "0.2", "CHAT_SCAN_AGAIN_SECONDS": "0.5"}
    with running_files(s3, tokens, tmp_path_factory.mktemp("quick"), scanned_by(clamd) | quick) as files:
        yield files


@pytest.fixture(scope="module")
def patient(s3: S3, tokens: TokenAuthority, clamd: Clamd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """A service that waits for the verdict."""
    long = {"CHAT_SCAN_WAIT_SECONDS": "30"}
    with running_files(s3, tokens, tmp_path_factory.mktemp("patient"), scanned_by(clamd) | long) as files:
        yield files


def state(world: Files, file: dict[str, Any]) -> str:
    return world.get("ann", file["id"]).json()["state"]


def waiting(world: Files) -> list[str]:
    return [key for key in world.s3.objects(world.bucket) if key.startswith("scanning/")]


def test_a_clean_file_is_scanned_whole_and_once(patient: Files, clamd: Clamd) -> None:
    content = os.urandom(700_000)
    (file,) = patient.upload("ann", ("a.bin", content))
    assert file["state"] == "clean"
    assert clamd.scanned[-1] == 700_000
    assert patient.get("ann", f"{file['id']}/content").content == content
    count = len(clamd.scanned)
    assert patient.upload("bob", ("b.bin", content))[0]["state"] == "clean"
    assert len(clamd.scanned) == count
    assert waiting(patient) == []


def test_what_is_infected_is_given_to_nobody_and_taken_by_no_message(patient: Files) -> None:
    (file,) = patient.upload("ann", ("eicar.txt", EICAR))
    assert file["state"] == "infected"
    answer = patient.get("ann", f"{file['id']}/content")
    assert (answer.status_code, answer.json()["code"]) == (403, "infected")
    assert patient.attach("m-1", file["id"]).json()["code"] == "infected"
    assert patient.upload("bob", ("again.txt", EICAR))[0]["state"] == "infected"
    assert EICAR.decode() not in patient.service.log


def test_a_file_is_withheld_until_the_scanner_has_answered(world: Files, clamd: Clamd) -> None:
    clamd.answering.clear()
    try:
        (file,) = world.upload("ann", ("slow.png", picture(200, 100, "PNG")))
        assert file["state"] == "scanning"
        for path in ("content", "thumbnails/small"):
            answer = world.get("ann", f"{file['id']}/{path}")
            assert (answer.status_code, answer.json()["code"]) == (409, "not_scanned")
            assert answer.headers["retry-after"] == "2"
        assert world.attach("m-2", file["id"]).status_code == 200
    finally:
        clamd.answering.set()
    wait_until(lambda: state(world, file) == "clean", "the verdict")
    assert world.get("ann", f"{file['id']}/thumbnails/small").status_code == 200


def test_a_scanner_that_was_away_is_asked_again(world: Files, clamd: Clamd) -> None:
    clamd.away = True
    try:
        (bad,) = world.upload("ann", ("bad.txt", EICAR + b" "))
        (good,) = world.upload("ann", ("good.txt", b"harmless"))
        assert {bad["state"], good["state"]} == {"scanning"}
        wait_until(lambda: world.service.log.count("gave no verdict") >= 4, "it to be asked again")
    finally:
        clamd.away = False
    wait_until(lambda: state(world, bad) == "infected" and state(world, good) == "clean", "the verdicts")
    wait_until(lambda: waiting(world) == [], "nothing to wait any more")


def test_what_the_scanner_refuses_to_read_stays_withheld(world: Files, clamd: Clamd) -> None:
    clamd.limit = 1_000_000
    try:
        (file,) = world.upload("ann", ("large.bin", os.urandom(3_000_000)))
        assert file["state"] == "scanning"
        wait_until(lambda: "INSTREAM size limit exceeded" in world.service.log, "its refusal")
    finally:
        clamd.limit = 1 << 30
    wait_until(lambda: state(world, file) == "clean", "the verdict once it reads more")


def test_a_restarted_service_scans_what_was_left(world: Files, clamd: Clamd) -> None:
    clamd.away = True
    (file,) = world.upload("ann", ("left.txt", b"left behind"))
    assert file["state"] == "scanning"
    world.service.program.kill()
    clamd.away = False
    world.service.program.start()
    wait_until(lambda: state(world, file) == "clean", "the verdict")


def test_the_real_clamd_finds_what_its_database_names(s3: S3, tokens: TokenAuthority, tmp_path: Path) -> None:
    database = tmp_path / "database"
    database.mkdir()
    # A signature of our own: name, any file type, any offset, the bytes.
    (database / "test.ndb").write_text(f"Test.Marker:0:*:{b'chatcluster marker'.hex()}\n")
    port = free_port()
    lines = [f"TCPSocket {port}", "TCPAddr 127.0.0.1", f"DatabaseDirectory {database}", "Foreground yes"]
    (tmp_path / "clamd.conf").write_text("\n".join(lines) + "\n")
    argv = [find_program("clamd", "/usr/sbin"), f"--config-file={tmp_path / 'clamd.conf'}"]
    program = Program("clamd", argv, tmp_path, lambda: accepts(port), timeout=60).start()
    try:
        env = {"CHAT_CLAMAV_HOST": "127.0.0.1", "CHAT_CLAMAV_PORT": str(port), "CHAT_SCAN_WAIT_SECONDS": "30"}
        with running_files(s3, tokens, tmp_path / "file", env) as world:
            assert world.upload("ann", ("a.bin", os.urandom(400_000)))[0]["state"] == "clean"
            assert world.upload("ann", ("b.txt", b"with a chatcluster marker in it"))[0]["state"] == "infected"
    finally:
        program.stop()
