"""The loop: one worker a ChatCluster, woken by events and a jittered resync, that makes the world as the spec says."""

from chatcluster_operator.reconcile.reconciler import Reconciler
from chatcluster_operator.reconcile.worker import Result, Worker

__all__ = ["Reconciler", "Result", "Worker"]
