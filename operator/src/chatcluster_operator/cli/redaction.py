"""Taking secrets out of what is handed to others. Pure.

Two nets. A Secret keeps its keys and loses its values, wherever they stand. And every value that was seen in one is
taken out of all other texts, should it have got into a log or a setting.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

REDACTED: Final = "(redacted)"
SHORTEST: Final = 6
"""Characters. What is shorter, such as a port or a name of a region, would be found everywhere."""

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_PLAIN: Final = frozenset({"region", "bucket", "endpoint", "bootstrap", "username"})
"""Keys of a Secret whose values are addresses and names, and would be found in many an innocent line."""


def redacted(body: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what nobody reads (managed fields) and, of a Secret, without any value."""
    metadata = {name: value for name, value in body.get("metadata", {}).items() if name != "managedFields"}
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    if _LAST_APPLIED in annotations:
        metadata["annotations"] = {name: text for name, text in annotations.items() if name != _LAST_APPLIED}
    clean = {**body, "metadata": metadata}
    if body.get("kind") == "Secret":
        for part in ("data", "stringData"):
            if body.get(part):
                clean[part] = dict.fromkeys(cast("Mapping[str, str]", body[part]), REDACTED)
    return clean


def secret_values(secrets: Iterable[Mapping[str, Any]]) -> set[str]:
    """Every text that gives a secret away: values, their base64, passwords within URLs, lines of keys.

    Files put together of several values are not taken apart: what they hold is in `<name>-credentials` by itself.
    """
    found: set[str] = set()
    for secret in secrets:
        data: Mapping[str, str] = secret.get("data") or {}
        for name, encoded in data.items():
            value = base64.b64decode(encoded).decode(errors="replace")
            if name in _PLAIN:
                continue
            found |= {encoded, value.strip(), *_passwords(value)}
            if value.startswith("-----BEGIN"):
                found |= {line for line in value.splitlines() if not line.startswith("-----")}
    return {text for text in found if len(text) >= SHORTEST}


def _passwords(value: str) -> set[str]:
    try:
        password = urlsplit(value).password if "://" in value else None
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()


class Scrubber:
    """Takes known values out of texts."""

    def __init__(self, values: Iterable[str]) -> None:
        # The longest first, so that no rest of a longer value is left.
        ordered = sorted(values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(REDACTED, text) if self._pattern else text
