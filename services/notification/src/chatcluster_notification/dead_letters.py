"""What was given up on: shown without what is secret in it, tried again, or dropped."""

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, Field, ValidationError

from chatcluster_common.events import DependencyAwayError, MessageCreated
from chatcluster_notification.jobs import JOB
from chatcluster_notification.notifier import Notifier
from chatcluster_notification.outbox import DeadLetter, Outbox

_SECRET = frozenset({"address", "link", "name", "preview", "body"})


class DeadLetterView(BaseModel):
    """One, as an operator sees it."""

    id: str
    kind: str = Field(description="`event`, `email`, `push` or `account`.")
    recipient_id: str
    reason: str
    at: str
    content: Any = Field(description="Without what people wrote, their names and addresses, and links.")


class Chosen(BaseModel):
    """Which ones; null: all that there are."""

    ids: list[str] | None = Field(default=None, max_length=1000)


class Replayed(BaseModel):
    """How that ended."""

    done: list[str]
    failed: dict[str, str] = Field(description="Reason by id; these are left where they are.")


class DeadLetters:
    """The stream of what was given up on."""

    def __init__(self, outbox: Outbox, notifier: Notifier) -> None:
        self._outbox = outbox
        self._notifier = notifier

    async def list(self) -> Sequence[DeadLetterView]:
        """All of them, oldest first."""
        return [
            DeadLetterView(
                id=letter.id,
                kind=letter.kind,
                recipient_id=letter.recipient_id,
                reason=letter.reason,
                at=letter.at,
                content=_shown(letter.content),
            )
            for letter in await self._outbox.dead()
        ]

    async def replay(self, ids: Sequence[str] | None) -> Replayed:
        """Try again what was given up on; what is queued anew is no longer among the dead."""
        result = Replayed(done=[], failed={})
        for letter in await self._outbox.dead(ids):
            try:
                await self._replay(letter)
            except ValidationError:
                result.failed[letter.id] = "it cannot be read"
            except DependencyAwayError as error:
                result.failed[letter.id] = f"{error} is away"
            else:
                # Queued first: a crash between sends it twice with one Message-ID, rather than never.
                await self._outbox.forget_dead([letter.id])
                result.done.append(letter.id)
        return result

    async def drop(self, ids: Sequence[str] | None) -> int:
        """Delete them; how many there were."""
        return await self._outbox.forget_dead([letter.id for letter in await self._outbox.dead(ids)])

    async def _replay(self, letter: DeadLetter) -> None:
        if letter.kind == "event":
            await self._notifier.handle(MessageCreated.model_validate_json(letter.content))
        else:
            await self._outbox.put_back(JOB.validate_json(letter.content))


def _shown(content: str) -> Any:
    try:
        return _redacted(orjson.loads(content))
    except ValueError:
        return f"{len(content)} characters that are no JSON"


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "…" if key in _SECRET and each else _redacted(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return [_redacted(each) for each in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]
