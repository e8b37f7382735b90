"""Identifiers: UUIDv7 as text (RFC 9562), so that ids made later sort later in every store's index."""

import uuid

import uuid_utils


def new_id() -> str:
    """A new UUIDv7, 36 characters, lower case."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether it is written as `new_id` writes; a database refuses other text where it expects an id."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
