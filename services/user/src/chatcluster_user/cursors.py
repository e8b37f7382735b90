"""Page cursors: opaque to clients, the last name of the page before to us."""

import base64
import binascii

from chatcluster_common import errors


def encode(username: str) -> str:
    """The cursor after `username`."""
    return base64.urlsafe_b64encode(username.encode()).rstrip(b"=").decode()


def decode(cursor: str) -> str:
    """The username that a cursor stands for. 422 for anything that `encode` has not made."""
    try:
        username = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        username = ""
    if not username or "\0" in username or encode(username) != cursor:
        raise errors.invalid("query.cursor", "use the next_cursor of the page before, as it is")
    return username
