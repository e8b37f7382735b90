"""How full the volumes of a ChatCluster's stores are, as a program beside each says (`stores/common/volume`)."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Final

from chatcluster_operator.api import STORES
from chatcluster_operator.decide import Key, Pod
from chatcluster_operator.decide.room import percent
from chatcluster_operator.desired.pods import VOLUME_PORT
from chatcluster_operator.observe.rounds import Addresses, Rounds
from chatcluster_operator.observe.scraper import Scraper

EVERY: Final = 115.0
"""Least seconds between two rounds. Looks at a settled ChatCluster come about once a minute, so it is every other."""

_SAMPLE: Final = re.compile(rb"^chat_volume_(size_bytes|available_bytes|full) ([0-9]+)$", re.MULTILINE)


class Room:
    """The volumes of one ChatCluster. `changed` is called when one of them is fuller or less full than before."""

    def __init__(
        self,
        scraper: Scraper,
        changed: Callable[[], None],
        *,
        port: int = VOLUME_PORT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scraper = scraper
        self._port = port
        self._rounds = Rounds(self._ask, changed, every=EVERY, clock=clock)

    def look(self, pods: Mapping[Key, Pod]) -> Mapping[str, int]:
        """How full each was when last heard of, in percent, by its member's pod. Asks anew when that is due; also those
        that are not ready, as one that is full may not be."""
        return self._rounds.look(
            {key.name: [pod.address] for key, pod in pods.items() if pod.component in STORES and pod.address}
        )

    def close(self) -> None:
        """Stop asking."""
        self._rounds.close()

    async def _ask(self, _: str, addresses: Addresses) -> int | None:
        [address] = addresses
        found = {name: int(value) for name, value in _SAMPLE.findall(await self._scraper.ask(address, self._port))}
        if not found.get(b"size_bytes") or b"available_bytes" not in found:
            return None
        return percent(found[b"size_bytes"], found[b"available_bytes"], full=bool(found.get(b"full")))
