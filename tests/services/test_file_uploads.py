"""Resumable uploads with the official tus client and by hand, direct uploads to the store, and quotas."""

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatcluster_testing.files import Files, picture, running_files
from chatcluster_testing.process import running_service, wait_until
from chatcluster_testing.s3 import S3
from chatcluster_testing.tokens import TokenAuthority
from chatcluster_testing.tus import TusClient, install

MIB = 1 << 20
UPLOADS = "/api/v1/files/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture(scope="module")
def world(s3: S3, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    env = {
        "CHAT_MAX_FILE_BYTES": str(64 * MIB),
        "CHAT_S3_PUBLIC_ENDPOINT": f"http://127.0.0.1:{s3.port}",
        "CHAT_UPLOAD_IDLE_SECONDS": "4",
        "CHAT_QUOTA_FILES": "15",
        "CHAT_QUOTA_BYTES": str(40 * MIB),
    }
    with running_files(s3, tokens, tmp_path_factory.mktemp("file"), env) as files:
        yield files


@pytest.fixture(scope="session")
def tus_folder() -> Path:
    return install(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chatcluster")


def random_file(folder: Path, size: int) -> tuple[Path, str]:
    path = folder / "random.bin"
    path.write_bytes(os.urandom(size))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def file_of(world: Files, url: str, user_id: str = "ann") -> dict[str, Any]:
    """The file that an upload has become, once its content was read and compared with its checksum."""
    file_id = url.rsplit("/", 1)[1]
    file = world.get(user_id, file_id).json()
    assert hashlib.sha256(world.get(user_id, f"{file_id}/content").content).hexdigest() == file["sha256"]
    return file


def left(world: Files) -> set[str]:
    """What uploads under way have in the store."""
    return {key for key in world.s3.objects(world.bucket) if key.startswith(("uploads/", "incoming/"))}


@pytest.mark.parametrize("chunk_size", [1 * MIB + 7, 20 * MIB], ids=["smaller than a part", "one request"])
def test_the_official_client_uploads_in_chunks_of_any_size(
    world: Files, tus_folder: Path, tmp_path: Path, chunk_size: int
) -> None:
    path, digest = random_file(tmp_path, 12 * MIB + 3)
    conversation_id = world.conversation(ann="member", bob="member")
    with TusClient(
        tus_folder,
        endpoint=world.service.url + UPLOADS,
        headers=world.auth("ann"),
        file=str(path),
        chunkSize=chunk_size,
        metadata={"filename": "grüße.bin", "conversation_id": conversation_id},
    ) as client:
        url = client.until("done")["done"]
    file = file_of(world, url)
    assert (file["name"], file["size"], file["sha256"]) == ("grüße.bin", 12 * MIB + 3, digest)
    assert world.get("bob", file["id"]).status_code == 200
    assert left(world) == set()
    assert world.http.delete(f"/api/v1/files/{file['id']}", headers=world.auth("ann")).status_code == 204


def test_the_official_client_goes_on_after_the_service_was_killed(
    s3: S3, tokens: TokenAuthority, tus_folder: Path, tmp_path: Path
) -> None:
    path, digest = random_file(tmp_path, 13 * MIB)
    with running_files(s3, tokens, tmp_path / "file") as world:
        with TusClient(
            tus_folder,
            endpoint=world.service.url + UPLOADS,
            headers=world.auth("ann"),
            file=str(path),
            chunkSize=3 * MIB,
            pauseAt=3,
        ) as client:
            client.until("paused")
            world.service.program.kill()
            client.go_on()
            world.service.program.start()
            url = client.until("done")["done"]
        assert file_of(world, url)["sha256"] == digest


def test_another_client_and_another_replica_go_on_where_the_first_ones_stopped(
    world: Files, tus_folder: Path, tmp_path: Path
) -> None:
    path, digest = random_file(tmp_path, 9 * MIB)
    options: dict[str, Any] = {"headers": world.auth("ann"), "file": str(path), "chunkSize": 4 * MIB}
    with TusClient(tus_folder, endpoint=world.service.url + UPLOADS, pauseAt=2, **options) as client:
        path_of_upload = httpx.URL(client.until("paused")["paused"]).path
    program = world.service.program
    env = {key: value for key, value in program.env.items() if key != "CHAT_PORT"}
    with (
        running_service("file", tmp_path / "other", env, jwks_file=world.tokens.jwks_file) as other,
        TusClient(tus_folder, uploadUrl=other.url + path_of_upload, **options) as client,
    ):
        assert client.until("accepted")["accepted"] == 8 * MIB
        client.until("done")
    assert file_of(world, path_of_upload)["sha256"] == digest


def test_the_official_client_drops_an_upload(world: Files, tus_folder: Path, tmp_path: Path) -> None:
    before = world.s3.objects(world.bucket)
    path, _ = random_file(tmp_path, 7 * MIB)
    options: dict[str, Any] = {"headers": world.auth("ann"), "file": str(path), "chunkSize": 6 * MIB}
    with TusClient(tus_folder, endpoint=world.service.url + UPLOADS, pauseAt=2, **options) as client:
        url = client.until("paused")["paused"]
    with TusClient(tus_folder, uploadUrl=url, terminate=True, **options) as client:
        client.until("done")
    assert world.s3.objects(world.bucket) == before
    assert world.s3.unfinished_uploads(world.bucket) == []
    assert world.http.head(url, headers=world.auth("ann") | TUS).status_code == 404


def begin(world: Files, size: int, user_id: str = "ann", **headers: str) -> str:
    """A new upload; its path."""
    answer = world.http.post(UPLOADS, headers=world.auth(user_id) | TUS | {"Upload-Length": str(size)} | headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers["upload-expires"].endswith("GMT")
    return answer.headers["location"]


def patch(world: Files, url: str, offset: int, data: bytes, user_id: str = "ann", **headers: str) -> httpx.Response:
    sent = world.auth(user_id) | CHUNK | {"Upload-Offset": str(offset)} | headers
    return world.http.patch(url, headers=sent, content=data)


def offset_of(world: Files, url: str) -> int:
    answer = world.http.head(url, headers=world.auth("ann") | TUS)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def test_what_the_server_can_is_told_without_a_token(world: Files) -> None:
    answer = world.http.options(UPLOADS)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,expiration,termination"
    assert answer.headers["tus-max-size"] == str(64 * MIB)


def test_the_protocol_is_held_to(world: Files) -> None:
    url = begin(world, 10)
    assert world.http.head(url, headers=world.auth("ann")).status_code == 412
    assert world.http.head(url).status_code == 401
    assert patch(world, url, 0, b"x", **{"Tus-Resumable": "0.2.2"}).headers["tus-version"] == "1.0.0"
    assert patch(world, url, 0, b"x", **{"Content-Type": "text/plain"}).status_code == 415
    assert patch(world, url, 3, b"x").json()["code"] == "wrong_offset"
    assert patch(world, url, 0, b"x", user_id="bob").status_code == 404
    assert patch(world, url, 0, b"01234567890").status_code == 413
    assert patch(world, url, 0, b"01234").headers["upload-offset"] == "5"
    assert offset_of(world, url) == 5
    assert world.get("ann", url.rsplit("/", 1)[1]).status_code == 404
    assert patch(world, url, 5, b"56789").status_code == 204
    assert offset_of(world, url) == 10
    assert file_of(world, url)["content_type"] == "text/plain; charset=utf-8"
    assert world.http.delete(f"{UPLOADS}/nothing", headers=world.auth("ann") | TUS).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Length": "-1"}, 422),
        ({"Upload-Length": "many"}, 422),
        ({}, 422),
        ({"Upload-Length": "5", "Upload-Metadata": "filename nobase64!"}, 422),
        ({"Upload-Length": "5", "Upload-Metadata": "filename /w=="}, 422),
        ({"Upload-Length": "5", "Upload-Metadata": "conversation_id Yy1ub25l"}, 404),
        ({"Upload-Length": str(64 * MIB + 1)}, 413),
    ],
)
def test_uploads_that_cannot_be_are_not_begun(world: Files, headers: dict[str, str], status: int) -> None:
    before = world.s3.objects(world.bucket)
    answer = world.http.post(UPLOADS, headers=world.auth("ann") | TUS | headers)
    assert answer.status_code == status, answer.text
    assert world.s3.objects(world.bucket) == before


def test_an_empty_upload_is_an_empty_file(world: Files) -> None:
    assert file_of(world, begin(world, 0))["size"] == 0


def test_what_came_before_the_line_broke_is_kept(world: Files) -> None:
    url = begin(world, 6 * MIB)
    data = os.urandom(6 * MIB)
    host, _, port = world.service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        headers = world.auth("ann") | CHUNK | {"Upload-Offset": "0", "Content-Length": str(6 * MIB), "Host": "files"}
        head = "\r\n".join([f"PATCH {url} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""])
        line.sendall(head.encode() + data[: 5 * MIB + 1000])
        wait_until(lambda: bool(world.s3.unfinished_uploads(world.bucket)), "the upload to be under way")
    wait_until(lambda: offset_of(world, url) > 0, "the bytes to be kept")
    there = offset_of(world, url)
    assert patch(world, url, there, data[there:]).status_code == 204
    assert file_of(world, url)["sha256"] == hashlib.sha256(data).hexdigest()


def test_an_upload_that_cannot_be_a_file_is_dropped(world: Files) -> None:
    before = world.s3.objects(world.bucket)
    bad = picture(900, 900)[:500]
    url = begin(world, len(bad))
    assert patch(world, url, 0, bad).json()["code"] == "image_refused"
    assert world.s3.objects(world.bucket) == before


def direct(world: Files, user_id: str = "ann", **body: Any) -> httpx.Response:
    return world.http.post("/api/v1/files/direct", json=body, headers=world.auth(user_id))


def complete(world: Files, file_id: str, user_id: str = "ann") -> httpx.Response:
    return world.http.post(f"/api/v1/files/direct/{file_id}/complete", headers=world.auth(user_id))


def test_a_direct_upload_becomes_a_file_that_its_url_cannot_change(world: Files) -> None:
    image = picture(300, 200)
    digest = hashlib.sha256(image).hexdigest()
    target = direct(world, name="../a.jpg", size=len(image), sha256=digest).json()
    assert "Authorization" not in target["url"]
    assert complete(world, target["id"]).json()["code"] == "not_uploaded"
    assert complete(world, target["id"], user_id="bob").status_code == 404
    assert httpx.put(target["url"], content=image).status_code == 200
    answer = complete(world, target["id"])
    assert answer.status_code == 200, answer.text
    file = answer.json()
    assert (file["name"], file["content_type"], file["width"]) == ("a.jpg", "image/jpeg", 300)
    httpx.put(target["url"], content=b"<script>")
    assert file_of(world, f"/{target['id']}") == file
    assert complete(world, target["id"]).json() == file


@pytest.mark.parametrize(
    ("sent", "sha256", "code"),
    [(b"longer than said", None, "wrong_size"), (b"12345", "0" * 64, "wrong_checksum")],
)
def test_a_direct_upload_of_something_else_is_dropped(world: Files, sent: bytes, sha256: str, code: str) -> None:
    before = world.s3.objects(world.bucket)
    target = direct(world, name="a", size=5, sha256=sha256).json()
    httpx.put(target["url"], content=sent)
    assert complete(world, target["id"]).json()["code"] == code
    assert complete(world, target["id"]).status_code == 404
    assert world.s3.objects(world.bucket) == before


def test_direct_uploads_need_a_store_that_clients_can_reach(s3: S3, tokens: TokenAuthority, tmp_path: Path) -> None:
    with running_files(s3, tokens, tmp_path) as world:
        answer = direct(world, name="a", size=5)
        assert (answer.status_code, answer.json()["code"]) == (501, "no_direct_upload")
        assert direct(world, name="a", size=5, colour="red").status_code == 422


def test_a_quota_counts_files_and_bytes_however_they_come(world: Files) -> None:
    def problem(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["code"]

    def form(size: int, user_id: str) -> httpx.Response:
        return world.http.post("/api/v1/files", files={"file": ("a", bytes(size))}, headers=world.auth(user_id))

    url = begin(world, 39 * MIB, user_id="fay")
    assert problem(form(2 * MIB, "fay")) == (413, "quota_exceeded")
    assert problem(direct(world, "fay", name="a", size=2 * MIB)) == (413, "quota_exceeded")
    assert world.http.delete(url, headers=world.auth("fay") | TUS).status_code == 204
    assert form(2 * MIB, "fay").status_code == 201

    files = [("file", (f"{number}.txt", str(number).encode())) for number in range(15)]
    answer = world.http.post("/api/v1/files", files=files, headers=world.auth("gus"))
    assert answer.status_code == 201
    assert problem(form(1, "gus")) == (409, "quota_exceeded")
    one = answer.json()["items"][0]["id"]
    assert world.http.delete(f"/api/v1/files/{one}", headers=world.auth("gus")).status_code == 204
    assert form(1, "gus").status_code == 201
