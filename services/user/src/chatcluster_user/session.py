"""What routes of several features take alike."""

from typing import Annotated

from fastapi import Depends, Query

from chatcluster_common import errors
from chatcluster_common.auth import AccountUser, Principal


def _signed_in(caller: AccountUser) -> Principal:
    if caller.scopes is not None:
        raise errors.Problem(403, "out_of_scope", "This call is not open to API tokens.")
    return caller


SessionUser = Annotated[Principal, Depends(_signed_in)]
"""The caller by a signed-in session, never by an API token, whatever its scopes: neither all of an account's data nor
its end may hang on a token that was made for something else."""

Cursor = Annotated[str | None, Query(max_length=128, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="At most so many.")]
