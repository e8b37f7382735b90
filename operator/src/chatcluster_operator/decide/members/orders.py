"""What stores are told to do, and the values from which a store decides that."""

from collections.abc import Callable
from dataclasses import dataclass

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.decide.members.facts import StoreView


@dataclass(frozen=True, slots=True)
class Order:
    """Something to be done in a store by its own protocol. Stores add their own, as subclasses.

    Safe to give twice. What it is about is in its fields, and why in a line for people and the log.
    """

    store: str
    why: str


@dataclass(frozen=True, slots=True)
class Switchover(Order):
    """The leader hands over, with nothing lost and no gap beyond what the store needs."""

    to: str = ""
    """Member that is to lead; empty: whichever is best."""


@dataclass(frozen=True, slots=True)
class Failover(Order):
    """Another member takes over although the leader does not answer. Only ever one that has all that was acknowledged:
    the command refuses (`CommandError`) rather than lose something."""

    to: str = ""
    """Member that is to lead; empty: whichever is best."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a store decides from."""

    cluster: ChatCluster
    view: StoreView
    """As last seen, a few seconds ago while something goes on."""
    wanted: int
    """Members that the spec asks for."""
    made: int
    """Replicas that the StatefulSet has now; 0: it is not made yet."""
    now: int
    """Unix seconds."""
    lost: frozenset[str] = frozenset()
    """Nodes that are lost."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a store needs now."""

    orders: tuple[Order, ...] = ()
    """Given one after the other; after one that fails the rest waits for the next look."""
    members: int | None = None
    """Replicas that the StatefulSet is to have meanwhile, where those are not what the spec asks for: a store that
    gives members up moves their data first."""
    waits: str = ""
    """What goes on, or what hinders it, for people; it becomes part of the condition StoresRedundant."""


Decider = Callable[[Standing], Decision]
