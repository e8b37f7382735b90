"""Whether another number of connected sockets is worth writing down: a settled ChatCluster's status should be quiet."""

from collections.abc import Mapping
from typing import Final

NOTICEABLE: Final = 0.05
"""The share by which a number must change to be told."""


def told(before: Mapping[str, int], counted: Mapping[str, int]) -> dict[str, int]:
    """The number for each service that the status is to say, given what it says and what was counted.

    Zero and any other number always differ; what is no longer counted is no longer told.
    """
    return {
        service: before[service] if service in before and _alike(before[service], number) else number
        for service, number in counted.items()
    }


def _alike(old: int, new: int) -> bool:
    return bool(old) == bool(new) and abs(new - old) <= NOTICEABLE * old
