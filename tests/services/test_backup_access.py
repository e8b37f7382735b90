"""By what a backup reads stores: it may read and list, and write nothing."""

import base64
import io
import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from minio import Minio
from minio.error import S3Error
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import Inputs, generate, mongodb, objects, stores
from chatcluster_testing.process import Program, accepts, free_port, store_env
from chatcluster_testing.s3 import ACCESS_KEY, SECRET_KEY, running_s3
from chatcluster_testing.specs import body, inputs_maker

STORES = Path(__file__).parents[2] / "stores"
SPEC = """
version: '1.0'
backup:
  destination: {endpoint: "https://s3.example.com", bucket: backups, secretName: destination}
  encryption: {secretName: passphrase}
"""
CLUSTER = ChatCluster.from_body(body(SPEC))


@pytest.fixture
def inputs() -> Inputs:
    """With passwords of its own."""
    return replace(inputs_maker()(CLUSTER), credentials=generate(None, secrets.token_bytes))


def mount(made: list[dict[str, Any]], folder: Path) -> Path:
    """A store's Secret as files."""
    folder.mkdir()
    [found] = [item for item in made if item["kind"] == "Secret"]
    for name, value in found["data"].items():
        (folder / name).write_bytes(base64.b64decode(value))
    return folder


@pytest.fixture
def message_store(inputs: Inputs, tmp_path: Path) -> Iterator[int]:
    port = free_port()
    env = {
        "CHAT_MONGODB_PORT": str(port),
        "CHAT_MONGODB_CACHE": "64M",
        "CHAT_MONGODB_DATA": str(tmp_path / "data"),
        "CHAT_SECRETS_DIR": str(mount(mongodb.manifests(CLUSTER, inputs), tmp_path / "secrets")),
        **store_env(),
    }
    argv = [sys.executable, str(STORES / "mongodb-embedded/entrypoint.py")]
    program = Program("mongodb", argv, tmp_path, lambda: accepts(port), env=env)
    program.start()
    yield port
    program.kill()


def test_messages_are_read_and_none_is_written(inputs: Inputs, message_store: int) -> None:
    def client(service: str) -> MongoClient[dict[str, Any]]:
        url = stores.access(CLUSTER, inputs, "mongodb", service).secrets["chat_mongodb_url"]
        netloc = urlsplit(url).netloc
        return MongoClient(url.replace(netloc, f"{netloc.partition('@')[0]}@127.0.0.1:{message_store}"))

    with client("message") as writer, client("backup") as reader:
        writer.chat.messages.insert_one({"_id": "a"})
        database = reader.get_database("chat")
        assert database.list_collection_names() == ["messages"]
        assert [item["name"] for item in database.messages.list_indexes()] == ["_id_"]
        assert list(database.messages.find()) == [{"_id": "a"}]
        with pytest.raises(OperationFailure, match=r"(?i)not authorized"):
            database.messages.insert_one({"_id": "b"})
        with pytest.raises(OperationFailure, match=r"(?i)not authorized"):
            database.messages.drop()


def test_files_are_read_and_none_is_written(inputs: Inputs, tmp_path: Path) -> None:
    file = mount(objects.manifests(CLUSTER, inputs), tmp_path / "secrets") / "s3.json"
    known = json.loads(file.read_text())["identities"]
    keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    file.write_text(json.dumps({"identities": [*known, {"name": "admin", "credentials": keys, "actions": ["Admin"]}]}))
    with running_s3({"s3.config": str(file)}) as server:
        server.client.make_bucket(stores.BUCKET)

        def client(service: str) -> Minio:
            told = stores.access(CLUSTER, inputs, "objects", service).secrets
            keys = told["chat_s3_access_key"], told["chat_s3_secret_key"]
            return Minio(f"127.0.0.1:{server.port}", *keys, secure=False, region=stores.REGION)

        client("file").put_object(stores.BUCKET, "a", io.BytesIO(b"content"), 7)
        reader = client("backup")
        assert [item.object_name for item in reader.list_objects(stores.BUCKET, recursive=True)] == ["a"]
        assert reader.get_object(stores.BUCKET, "a").read() == b"content"
        with pytest.raises(S3Error, match="AccessDenied"):
            reader.put_object(stores.BUCKET, "b", io.BytesIO(b"content"), 7)
        with pytest.raises(S3Error, match="AccessDenied"):
            reader.remove_object(stores.BUCKET, "a")
