#!/usr/bin/python3
"""Patroni, of which only the loop that decides reads the cluster anew: `ha FOLDER`, as `patroni FOLDER`.

Patroni (4.0.7) keeps the lock's resource version whenever it reads the cluster, so also where its REST API is asked
/cluster. A member that has decided to take a free lock, and is asked so in the moment in which another one takes it,
takes it from that one, which has begun to lead: two leaders at once, until the other looks. Nothing was acknowledged by
both, as a commit needs a majority, but clients were led to either. So whoever asks is told what the loop saw last.

For the same reason a loop that hangs no longer counts as having looked because somebody asks.
"""

import sys
import threading

from patroni.__main__ import main
from patroni.dcs import AbstractDCS, Cluster

_read = AbstractDCS.get_cluster


def get_cluster(self: AbstractDCS) -> Cluster:
    """As the loop, which runs in the main thread, has read it last; for the loop itself, and before it has, anew."""
    known = None if threading.current_thread() is threading.main_thread() else self.cluster
    return known or _read(self)


if __name__ == "__main__":
    AbstractDCS.get_cluster = get_cluster
    sys.exit(main())
