"""Who may do what beyond their own things: the one table of platform roles, and of what an API token is good for.

Rights inside a conversation (owner, admin, member) are the message service's own. Here are the rights that come with a
person's platform role, and the scopes that bound a token. Both are carried by the access token; a change of role
revokes the tokens issued before.
"""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """A person's role on the platform, as the access token's claim `role` says."""

    UNVERIFIED = "unverified"
    """Where verified addresses are required: someone who has not confirmed theirs. They reach their account only."""
    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"


class Permission(StrEnum):
    """Something a role may do."""

    USE_ACCOUNT = "account.use"
    """Their own account, sessions, export and erasure."""
    CHAT = "chat"
    """Everything that people do with each other: conversations, messages, files, presence, notifications, contacts."""
    MODERATE = "moderate"
    """Reports; deleting a message that was reported, member or not (any other is not there for them: 404); reading and
    deleting the files of messages."""
    MANAGE_USERS = "users.manage"
    """Roles, suspension, anybody's sessions."""
    READ_AUDIT = "audit.read"


_USER: Final = frozenset({Permission.USE_ACCOUNT, Permission.CHAT})
_MODERATOR: Final = _USER | {Permission.MODERATE}

PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    Role.UNVERIFIED: frozenset({Permission.USE_ACCOUNT}),
    Role.USER: _USER,
    Role.MODERATOR: _MODERATOR,
    Role.ADMIN: _MODERATOR | {Permission.MANAGE_USERS, Permission.READ_AUDIT},
}


class Scope(StrEnum):
    """What an API token may be used for. A token of a signed-in session has no scopes: it may do all its owner may."""

    PROFILE_READ = "profile:read"
    PROFILE_WRITE = "profile:write"
    MESSAGES_READ = "messages:read"
    MESSAGES_WRITE = "messages:write"
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    PRESENCE_READ = "presence:read"
    PRESENCE_WRITE = "presence:write"
    NOTIFICATIONS_READ = "notifications:read"
    NOTIFICATIONS_WRITE = "notifications:write"
    MODERATION = "moderation"
    ADMIN = "admin"


_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_AREAS: Final[dict[str, tuple[Scope, Scope]]] = {
    "users": (Scope.PROFILE_READ, Scope.PROFILE_WRITE),
    "contacts": (Scope.PROFILE_READ, Scope.PROFILE_WRITE),
    "conversations": (Scope.MESSAGES_READ, Scope.MESSAGES_WRITE),
    "messages": (Scope.MESSAGES_READ, Scope.MESSAGES_WRITE),
    "files": (Scope.FILES_READ, Scope.FILES_WRITE),
    "presence": (Scope.PRESENCE_READ, Scope.PRESENCE_WRITE),
    "notifications": (Scope.NOTIFICATIONS_READ, Scope.NOTIFICATIONS_WRITE),
    "moderation": (Scope.MODERATION, Scope.MODERATION),
    "admin": (Scope.ADMIN, Scope.ADMIN),
}


def permits(role: Role, permission: Permission) -> bool:
    """Whether the role has the permission."""
    return permission in PERMISSIONS[role]


def scope_for(method: str, path: str) -> Scope | None:
    """The scope that a scoped token needs for a call under `/api/v1/`; None: no scope opens it.

    Signing in, sessions, and making further tokens are behind no scope: a leaked API token must not become more.
    """
    prefix, _, rest = path.partition("/api/v1/")
    area = rest.partition("/")[0] if not prefix else ""
    scopes = _AREAS.get(area)
    if scopes is None:
        return None
    return scopes[0] if method in _READING else scopes[1]
