"""Who may do what in a conversation: one table, and pure rules over member lists."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from chatcluster_common import errors
from chatcluster_message.models import Conversation, ConversationType, Member, Role


class Action(StrEnum):
    """Something that a member may do, or not; reading, reacting and leaving are everybody's."""

    SEND = "send messages"
    MENTION_ALL = "mention everybody"
    PIN = "pin messages"
    ADD = "add people"
    CONFIGURE = "change the conversation"
    RETAIN = "decide how long messages are kept"
    DELETE_ANY = "delete the messages of others"
    SET_ROLES = "change roles"
    DELETE = "delete the conversation"


_RANK: Final[dict[Role, int]] = {"owner": 2, "admin": 1, "member": 0}

NEEDED: Final[dict[ConversationType, dict[Action, Role]]] = {
    "direct": {Action.SEND: "member", Action.PIN: "member", Action.RETAIN: "owner"},
    "group": {
        Action.SEND: "member",
        Action.MENTION_ALL: "member",
        Action.PIN: "member",
        Action.ADD: "admin",
        Action.CONFIGURE: "admin",
        Action.DELETE_ANY: "admin",
        Action.RETAIN: "owner",
        Action.SET_ROLES: "owner",
        Action.DELETE: "owner",
    },
    "channel": {
        Action.SEND: "member",
        Action.MENTION_ALL: "admin",
        Action.PIN: "admin",
        Action.ADD: "admin",
        Action.CONFIGURE: "admin",
        Action.DELETE_ANY: "admin",
        Action.RETAIN: "owner",
        Action.SET_ROLES: "owner",
        Action.DELETE: "owner",
    },
}
"""The lowest role that may do something; what is not listed nobody may. Both people of a direct one are owners."""


def direct_key(one: str, other: str) -> str:
    """The same for two people whoever begins, so that the store can hold one conversation of theirs at most."""
    return ":".join(sorted((one, other)))


def role_of(members: Sequence[Member], user_id: str) -> Role | None:
    """The person's role, None when they are not a member."""
    return next((member.role for member in members if member.user_id == user_id), None)


def may(conversation: Conversation, user_id: str, action: Action) -> bool:
    """Whether the person may do it."""
    role = role_of(conversation.members, user_id)
    needed = NEEDED[conversation.type].get(action)
    if action is Action.SEND and conversation.posting == "admins":
        needed = "admin"
    return role is not None and needed is not None and _RANK[role] >= _RANK[needed]


def may_see(conversation: Conversation, user_id: str) -> bool:
    """Whether the person may know that there is this conversation: members, and anybody of a public channel."""
    public = conversation.visibility == "public" and bool(conversation.members)
    return public or role_of(conversation.members, user_id) is not None


def check(conversation: Conversation, user_id: str, action: Action) -> None:
    """Raises a `Problem` unless the person, who is a member, may do it: 409 where nobody may."""
    if action not in NEEDED[conversation.type]:
        raise errors.conflict("direct_conversation", f"In a direct conversation nobody may {action}.")
    if not may(conversation, user_id, action):
        raise errors.forbidden(f"Your role in this conversation does not let you {action}.")


def added(conversation: Conversation, user_id: str, now: datetime, *, most: int) -> Conversation:
    """With `user_id` as a member; the same object when they are one. Raises a `Problem` when it is full."""
    if role_of(conversation.members, user_id):
        return conversation
    if len(conversation.members) >= most:
        raise errors.conflict("conversation_full", f"A conversation has at most {most} members.")
    return _with(conversation, [*conversation.members, Member(user_id=user_id, role="member", joined_at=now)])


def removed(conversation: Conversation, user_id: str, *, by: str) -> Conversation:
    """Without `user_id`, whom `by` removes, or who leaves; raises a `Problem` when that may not be."""
    if conversation.type == "direct":
        raise errors.conflict("direct_conversation", "The two people of a direct conversation cannot be changed.")
    role = role_of(conversation.members, user_id)
    if role is None:
        raise errors.not_found("member")
    if by != user_id and _RANK[role_of(conversation.members, by) or "member"] <= _RANK[role]:
        raise errors.forbidden("Only somebody of a higher role removes a person.")
    return without(conversation, user_id)


def without(conversation: Conversation, user_id: str) -> Conversation:
    """Without a person. An owner who goes passes it to the longest-standing admin, else member."""
    left = [member for member in conversation.members if member.user_id != user_id]
    if left and not any(member.role == "owner" for member in left):
        heir = max(left, key=lambda member: (_RANK[member.role], -member.joined_at.timestamp()))
        left[left.index(heir)] = heir.model_copy(update={"role": "owner"})
    return _with(conversation, left)


def with_role(conversation: Conversation, user_id: str, role: Role, *, by: str) -> Conversation:
    """With another role for `user_id`. A new owner takes the place of the old, who stays as an admin."""
    check(conversation, by, Action.SET_ROLES)
    if role_of(conversation.members, user_id) is None:
        raise errors.not_found("member")
    if by == user_id:
        if role == "owner":
            return conversation
        raise errors.conflict("owner_needed", "Hand the conversation over first: make somebody else its owner.")
    roles: dict[str, Role] = {user_id: role}
    if role == "owner":
        roles[by] = "admin"
    return _with(
        conversation,
        [member.model_copy(update={"role": roles.get(member.user_id, member.role)}) for member in conversation.members],
    )


def _with(conversation: Conversation, members: list[Member]) -> Conversation:
    return conversation.model_copy(update={"members": members})
