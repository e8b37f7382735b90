"""What every API type shares: camelCase on the wire, immutability, docs from docstrings, rules for the API server."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Base of all API types. Unknown fields are refused: a misspelt one would otherwise be without effect."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """A `json_schema_extra` with CEL rules; a pair is (what must hold, message naming field and remedy)."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}
