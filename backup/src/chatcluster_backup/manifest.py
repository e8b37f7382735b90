"""What a backup consists of. The manifest is written last, so a backup that was cut off is none."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

FORMAT: Final = 1
"""Version of the layout; one that is not known is not restored."""

FOLDER: Final = "manifests/"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Part(_Record):
    """One sealed stream of a backup."""

    name: str
    """Where it is, from the ChatCluster's folder on."""
    bytes: int
    """Its size, sealed."""
    sha256: str
    """Of the sealed stream."""
    items: int = 0
    """Documents or objects in it."""


class PostgresPart(_Record):
    """What pgBackRest restores from."""

    path: str
    """Its folder in the bucket."""
    label: str
    """The base backup."""
    point: str
    """The named restore point at which recovery ends."""
    at: datetime
    """When the restore point was made: nothing acknowledged by PostgreSQL before is missing."""
    bytes: int
    """What the base backup added to the repository."""
    version: int
    """Major version of PostgreSQL; another cannot start from it."""


class Objects(_Record):
    """The files."""

    index: Part
    """The list of objects: one JSON line `[key, etag, size, blob]` each."""
    bytes: int
    """Size of all objects, unsealed."""
    copied: int
    """Objects that were not in the repository already."""


class Manifest(_Record):
    """A whole backup."""

    format: int = FORMAT
    id: str
    """Sorts by the time of the backup: `20261123T042549Z-0a1b2c3d`."""
    namespace: str
    cluster: str
    release: str
    """Release that ran: the schemas are of it."""
    moment: datetime
    """Everything that any store had acknowledged before is in the backup."""
    completed: datetime
    postgres: PostgresPart | None = None
    messages: tuple[Part, ...] = ()
    """A part for each collection."""
    objects: Objects | None = None
    keys: Part
    """The keys without which restored data cannot be read, or devices and links no longer work."""

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{FOLDER}{self.id}"

    @property
    def bytes(self) -> int:
        """What this backup holds, sealed where it is ours; objects unsealed, shared or not."""
        total = self.keys.bytes + sum(part.bytes for part in self.messages)
        return total + (self.objects.bytes if self.objects else 0) + (self.postgres.bytes if self.postgres else 0)
