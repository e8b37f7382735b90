"""How long an answer about membership is believed."""

from collections.abc import Mapping
from typing import Any

from chatcluster_file.access import Memberships


class Messages:
    """A message service whose members a test sets, and a clock that stands still."""

    def __init__(self) -> None:
        self.roles: dict[str, str] | None = {"ann": "owner"}
        self.asked: list[str] = []
        self.time = 0.0

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any | None:
        self.asked.append(path)
        if self.roles is None:
            return None
        return {"items": [{"user_id": user, "role": role} for user, role in self.roles.items()]}


async def test_answers_are_believed_for_seconds_and_doubted_sooner() -> None:
    messages = Messages()
    memberships = Memberships(messages, now=lambda: messages.time)
    assert await memberships.role("c/1", "ann") == "owner"
    assert messages.asked == ["/internal/conversations/c%2F1/members"]
    messages.time = 0.5
    assert await memberships.role("c/1", "bob") is None
    assert len(messages.asked) == 1
    messages.roles = {"ann": "owner", "bob": "member"}
    messages.time = 2.0
    assert await memberships.role("c/1", "bob") == "member"
    assert len(messages.asked) == 2
    messages.roles = None
    messages.time = 6.0
    assert await memberships.role("c/1", "bob") == "member"
    messages.time = 8.0
    assert await memberships.role("c/1", "bob") is None
