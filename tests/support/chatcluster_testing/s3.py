"""SeaweedFS as a process of the tests: a real S3, with credentials, on free loopback ports."""

import contextlib
import json
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio

from chatcluster_testing.process import Program, accepts, answers, find_program, free_port

ACCESS_KEY, SECRET_KEY = "chat", "object-store-password"


@dataclass
class S3:
    """A running server. `program` can be stopped and started again; its data survives that."""

    program: Program
    port: int

    @property
    def client(self) -> Minio:
        """A client of the tests, to look at what is stored."""
        http = urllib3.PoolManager(timeout=10, retries=urllib3.Retry(total=20, backoff_factor=0.05, backoff_max=0.5))
        return Minio(
            f"127.0.0.1:{self.port}", ACCESS_KEY, SECRET_KEY, secure=False, region="us-east-1", http_client=http
        )

    def create_bucket(self) -> str:
        """A fresh bucket; its name."""
        bucket = f"test-{uuid.uuid4().hex[:12]}"
        self.client.make_bucket(bucket)
        return bucket

    def env(self, bucket: str) -> dict[str, str]:
        """The settings that the file service takes to use `bucket`."""
        return {
            "CHAT_S3_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "CHAT_S3_BUCKET": bucket,
            "CHAT_S3_REGION": "us-east-1",
            "CHAT_S3_ACCESS_KEY": ACCESS_KEY,
            "CHAT_S3_SECRET_KEY": SECRET_KEY,
        }

    def objects(self, bucket: str) -> set[str]:
        """The keys of all objects in a bucket."""
        return {str(item.object_name) for item in self.client.list_objects(bucket, recursive=True)}

    def unfinished_uploads(self, bucket: str) -> list[str]:
        """The keys of multipart uploads that were begun and neither completed nor aborted."""
        listed = self.client._list_multipart_uploads(bucket)
        return [str(upload.object_name) for upload in listed.uploads]


@contextlib.contextmanager
def running_s3(more: Mapping[str, str] | None = None) -> Iterator[S3]:
    """A server on free loopback ports with its data in a temporary folder, with `more` options of `weed server`."""
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-s3-"))
    (folder / "data").mkdir()
    identity = {
        "name": "chat",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    options = {
        "dir": "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.electionTimeout": "1s",  # a start on existing data waits for it
        "master.heartbeatInterval": "100ms",
        "master.volumeSizeLimitMB": "64",
        "volume.max": "1000",
        "volume.preStopSeconds": "0",
        "s3.config": "s3.json",
        "s3.iam": "false",
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
    }
    options |= {f"{name}.port": str(port) for name, port in ports.items()}
    options |= more or {}
    options |= {f"{name}.port.grpc": str(free_port()) for name in ports}
    weed = find_program("weed", str(Path(sys.executable).parent))
    argv = [weed, "-logtostderr", "server", "-filer", "-s3", *(f"-{name}={value}" for name, value in options.items())]
    url = f"http://127.0.0.1:{ports['s3']}/healthz"
    # Each bucket has volumes of its own: seven from its first object on, unless told otherwise. There must be enough of
    # them for the buckets of all tests.
    env = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    program = Program("weed", argv, folder, lambda: accepts(ports["s3"]) and answers(url), env=env, timeout=60)
    server = S3(program, ports["s3"])
    try:
        program.start()
        try:
            # The filer may find its volume server a moment after S3 answers: this tries until it has.
            server.client.make_bucket("started")
            yield server
        finally:
            program.kill()  # its data goes with the folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        remove_sockets(int(value) for name, value in options.items() if ".port" in name)


def remove_sockets(ports: Iterable[int]) -> None:
    """What a server that was killed leaves of its UNIX sockets, for which it takes no other folder than this."""
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)
