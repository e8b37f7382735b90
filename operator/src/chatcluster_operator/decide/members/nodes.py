"""Members whose node is lost: when one is made anew elsewhere, although its volume has to be given up for that.

A node counts as lost when the control plane has not heard from it, or does not know it any more. That proves nothing:
its pods may still run, cut off from everybody. Stores bear that, since each member that is cut off from most others
stops leading by itself. What they do not bear is the loss of too many volumes. So the volume of a member is given up
only where all of this holds:

- the member does not answer, and has not for as long as `spec.failover.replaceAfterSeconds` says;
- its volume is on that node's own disk, so that nothing else would ever bring it back while the node is away;
- every other member answers and is in step, they are a majority, and one of them leads where there is a leader;
- nothing else is done in the store: one member at a time;
- fewer than half of all nodes are lost: otherwise it is the network, or the control plane, that is;
- the API server has answered without a gap for a while: after one, nodes look lost that are not.

Deleting the pod fences what may still run: the API server then refuses its service account's token, which is bound to
that pod, and the kubelet ends it as soon as the node is back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chatcluster_operator.api import MemberRole, MemberState
from chatcluster_operator.decide.members.facts import Member, StoreView

FRESH_SECONDS: Final = 60.0
"""A view must not be older for a volume to be given up by it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster."""

    name: str
    ready: bool
    """Whether the control plane hears from it, and it says that it is well."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of a member's volume."""

    name: str
    uid: str
    node: str = ""
    """The one node whose disk the volume is on; empty: there is no volume yet, or it can follow its pod."""
    ending: bool = False
    """It was deleted and goes once no pod uses it: there is no way back."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the store itself."""

    nodes: Mapping[str, Node] | None = None
    """All nodes; None: the operator may not see them."""
    claims: Mapping[str, Claim] = field(default_factory=dict[str, Claim])
    """Claims of members that may have to be made anew, by member; those of the others are not looked up."""
    pods: Mapping[str, str] = field(default_factory=dict[str, str])
    """The uid of each member's pod, by member."""
    steady: bool = False
    """The API server has answered without a gap for long enough."""

    def lost(self, node: str) -> bool:
        """Whether this node is lost. None is while nodes cannot be seen."""
        return bool(node) and self.nodes is not None and not (node in self.nodes and self.nodes[node].ready)

    @property
    def most_lost(self) -> bool:
        """Whether half of the nodes, or more, are lost, counting those that claims name and nobody knows any more."""
        known = set(self.nodes or ()) | {claim.node for claim in self.claims.values() if claim.node}
        return 2 * sum(self.lost(node) for node in known) >= len(known)


def on_lost_node(member: Member, around: Surroundings) -> str:
    """The lost node that a member is on, or would have to be on for its volume; empty when there is none."""
    if member.state is MemberState.RUNNING:
        return ""
    claim = around.claims.get(member.name)
    bound = claim.node if claim else ""
    return next((node for node in (bound, member.node) if around.lost(node)), "")


def hindrance(member: str, view: StoreView, around: Surroundings, *, wanted: int, now: float) -> str:
    """Why the volume of this member must not be given up now, for people; empty when it may be.

    Of the member itself nothing is asked but that it does not lead: whether its node is lost, or a person wants it
    rebuilt, is for others to say.
    """
    others = [item for item in view.members if item.name != member]
    lagging = [item.name for item in others if not item.well]
    led = bool(view.leader) or not any(item.role is MemberRole.FOLLOWER for item in others)
    settled = around.steady and now - view.at <= FRESH_SECONDS
    checks = (
        (bool(lagging), f"waits until {', '.join(lagging)} answer and are in step"),
        (len(others) < wanted // 2 + 1, "waits: the others are no majority"),
        (view.leader == member, f"waits: {member} leads; hand over first"),
        (not led, "waits until a member leads"),
        (
            around.nodes is not None and around.most_lost,
            "waits: half of the nodes or more are lost; mend the network, or bring nodes back",
        ),
        (not settled, "waits until the API server and the members have answered for a while"),
    )
    return next((message for hinders, message in checks if hinders), "")


def replaceable(member: Member, view: StoreView, around: Surroundings, *, wanted: int, now: float) -> str:
    """Why a member on a lost node is not made anew elsewhere, for people; empty when it may be."""
    claim = around.claims.get(member.name)
    node = on_lost_node(member, around)
    if claim is None:
        return f"waits for the claim of {member.name}'s volume to be read"
    if claim.node != node and not claim.ending:
        return (
            f"{member.name} stays on {node}: its volume can follow it, but may be in use there. Once that node is off "
            f"for certain, say so: kubectl taint nodes {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
        )
    return hindrance(member.name, view, around, wanted=wanted, now=now)
