"""How many sockets a ChatCluster's services hold, as their pods count them."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Final

from chatcluster_operator.decide import Key, Pod
from chatcluster_operator.observe.rounds import Addresses, Rounds
from chatcluster_operator.observe.scraper import Scraper

PORTS: Final[Mapping[str, int]] = {"message": 3002, "presence": 3005}
"""Services that hold sockets, and the port on which they say how many."""
EVERY: Final = 55.0
"""Least seconds between two counts of a ChatCluster. Looks at a settled one come about once a minute."""

_SAMPLE: Final = re.compile(rb"^chat_socket_connections(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


class Sockets:
    """The sockets of one ChatCluster. `changed` is called when a count came out otherwise than the one before."""

    def __init__(
        self,
        scraper: Scraper,
        changed: Callable[[], None],
        *,
        ports: Mapping[str, int] = PORTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scraper = scraper
        self._ports = ports
        self._rounds = Rounds(self._count, changed, every=EVERY, clock=clock)

    def look(self, pods: Mapping[Key, Pod]) -> Mapping[str, int]:
        """What was last counted, by service. Begins to count anew when that is due."""
        return self._rounds.look(
            {
                service: [
                    pod.address for pod in pods.values() if pod.component == service and pod.ready and pod.address
                ]
                for service in self._ports
            }
        )

    def close(self) -> None:
        """Stop counting."""
        self._rounds.close()

    async def _count(self, service: str, addresses: Addresses) -> int | None:
        """Sockets that the pods at these addresses hold together; None when one of them does not say."""
        total = 0
        for address in addresses:
            samples = _SAMPLE.findall(await self._scraper.ask(address, self._ports[service]))
            if not samples:
                return None
            total += sum(int(float(sample)) for sample in samples)
        return total
