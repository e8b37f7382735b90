"""The values that the operator generates, as far as they are replaced."""

from typing import Annotated

from pydantic import Field

from chatcluster_operator.api.model import Model


class Credentials(Model):
    """How long generated passwords and keys are kept. They are replaced while everything runs: see docs/rotation.md."""

    rotate_every_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days after which store passwords and keys are replaced, within a maintenance window where there are any. Left
    out: only when asked for, by the annotations chatcluster.dev/rotate-credentials and
    chatcluster.dev/rotate-token-key. Passwords of external stores are yours to change, in their Secrets."""
