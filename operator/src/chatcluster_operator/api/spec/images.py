"""Where images come from."""

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from chatcluster_operator.api.constants import BACKUP, COMPONENTS
from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.common import ObjectName


class PullPolicy(StrEnum):
    """When a node fetches an image, as in a pod."""

    IF_NOT_PRESENT = "IfNotPresent"
    ALWAYS = "Always"
    NEVER = "Never"


_NAMES = (*COMPONENTS, BACKUP)
_KNOWN = ", ".join(_NAMES)


class Images(Model):
    """Where images come from. The catalogue beside the operator names one for each component of each release."""

    overrides: Annotated[
        dict[str, Annotated[str, StringConstraints(min_length=1, max_length=512)]],
        Field(
            max_length=len(_NAMES),
            json_schema_extra=rules(
                (
                    f"self.all(component, component in {list(_NAMES)!r})",
                    f"images.overrides names an unknown component; the components are {_KNOWN}",
                ),
                (
                    "self.all(component, self[component].matches('[:@][^:@/]+$') "
                    "&& !self[component].endsWith(':latest'))",
                    "images.overrides must name a fixed version; end each image with a tag other than latest, "
                    "or with a digest",
                ),
            ),
        ),
    ] = Field(default_factory=dict[str, str])
    """Image references by component, each in place of the catalogue's."""
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    """When a node fetches an image."""
    pull_secrets: Annotated[
        list[ObjectName], Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = Field(default_factory=list[str])
    """Names of Secrets in the ChatCluster's namespace that open the registry."""

    @model_validator(mode="after")
    def _known_and_fixed(self) -> Self:
        for component, image in self.overrides.items():
            if component not in _NAMES:
                raise ValueError(f"overrides names an unknown component, {component}; the components are {_KNOWN}")
            if not re.search(r"[:@][^:@/]+$", image) or image.endswith(":latest"):
                raise ValueError(f"overrides.{component} must end with a tag other than latest, or with a digest")
        return self
