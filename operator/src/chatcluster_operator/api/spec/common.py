"""Names, shared by the parts of the spec."""

from typing import Annotated

from pydantic import StringConstraints

ObjectName = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
