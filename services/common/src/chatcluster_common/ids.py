"""Identifiers: UUIDv7 as text (RFC 9562), so that ids made later sort later in every store's index."""

import uuid_utils


def new_id() -> str:
    """A new UUIDv7, 36 characters, lower case."""
    return str(uuid_utils.uuid7())
