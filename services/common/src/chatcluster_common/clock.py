"""Time as the contract writes it: RFC 3339, UTC, milliseconds."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import PlainSerializer


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
