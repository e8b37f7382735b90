"""Time as the contract writes it: RFC 3339, UTC, milliseconds."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, PlainSerializer


def utc_now() -> datetime:
    """Now, in UTC, cut to the milliseconds that stores and clients keep."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def rfc3339(moment: datetime) -> str:
    """``2026-01-31T12:00:00.000Z``. A time without a zone is taken as UTC, which is what the stores return."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A model's time field, serialised as `rfc3339` says."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)


def _written(value: object) -> object:
    # The library takes numbers as well, as Unix times.
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("write a time with its offset, such as 2026-01-31T12:00:00Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of the calendar's range") from None


GivenTime = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
"""A time that a client sends: RFC 3339 with an offset, and nothing else. In UTC from then on."""
