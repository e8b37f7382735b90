"""Who may see a file: its owner, and the members of its conversation as the message service knows them."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from chatcluster_common import errors

_FRESH_SECONDS = 5.0
"""How long someone removed from a conversation may still read its files."""
_DOUBT_SECONDS = 1.0
"""How old an answer may be that turns someone away: a new member must not wait."""
_MOST_CONVERSATIONS = 4096

MODERATORS = frozenset({"owner", "admin"})


class MessageService(Protocol):
    """The internal call that is needed; `chatcluster_common.internal.InternalClient` has it."""

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any | None:
        """The JSON answer, or None for 404."""
        ...


class Memberships:
    """Roles in conversations, kept for a few seconds: a page of thumbnails must cost one question."""

    def __init__(self, message: MessageService, *, now: Callable[[], float] = time.monotonic) -> None:
        self._message = message
        self._now = now
        self._known: OrderedDict[str, tuple[float, dict[str, str]]] = OrderedDict()

    async def role(self, conversation_id: str, user_id: str) -> str | None:
        """The user's role, or None for someone who is no member. Raises a 503 problem when nobody can say."""
        asked, roles = self._known.get(conversation_id, (float("-inf"), {}))
        age = self._now() - asked
        if age > _FRESH_SECONDS or (user_id not in roles and age > _DOUBT_SECONDS):
            roles = await self._ask(conversation_id)
            self._known[conversation_id] = (self._now(), roles)
            self._known.move_to_end(conversation_id)
            if len(self._known) > _MOST_CONVERSATIONS:
                self._known.popitem(last=False)
        return roles.get(user_id)

    async def require(self, conversation_id: str, user_id: str) -> None:
        """404 for someone who is not in the conversation."""
        if await self.role(conversation_id, user_id) is None:
            raise errors.not_found("conversation")

    async def _ask(self, conversation_id: str) -> dict[str, str]:
        answer = await self._message.get(f"/internal/conversations/{quote(conversation_id, safe='')}/members")
        return {item["user_id"]: item["role"] for item in answer["items"]} if answer else {}
