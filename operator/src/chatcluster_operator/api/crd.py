"""The CustomResourceDefinitions, generated from the types so that neither can drift from the other.

`python -m chatcluster_operator.api.crd --check | --write` compares or rewrites the committed ones, `operator/crd.yaml`
and `operator/crd-backups.yaml`.
"""

import sys
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel

from chatcluster_operator import generated
from chatcluster_operator.api.backup import BACKUP_KIND, BACKUP_PLURAL, ChatBackupSpec, ChatBackupStatus
from chatcluster_operator.api.constants import GROUP, KIND, MAX_NAME_LENGTH, PLURAL, SHORT_NAME, SINGULAR, VERSION
from chatcluster_operator.api.spec import ChatClusterSpec
from chatcluster_operator.api.status import ChatClusterStatus

Schema = dict[str, Any]

COMMITTED = Path(__file__).resolve().parents[3] / "crd.yaml"
COMMITTED_BACKUPS = COMMITTED.with_name("crd-backups.yaml")

_HEADER = "# Generated from chatcluster_operator.api; rewrite with: python -m chatcluster_operator.api.crd --write\n"

_PRINTER_COLUMNS = [
    {"name": "Version", "type": "string", "jsonPath": ".spec.version"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Reason", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].reason'},
    {"name": "Users", "type": "integer", "jsonPath": ".status.connections.message"},
    {"name": "URL", "type": "string", "jsonPath": ".status.url"},
    {
        "name": "BackedUp",
        "type": "string",
        "jsonPath": '.status.conditions[?(@.type=="BackedUp")].status',
        "priority": 1,
    },
    {
        "name": "Message",
        "type": "string",
        "jsonPath": '.status.conditions[?(@.type=="Ready")].message',
        "priority": 1,
    },
    {
        "name": "Operation",
        "type": "string",
        "jsonPath": '.status.conditions[?(@.type=="Progressing")].message',
        "priority": 1,
    },
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]

_NAME_RULES = [
    {
        "rule": f"size(self.metadata.name) <= {MAX_NAME_LENGTH}",
        "message": f"metadata.name is longer than {MAX_NAME_LENGTH} characters, and names derived from it would exceed "
        "the 63 that Kubernetes allows; choose a shorter one",
    },
    {
        "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "message": "metadata.name must work as the name of Services; begin with a letter and use only lower-case "
        "letters, digits and hyphens",
    },
]


_BACKUP_COLUMNS = [
    {"name": "Cluster", "type": "string", "jsonPath": ".spec.clusterName"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Moment", "type": "string", "jsonPath": ".status.moment"},
    {"name": "Bytes", "type": "integer", "jsonPath": ".status.bytes"},
    {"name": "Verified", "type": "date", "jsonPath": ".status.verified"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {
        "name": "Message",
        "type": "string",
        "jsonPath": '.status.conditions[?(@.type=="Completed")].message',
        "priority": 1,
    },
]


def crd() -> dict[str, Any]:
    """The definition of ChatClusters as a manifest."""
    names = {"kind": KIND, "plural": PLURAL, "singular": SINGULAR, "shortNames": [SHORT_NAME], "categories": ["all"]}
    described = "A chat platform: six services, their stores and the edge in front of them."
    return _definition(names, described, ChatClusterSpec, ChatClusterStatus, _PRINTER_COLUMNS, _NAME_RULES)


def backup_crd() -> dict[str, Any]:
    """The definition of ChatBackups as a manifest."""
    names = {"kind": BACKUP_KIND, "plural": BACKUP_PLURAL, "singular": "chatbackup"}
    described = "A backup of a ChatCluster: all its stores, bound to one moment."
    return _definition(names, described, ChatBackupSpec, ChatBackupStatus, _BACKUP_COLUMNS, [])


def _definition(  # noqa: PLR0917 - the parts of a definition
    names: dict[str, Any],
    described: str,
    spec: type[BaseModel],
    status: type[BaseModel],
    columns: list[dict[str, Any]],
    name_rules: list[dict[str, str]],
) -> dict[str, Any]:
    schema: Schema = {
        "description": described,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Group and version of this object."},
            "kind": {"type": "string", "description": "Kind of this object."},
            "metadata": {"type": "object"},
            "spec": structural_schema(spec),
            "status": structural_schema(status, with_defaults=False),
        },
    }
    if name_rules:
        schema["x-kubernetes-validations"] = name_rules
    kind = names.pop("kind")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", **names},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def structural_schema(model: type[BaseModel], *, with_defaults: bool = True) -> Schema:
    """The structural schema of a model: no references, no nulls, no titles, and defaults where wanted.

    The default of an object is that of all its fields, and each field has its own too: a spec that gives one field
    of an object is completed like one that gives none.
    """
    document = model.model_json_schema(by_alias=True)
    definitions = cast(dict[str, Schema], document.get("$defs", {}))

    def convert(node: Schema) -> Schema:
        merged = dict(node)
        while "$ref" in merged:
            target = definitions[cast(str, merged.pop("$ref")).removeprefix("#/$defs/")]
            merged = {**target, **merged}
        choices = [choice for choice in merged.get("anyOf", []) if choice != {"type": "null"}]
        if len(choices) == 1:
            del merged["anyOf"]
            merged = {**convert(choices[0]), **merged}
        for noise in ("title", "$defs"):
            merged.pop(noise, None)
        if merged.get("additionalProperties") is False or merged.get("x-kubernetes-preserve-unknown-fields"):
            merged.pop("additionalProperties", None)
        elif isinstance(merged.get("additionalProperties"), dict):
            merged["additionalProperties"] = convert(merged["additionalProperties"])
        if "properties" in merged:
            properties = cast(dict[str, Schema], merged["properties"])
            merged["properties"] = {name: convert(prop) for name, prop in properties.items()}
        if "items" in merged:
            merged["items"] = convert(merged["items"])
        if not with_defaults or merged.get("default", ...) is None:
            merged.pop("default", None)
        elif "default" in merged and "properties" in merged:
            fields = cast(dict[str, Schema], merged["properties"])
            merged["default"] = {name: prop["default"] for name, prop in fields.items() if "default" in prop}
        if "description" in merged:
            merged["description"] = " ".join(cast(str, merged["description"]).split())
        return merged

    return convert(document)


def render(definition: dict[str, Any]) -> str:
    """A definition as the text that is committed."""
    return _HEADER + yaml.safe_dump(definition, sort_keys=False, width=120, allow_unicode=True)


def main(arguments: list[str] | None = None) -> int:
    """Check or write the committed file; 1 when a check finds it out of date."""
    command = "python -m chatcluster_operator.api.crd"
    wanted = {COMMITTED: render(crd()), COMMITTED_BACKUPS: render(backup_crd())}
    return generated.main(wanted, command=command, description=__doc__, arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
