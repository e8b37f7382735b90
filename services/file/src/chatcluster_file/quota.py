"""How much one person may store. Counted by listing their files, so that there is no counter to go wrong."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from chatcluster_common.errors import Problem
from chatcluster_file.bucket import Bucket
from chatcluster_file.store import owner_prefix

_FRESH_SECONDS = 60.0
"""For so long a process believes its own count: by what others add meanwhile a quota may be passed."""
_MOST_PEOPLE = 4096


@dataclass(slots=True)
class Usage:
    """What a person has stored."""

    files: int = 0
    bytes: int = 0


def parse_owner_key(name: str) -> tuple[str, int]:
    """File id and bytes of a key under `owner_prefix`."""
    file_id, _, size = name.rpartition(".")
    return file_id, int(size)


class Quotas:
    """Bytes and number of files a person."""

    def __init__(self, bucket: Bucket, *, files: int, bytes_: int, now: Callable[[], float] = time.monotonic) -> None:
        self._bucket = bucket
        self._files = files
        self._bytes = bytes_
        self._now = now
        self._known: OrderedDict[str, tuple[float, Usage]] = OrderedDict()

    async def usage(self, person: str) -> Usage:
        """What the person has stored, as of the last minute."""
        counted, usage = self._known.get(person, (float("-inf"), Usage()))
        if self._now() - counted > _FRESH_SECONDS:
            usage = Usage()
            async for name in self._bucket.walk(owner_prefix(person)):
                usage.files += 1
                usage.bytes += parse_owner_key(name)[1]
            self._known[person] = (self._now(), usage)
            self._known.move_to_end(person)
            if len(self._known) > _MOST_PEOPLE:
                self._known.popitem(last=False)
        return usage

    async def room(self, person: str) -> int:
        """The bytes that the person may still store. 409 when they have no file left."""
        usage = await self.usage(person)
        if usage.files >= self._files:
            raise Problem(409, "quota_exceeded", f"You have {self._files} files, the most there may be. Delete some.")
        return max(0, self._bytes - usage.bytes)

    async def check(self, person: str, files: int, size: int) -> None:
        """409 or 413 unless so many more files of so many bytes together fit."""
        if await self.room(person) < size:
            raise self.exceeded()
        if (await self.usage(person)).files + files > self._files:
            raise Problem(409, "quota_exceeded", f"You may have {self._files} files. Delete some first.")

    def exceeded(self) -> Problem:
        """413 for bytes that are too many."""
        return Problem(413, "quota_exceeded", f"Your files may have {self._bytes} bytes together. Delete some first.")

    def note(self, person: str, files: int, size: int) -> None:
        """The person's files have become more, or fewer, by this."""
        if person in self._known:
            usage = self._known[person][1]
            usage.files += files
            usage.bytes += size
