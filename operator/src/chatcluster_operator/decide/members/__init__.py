"""Stores with several members: what is known of them, and what is to be done about it. Pure, as all of `decide`.

The stores themselves need no operator: each elects its leader by its own protocol, and each member hands its role over
before it goes. The operator adds what they cannot know: that a node is lost and a volume with it, that a person wants
another leader, that there should be more members or fewer.

One look goes like this. `observe.stores` has asked the members and gives a `StoreView`. The store's `Decider` here, if
it has one, says what the store needs beyond what all stores share, as `Order`s and as the number of members that it can
have now. `act.stores` carries the orders out. A store joins by a function in each of the three tables:

- `observe.stores.PROBES`: asks the members (`async (Reach) -> StoreView`);
- `decide.members.DECIDERS`: decides (`(Standing) -> Decision`, pure, safe to repeat), where it has something to decide;
- `act.stores.COMMANDS`: carries out an order (`async (Order, Reach) -> None`).

Nothing is remembered between two looks but what `status.stores` says. So an order must be safe to give twice: a decider
gives it for as long as the view asks for it, and a restart of the operator at any moment changes nothing.

What all stores share is `set_course`: what people ask for (`members.requests`) and nodes that are lost
(`members.nodes`).
"""

from collections.abc import Mapping
from typing import Final

from chatcluster_operator.decide.members import kafka, mongodb, postgres
from chatcluster_operator.decide.members.course import Course, GiveUp, Question, running, set_course, store_status
from chatcluster_operator.decide.members.facts import Contact, Member, Reach, StoreView
from chatcluster_operator.decide.members.nodes import Claim, Node, Surroundings
from chatcluster_operator.decide.members.orders import Decider, Decision, Failover, Order, Standing, Switchover

DECIDERS: Final[Mapping[str, Decider]] = {
    "kafka": kafka.decide,
    "mongodb": mongodb.decide,
    "postgres": postgres.decide,
}
"""What is decided for one store alone, by store."""

__all__ = [
    "DECIDERS",
    "Claim",
    "Contact",
    "Course",
    "Decider",
    "Decision",
    "Failover",
    "GiveUp",
    "Member",
    "Node",
    "Order",
    "Question",
    "Reach",
    "Standing",
    "StoreView",
    "Surroundings",
    "Switchover",
    "running",
    "set_course",
    "store_status",
]
