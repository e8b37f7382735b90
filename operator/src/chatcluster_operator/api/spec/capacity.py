"""How many people a ChatCluster is for, and how long what they leave behind is kept."""

from typing import Annotated

from pydantic import Field

from chatcluster_operator.api.model import Model


class Capacity(Model):
    """What the ChatCluster is sized for. Whatever another field says of a component wins over what follows."""

    concurrent_users: Annotated[int, Field(ge=1, le=1_000_000)]
    """People connected at the same time, in the busiest hour. Replicas and their bounds, resources, the sizes of
    volumes and Kafka's partitions follow from it, such that the loss of one pod of a service or of the edge costs
    nobody more than a reconnect. status.capacity says what followed and why; docs/capacity.md has the model. Volumes
    grow with it, and never shrink."""


_Days = Annotated[int, Field(ge=1, le=36_500)]


class Retention(Model):
    """How long things are kept. What is older is removed for good, within a day or so."""

    messages_days: _Days | None = None
    """Days for which messages and their files are kept, unless a conversation has a shorter time of its own. Left out:
    for ever."""
    audit_days: Annotated[int, Field(ge=1, le=3_650)] | None = None
    """Days for which security events are kept. Left out: a year."""
