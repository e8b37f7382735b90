"""Marks of what was applied: believed only for the same manifest and the same fields, and gone before a write."""

from typing import Any

import pytest

from chatcluster_operator.decide import Applied, Child, Key
from chatcluster_operator.decide.plan import Wanted
from chatcluster_operator.reconcile.ledger import mark, recall, unmarked

KEY = Key("Service", "demo-user")
APPLIED = Applied(manifest="m", fields="f")


def child(fields: str = "f") -> Child:
    return Child(uid="u", version=1, controller=None, instance=None, fields=fields)


def status(given: str | None) -> dict[str, Any]:
    item = {"apiVersion": "v1", "kind": KEY.kind, "name": KEY.name}
    return {"phase": "any", "inventory": [{**item, "mark": given} if given else item]}


@pytest.mark.parametrize(
    ("fingerprint", "fields", "known"), [("m", "f", True), ("other", "f", False), ("m", "changed", False)]
)
def test_a_mark_is_believed_for_what_it_was_made_of(fingerprint: str, fields: str, known: bool) -> None:
    found = recall(status(mark(APPLIED, child())), [Wanted(KEY, fingerprint, "")], {KEY: child(fields)})
    assert found == ({KEY: APPLIED} if known else {})


def test_what_is_gone_or_was_never_marked_is_not_known() -> None:
    assert recall(status(mark(APPLIED, child())), [Wanted(KEY, "m", "")], {}) == {}
    assert recall(status(None), [Wanted(KEY, "m", "")], {KEY: child()}) == {}
    assert recall({}, [Wanted(KEY, "m", "")], {KEY: child()}) == {}


def test_what_differs_from_what_was_applied_gets_no_mark() -> None:
    assert mark(None, child()) is None
    assert mark(APPLIED, child("changed")) is None


def test_marks_go_before_a_write_and_only_those_of_what_is_written() -> None:
    marked = status("anything")
    assert unmarked(marked, {KEY}) == status(None)
    assert unmarked(marked, {Key("Service", "demo-file")}) is None
    assert unmarked(status(None), {KEY}) is None
    assert unmarked({}, {KEY}) is None
    assert marked == status("anything")
