"""The conditions: a module for each aspect, each a function from the facts to a verdict.

A new aspect is a function here, under the type of its condition. In `PARTS` it must hold for the ChatCluster to be
ready; in `STATES` it only says what goes on. One that returns None has nothing to say for this ChatCluster, and its
condition is left out.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from chatcluster_operator.decide.conditions.applied import applied
from chatcluster_operator.decide.conditions.autoscaling import autoscaling
from chatcluster_operator.decide.conditions.backups import backed_up
from chatcluster_operator.decide.conditions.certificate import certificate_ready
from chatcluster_operator.decide.conditions.configuration import configuration
from chatcluster_operator.decide.conditions.hibernation import hibernated
from chatcluster_operator.decide.conditions.pause import paused
from chatcluster_operator.decide.conditions.progress import progressing
from chatcluster_operator.decide.conditions.readiness import edge_ready, ready, services_ready, stores_ready
from chatcluster_operator.decide.conditions.redundancy import redundancy
from chatcluster_operator.decide.conditions.restarting import restarting
from chatcluster_operator.decide.conditions.restored import restored
from chatcluster_operator.decide.conditions.rotating import rotating
from chatcluster_operator.decide.conditions.schema import schema
from chatcluster_operator.decide.conditions.upgrading import upgrading
from chatcluster_operator.decide.conditions.volumes import volumes_have_room, volumes_sized
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict

Aspect = Callable[[Facts], Verdict | None]

PARTS: Final[Mapping[str, Aspect]] = {
    "ConfigurationValid": configuration,
    "Applied": applied,
    "Restored": restored,
    "StoresReady": stores_ready,
    "ServicesReady": services_ready,
    "EdgeReady": edge_ready,
    "CertificateReady": certificate_ready,
}
"""What Ready sums up."""
STATES: Final[Mapping[str, Aspect]] = {
    "Progressing": progressing,
    "Upgrading": upgrading,
    "Rotating": rotating,
    "SchemaMigrated": schema,
    "Restarting": restarting,
    "StoresRedundant": redundancy,
    "VolumesSized": volumes_sized,
    "VolumesHaveRoom": volumes_have_room,
    "BackedUp": backed_up,
    "Paused": paused,
    "Hibernated": hibernated,
    "ScalesOnSockets": autoscaling,
}
"""What goes on, whether or not all is well."""
TYPES: Final = frozenset({"Ready", *PARTS, *STATES})
"""Conditions that are the operator's. Others may add theirs to the status, and keep them."""


def judge(facts: Facts) -> list[Verdict]:
    """All conditions, Ready first, which sums up the others."""
    parts = _verdicts(PARTS.values(), facts)
    return [ready(parts), *parts, *_verdicts(STATES.values(), facts)]


def _verdicts(aspects: Iterable[Aspect], facts: Facts) -> list[Verdict]:
    return [verdict for aspect in aspects if (verdict := aspect(facts)) is not None]


__all__ = ["PARTS", "STATES", "TYPES", "Aspect", "judge"]
