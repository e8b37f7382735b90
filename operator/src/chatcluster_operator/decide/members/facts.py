"""What is known of a store's members, and how they are reached."""

from dataclasses import dataclass, field

from chatcluster_operator.api import ChatCluster, MemberRole, MemberState
from chatcluster_operator.desired import Credentials


@dataclass(frozen=True, slots=True)
class Member:
    """One member, as it and the others say it is."""

    name: str
    """Name of its pod, such as demo-postgres-0."""
    node: str = ""
    """Node that its pod is on."""
    role: MemberRole = MemberRole.UNKNOWN
    state: MemberState = MemberState.UNREACHABLE
    in_step: bool = False
    """Whether all that was acknowledged is on it too: it could lead, or another could go, without a loss."""
    detail: str = ""
    """What else there is to say, for people. Keep it coarse: it goes into the status, and the worker looks again
    whenever it changes. So `behind by more than 16 MiB`, not a number that is another each second."""

    full: int | None = None
    """How full its volume is, in percent, in steps of five; None: it does not say, and the program beside it may."""

    @property
    def well(self) -> bool:
        """Whether nothing need be done about it."""
        return self.state is MemberState.RUNNING and self.in_step


@dataclass(frozen=True, slots=True)
class StoreView:
    """One store at one moment. Two views are equal when they say the same, whenever they were taken."""

    store: str
    members: tuple[Member, ...] = ()
    """All that should be there, and any that are there besides, by ordinal."""
    leader: str = ""
    """Name of the member that leads, as a majority has it; empty when none does, or when the store has no leader."""
    problem: str = ""
    """What is wrong with the store as a whole, for people: no leader, no quorum, under-replicated partitions. Say what
    to do about it where a person must do something."""
    at: float = field(default=0.0, compare=False)
    """When it was taken, Unix seconds. Set by the framework."""

    def member(self, name: str) -> Member | None:
        """The member of that name."""
        return next((member for member in self.members if member.name == name), None)

    @property
    def well(self) -> bool:
        """Whether the store has its full redundancy."""
        return not self.problem and all(member.well for member in self.members)


@dataclass(frozen=True, slots=True)
class Contact:
    """A member that should be there, or a pod that is there besides."""

    name: str
    """Name of its pod, whether or not there is one."""
    address: str = ""
    """The pod's IP address; empty: there is no pod, or it has none yet. Such a member is ABSENT."""
    node: str = ""
    ready: bool = False
    """Whether Kubernetes counts it as ready."""
    ending: bool = False
    """Whether the pod was told to end."""


@dataclass(frozen=True)
class Reach:
    """All that is needed to speak to a store's members."""

    cluster: ChatCluster
    store: str
    credentials: Credentials
    """The generated values, with the users and passwords of the store; those in force now come first."""
    contacts: tuple[Contact, ...]
    """By ordinal: each member that should be there, then pods that are there besides."""
