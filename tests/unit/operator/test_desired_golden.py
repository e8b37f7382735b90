"""The manifests of a handful of ChatClusters, in full. A change shows here as a diff that a person can read.

After a wanted change: `make generate`.
"""

import pytest

from chatcluster_operator.desired import manifests
from chatcluster_testing import golden


@pytest.mark.parametrize("name", golden.NAMES)
def test_manifests_are_as_committed(name):
    assert (golden.FOLDER / f"{name}.yaml").read_text() == golden.render(name)


def test_no_file_is_left_over():
    assert {file.stem for file in golden.FOLDER.iterdir()} == set(golden.NAMES)


def test_same_inputs_same_manifests(cluster, inputs):
    given = inputs(cluster)
    assert manifests(cluster, given) == manifests(cluster, given)
