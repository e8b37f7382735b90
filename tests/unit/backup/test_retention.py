"""Which backups may go and which is restored, by table and as a rule; and streams of BSON cut anywhere."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_backup.backups import Retention, chosen, doomed
from chatcluster_backup.manifest import FOLDER, Manifest, Part
from chatcluster_backup.messages import split
from chatcluster_backup.repository import MissingError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def aged(*days: int) -> list[tuple[str, datetime]]:
    """Backups of these ages, the oldest first."""
    return [(str(day), NOW - timedelta(days=day)) for day in sorted(days, reverse=True)]


@pytest.mark.parametrize(
    ("ages", "retention", "gone"),
    [
        ((3, 2, 1), Retention(), ""),
        ((3, 2, 1), Retention(keep_last=2), "3"),
        ((3, 2, 1), Retention(keep_last=5), ""),
        ((9, 8, 2, 1), Retention(days=7), "9 8"),
        ((9, 8, 2, 1), Retention(keep_last=3, days=7), "9"),
        ((9, 8), Retention(days=7), "9"),
        ((9,), Retention(keep_last=1, days=1), ""),
        ((), Retention(keep_last=1), ""),
    ],
)
def test_which_may_go(ages: tuple[int, ...], retention: Retention, gone: str) -> None:
    assert doomed(aged(*ages), retention, NOW) == gone.split()


@given(
    st.lists(st.integers(0, 400), unique=True),
    st.none() | st.integers(1, 20),
    st.none() | st.integers(1, 400),
)
def test_the_newest_never_goes_and_what_either_keeps_stays(
    ages: list[int], keep_last: int | None, days: int | None
) -> None:
    found = aged(*ages)
    gone = doomed(found, Retention(keep_last, days), NOW)
    assert not found or found[-1][0] not in gone
    assert not {id_ for id_, _ in found[-(keep_last or 1) :]} & set(gone)
    assert not {id_ for id_, at in found if days is not None and at >= NOW - timedelta(days=days)} & set(gone)


@dataclass
class Kept:
    """A repository as far as its manifests go, by id; a minute passes between the beginning of each and its moment."""

    ids: list[str]

    def names(self, prefix: str) -> list[str]:
        return [f"{prefix}{id_}" for id_ in self.ids]

    def get(self, name: str) -> list[bytes]:
        id_ = name.removeprefix(FOLDER)
        moment = datetime.strptime(id_[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + timedelta(minutes=1)
        keys = Part(name="keys", bytes=1, sha256="")
        manifest = Manifest(
            id=id_, namespace="n", cluster="c", release="1.0", moment=moment, completed=moment, keys=keys
        )
        return [manifest.model_dump_json().encode()]


EARLY, LATE = "20261122T120000Z-aaaaaaaa", "20261123T120000Z-bbbbbbbb"


@pytest.mark.parametrize(
    ("id_", "before", "found"),
    [
        (None, None, LATE),
        (EARLY, None, EARLY),
        (None, NOW + timedelta(minutes=1), LATE),
        (None, NOW + timedelta(seconds=59), EARLY),
    ],
)
def test_which_is_restored(id_: str | None, before: datetime | None, found: str) -> None:
    repository: Any = Kept([EARLY, LATE])
    assert chosen(repository, id_, before).id == found


@pytest.mark.parametrize(
    ("ids", "id_", "before", "says"),
    [
        ([], None, None, "no whole backup"),
        ([EARLY, LATE], None, NOW - timedelta(days=9), f"{EARLY} is of .* none is of before"),
        ([EARLY, LATE], LATE, NOW, f"{LATE} is of .* name another backup or a later time"),
    ],
)
def test_that_there_is_none_to_restore(ids: list[str], id_: str | None, before: datetime | None, says: str) -> None:
    repository: Any = Kept(ids)
    with pytest.raises(MissingError, match=says):
        chosen(repository, id_, before)


@given(st.lists(st.dictionaries(st.text("ab", max_size=2), st.integers(0, 9)), max_size=8), st.integers(1, 30))
def test_documents_come_out_of_a_stream_cut_anywhere(documents: list[dict[str, int]], piece: int) -> None:
    stream = b"".join(bson.encode(document) for document in documents)
    pieces = [stream[at : at + piece] for at in range(0, len(stream), piece)]
    assert [bson.decode(document) for document in split(pieces)] == documents


def test_a_stream_that_ends_within_a_document_is_no_dump() -> None:
    with pytest.raises(ValueError, match="not whole"):
        list(split([bson.encode({"a": 1})[:-1]]))


def test_a_length_that_cannot_be_is_no_dump() -> None:
    with pytest.raises(ValueError, match="broken"):
        list(split([b"\0\0\0\0\0\0"]))
