"""Makes `tests/results/files.json`: what one big file costs the file service, beside the same bytes sent to its store.

python tests/load/files.py                # 1 GiB up and down, several times, turn by turn with the raw store
python tests/load/files.py --size 32      # MiB; CI checks with it that memory stays flat

The client of the service is a bare HTTP one, and so is the store's: whole-file requests over loopback, one at a time.
The store is measured with a PUT and a GET of the same size at a presigned URL, with nothing of ours between.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.figures import Figures
from chatcluster_testing.files import Files, running_files
from chatcluster_testing.s3 import S3, running_s3
from chatcluster_testing.tokens import TokenAuthority

MIB = 1 << 20
CHUNK = MIB
BOUNDARY = "-------------boundary"
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'.encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()


def blocks(size: int) -> Iterator[bytes]:
    """`size` bytes that no two uploads have in common."""
    salt = os.urandom(16)
    block = os.urandom(CHUNK - 16)
    for _ in range(size // CHUNK):
        yield salt + block


def request(method: str, url: str, headers: dict[str, str], body: Iterator[bytes] | None = None) -> tuple[float, bytes]:
    """Seconds of one request with a streamed body; its answer, or the SHA-256 of it where that is large."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    began = time.monotonic()
    with contextlib.closing(connection):
        connection.request(method, f"{parts.path}?{parts.query}", body, headers, encode_chunked=False)
        response = connection.getresponse()
        answer = b""
        while chunk := response.read(CHUNK):
            answer = chunk if len(answer) + len(chunk) <= CHUNK else b""
        assert response.status < 300, (response.status, answer)
    return time.monotonic() - began, answer


class Memory:
    """The most memory that a process holds while this is entered, above what it held before, bytes."""

    def __init__(self, pid: int) -> None:
        self._file = Path(f"/proc/{pid}/smaps_rollup")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.idle = self.peak = self._resident()

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def above_idle(self) -> int:
        return self.peak - self.idle

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.peak = max(self.peak, self._resident())

    def _resident(self) -> int:
        line = next(line for line in self._file.read_text().splitlines() if line.startswith("Rss"))
        return int(line.split()[1]) * 1024


def through_the_service(world: Files, size: int) -> tuple[float, float]:
    """Seconds of an upload and a download."""
    headers = world.auth("ann")
    form = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(HEAD) + size + len(TAIL)),
    }

    def body() -> Iterator[bytes]:
        yield HEAD
        yield from blocks(size)
        yield TAIL

    up, answer = request("POST", f"{world.service.url}/api/v1/files", headers | form, body())
    (file,) = json.loads(answer)["items"]
    assert file["size"] == size
    down, _ = request("GET", f"{world.service.url}/api/v1/files/{file['id']}/content", headers)
    assert world.http.delete(f"/api/v1/files/{file['id']}", headers=headers).status_code == 204
    return up, down


def raw(s3: S3, bucket: str, size: int) -> tuple[float, float]:
    """The same with the store alone."""
    client = s3.client
    url = client.presigned_put_object(bucket, "raw", timedelta(hours=1))
    up, _ = request("PUT", url, {"Content-Length": str(size)}, blocks(size))
    down, _ = request("GET", client.presigned_get_object(bucket, "raw", timedelta(hours=1)), {})
    client.remove_object(bucket, "raw")
    return up, down


def measure(figures: Figures, size: int, rounds: int) -> None:
    """Turn by turn, so that what else the machine does falls on both."""
    mib = size / MIB
    seconds: dict[str, list[float]] = {"up": [], "down": [], "raw up": [], "raw down": []}
    with tempfile.TemporaryDirectory() as name, running_s3() as s3:
        folder = Path(name)
        tokens = TokenAuthority.create(folder)
        env = {"CHAT_MAX_FILE_BYTES": str(size), "CHAT_COLLECT_SECONDS": "3600"}
        with (
            running_files(s3, tokens, folder / "file", env) as world,
            Memory(world.service.program.pid) as memory,
        ):
            for _ in range(rounds):
                for key, value in zip(("raw up", "raw down"), raw(s3, world.bucket, size), strict=True):
                    seconds[key].append(value)
                for key, value in zip(("up", "down"), through_the_service(world, size), strict=True):
                    seconds[key].append(value)
    title = f"{mib / 1024:g} GiB" if mib >= 1024 else f"{mib:g} MiB"
    figures.add(f"file of {title}, memory above idle", memory.above_idle / MIB, "MiB", target=60, samples=rounds)
    for way, word in (("up", "upload"), ("down", "download")):
        ours, theirs = (statistics.median(seconds[key]) for key in (way, f"raw {way}"))
        figures.add(f"file of {title}, {word}", mib / ours, "MiB/s", samples=rounds)
        figures.add(f"file of {title}, {word}, raw store", mib / theirs, "MiB/s", samples=rounds)
        share = f"file of {title}, {word}, share of the raw store's throughput"
        figures.add(share, theirs / ours, "of 1", target=0.5, at_least=True, samples=rounds)


def main() -> None:
    """Parse the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB (default 1024)")
    parser.add_argument("--rounds", type=int, default=3, help="how often (default 3); medians are told")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    figures = Figures("files", " ".join(["python", "tests/load/files.py", *sys.argv[1:]]))
    measure(figures, options.size * MIB, options.rounds)
    if not options.dry:
        figures.write()


if __name__ == "__main__":
    main()
