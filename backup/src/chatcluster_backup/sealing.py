"""How everything is stored: compressed by zstd, then encrypted in chunks, so that streams of any length pass through.

A sealed stream is a header (`_MAGIC`, then a salt of 16 bytes) and chunks of AES-256-GCM, each of `_CHUNK` bytes and
its tag of 16, the last one shorter or as long. A chunk's nonce is its number and whether it is the last (the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015), so that chunks cannot be exchanged, left out or cut off
unseen. Each stream has a key of its own, made by HKDF-SHA256 from the passphrase, the salt and the stream's name: one
stream put in another's place does not open.
"""

import hmac
import os
from collections.abc import Iterable, Iterator
from typing import Final

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SHORTEST_PASSPHRASE: Final = 32
"""Characters. HKDF does not slow a search down, so the passphrase must be random, as by `openssl rand -base64 48`."""

_MAGIC: Final = b"CCB1"
_SALT: Final = 16
_CHUNK: Final = 1 << 20
_TAG: Final = 16
_LEVEL: Final = 3


class SealError(Exception):
    """What was read is not what was written, or the passphrase is another."""


class Sealer:
    """Seals and opens streams with one passphrase."""

    def __init__(self, passphrase: str) -> None:
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise SealError(
                f"the passphrase is shorter than {SHORTEST_PASSPHRASE} characters; make one by openssl rand -base64 48"
            )
        self._secret = passphrase.encode()

    def seal(self, name: str, plain: Iterable[bytes]) -> Iterator[bytes]:
        """The sealed stream of a plain one, under the name by which it is opened again."""
        salt = os.urandom(_SALT)
        cipher = AESGCM(self._key(name, salt))
        yield _MAGIC + salt
        for number, (chunk, last) in enumerate(_chunks(_compressed(plain), _CHUNK)):
            yield cipher.encrypt(_nonce(number, last), chunk, None)

    def open(self, name: str, sealed: Iterable[bytes]) -> Iterator[bytes]:
        """The plain stream. Raises SealError, at the latest at its end, when it is not whole and true."""
        source = iter(sealed)
        head = b""
        for piece in source:
            head += piece
            if len(head) >= len(_MAGIC) + _SALT:
                break
        start = len(_MAGIC) + _SALT
        if len(head) < start or not head.startswith(_MAGIC):
            raise SealError(f"{name} is no sealed stream")
        cipher = AESGCM(self._key(name, head[len(_MAGIC) : start]))
        yield from _decompressed(name, self._decrypted(name, cipher, _prepended(head[start:], source)))

    def fingerprint(self, text: str) -> str:
        """A name for `text` that says nothing of it to who lacks the passphrase."""
        return hmac.digest(self._key("names", b""), text.encode(), "sha256").hex()[:40]

    def _key(self, name: str, salt: bytes) -> bytes:
        info = b"chatcluster backup\0" + name.encode()
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(self._secret)

    @staticmethod
    def _decrypted(name: str, cipher: AESGCM, sealed: Iterable[bytes]) -> Iterator[bytes]:
        for number, (chunk, last) in enumerate(_chunks(sealed, _CHUNK + _TAG)):
            try:
                yield cipher.decrypt(_nonce(number, last), chunk, None)
            except InvalidTag:
                raise SealError(f"{name} was changed or cut short, or the passphrase is another") from None


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11) + (b"\1" if last else b"\0")


def _prepended(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _chunks(stream: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """The stream in chunks of `size` bytes, each with whether it is the last; an empty stream is one empty chunk."""
    waiting = bytearray()
    for piece in stream:
        waiting += piece
        # One more byte than a chunk shows that another one follows.
        while len(waiting) > size:
            yield bytes(waiting[:size]), False
            del waiting[:size]
    yield bytes(waiting), True


def _compressed(plain: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    for piece in plain:
        if made := compressor.compress(piece):
            yield made
    yield compressor.flush()


def _decompressed(name: str, packed: Iterable[bytes]) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    try:
        for piece in packed:
            if made := decompressor.decompress(piece):
                yield made
    except zstandard.ZstdError as error:
        raise SealError(f"{name} does not unpack: {error}") from None
    if not decompressor.eof:
        raise SealError(f"{name} ends too early")
