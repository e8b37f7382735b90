"""The CustomResourceDefinition, generated from the types so that neither can drift from the other.

`python -m chatcluster_operator.api.crd --check | --write` compares or rewrites the committed `operator/crd.yaml`.
"""

import sys
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel

from chatcluster_operator import generated
from chatcluster_operator.api.constants import GROUP, KIND, MAX_NAME_LENGTH, PLURAL, SHORT_NAME, SINGULAR, VERSION
from chatcluster_operator.api.spec import ChatClusterSpec
from chatcluster_operator.api.status import ChatClusterStatus

Schema = dict[str, Any]

COMMITTED = Path(__file__).resolve().parents[3] / "crd.yaml"

_HEADER = "# Generated from chatcluster_operator.api; rewrite with: python -m chatcluster_operator.api.crd --write\n"

_PRINTER_COLUMNS = [
    {"name": "Version", "type": "string", "jsonPath": ".spec.version"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Reason", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].reason'},
    {"name": "Users", "type": "integer", "jsonPath": ".status.connections.message"},
    {"name": "URL", "type": "string", "jsonPath": ".status.url"},
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


def crd() -> dict[str, Any]:
    """The whole definition as a manifest."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": ["all"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _PRINTER_COLUMNS,
                    "schema": {
                        "openAPIV3Schema": {
                            "description": "A chat platform: six services, their stores and the edge in front of them.",
                            "type": "object",
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": {"type": "string", "description": "Group and version of this object."},
                                "kind": {"type": "string", "description": "Kind of this object."},
                                "metadata": {"type": "object"},
                                "spec": structural_schema(ChatClusterSpec),
                                "status": structural_schema(ChatClusterStatus, with_defaults=False),
                            },
                            "x-kubernetes-validations": _NAME_RULES,
                        }
                    },
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


def render() -> str:
    """The definition as the text that is committed."""
    return _HEADER + yaml.safe_dump(crd(), sort_keys=False, width=120, allow_unicode=True)


def main(arguments: list[str] | None = None) -> int:
    """Check or write the committed file; 1 when a check finds it out of date."""
    command = "python -m chatcluster_operator.api.crd"
    return generated.main({COMMITTED: render()}, command=command, description=__doc__, arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
