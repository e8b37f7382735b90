"""The AsyncAPI document is one, by the specification's own schema."""

import json

import jsonschema_rs
import yaml

from chatcluster_testing.asyncapi import DOCUMENT
from chatcluster_testing.npm import package


def test_the_document_is_asyncapi_3() -> None:
    schema = json.loads((package("@asyncapi/specs", "6.11.1") / "schemas" / "3.0.0.json").read_text())
    errors = [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in jsonschema_rs.validator_for(schema).iter_errors(yaml.safe_load(DOCUMENT.read_text()))
    ]
    assert errors == []
