"""What every component may be told of its pods."""

from enum import StrEnum
from typing import Annotated, Any, Self, cast

from pydantic import Field, StringConstraints, model_validator

from chatcluster_operator.api.model import Model
from chatcluster_operator.api.quantity import Quantity, parse_quantity
from chatcluster_operator.api.spec.common import ObjectName
from chatcluster_operator.api.strategic import merge


class Amounts(Model):
    """A share of a node."""

    cpu: Quantity | None = None
    """Processor share in cores, such as 500m or 2."""
    memory: Quantity | None = None
    """Memory in bytes, such as 256Mi."""


class Resources(Model):
    """What each pod of a component asks of its node. An amount left out takes the operator's figure."""

    requests: Amounts = Amounts()
    """What the scheduler sets aside for the pod."""
    limits: Amounts = Amounts()
    """What the pod may not exceed. No processor limit unless one is set here: throttling costs more than it saves."""

    @model_validator(mode="after")
    def _requests_within_limits(self) -> Self:
        for name in ("cpu", "memory"):
            request, limit = getattr(self.requests, name), getattr(self.limits, name)
            if request and limit and parse_quantity(request) > parse_quantity(limit):
                raise ValueError(f"requests.{name} is above limits.{name}; lower the request or raise the limit")
        return self


class TolerationOperator(StrEnum):
    """How a toleration is compared with a taint."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """A taint that pods put up with, as in a pod."""

    key: Annotated[str, StringConstraints(max_length=316)] = ""
    """Key of the taint; empty with operator Exists: every taint."""
    operator: TolerationOperator = TolerationOperator.EQUAL
    """Equal: the values match. Exists: whatever the value."""
    value: Annotated[str, StringConstraints(max_length=63)] = ""
    """Value of the taint."""
    effect: TaintEffect | None = None
    """Effect of the taint; left out: every effect."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long a pod stays once the taint NoExecute is there; left out: for ever."""


class Placement(Model):
    """Which nodes a component's pods run on. Among those they are spread."""

    node_selector: Annotated[dict[str, Annotated[str, StringConstraints(max_length=63)]], Field(max_length=16)] = Field(
        default_factory=dict[str, str]
    )
    """Labels that a node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(default_factory=list[Toleration])
    """Taints that the pods put up with."""
    affinity: Annotated[
        dict[str, Any] | None, Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})
    ] = None
    """Affinity and anti-affinity, as in a pod."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods."""


_FIXED_LABELS = "app.kubernetes.io/"


class Workload(Model):
    """What every component may be told of its pods."""

    resources: Resources | None = None
    """What each pod asks of its node."""
    placement: Placement = Placement()
    """Which nodes the pods run on."""
    pod_override: Annotated[
        dict[str, Any] | None, Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})
    ] = None
    """Merged into the pod template as `kubectl patch` would (strategic merge): what no other field can say, such as a
    sidecar or a host alias. Labels app.kubernetes.io/… cannot be changed by it. Use it with care: it can break what the
    operator relies on."""

    @model_validator(mode="after")
    def _override_is_a_patch(self) -> Self:
        metadata = (self.pod_override or {}).get("metadata")
        labels = cast("dict[str, Any]", metadata).get("labels") if isinstance(metadata, dict) else None
        if isinstance(labels, dict) and any(name.startswith(_FIXED_LABELS) for name in cast("dict[str, Any]", labels)):
            raise ValueError(f"podOverride changes a label {_FIXED_LABELS}…, by which pods are found; remove it")
        merge({}, self.pod_override or {})
        return self
