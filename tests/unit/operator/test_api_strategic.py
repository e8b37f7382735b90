"""Strategic merge: the same results as `kubectl patch` gives."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.api.strategic import PatchError, merge

TEMPLATE = {
    "metadata": {"labels": {"a": "1"}},
    "spec": {
        "containers": [{"name": "message", "image": "m:1", "env": [{"name": "A", "value": "1"}], "args": ["x"]}],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "securityContext": {"fsGroup": 1, "runAsUser": 2},
        "tolerations": [{"key": "old"}],
    },
}


@pytest.mark.parametrize(
    ("patch", "path", "result"),
    [
        ({"metadata": {"labels": {"b": "2"}}}, "metadata.labels", {"a": "1", "b": "2"}),
        ({"metadata": {"labels": {"a": None}}}, "metadata.labels", {}),
        ({"spec": {"securityContext": {"fsGroup": 9}}}, "spec.securityContext", {"fsGroup": 9, "runAsUser": 2}),
        ({"spec": {"securityContext": {"$patch": "replace", "fsGroup": 9}}}, "spec.securityContext", {"fsGroup": 9}),
        ({"spec": {"tolerations": [{"key": "new"}]}}, "spec.tolerations", [{"key": "new"}]),
        (
            {"spec": {"containers": [{"name": "message", "env": [{"name": "B", "value": "2"}]}]}},
            "spec.containers.0.env",
            [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        ),
        (
            {"spec": {"containers": [{"name": "message", "env": [{"name": "A", "value": "3"}]}]}},
            "spec.containers.0",
            {"name": "message", "image": "m:1", "env": [{"name": "A", "value": "3"}], "args": ["x"]},
        ),
        ({"spec": {"containers": [{"name": "message", "args": ["y"]}]}}, "spec.containers.0.args", ["y"]),
        ({"spec": {"containers": [{"name": "side", "image": "s:1"}]}}, "spec.containers.1.image", "s:1"),
        ({"spec": {"volumes": [{"name": "tmp", "$patch": "delete"}]}}, "spec.volumes", []),
        ({"spec": {"volumes": [{"$patch": "replace"}, {"name": "v"}]}}, "spec.volumes", [{"name": "v"}]),
    ],
)
def test_merges_as_kubernetes_does(patch, path, result):
    before = copy.deepcopy(TEMPLATE)
    merged = merge(TEMPLATE, patch)
    for part in path.split("."):
        merged = merged[int(part)] if part.isdigit() else merged[part]
    assert merged == result
    assert before == TEMPLATE


def test_an_object_removed_by_a_directive_is_gone():
    assert "securityContext" not in merge(TEMPLATE, {"spec": {"securityContext": {"$patch": "delete"}}})["spec"]


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"spec": {"containers": [{"image": "m:2"}]}}, r"spec\.containers: each item needs the field name"),
        ({"spec": {"securityContext": {"$patch": "drop"}}}, r"spec\.securityContext: \$patch is"),
    ],
)
def test_a_patch_that_cannot_be_applied_names_the_place(patch, says):
    with pytest.raises(PatchError, match=says):
        merge(TEMPLATE, patch)


leaves = st.one_of(st.integers(), st.text(max_size=3), st.booleans())
objects = st.recursive(leaves, lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3), max_leaves=8)
documents = st.dictionaries(st.sampled_from("abcd"), objects, max_size=4)


@given(documents)
def test_an_empty_patch_changes_nothing(document):
    assert merge(document, {}) == document


@given(documents)
def test_merging_a_document_into_itself_changes_nothing(document):
    assert merge(document, document) == document
