"""The one way to the Kubernetes API: plain dicts over the official asyncio client's connection, every call timed."""

from chatcluster_operator.kube.client import ApiError, Client, Object
from chatcluster_operator.kube.kinds import CHATCLUSTER, CHILD_KINDS, KINDS, Kind

__all__ = ["CHATCLUSTER", "CHILD_KINDS", "KINDS", "ApiError", "Client", "Kind", "Object"]
