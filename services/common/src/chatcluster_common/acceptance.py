"""Whether the stores that a process uses let it in.

A service may serve without some of its stores, and is ready when one of them is away. Refused is another matter: then
its password is not, or not yet, what the store has heard of. A process is not ready before every store that answers has
let it in once; so while passwords are replaced, its predecessor goes on until the store knows the new one.
"""

import asyncio

from chatcluster_common import logs
from chatcluster_common.health import Check

log = logs.get_logger(__name__)

_TRY_SECONDS = 1.5
"""Less than a readiness check may take."""


def not_refused(store: str, sign_in: Check, refusals: tuple[type[Exception], ...]) -> Check:
    """A readiness check: fails while `sign_in` raises one of `refusals`, and asks no more once it has succeeded.

    A store that does not answer refuses nobody.
    """
    let_in = False

    async def check() -> None:
        nonlocal let_in
        if let_in:
            return
        try:
            async with asyncio.timeout(_TRY_SECONDS):
                await sign_in()
        except refusals as error:
            log.warning("the store refuses the password", store=store, error=type(error).__name__)
            raise
        except Exception:
            return
        let_in = True

    return check
