"""Page cursors: opaque to clients; to us the key that the page before ended with."""

import base64
import re

from chatcluster_common import errors


def encode(key: str) -> str:
    """The cursor behind `key`."""
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def decode(cursor: str | None, keys: re.Pattern[str]) -> str:
    """The key that a cursor stands for; empty, which is before all keys, where there is no cursor.

    422 for anything that `encode` has not made of a key which `keys` matches as a whole.
    """
    if not cursor:
        return ""
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        key = ""
    # Base64 has several texts for one key; that only ours will do keeps the others from being passed about.
    if not keys.fullmatch(key) or encode(key) != cursor:
        raise errors.invalid("query.cursor", "use the next_cursor of the page before, as it is")
    return key
