"""The manifests of three ChatClusters, in full. A change shows here as a diff that a person can read.

After a wanted change: `CHATCLUSTER_UPDATE_GOLDEN=1 pytest tests/unit/operator/test_desired_golden.py`.
"""

import os
from pathlib import Path

import yaml

from chatcluster_operator.desired import manifests

GOLDEN = Path(__file__).parent / "golden"


class Dumper(yaml.SafeDumper):
    """Writes long texts as blocks, and nothing by reference."""

    def ignore_aliases(self, data):
        return True


Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def test_manifests_are_as_committed(request, cluster, made):
    name = request.node.callspec.params["cluster"]
    # Secrets' values follow from the tests' randomness: their names say what matters.
    for item in made:
        if item["kind"] == "Secret":
            item["data"] = dict.fromkeys(item["data"], "(a value)")
    text = yaml.dump_all(made, Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)
    file = GOLDEN / f"{name}.yaml"
    if os.environ.get("CHATCLUSTER_UPDATE_GOLDEN"):
        file.write_text(text)
    assert file.read_text() == text


def test_same_inputs_same_manifests(cluster, inputs):
    given = inputs(cluster)
    assert manifests(cluster, given) == manifests(cluster, given)
