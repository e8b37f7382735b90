"""Stores with several members asked how they are, each by its own protocol, beside everything else.

`PROBES` is the table of what asks each store (see `observe.stores.probe` for what a probe must do), `StoreWatch` what
asks one ChatCluster's stores when it is time to.
"""

from collections.abc import Mapping
from typing import Final

from chatcluster_operator.observe.stores import kafka, mongodb, objects, postgres, redis
from chatcluster_operator.observe.stores.probe import MEMBER_SECONDS, PROBE_ERRORS, PROBE_SECONDS, Probe
from chatcluster_operator.observe.stores.watch import Pace, StoreWatch, contacts

PROBES: Final[Mapping[str, Probe]] = {
    "kafka": kafka.probe,
    "mongodb": mongodb.probe,
    "objects": objects.probe,
    "postgres": postgres.probe,
    "redis": redis.probe,
}
"""By store. One without a probe has members that nobody asks: nothing is told of it, and nothing decided."""

__all__ = ["MEMBER_SECONDS", "PROBES", "PROBE_ERRORS", "PROBE_SECONDS", "Pace", "Probe", "StoreWatch", "contacts"]
