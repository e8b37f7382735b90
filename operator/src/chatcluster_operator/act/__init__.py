"""The only room that changes the world, and the only one that asks who leads."""

from chatcluster_operator.act.actor import Actor, Outcome, StandbyError
from chatcluster_operator.act.events import Events

__all__ = ["Actor", "Events", "Outcome", "StandbyError"]
