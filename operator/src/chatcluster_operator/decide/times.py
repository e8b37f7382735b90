"""Times as Kubernetes writes them (RFC 3339, in UTC, of whole seconds) and as rules reckon with them (Unix seconds)."""

from datetime import UTC, datetime


def seconds(text: str) -> int:
    """Unix seconds of a time. Raises ValueError for what is none."""
    return int(datetime.fromisoformat(text).timestamp())


def rfc3339(at: int) -> str:
    """The time of Unix seconds, such as 2026-11-23T03:00:00Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
