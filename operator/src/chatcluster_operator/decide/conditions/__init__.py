"""The conditions: a module for each aspect, each a function from the facts to a verdict.

A new aspect is a function here. In `PARTS` it must hold for the ChatCluster to be ready; in `STATES` it only says what
goes on. One that returns None has nothing to say for this ChatCluster, and its condition is left out.
"""

from collections.abc import Callable
from typing import Final

from chatcluster_operator.decide.conditions.applied import applied
from chatcluster_operator.decide.conditions.autoscaling import autoscaling
from chatcluster_operator.decide.conditions.certificate import certificate_ready
from chatcluster_operator.decide.conditions.configuration import configuration
from chatcluster_operator.decide.conditions.hibernation import hibernated
from chatcluster_operator.decide.conditions.pause import paused
from chatcluster_operator.decide.conditions.progress import progressing
from chatcluster_operator.decide.conditions.readiness import edge_ready, ready, services_ready, stores_ready
from chatcluster_operator.decide.conditions.restarting import restarting
from chatcluster_operator.decide.conditions.rotating import rotating
from chatcluster_operator.decide.conditions.schema import schema
from chatcluster_operator.decide.conditions.upgrading import upgrading
from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict

Aspect = Callable[[Facts], Verdict | None]

PARTS: Final[tuple[Aspect, ...]] = (
    configuration,
    applied,
    stores_ready,
    services_ready,
    edge_ready,
    certificate_ready,
)
"""What Ready sums up."""
STATES: Final[tuple[Aspect, ...]] = (
    progressing,
    upgrading,
    rotating,
    schema,
    restarting,
    paused,
    hibernated,
    autoscaling,
)
"""What goes on, whether or not all is well."""


def judge(facts: Facts) -> list[Verdict]:
    """All conditions, Ready first, which sums up the others."""
    parts = _verdicts(PARTS, facts)
    return [ready(parts), *parts, *_verdicts(STATES, facts)]


def _verdicts(aspects: tuple[Aspect, ...], facts: Facts) -> list[Verdict]:
    return [verdict for aspect in aspects if (verdict := aspect(facts)) is not None]


__all__ = ["PARTS", "STATES", "Aspect", "judge"]
