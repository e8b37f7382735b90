"""What asks a store's members how they are: `async (Reach) -> StoreView`.

The framework calls it for stores that have more than one member alone: at once when pods change, every half minute or
so while all is well, every second or two while something is wrong or goes on. It is cancelled after `PROBE_SECONDS`;
what it raises of `PROBE_ERRORS` counts as "no member answered". Anything else is a defect and is logged.

A probe asks all members at the same time, by the pods' addresses, and gives each `MEMBER_SECONDS`: a member that does
not answer is UNREACHABLE, a contact without an address ABSENT, and neither makes the probe fail. It keeps no
connection: the next question may be a minute away, and a member that has moved is at another address. It changes
nothing, and no password gets into what it says.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp

from chatcluster_operator.decide.members import Reach, StoreView

Probe = Callable[[Reach], Awaitable[StoreView]]

PROBE_SECONDS: Final = 4.0
"""Seconds that asking all members of a store may take."""
MEMBER_SECONDS: Final = 2.0
"""Seconds that one member should get of them."""
PROBE_ERRORS: Final = (aiohttp.ClientError, TimeoutError, OSError)
"""What a probe may raise when nobody answers."""
