"""What the status says of capacity: what was derived from the number of people, and where the world differs from it."""

from collections.abc import Iterator
from typing import Final

from chatcluster_operator.api import CapacityFigure, CapacityStatus
from chatcluster_operator.api.quantity import parse_quantity
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.desired.sizing import Choice, Origin, Size, Sizing, sizing

_NOTES: Final = {
    "partitions": "; added to the topic where it has fewer, never taken away (see docs/capacity.md)",
    "maxConnections": "; PostgreSQL's pods are replaced when it changes",
}
"""What becomes of numbers that the operator cannot see."""


def capacity(facts: Facts) -> CapacityStatus | None:
    """What was derived and why; None when nothing is. Numbers that the spec or the operator gives are left out."""
    sizes = sizing(facts.cluster)
    if sizes.users is None:
        return None
    return CapacityStatus(concurrent_users=sizes.users, figures=list(_figures(facts, sizes)))


def _figures(facts: Facts, sizes: Sizing) -> Iterator[CapacityFigure]:
    names = [component.name for component in facts.components]
    for name in names:
        yield from _component(name, sizes[name], facts)
    if sizes.partitions.origin is Origin.CAPACITY:
        yield _figure("kafka", "partitions", sizes.partitions, _NOTES["partitions"])
    if sizes.database_connections.origin is Origin.CAPACITY and "postgres" in names:
        yield _figure("postgres", "maxConnections", sizes.database_connections, _NOTES["maxConnections"])
    for bound in sizes.bounds:
        if bound.component in names:
            yield CapacityFigure(
                component=bound.component,
                what="bound",
                value=f"{bound.users} people",
                why=f"A single member does not suffice: {bound.why}. Bring one that does, as an external store.",
            )


def _component(name: str, size: Size, facts: Facts) -> Iterator[CapacityFigure]:
    if size.replicas.origin is Origin.CAPACITY:
        yield _figure(name, "replicas", size.replicas)
    if size.most is not None and size.most.origin is Origin.CAPACITY:
        yield _figure(name, "maxReplicas", size.most)
    if size.connections is not None and size.connections.origin is Origin.CAPACITY:
        yield _figure(name, "targetConnections", size.connections)
    if size.cpu.origin is Origin.CAPACITY:
        yield _figure(name, "cpu", size.cpu)
    if size.memory.origin is Origin.CAPACITY:
        yield _figure(name, "memory", size.memory)
    if size.volume is not None:
        yield from _volume(name, size.volume, facts)


def _volume(name: str, wanted: Choice[str], facts: Facts) -> Iterator[CapacityFigure]:
    workload = facts.workloads.get(name)
    live = workload.storage if workload else ""
    if live and parse_quantity(live) < parse_quantity(wanted.value):
        why = f"Smaller than the {wanted.value} wanted ({wanted.why}); see the condition VolumesSized."
        yield CapacityFigure(component=name, what="volume", value=live, why=why)
    elif wanted.origin is Origin.CAPACITY:
        yield _figure(name, "volume", wanted)


def _figure(component: str, what: str, choice: Choice[int] | Choice[str], note: str = "") -> CapacityFigure:
    return CapacityFigure(component=component, what=what, value=str(choice.value), why=choice.why + note)
