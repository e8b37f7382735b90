"""The API's documentation as one page: HTML without script or anything from elsewhere, under the strictest policy.

The style is in the page, named in the policy by its hash.
"""

import base64
import hashlib
import re
from importlib import resources
from typing import Any

import orjson
from jinja2 import Environment
from markupsafe import Markup, escape

from chatcluster_gateway.openapi import Document

_FILES = resources.files("chatcluster_gateway")
_STYLE = (_FILES / "page.css").read_text()
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")

_COMBINED = {"anyOf": Markup(" or "), "oneOf": Markup(" or "), "allOf": Markup(" and ")}
_BOUNDS = {"minLength": "at least", "maxLength": "at most", "minimum": "from", "maximum": "to"}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


def render(document: Document) -> bytes:
    """The page of an OpenAPI document."""
    return _TEMPLATE.render(
        document=document,
        style=Markup(_STYLE),  # noqa: S704 our own file
        groups=_groups(document),
        schemas=sorted(document.get("components", {}).get("schemas", {}).items()),
    ).encode()


def _groups(document: Document) -> list[tuple[str, list[dict[str, Any]]]]:
    """Operations by their first tag, in the order of the tags."""
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document.get("tags", [])}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if operation := item.get(method):
                groups.setdefault(operation["tags"][0], []).append({"method": method, "path": path, **operation})
    return [(tag, operations) for tag, operations in groups.items() if operations]


def text(markdown: str) -> Markup:
    """Descriptions are Markdown; of it they use paragraphs and code."""
    paragraphs = [re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(part))) for part in markdown.split("\n\n")]
    return Markup("".join(f"<p>{part}</p>" for part in paragraphs if part.strip()))  # noqa: S704 escaped above


def type_of(schema: Any) -> Markup:
    """A schema in a few words, with links to those that have names."""
    if not isinstance(schema, dict) or not schema:
        return Markup("anything")
    if reference := schema.get("$ref"):
        return Markup('<a href="#schema-{0}">{0}</a>').format(reference.rpartition("/")[2])
    for key, joint in _COMBINED.items():
        if key in schema:
            return joint.join(type_of(inner) for inner in schema[key])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return Markup(", ").join(Markup("<code>{}</code>").format(orjson.dumps(value).decode()) for value in values)
    if schema.get("type") == "array":
        return Markup("list of {}").format(type_of(schema.get("items")))
    words = [str(schema.get("format") or schema.get("type") or "anything")]
    words += [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
    return escape(", ".join(words))


def example(schema: Any) -> str:
    """The first example, as JSON; empty without any."""
    examples = schema.get("examples") if isinstance(schema, dict) else None
    return (
        orjson.dumps(examples[0], option=orjson.OPT_INDENT_2).decode()
        if isinstance(examples, list) and examples
        else ""
    )


def _environment() -> Environment:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"text": text, "type": type_of, "example": example}
    return environment


_TEMPLATE = _environment().from_string((_FILES / "page.html.j2").read_text())
