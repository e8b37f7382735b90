"""Where backups lie: the folder of one ChatCluster in a bucket of any S3. Everything below it is sealed.

manifests/<id>              what a backup consists of; written last: a backup without one does not exist
parts/<id>/<part>           what belongs to one backup: messages by collection, the index of objects, the keys
blobs/<fingerprint>         content of objects; shared by all backups that have the object in that version
postgres/                   pgBackRest's own: base backups and the write-ahead log
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from chatcluster_backup.manifest import Part
from chatcluster_backup.sealing import Sealer, SealError
from chatcluster_backup.settings import Destination

_UPLOAD_BYTES: Final = 32 << 20
"""Size of the parts of a long upload, and so what one takes in memory. S3 allows 10,000 parts: 312 GiB, compressed."""
_READ_BYTES: Final = 1 << 20
_TIMEOUT: Final = urllib3.Timeout(connect=10, read=120)
_RETRIES: Final = urllib3.Retry(
    total=5, backoff_factor=0.5, status_forcelist=[500, 502, 503, 504], raise_on_status=False
)


class MissingError(Exception):
    """Something that a backup consists of is not there."""


@dataclass
class _Tally:
    """Counts what passes through."""

    size: int = 0

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256()

    def over(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        for piece in stream:
            self.size += len(piece)
            self.digest.update(piece)
            yield piece


class _Readable(io.RawIOBase):
    """A stream of pieces as the file that the S3 client reads from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = bytearray()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._left) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._left += piece
        size = len(self._left) if size < 0 else size
        taken = bytes(self._left[:size])
        del self._left[:size]
        return taken


def connect(endpoint: str, access_key: str, secret_key: str, *, region: str, ca_file: str | None = None) -> Minio:
    """A client of any S3. `endpoint` is a URL; with `ca_file` its certificate is checked against those authorities."""
    secure = endpoint.startswith("https://")
    trusted = {"cert_reqs": "CERT_REQUIRED", "ca_certs": ca_file} if secure and ca_file else {}
    http = urllib3.PoolManager(timeout=_TIMEOUT, retries=_RETRIES, maxsize=16, **trusted)  # pyright: ignore[reportArgumentType] - theirs are untyped
    host = endpoint.partition("://")[2].rstrip("/")
    return Minio(host, access_key, secret_key, secure=secure, region=region, http_client=http)


def stream(client: Minio, bucket: str, key: str) -> Iterator[bytes]:
    """An object's content, read as it is asked for. Raises S3Error, and urllib3's errors."""
    response = client.get_object(bucket, key)
    try:
        yield from response.stream(_READ_BYTES)
    finally:
        response.close()
        response.release_conn()


class Repository:
    """The folder of one ChatCluster."""

    def __init__(self, destination: Destination) -> None:
        self._client = connect(
            destination.endpoint,
            destination.access_key.get_secret_value(),
            destination.secret_key.get_secret_value(),
            region=destination.region,
            ca_file=destination.ca_file,
        )
        self._bucket = destination.bucket
        self.root = destination.path.strip("/")
        self.sealer = Sealer(destination.passphrase.get_secret_value())

    def put(self, name: str, plain: Iterable[bytes]) -> Part:
        """Seal and store a stream under a name. It is there as a whole, or not at all."""
        tally = _Tally()
        sealed = tally.over(self.sealer.seal(name, plain))
        self._client.put_object(
            self._bucket,
            self._key(name),
            _Readable(sealed),  # pyright: ignore[reportArgumentType] - it asks for `read` alone
            length=-1,
            part_size=_UPLOAD_BYTES,
            num_parallel_uploads=1,
        )
        return Part(name=name, bytes=tally.size, sha256=tally.digest.hexdigest())

    def get(self, name: str, part: Part | None = None) -> Iterator[bytes]:
        """The plain stream of a name. Raises MissingError, and SealError when it is not what was written, by `part`
        also where another sealed stream was put in its place."""
        tally = _Tally()
        try:
            yield from self.sealer.open(name, tally.over(stream(self._client, self._bucket, self._key(name))))
        except S3Error as error:
            if error.code in {"NoSuchKey", "NoSuchObject"}:
                raise MissingError(f"{name} is not there") from None
            raise
        if part is not None and tally.digest.hexdigest() != part.sha256:
            raise SealError(f"{name} is not what this backup was made of")

    def names(self, prefix: str) -> Iterator[str]:
        """The names below a folder, sorted."""
        start = len(self._key(""))
        for item in self._client.list_objects(self._bucket, prefix=self._key(prefix), recursive=True):
            yield str(item.object_name)[start:]

    def remove(self, names: Iterable[str]) -> None:
        """Remove what there is under these names. Raises S3Error for the first that could not be."""
        doomed = (DeleteObject(self._key(name)) for name in names)
        for error in self._client.remove_objects(self._bucket, doomed):
            raise OSError(f"{error.name} could not be removed: {error.message}")

    def _key(self, name: str) -> str:
        return f"{self.root}/{name}"
