"""The collector leaves nothing of what nobody has, and takes nothing too much."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from chatcluster_testing.files import Files, picture, running_files
from chatcluster_testing.process import Service, running_service, wait_until
from chatcluster_testing.s3 import S3
from chatcluster_testing.tokens import TokenAuthority

MIB = 1 << 20
TUS = {"Tus-Resumable": "1.0.0"}


def stored(world: Files) -> set[str]:
    """All keys, apart from the collector's own."""
    return world.s3.objects(world.bucket) - {"leases/collector.json"}


@pytest.fixture(scope="module")
def world(s3: S3, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """A replica that leaves collecting to others: so its own uploads may take their time."""
    env = {"CHAT_UPLOAD_EXPIRY_SECONDS": "10", "CHAT_S3_PUBLIC_ENDPOINT": f"http://127.0.0.1:{s3.port}"}
    with running_files(s3, tokens, tmp_path_factory.mktemp("file"), env) as files:
        yield files


def collecting(world: Files, folder: Path, **env: str) -> AbstractContextManager[Service]:
    """A replica that collects, at once."""
    inherited = {key: value for key, value in world.service.program.env.items() if key != "CHAT_PORT"}
    quick = {"CHAT_COLLECT_SECONDS": "0.5", "CHAT_ORPHAN_SECONDS": "1", "CHAT_UPLOAD_EXPIRY_SECONDS": "1"}
    return running_service("file", folder, inherited | quick | env, jwks_file=world.tokens.jwks_file)


def test_the_collector_takes_what_nobody_has_and_nothing_else(world: Files, tmp_path: Path) -> None:
    empty = stored(world)
    (kept,) = world.upload("ann", ("kept.png", picture(60, 60, "PNG")))
    assert world.attach("m-1", kept["id"]).status_code == 200
    of_kept = stored(world)
    world.upload("bob", ("shared.png", picture(60, 60, "PNG")), ("loose.txt", b"loose"))
    headers = world.auth("ann") | TUS | {"Upload-Length": str(20 * MIB)}
    url = world.http.post("/api/v1/files/uploads", headers=headers).headers["location"]
    chunk = world.auth("ann") | TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert world.http.patch(url, headers=chunk, content=bytes(6 * MIB)).status_code == 204
    target = world.http.post("/api/v1/files/direct", json={"name": "a", "size": 5}, headers=world.auth("ann")).json()
    assert httpx.put(target["url"], content=b"12345").status_code == 200

    with collecting(world, tmp_path):
        wait_until(
            lambda: stored(world) == of_kept and not world.s3.unfinished_uploads(world.bucket),
            "everything loose to be gone",
        )
    assert world.get("ann", f"{kept['id']}/content").status_code == 200
    late = world.http.head(url, headers=world.auth("ann") | TUS)
    assert late.status_code in {404, 410}
    assert world.http.delete(f"/api/v1/files/{kept['id']}", headers=world.auth("ann")).status_code == 204
    assert stored(world) == empty


def test_the_collector_takes_what_a_killed_service_has_left(world: Files, tmp_path: Path) -> None:
    empty = stored(world)
    with httpx.Client(base_url=world.service.url, timeout=60) as http:
        began = threading.Event()

        def body() -> Iterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(12):
                yield bytes(MIB)
            wait_until(lambda: bool(world.s3.unfinished_uploads(world.bucket)), "the upload to be under way")
            began.set()
            world.service.program.kill()
            yield bytes(MIB)

        with pytest.raises(httpx.HTTPError):
            http.post(
                "/api/v1/files",
                content=body(),
                headers=world.auth("ann") | {"Content-Type": "multipart/form-data; boundary=b"},
            )
        assert began.is_set()
    assert stored(world) > empty
    with collecting(world, tmp_path):
        wait_until(
            lambda: stored(world) == empty and not world.s3.unfinished_uploads(world.bucket),
            "what the crash has left to be gone",
        )
    world.service.program.start()


def test_of_two_replicas_one_collects_and_a_dry_run_only_tells(world: Files, tmp_path: Path) -> None:
    (file,) = world.upload("ann", ("a.txt", b"loose"))
    dry = {"CHAT_COLLECT_DRY_RUN": "true", "CHAT_COLLECT_SECONDS": "2"}  # the lease is three of these
    with collecting(world, tmp_path / "one", **dry) as one:
        wait_until(lambda: "would be collected" in one.log, "the first one to collect")
        with collecting(world, tmp_path / "other", **dry) as other:
            told = one.log.count("would be collected")
            wait_until(lambda: one.log.count("would be collected") >= told + 3, "it to go on")
            assert "would be collected" not in other.log
    assert world.get("ann", file["id"]).status_code == 200
