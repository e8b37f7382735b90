"""Files and the messages they belong to, pictures of people, and what moderators may; export and erasure."""

import io
import json
from collections.abc import Iterator

import pytest
from PIL import Image

from chatcluster_testing.files import Files, picture, running_files
from chatcluster_testing.s3 import S3
from chatcluster_testing.tokens import TokenAuthority


@pytest.fixture(scope="module")
def world(s3: S3, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    with running_files(s3, tokens, tmp_path_factory.mktemp("file")) as files:
        yield files


def text(world: Files, content: bytes, conversation_id: str = "") -> str:
    """A file of Ann's; its id."""
    return world.upload("ann", ("a.txt", content), conversation_id=conversation_id)[0]["id"]


def test_attached_files_open_to_the_conversation_and_go_with_the_message(world: Files) -> None:
    conversation_id = world.conversation(ann="member", bob="member")
    before = world.s3.objects(world.bucket)
    ids = [text(world, b"one"), text(world, b"two", conversation_id)]
    assert world.get("bob", ids[0]).status_code == 404
    answer = world.attach("m-1", *ids, conversation_id=conversation_id)
    assert answer.status_code == 200, answer.text
    assert [item["id"] for item in answer.json()["items"]] == ids
    assert {item["conversation_id"] for item in answer.json()["items"]} == {conversation_id}
    assert world.attach("m-1", *ids, conversation_id=conversation_id).json() == answer.json()
    for file_id in ids:
        assert world.get("bob", f"{file_id}/content").status_code == 200

    released = {"message_id": "m-1", "ids": [*ids, "never", "6c0e5e0a-35a5-4a0a-9d0e-0f7b6a3c2d1e"]}
    assert world.internal("POST", "files/release", json=released | {"message_id": "other"}).json() == {}
    assert world.get("bob", ids[0]).status_code == 200
    for _ in range(2):
        assert world.internal("POST", "files/release", json=released).json() == {}
    assert world.s3.objects(world.bucket) == before


def test_a_file_belongs_to_one_message_of_its_owner_and_conversation(world: Files) -> None:
    conversation_id = world.conversation(ann="member")
    file_id = text(world, b"mine", conversation_id)
    assert world.attach("m-2", file_id, owner="bob", conversation_id=conversation_id).status_code == 404
    assert world.attach("m-2", "no-such-file", conversation_id=conversation_id).status_code == 404
    assert world.attach("m-2", file_id, conversation_id="elsewhere").json()["code"] == "other_conversation"
    assert world.attach("m-2", file_id, conversation_id=conversation_id).status_code == 200
    assert world.attach("m-3", file_id, conversation_id=conversation_id).json()["code"] == "attached"
    assert world.attach("m-3", file_id, file_id, conversation_id=conversation_id).status_code == 422


@pytest.mark.parametrize("path", ["files/attach", "files/release", "users/ann/erase"])
def test_internal_calls_need_the_internal_token(world: Files, path: str) -> None:
    assert world.http.post(f"/internal/{path}", json={}, headers=world.auth("ann")).status_code == 401


def test_moderators_of_the_platform_read_what_was_sent_when_they_say_so_and_delete_anything(world: Files) -> None:
    loose, sent = text(world, b"for myself"), text(world, b"for others")
    world.attach("m-4", sent)
    moderator = world.tokens.token_for("mod", claims={"role": "moderator"})
    narrow = world.tokens.token_for("mod", claims={"role": "moderator", "scope": "files:read files:write"})
    wide = world.tokens.token_for("mod", claims={"role": "moderator", "scope": "files:read files:write moderation"})

    def status(method: str, path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return world.http.request(method, f"/api/v1/files/{path}", headers=headers).status_code

    assert status("GET", sent, moderator) == 404
    assert status("GET", f"{sent}?moderation=true", moderator) == 200
    assert status("GET", f"{sent}/content?moderation=true", wide) == 200
    assert status("GET", f"{sent}?moderation=true", narrow) == 403
    assert status("GET", f"{loose}?moderation=true", moderator) == 404
    assert status("GET", f"{sent}?moderation=true", world.tokens.token_for("bob")) == 403
    assert "a moderator read a file" in world.service.log
    assert status("DELETE", sent, narrow) == 404
    assert status("DELETE", sent, wide) == 204
    assert status("DELETE", loose, moderator) == 204


def test_an_avatar_is_a_small_public_square_that_a_new_one_replaces(world: Files) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    first = put_avatar(world, "ann", picture(900, 600, exif=exif))
    answer = world.http.get(first)
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert b"Camera" not in answer.content
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (512, 512)
    assert world.http.get(first, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304

    second = put_avatar(world, "ann", picture(100, 300, "PNG"))
    assert second != first
    assert (world.http.get(first).status_code, world.http.get(second).status_code) == (404, 200)
    for _ in range(2):
        assert world.internal("DELETE", "avatars/ann").status_code == 204
    assert world.http.get(second).status_code == 404
    assert world.http.get("/api/v1/files/avatars/..%2Fmeta").status_code == 404


def put_avatar(world: Files, user_id: str, image: bytes) -> str:
    answer = world.internal("PUT", f"avatars/{user_id}", files={"file": ("me.jpg", image)})
    assert answer.status_code == 200, answer.text
    return answer.json()["avatar_url"]


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ([("file", ("me.txt", b"no image"))], 422),
        ([("file", ("me.jpg", picture(300, 300)[:500]))], 422),
        ([("file", ("me.jpg", b"\xff\xd8\xff" + b"\0" * (11 << 20)))], 413),
        ([("file", ("a.png", picture(9, 9, "PNG"))), ("file", ("b.png", picture(9, 9, "PNG")))], 422),
        ([("other", ("a.png", picture(9, 9, "PNG")))], 422),
    ],
    ids=["text", "cut", "large", "two", "other field"],
)
def test_what_is_no_picture_is_no_avatar(world: Files, files: list[tuple[str, tuple[str, bytes]]], status: int) -> None:
    assert world.internal("PUT", "avatars/bob", files=files).status_code == status
    assert world.internal("PUT", "avatars/bob", json={}).status_code == 415


def test_a_person_is_exported_and_erased_whole(world: Files) -> None:
    before = world.s3.objects(world.bucket)
    for number in range(60):
        world.upload("eve", (f"{number}.txt", str(number).encode()))
    (image,) = world.upload("eve", ("image.png", picture(50, 50, "PNG")))
    assert world.attach("m-5", image["id"], owner="eve").status_code == 200
    url = put_avatar(world, "eve", picture(64, 64))
    headers = world.auth("eve") | {"Tus-Resumable": "1.0.0", "Upload-Length": "100"}
    assert world.http.post("/api/v1/files/uploads", headers=headers).status_code == 201

    lines = [json.loads(line) for line in world.internal("GET", "users/eve/export").text.splitlines()]
    assert sorted({line["kind"] for line in lines}) == ["avatar", "file", "upload"]
    exported = {line["data"]["id"]: line["data"] for line in lines if line["kind"] == "file"}
    assert len(exported) == 61
    assert exported[image["id"]]["message_id"] == "m-5"
    assert lines[-1]["data"]["avatar_url"] == url

    answers = [world.internal("POST", "users/eve/erase").json()["done"] for _ in range(3)]
    assert answers == [False, True, True]
    assert world.s3.objects(world.bucket) == before
    assert world.internal("GET", "users/eve/export").text == ""
