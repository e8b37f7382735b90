"""Times as clients send them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from chatcluster_common.clock import GivenTime, rfc3339

GIVEN = TypeAdapter(GivenTime)


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00Z", "2026-01-31t14:00:00.000+02:00", "2026-01-31 12:00Z"])
def test_rfc_3339_is_understood(text: str) -> None:
    assert rfc3339(GIVEN.validate_python(text)) == "2026-01-31T12:00:00.000Z"


@pytest.mark.parametrize("value", [0, 1.5, True, "0", "2026-01-31", "2026-01-31T12:00:00", "0001-01-01T00:00:00+02:00"])
def test_nothing_else_is(value: object) -> None:
    with pytest.raises(ValidationError):
        GIVEN.validate_python(value)
