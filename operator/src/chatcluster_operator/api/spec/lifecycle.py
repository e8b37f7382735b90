"""How a ChatCluster changes and ends."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from chatcluster_operator.api.model import Model


class DeletionPolicy(StrEnum):
    """What becomes of the data when the ChatCluster is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Upgrade(Model):
    """How a change of release goes: stores first, then services one after the other, then the edge."""

    step_timeout_seconds: Annotated[int, Field(ge=10, le=86_400)] = 600
    """How long one component may take to become ready with the new release; then everything is taken back."""
