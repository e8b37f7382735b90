"""Whose an object is. The operator changes and deletes what is its ChatCluster's, and nothing else."""

from chatcluster_operator.decide.snapshot import Child


def owned(child: Child, *, uid: str, name: str) -> bool:
    """Whether `child` belongs to the ChatCluster with this uid and name.

    It does when the ChatCluster controls it, or when nobody does and its labels name the ChatCluster: that is an object
    kept from an earlier ChatCluster of the same name, such as its credentials, or one whose owner was removed by hand.
    """
    if child.controller is not None:
        return child.controller == uid
    return child.instance == name
