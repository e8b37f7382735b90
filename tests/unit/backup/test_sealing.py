"""What is sealed opens as it was, and nothing else does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcluster_backup.sealing import Sealer, SealError

SEALER = Sealer("a passphrase of the tests, long enough")
MEGABYTE = 1 << 20


def sealed(content: bytes, name: str = "name") -> bytes:
    return b"".join(SEALER.seal(name, [content]))


def opened(content: bytes, name: str = "name", piece: int = 65_536) -> bytes:
    pieces = (content[at : at + piece] for at in range(0, len(content), piece))
    return b"".join(SEALER.open(name, pieces))


def noise(size: int) -> bytes:
    """Bytes that do not compress: the chunks are as long as the content."""
    return b"".join(hash((size, at)).to_bytes(8, signed=True) for at in range(size // 8 + 1))[:size]


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 200))
@settings(max_examples=50, deadline=None)
def test_whatever_was_sealed_opens(pieces: list[bytes], piece: int) -> None:
    stream = b"".join(SEALER.seal("name", pieces))
    assert opened(stream, piece=piece) == b"".join(pieces)


@pytest.mark.parametrize("size", [0, MEGABYTE, 3 * MEGABYTE + 7])
def test_streams_of_several_chunks(size: int) -> None:
    content = noise(size)
    assert opened(sealed(content)) == content


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_changed_byte_is_found(data: st.DataObject) -> None:
    stream = bytearray(sealed(noise(5000)))
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1
    with pytest.raises(SealError):
        opened(bytes(stream))


@pytest.mark.parametrize("left", [0, 10, 20, 21, 5000, MEGABYTE + 16 + 20])
def test_a_stream_that_was_cut_short_is_found(left: int) -> None:
    stream = sealed(noise(2 * MEGABYTE))
    with pytest.raises(SealError):
        opened(stream[:left])


def test_chunks_that_were_exchanged_are_found() -> None:
    stream, chunk = sealed(noise(3 * MEGABYTE)), MEGABYTE + 16
    head, first, second = stream[:20], stream[20 : 20 + chunk], stream[20 + chunk : 20 + 2 * chunk]
    with pytest.raises(SealError):
        opened(head + second + first + stream[20 + 2 * chunk :])


def test_a_stream_in_the_place_of_another_does_not_open() -> None:
    with pytest.raises(SealError):
        opened(sealed(b"of one", "one"), "two")


def test_another_passphrase_opens_nothing() -> None:
    with pytest.raises(SealError):
        b"".join(Sealer("another passphrase, as long as need be").open("name", [sealed(b"x")]))


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(SealError, match="32"):
        Sealer("short")


def test_fingerprints_tell_texts_apart_and_passphrases() -> None:
    other = Sealer("another passphrase, as long as need be")
    names = {SEALER.fingerprint("a"), SEALER.fingerprint("b"), other.fingerprint("a")}
    assert len(names) == 3
    assert SEALER.fingerprint("a") == Sealer("a passphrase of the tests, long enough").fingerprint("a")
