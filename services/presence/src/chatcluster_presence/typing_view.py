"""Who types where, as one person sees it. It lives in memory alone and is over by itself: nothing of it is stored."""

from collections.abc import Iterator

EXPIRES_SECONDS = 6.0


class TypingView:
    """What one person's devices were told: by conversation, who types and until when (a monotonic clock's seconds)."""

    def __init__(self) -> None:
        self._until: dict[str, dict[str, float]] = {}

    def started(self, conversation_id: str, user_id: str, now: float) -> bool:
        """Someone types, for 6 s from now. True when that is news."""
        typing = self._until.setdefault(conversation_id, {})
        news = typing.get(user_id, 0) <= now
        typing[user_id] = now + EXPIRES_SECONDS
        return news

    def stopped(self, conversation_id: str, user_id: str) -> bool:
        """Someone has stopped. True when that is news."""
        typing = self._until.get(conversation_id, {})
        news = typing.pop(user_id, None) is not None
        if not typing:
            self._until.pop(conversation_id, None)
        return news

    def expire(self, now: float) -> Iterator[str]:
        """Forget who has not been heard of for 6 s; the conversations in which that changes something."""
        for conversation_id, typing in list(self._until.items()):
            over = [user_id for user_id, until in typing.items() if until <= now]
            for user_id in over:
                del typing[user_id]
            if not typing:
                del self._until[conversation_id]
            if over:
                yield conversation_id

    def typing(self, conversation_id: str) -> list[str]:
        """Who types there."""
        return sorted(self._until.get(conversation_id, ()))

    def __bool__(self) -> bool:
        return bool(self._until)
