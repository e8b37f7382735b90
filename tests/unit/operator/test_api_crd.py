"""The CRD: generated, documented throughout, and bounded so that the API server takes its rules."""

import pytest
import yaml

from chatcluster_operator.api import crd


def walk(schema, path=""):
    """Every schema in it with its path."""
    yield path, schema
    for name, prop in schema.get("properties", {}).items():
        yield from walk(prop, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


@pytest.fixture
def schema():
    return crd.crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_committed_file_is_what_the_types_say():
    assert crd.main(["--check"]) == 0
    assert yaml.safe_load(crd.COMMITTED.read_text()) == crd.crd()
    assert yaml.safe_load(crd.COMMITTED_BACKUPS.read_text()) == crd.backup_crd()


def test_check_tells_a_stale_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(crd, "COMMITTED", tmp_path / "crd.yaml")
    monkeypatch.setattr(crd, "COMMITTED_BACKUPS", tmp_path / "crd-backups.yaml")
    assert crd.main(["--check"]) == 1
    assert "--write" in capsys.readouterr().err
    assert crd.main(["--write"]) == 0
    assert crd.main(["--check"]) == 0


def test_every_field_is_described(schema):
    bare = [
        path
        for path, node in walk(schema)
        if not node.get("description") and not path.endswith(("[]", "{}")) and path != ".metadata"
    ]
    assert bare == []


def test_every_description_is_a_sentence(schema):
    texts = [(path, node["description"]) for path, node in walk(schema) if node.get("description")]
    odd = [
        (path, text)
        for path, text in texts
        if not text.endswith(".") or not (text[0].isupper() or text.startswith("cert-manager"))
    ]
    assert odd == []


def test_every_list_map_and_text_of_the_spec_is_bounded(schema):
    unbounded = [
        path
        for path, node in walk(schema["properties"]["spec"])
        if (node.get("type") == "array" and "maxItems" not in node)
        or ("additionalProperties" in node and "maxProperties" not in node)
        or (node.get("type") == "string" and "maxLength" not in node and "enum" not in node)
    ]
    assert unbounded == []


def test_schema_is_structural(schema):
    for path, node in walk(schema):
        assert not {"$ref", "$defs", "title", "oneOf", "allOf"} & set(node), path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path


def test_defaults_are_complete(schema):
    services = schema["properties"]["spec"]["properties"]["services"]
    assert services["default"]["file"]["enabled"] is True
    assert services["properties"]["file"]["properties"]["enabled"]["default"] is True
    # What capacity may decide has none: it could not be told from what a person set.
    assert "autoscaling" not in services["default"]["user"]


def test_rules_name_field_and_remedy(schema):
    rules = [rule for _, node in walk(schema) for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) > 20
    for rule in rules:
        field, _, remedy = rule["message"].partition(";")
        assert "." in field or field.split()[0] in {"postgres", "mongodb", "redis", "kafka", "objects"}, rule
        assert remedy, rule


def test_columns_show_what_matters():
    version = crd.crd()["spec"]["versions"][0]
    assert [column["name"] for column in version["additionalPrinterColumns"] if not column.get("priority")] == [
        "Version",
        "Ready",
        "Reason",
        "Users",
        "URL",
        "Age",
    ]
    assert version["subresources"] == {"status": {}}
