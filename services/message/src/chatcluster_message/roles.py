"""Who may be in a conversation and who decides: pure rules over member lists."""

from collections.abc import Sequence
from datetime import datetime

from chatcluster_common import errors
from chatcluster_message.models import ConversationType, Member, Role

_RANK: dict[Role, int] = {"owner": 2, "admin": 1, "member": 0}


def direct_key(one: str, other: str) -> str:
    """The same for two people whoever begins, so that the store can hold one conversation of theirs at most."""
    return ":".join(sorted((one, other)))


def role_of(members: Sequence[Member], user_id: str) -> Role | None:
    """The person's role, None when they are not a member."""
    return next((member.role for member in members if member.user_id == user_id), None)


def added(
    kind: ConversationType, members: Sequence[Member], *, by: str, user_id: str, now: datetime, most: int
) -> list[Member]:
    """The members once `by` has added `user_id`; raises a `Problem` when that may not be."""
    _not_direct(kind)
    if _RANK[role_of(members, by) or "member"] < _RANK["admin"]:
        raise errors.forbidden("Only owners and admins add people.")
    if role_of(members, user_id):
        return list(members)
    if len(members) >= most:
        raise errors.conflict("conversation_full", f"A conversation has at most {most} members.")
    return [*members, Member(user_id=user_id, role="member", joined_at=now)]


def removed(kind: ConversationType, members: Sequence[Member], *, by: str, user_id: str) -> list[Member]:
    """The members once `by` has removed `user_id`, or left; raises a `Problem` when that may not be.

    An owner who leaves passes the conversation to the longest-standing admin, else member.
    """
    _not_direct(kind)
    role = role_of(members, user_id)
    if role is None:
        raise errors.not_found("member")
    if by != user_id and _RANK[role_of(members, by) or "member"] <= _RANK[role]:
        raise errors.forbidden("Only somebody of a higher role removes a person.")
    left = [member for member in members if member.user_id != user_id]
    if left and not any(member.role == "owner" for member in left):
        heir = max(left, key=lambda member: (_RANK[member.role], -member.joined_at.timestamp()))
        left[left.index(heir)] = heir.model_copy(update={"role": "owner"})
    return left


def _not_direct(kind: ConversationType) -> None:
    if kind == "direct":
        raise errors.conflict("direct_conversation", "The two people of a direct conversation cannot be changed.")
