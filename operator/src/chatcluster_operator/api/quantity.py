"""Kubernetes quantities ("500m", "2Gi"): checked when a spec is read, turned into numbers for the stores."""

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"

_SUFFIXES: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P"), start=1)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), start=1)},
}


def parse_quantity(text: str) -> Decimal:
    """The number that a quantity stands for: cores for a processor share, bytes for memory and storage.

    Raises ValueError when `text` is not a quantity.
    """
    if not re.fullmatch(PATTERN, text):
        raise ValueError(f"{text!r} is not a quantity; write a number with an optional unit, such as 500m or 2Gi")
    number = re.match(r"[0-9.]+", text)
    assert number is not None  # noqa: S101 - the pattern begins with a digit
    return Decimal(number.group()) * _SUFFIXES[text[number.end() :]]


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _checked(text: str) -> str:
    parse_quantity(text)
    return text


Quantity = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(_checked),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": PATTERN}
    ),
]
"""A quantity as text; a bare number (`cpu: 2`) is taken too, as Kubernetes does."""

StorageQuantity = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "maxLength": 20}),
]
"""A quantity of storage: text alone, so that the API server can compare an old size with a new one."""
