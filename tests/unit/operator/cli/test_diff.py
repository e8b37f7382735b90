"""What differs between two manifests, as a person would say it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.cli.diff import Change, changes, manifest_changes

CASES: dict[str, tuple[Any, Any, list[str]]] = {
    "equal": ({"a": 1}, {"a": 1}, []),
    "a value": ({"spec": {"replicas": 2}}, {"spec": {"replicas": 3}}, ["spec.replicas: 2 → 3"]),
    "a new field": ({}, {"a": {"b": True}}, ["a: {b: true} (new)"]),
    "a field less": ({"a": [1, 2]}, {}, ["a: [1, 2] (removed)"]),
    "an item of a list by its name": (
        {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:1"}]},
        {"containers": [{"name": "b", "image": "y:1"}, {"name": "a", "image": "x:2"}]},
        ["containers[a].image: x:1 → x:2"],
    ),
    "items that come and go": (
        {"env": [{"name": "A", "value": "1"}]},
        {"env": [{"name": "B", "value": "2"}]},
        ["env[A]: {name: A, value: 1} (removed)", "env[B]: {name: B, value: 2} (new)"],
    ),
    "names that occur twice": (
        {"ports": [{"name": "a"}, {"name": "a"}]},
        {"ports": [{"name": "a"}]},
        ["ports: [{name: a}, {name: a}] → [{name: a}]"],
    ),
    "a name with dots": ({"x": {"a.b/c": "1"}}, {"x": {"a.b/c": "2"}}, ['x."a.b/c": 1 → 2']),
    "an empty text": ({"a": ""}, {"a": "b"}, ['a: "" → b']),
    "lines of a text": (
        {"data": "one\ntwo\nthree\nfour\nfive"},
        {"data": "one\ntwo\n3\nfour\nfive"},
        ["data:", "  @@ -1,5 +1,5 @@", "   one", "   two", "  -three", "  +3", "   four", "   five"],
    ),
}


@pytest.mark.parametrize(("before", "after", "lines"), CASES.values(), ids=list(CASES))
def test_changes_in_words(before: Any, after: Any, lines: list[str]) -> None:
    assert [line for change in changes(before, after) for line in change.lines()] == lines


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_there_is_a_change_exactly_when_they_differ(before: Any, after: Any) -> None:
    found = changes({"root": before}, {"root": after})
    # A list whose items have names is compared by these: their order says nothing.
    assert bool(found) == (before != after) or sorted(map(str, _flat(before))) == sorted(map(str, _flat(after)))
    assert not changes(before, before)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for name, inner in value.items() for item in (name, *_flat(inner))]
    return [item for inner in value for item in _flat(inner)] if isinstance(value, list) else [value]


def test_of_a_secret_no_value_is_shown() -> None:
    before = {
        "kind": "Secret",
        "metadata": {"labels": {"a": "1"}},
        "data": {"kept": "x", "old": "aGlkZGVu", "was": "b2xk"},
    }
    after = {"kind": "Secret", "metadata": {"labels": {"a": "2"}}, "data": {"kept": "x", "was": "bmV3", "new": "bmV3"}}
    found = manifest_changes(before, after)
    assert [line for change in found for line in change.lines()] == [
        "metadata.labels.a: 1 → 2",
        "data.old: (hidden) (removed)",
        "data.was: (hidden) → (hidden)",
        "data.new: (hidden) (new)",
    ]
    assert "aGlkZGVu" not in str([change.as_json() for change in found])


def test_as_json_an_absent_side_is_left_out() -> None:
    [change] = changes({}, {"a": 1})
    assert change.as_json() == {"path": "a", "after": 1}
    assert Change("a", 1, None).as_json() == {"path": "a", "before": 1, "after": None}
