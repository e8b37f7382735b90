"""Equal content stored once, and files taken once, whatever meets."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import pytest

from chatcluster_testing.files import Files, picture, running_files
from chatcluster_testing.process import running_service
from chatcluster_testing.s3 import S3
from chatcluster_testing.tokens import TokenAuthority


@pytest.fixture(scope="module")
def world(s3: S3, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    with running_files(s3, tokens, tmp_path_factory.mktemp("file")) as files:
        yield files


def contents(world: Files) -> set[str]:
    return {key for key in world.s3.objects(world.bucket) if key.startswith("content/")}


def delete(world: Files, file_id: str, user_id: str = "ann") -> int:
    return world.http.delete(f"/api/v1/files/{file_id}", headers=world.auth(user_id)).status_code


def test_equal_content_is_stored_once_and_goes_with_its_last_file(world: Files) -> None:
    before = world.s3.objects(world.bucket)
    image = picture(700, 500)
    first, second = world.upload("ann", ("a.jpg", image), ("b.jpg", image))
    (third,) = world.upload("bob", ("c.jpg", image))
    assert len(contents(world)) == len([key for key in before if key.startswith("content/")]) + 1
    assert [file["thumbnails"] for file in (second, third)] == [first["thumbnails"]] * 2
    assert (second["name"], third["owner_id"], third["width"]) == ("b.jpg", "bob", 700)
    assert delete(world, first["id"]) == 204
    assert delete(world, second["id"]) == 204
    assert world.get("bob", f"{third['id']}/content").content == image
    assert world.get("bob", f"{third['id']}/thumbnails/small").status_code == 200
    assert delete(world, third["id"], "bob") == 204
    assert world.s3.objects(world.bucket) == before


def test_images_that_differ_in_their_metadata_alone_are_equal(world: Files) -> None:
    images = [picture(80, 60, comment=f"taken at {n}".encode()) for n in range(2)]
    one, other = (world.upload("ann", ("a.jpg", image))[0] for image in images)
    assert one["sha256"] == other["sha256"]
    assert b"taken at" not in world.get("ann", f"{one['id']}/content").content
    assert len({key for key in world.s3.objects(world.bucket) if key.startswith(f"references/{one['id']}/")}) == 2


def test_content_that_is_removed_and_sent_again_at_the_same_moment_is_never_lost(
    world: Files, s3: S3, tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two replicas, each uploading one content and deleting it, again and again: a file reads well while it lives."""
    env = {key: value for key, value in world.service.program.env.items() if key != "CHAT_PORT"}
    folder = tmp_path_factory.mktemp("other")
    before = world.s3.objects(world.bucket)
    content = os.urandom(50_000)
    damaged: list[str] = []

    def live(url: str, user_id: str) -> None:
        headers = world.auth(user_id)
        with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
            for _ in range(8):
                answer = http.post("/api/v1/files", files={"file": ("a.bin", BytesIO(content))})
                assert answer.status_code == 201, answer.text
                path = f"/api/v1/files/{answer.json()['items'][0]['id']}"
                read = http.get(f"{path}/content")
                if read.content != content:
                    damaged.append(f"{read.status_code} {path}")
                assert http.delete(path).status_code == 204

    with running_service("file", folder, env, jwks_file=tokens.jwks_file) as other, ThreadPoolExecutor(4) as pool:
        urls = [world.service.url, other.url] * 2
        for done in [pool.submit(live, url, f"user{number}") for number, url in enumerate(urls)]:
            done.result()
    assert damaged == []
    assert world.s3.objects(world.bucket) == before


def test_a_removal_that_crashed_does_not_take_what_comes_later_with_it(world: Files) -> None:
    content = os.urandom(1000)
    (file,) = world.upload("ann", ("a.bin", content))
    mark = f"condemned/{file['sha256']}/{file['id']}/crashed"
    world.s3.client.put_object(world.bucket, mark, BytesIO(b""), 0)
    (again,) = world.upload("bob", ("a.bin", content))
    # It did not trust what somebody may be removing, and has a copy of its own.
    assert f"content/{again['id']}" in contents(world)
    assert world.get("ann", f"{file['id']}/content").content == content


def test_of_two_messages_that_take_one_file_at_most_one_gets_it(world: Files) -> None:
    for _ in range(5):
        (file,) = world.upload("ann", ("a.bin", os.urandom(100)))
        barrier = threading.Barrier(3)

        def take(message_id: str, file_id: str = file["id"], start: threading.Barrier = barrier) -> bool:
            start.wait()
            return world.attach(message_id, file_id).status_code == 200

        with ThreadPoolExecutor(3) as pool:
            assert sum(pool.map(take, ("m-1", "m-2", "m-3"))) <= 1
        assert sum(world.attach(message_id, file["id"]).status_code == 200 for message_id in ("m-4", "m-5")) <= 1
