"""The file service as a process, over HTTP, with a real S3 behind it."""

import hashlib
import io
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from chatcluster_testing.cable import running_cable
from chatcluster_testing.files import Files, picture, running_files
from chatcluster_testing.peers import running_peers
from chatcluster_testing.process import running_service, wait_until
from chatcluster_testing.s3 import S3
from chatcluster_testing.tokens import TokenAuthority

MIB = 1 << 20
MAX_FILE_BYTES = 64 * MIB
BOUNDARY = "-------------boundary"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture(scope="module")
def world(s3: S3, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    env = {
        "CHAT_MAX_FILE_BYTES": str(MAX_FILE_BYTES),
        "CHAT_MAX_IMAGE_PIXELS": "4000000",
        "CHAT_UPLOAD_IDLE_SECONDS": "4",
    }
    with running_files(s3, tokens, tmp_path_factory.mktemp("file"), env) as files:
        yield files


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def test_a_file_comes_back_as_it_was_sent(world: Files) -> None:
    content = b"The quick brown fox.\n" * 1000
    (file,) = world.upload("ann", ("notes.txt", content))
    assert file["name"] == "notes.txt"
    assert file["content_type"] == "text/plain; charset=utf-8"
    assert file["size"] == len(content)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["owner_id"] == "ann"
    assert file["conversation_id"] is None
    assert file["thumbnails"] == []
    assert file["created_at"].endswith("Z")
    assert world.get("ann", file["id"]).json() == file

    answer = world.get("ann", f"{file['id']}/content")
    assert answer.content == content
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-disposition"] == "inline; filename=\"notes.txt\"; filename*=UTF-8''notes.txt"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert "private" in answer.headers["cache-control"]


def test_an_empty_file_is_a_file(world: Files) -> None:
    (file,) = world.upload("ann", ("empty", b""))
    assert (file["size"], file["content_type"]) == (0, "application/octet-stream")
    answer = world.get("ann", f"{file['id']}/content")
    assert (answer.status_code, answer.content) == (200, b"")
    assert world.get("ann", f"{file['id']}/content", Range="bytes=0-").status_code == 416


@pytest.mark.parametrize("conversation_first", [True, False])
def test_members_of_the_conversation_may_read_and_others_may_not(world: Files, conversation_first: bool) -> None:
    conversation_id = world.conversation(ann="member", bob="member", mod="admin")
    field = part("conversation_id", conversation_id.encode())
    file_part = part("file", b"for us", "us.txt")
    body = (field + file_part if conversation_first else file_part + field) + END
    answer = world.http.post("/api/v1/files", content=body, headers=world.auth("ann") | MULTIPART)
    assert answer.status_code == 201
    file = answer.json()["items"][0]
    assert file["conversation_id"] == conversation_id
    for path in ("", "/content"):
        assert world.get("bob", file["id"] + path).status_code == 200
        assert world.get("eve", file["id"] + path).status_code == 404
    assert world.get("eve", file["id"]).json()["code"] == "not_found"
    assert world.http.get(f"/api/v1/files/{file['id']}").status_code == 401

    url = f"/api/v1/files/{file['id']}"
    assert world.http.delete(url, headers=world.auth("eve")).status_code == 404
    assert world.http.delete(url, headers=world.auth("bob")).status_code == 403
    assert world.http.delete(url, headers=world.auth("mod")).status_code == 204


def test_membership_is_asked_once_for_many_reads(world: Files) -> None:
    conversation_id = world.conversation(ann="member", bob="member")
    (file,) = world.upload("ann", ("a.txt", b"text"), conversation_id=conversation_id)
    for _ in range(10):
        assert world.get("bob", f"{file['id']}/content").status_code == 200
    assert world.peers.calls.count(f"/internal/conversations/{conversation_id}/members") == 1


def test_upload_to_a_conversation_of_others_is_refused_and_leaves_nothing(world: Files) -> None:
    conversation_id = world.conversation(bob="owner")
    before = world.s3.objects(world.bucket)
    world.upload("ann", ("a.txt", b"text"), conversation_id=conversation_id, status=404)
    body = part("file", b"first the file", "a.txt") + part("conversation_id", conversation_id.encode()) + END
    answer = world.http.post("/api/v1/files", content=body, headers=world.auth("ann") | MULTIPART)
    assert answer.status_code == 404
    assert world.s3.objects(world.bucket) == before


def test_the_owner_reads_while_the_message_service_is_away_and_others_get_503(world: Files) -> None:
    conversation_id = world.conversation(ann="member", bob="member")
    (file,) = world.upload("ann", ("a.txt", b"text"), conversation_id=conversation_id)
    other = world.conversation(bob="member")
    world.peers.failing = True
    try:
        assert world.get("ann", file["id"]).status_code == 200
        assert world.get("new", file["id"]).status_code in {404, 503}
        answer = world.http.post(
            "/api/v1/files",
            files={"file": ("a", b"b")},
            data={"conversation_id": other},
            headers=world.auth("bob"),
        )
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
    finally:
        world.peers.failing = False


def test_fifty_megabytes_pass_through_without_filling_memory(world: Files) -> None:
    block = bytes(range(256)) * 256  # 64 KiB
    count = 50 * MIB // len(block)
    digest = hashlib.sha256()

    def body() -> Iterator[bytes]:
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'.encode()
        for _ in range(count):
            digest.update(block)
            yield block
        yield b"\r\n" + END

    world.upload("ann", ("warm.bin", b"\0" * 11 * MIB))
    before = peak_memory(world.service.program.pid)
    answer = world.http.post("/api/v1/files", content=body(), headers=world.auth("ann") | MULTIPART)
    assert answer.status_code == 201, answer.text
    (file,) = answer.json()["items"]
    assert file["size"] == 50 * MIB
    assert file["sha256"] == digest.hexdigest()

    received = hashlib.sha256()
    url = f"/api/v1/files/{file['id']}/content"
    with world.http.stream("GET", url, headers=world.auth("ann")) as stream:
        for chunk in stream.iter_raw(64 * 1024):
            received.update(chunk)
    assert received.digest() == digest.digest()
    assert peak_memory(world.service.program.pid) - before < 15 * MIB

    middle = world.get("ann", f"{file['id']}/content", Range=f"bytes={20 * MIB + 7}-{20 * MIB + 16}")
    assert middle.content == bytes(range(7, 17))
    assert world.http.delete(f"/api/v1/files/{file['id']}", headers=world.auth("ann")).status_code == 204


def peak_memory(pid: int) -> int:
    """The most memory the process ever had resident, bytes."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(
    ("header", "status", "expected", "content_range"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=2-5", 206, b"2345", "bytes 2-5/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=x-y", 200, b"0123456789", None),
    ],
)
def test_ranges(world: Files, header: str | None, status: int, expected: bytes, content_range: str | None) -> None:
    (file,) = world.upload("ann", ("digits", b"0123456789"))
    headers = {"Range": header} if header else {}
    answer = world.get("ann", f"{file['id']}/content", **headers)
    assert answer.status_code == status
    assert answer.headers.get("content-range") == content_range
    if expected is None:
        assert answer.headers["content-type"] == "application/problem+json"
    else:
        assert answer.content == expected
        assert answer.headers["accept-ranges"] == "bytes"


def test_conditional_requests(world: Files) -> None:
    (file,) = world.upload("ann", ("digits", b"0123456789"))
    path = f"{file['id']}/content"
    etag = world.get("ann", path).headers["etag"]
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = world.get("ann", path, **{"If-None-Match": sent})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert world.get("ann", path, **{"If-None-Match": '"other"'}).status_code == 200
    assert world.get("ann", path, **{"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    for stale in ('"other"', f"W/{etag}", "Wed, 21 Oct 2026 07:28:00 GMT"):
        assert world.get("ann", path, **{"Range": "bytes=0-1", "If-Range": stale}).status_code == 200
    head = world.http.head(f"/api/v1/files/{path}", headers=world.auth("ann"))
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "10", b"")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\evil.exe", "evil.exe"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("grüße 🎉.txt", "grüße 🎉.txt"),
        ("", "file"),
        ("..", "file"),
        ("nul.txt", "_nul.txt"),
    ],
)
def test_hostile_names_become_harmless(world: Files, sent: str, kept: str) -> None:
    body = part("file", b"x", sent) + END
    answer = world.http.post("/api/v1/files", content=body, headers=world.auth("ann") | MULTIPART)
    assert answer.status_code == 201
    file = answer.json()["items"][0]
    assert file["name"] == kept
    disposition = world.get("ann", f"{file['id']}/content").headers["content-disposition"]
    assert "\r" not in disposition
    assert disposition.isascii()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.png", b"<!DOCTYPE html><script>alert(1)</script>"),
        ("image.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        ("page.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
        ("prog.jpg", b"\x7fELF\x02\x01\x01" + b"\0" * 100),
    ],
)
def test_what_could_run_is_never_served_as_what_runs(world: Files, name: str, content: bytes) -> None:
    (file,) = world.upload("ann", (name, content))
    answer = world.get("ann", f"{file['id']}/content")
    served = answer.headers["content-type"]
    assert not any(kind in served for kind in ("html", "svg", "xml", "javascript"))
    assert served.startswith("text/plain") or answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "AVIF"])
def test_images_get_thumbnails(world: Files, kind: str) -> None:
    (file,) = world.upload("ann", (f"picture.{kind.lower()}", picture(1600, 800, kind)))
    assert file["content_type"] == f"image/{kind.lower()}"
    assert (file["width"], file["height"]) == (1600, 800)
    assert file["thumbnails"] == [
        {"size": "small", "width": 128, "height": 64},
        {"size": "medium", "width": 512, "height": 256},
        {"size": "large", "width": 1280, "height": 640},
    ]
    answer = world.get("ann", f"{file['id']}/thumbnails/medium")
    assert answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.content)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (512, 256))
        assert is_red(thumbnail.convert("RGB").getpixel((100, 100)))
    cached = world.get("ann", f"{file['id']}/thumbnails/medium", **{"If-None-Match": answer.headers["etag"]})
    assert cached.status_code == 304
    assert world.get("eve", f"{file['id']}/thumbnails/medium").status_code == 404
    assert world.get("ann", f"{file['id']}/thumbnails/huge").status_code == 422


def is_red(pixel: Any) -> bool:
    return pixel[0] > 200 and pixel[1] < 60 and pixel[2] < 60


def test_thumbnails_are_upright_and_carry_no_metadata(world: Files) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    (file,) = world.upload("ann", ("turned.jpg", picture(400, 200, exif=exif)))
    assert (file["width"], file["height"]) == (200, 400)
    answer = world.get("ann", f"{file['id']}/thumbnails/medium")
    with Image.open(io.BytesIO(answer.content)) as thumbnail:
        assert thumbnail.size == (200, 400)  # never larger than the image
        assert is_red(thumbnail.convert("RGB").getpixel((100, 50)))
        assert not thumbnail.getexif()
    assert b"Camera" not in answer.content


@pytest.mark.parametrize(
    "content",
    [
        picture(1000, 1000)[:600],
        b"\x89PNG\r\n\x1a\n" + b"\0" * 1000,
        picture(3000, 2000, "PNG"),  # more pixels than this service allows
        b"GIF89a\xff\xff\xff\xff\xf7" + b"\xff" * 5000,
        b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff" + b"\0" * 64,
    ],
    ids=["cut", "no chunks", "bomb", "gif", "webp"],
)
def test_an_image_that_cannot_be_made_safe_is_refused_and_leaves_nothing(world: Files, content: bytes) -> None:
    before = world.s3.objects(world.bucket)
    answer = world.http.post("/api/v1/files", files={"file": ("hostile.png", content)}, headers=world.auth("ann"))
    assert (answer.status_code, answer.json()["code"]) == (422, "image_refused")
    assert world.s3.objects(world.bucket) == before


def test_a_telephones_format_is_stored_without_its_place(world: Files) -> None:
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), kind) + content

    sent = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"mdat", b"picture") + box(b"uuid", b"48.8584 N")
    (file,) = world.upload("ann", ("photo.heic", sent))
    assert (file["content_type"], file["width"], file["thumbnails"]) == ("image/heic", None, [])
    answer = world.get("ann", f"{file['id']}/content")
    assert answer.content == sent.replace(b"48.8584 N", bytes(9))
    assert answer.headers["content-disposition"].startswith("attachment")


def test_originals_carry_no_place_either(world: Files) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[29] = "2026:11:22"  # GPS
    (file,) = world.upload("ann", ("turned.jpg", picture(400, 200, exif=exif)))
    answer = world.get("ann", f"{file['id']}/content")
    assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (file["width"], file["height"]) == (200, 400)
        assert not image.getexif()


def test_delete_removes_everything(world: Files) -> None:
    before = world.s3.objects(world.bucket)
    (file,) = world.upload("ann", ("picture.png", picture(300, 300, "PNG")))
    assert len(world.s3.objects(world.bucket) - before) == 9
    url = f"/api/v1/files/{file['id']}"
    assert world.http.delete(url, headers=world.auth("ann")).status_code == 204
    assert world.s3.objects(world.bucket) == before
    assert world.http.delete(url, headers=world.auth("ann")).status_code == 404
    assert world.get("ann", file["id"]).status_code == 404


@pytest.mark.parametrize(
    "file_id",
    ["x", "..%2F..%2Fmeta", "0198C1A2-7B3C-7DEF-8123-456789ABCDEF", "6c0e5e0a-35a5-4a0a-9d0e-0f7b6a3c2d1e"],
)
def test_ids_that_are_none_are_not_found(world: Files, file_id: str) -> None:
    assert world.get("ann", file_id).status_code == 404


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (END, MULTIPART, 422),
        (part("other", b"x") + END, MULTIPART, 422),
        (part("file", b"no file name") + END, MULTIPART, 422),
        (part("file", b"x", "a") * 21 + END, MULTIPART, 422),
        (part("conversation_id", b"x" * 1000) + END, MULTIPART, 422),
        (part("file", b"x", "a"), MULTIPART, 400),
        (b"nonsense", MULTIPART, 400),
        (b"", MULTIPART, 400),
        (b"--" + BOUNDARY.encode() + b"\r\nX: y\r\n\r\nx\r\n" + END, MULTIPART, 400),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"x", {"Content-Type": "multipart/form-data"}, 400),
    ],
)
def test_bad_uploads_are_refused_and_leave_nothing(
    world: Files, body: bytes, headers: dict[str, str], status: int
) -> None:
    before = world.s3.objects(world.bucket)
    answer = world.http.post("/api/v1/files", content=body, headers=world.auth("ann") | headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    wait_until(lambda: world.s3.objects(world.bucket) == before, "its remains to be removed")


def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(world: Files) -> None:
    before = world.s3.objects(world.bucket)
    block = b"x" * MIB

    def body() -> Iterator[bytes]:
        yield part("file", b"small", "small.txt")
        yield part("file", b"", "big.bin")[:-2]
        for _ in range(MAX_FILE_BYTES // MIB):
            yield block
        yield b"x\r\n" + END

    answer = world.http.post("/api/v1/files", content=body(), headers=world.auth("ann") | MULTIPART)
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    assert str(MAX_FILE_BYTES) in answer.json()["detail"]
    wait_until(lambda: world.s3.objects(world.bucket) == before, "the parts to be gone")
    assert world.s3.unfinished_uploads(world.bucket) == []


def test_a_body_declared_too_large_is_refused_before_it_is_sent(world: Files) -> None:
    with connect(world.service.url) as connection:
        connection.sendall(upload_head(world.auth("ann"), f"Content-Length: {50 << 30}"))
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize("how", ["client goes", "client stalls"])
def test_an_upload_that_ends_early_leaves_nothing(world: Files, how: str) -> None:
    before = world.s3.objects(world.bucket)
    with connect(world.service.url) as connection:
        connection.sendall(upload_head(world.auth("ann"), f"Content-Length: {30 * MIB}"))
        connection.sendall(part("file", b"one", "one.txt") + part("file", b"", "two.bin")[:-2])
        connection.sendall(b"x" * 12 * MIB)
        # The second part of the multipart upload is under way: there is something to leave behind.
        wait_until(lambda: bool(world.s3.unfinished_uploads(world.bucket)), "the upload to begin in the store")
        if how == "client stalls":
            assert b" 408 " in connection.recv(4096).split(b"\r\n")[0]
    wait_until(
        lambda: world.s3.objects(world.bucket) == before and not world.s3.unfinished_uploads(world.bucket),
        "everything of it to be gone",
    )


def connect(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def upload_head(auth: dict[str, str], *more: str) -> bytes:
    lines = ["POST /api/v1/files HTTP/1.1", "Host: files", *more]
    lines += [f"{name}: {value}" for name, value in (auth | MULTIPART).items()]
    return "\r\n".join([*lines, "", ""]).encode()


def test_uploads_side_by_side(world: Files) -> None:
    results: list[list[dict[str, Any]]] = []

    def send(number: int) -> None:
        results.append(world.upload(f"user{number}", ("data.bin", bytes([number]) * 6 * MIB)))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 4
    for (file,) in results:
        number = int(file["owner_id"].removeprefix("user"))
        assert file["sha256"] == hashlib.sha256(bytes([number]) * 6 * MIB).hexdigest()


def test_metrics_and_openapi(world: Files) -> None:
    world.upload("ann", ("a.txt", b"text"))
    metrics = world.http.get("/metrics").text
    assert 'chat_file_uploads_total{result="stored"}' in metrics
    assert "chat_file_s3_seconds_bucket" in metrics
    document = world.http.get("/openapi.json").json()
    operations = {o["operationId"]: o for path in document["paths"].values() for o in path.values()}
    assert set(operations) >= {"uploadFiles", "getFileContent", "createResumableUpload", "completeDirectUpload"}
    assert not any(path.startswith("/internal") for path in document["paths"])


def test_a_store_that_goes_away_means_503_and_nothing_is_needed_when_it_returns(
    s3: S3, tokens: TokenAuthority, tmp_path: Path
) -> None:
    with running_cable(s3.port) as cable, running_peers() as peers:
        env = s3.env(s3.create_bucket()) | {
            "CHAT_S3_ENDPOINT": f"http://127.0.0.1:{cable.port}",
            "CHAT_MESSAGE_URL": peers.url,
            "CHAT_STORE_GRACE_SECONDS": "0",
        }
        with (
            running_service("file", tmp_path / "file", env, jwks_file=tokens.jwks_file) as service,
            httpx.Client(base_url=service.url, timeout=60, headers=tokens.authorization("ann")) as http,
        ):
            file = http.post("/api/v1/files", files={"file": ("a.txt", b"text")}).json()["items"][0]
            cable.cut()
            for call in (
                lambda: http.get(f"/api/v1/files/{file['id']}"),
                lambda: http.post("/api/v1/files", files={"file": ("b.txt", b"text")}),
                lambda: http.post("/api/v1/files", files={"file": ("c.bin", b"x" * 12 * MIB)}),
                lambda: http.delete(f"/api/v1/files/{file['id']}"),
            ):
                started = time.monotonic()
                answer = call()
                assert answer.status_code == 503, answer.text
                assert answer.json()["code"] == "unavailable"
                assert time.monotonic() - started < 7, "longer than a store has time to answer"
            assert http.get("/readyz").status_code == 503
            assert http.get("/livez").status_code == 200
            cable.mend()
            assert http.get(f"/api/v1/files/{file['id']}/content").content == b"text"
            assert http.get("/readyz").status_code == 200
