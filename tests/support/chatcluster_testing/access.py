"""Who may do what: the one table of every route and every socket event, which the authorisation tests go through.

A policy says who is turned away and how; everybody else is let in. What has no entry fails the tests: nothing is
reachable by omission.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

CALLERS: Final = (
    "nobody",
    "expired",
    "revoked",
    "unverified",
    "narrow",
    "stranger",
    "left",
    "moderator",
    "administrator",
    "admin",
    "owner",
    "member",
    "blocked",
)
"""`expired` and `revoked` by their token; `narrow` has an API token without any scope; `admin`, `owner` and `member` as
the conversation has it, where `member` has sent the message and uploaded the file; `left` was a member; `moderator`
and `administrator` have that role on the platform and are no members; `blocked` is an admin of the conversation whom
`stranger`, the other person of all requests, blocks."""

Policy = Mapping[str, int]
"""The status with which each caller is turned away."""

_TURNED_AWAY: Final = {"nobody": 401, "expired": 401, "revoked": 401}
PUBLIC: Final[Policy] = {}
ACCOUNT: Final[Policy] = {**_TURNED_AWAY, "narrow": 403}
"""A person's own account, verified address or not."""
PEOPLE: Final[Policy] = {**ACCOUNT, "unverified": 403}
"""Whoever is signed in."""
_OUTSIDE: Final = {"stranger": 404, "left": 404}
MEMBERS: Final[Policy] = {**PEOPLE, **_OUTSIDE, "moderator": 404, "administrator": 404}
ADMINS: Final[Policy] = {**MEMBERS, "member": 403}
OWNER: Final[Policy] = {**ADMINS, "admin": 403, "blocked": 403}
SENDER: Final[Policy] = {**MEMBERS, "admin": 403, "owner": 403, "blocked": 403}
UPLOADER_OR_MODERATORS: Final[Policy] = {**PEOPLE, **_OUTSIDE}
"""The uploader, the conversation's owner and admins, and the platform's moderators."""
MODERATORS: Final[Policy] = {
    **PEOPLE,
    **dict.fromkeys(("stranger", "left", "member", "admin", "owner", "blocked"), 403),
}
ADMINISTRATORS: Final[Policy] = {**MODERATORS, "moderator": 403}

API_TOKENS: Final[Policy] = {name: 403 for name in CALLERS if name != "narrow"} | _TURNED_AWAY
"""API tokens alone."""


@dataclass(frozen=True)
class Entry:
    """A route or event: its policy, and a request that a caller who is let in may make."""

    policy: Policy
    body: Any = None
    """`{name}` in strings stands for an id of the test's world. Only a request that depends on a conversation need be
    valid: elsewhere a refusal of the body shows as well that the caller was let in."""
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


_TUS: Final = {"Tus-Resumable": "1.0.0"}
"""Without it the protocol has a call refused before anything else."""

ROUTES: Final[Mapping[str, Entry]] = {
    # user: signing in
    "register": Entry(PUBLIC),
    "login": Entry(PUBLIC),
    "refresh": Entry(PUBLIC),
    "logout": Entry(PUBLIC),
    "getJwks": Entry(PUBLIC),
    "verifyEmail": Entry(PUBLIC),
    "forgotPassword": Entry(PUBLIC),
    "resetPassword": Entry(PUBLIC),
    "listSessions": Entry(ACCOUNT),
    "endOtherSessions": Entry(ACCOUNT),
    "endSession": Entry(ACCOUNT),
    "resendVerification": Entry(ACCOUNT),
    "changePassword": Entry(ACCOUNT),
    "getSecondFactor": Entry(ACCOUNT),
    "enrolTotp": Entry(ACCOUNT),
    "confirmTotp": Entry(ACCOUNT),
    "disableTotp": Entry(ACCOUNT),
    "replaceRecoveryCodes": Entry(ACCOUNT),
    # user: people
    "exportMe": Entry(ACCOUNT),
    "getMe": Entry(ACCOUNT),
    "eraseMe": Entry(ACCOUNT),
    "updateMe": Entry(ACCOUNT),
    "listSecurityEvents": Entry(ACCOUNT),
    "putAvatar": Entry(PEOPLE),
    "removeAvatar": Entry(PEOPLE),
    "getUser": Entry(PEOPLE),
    "searchUsers": Entry(PEOPLE),
    "listContacts": Entry(PEOPLE),
    "requestContact": Entry(PEOPLE),
    "changeContact": Entry(PEOPLE),
    "removeContact": Entry(PEOPLE),
    # user: administration
    "adminListUsers": Entry(ADMINISTRATORS),
    "adminGetUser": Entry(ADMINISTRATORS),
    "setRole": Entry(ADMINISTRATORS),
    "suspendUser": Entry(ADMINISTRATORS),
    "unsuspendUser": Entry(ADMINISTRATORS),
    "adminListSessions": Entry(ADMINISTRATORS),
    "adminEndSessions": Entry(ADMINISTRATORS),
    "readAudit": Entry(ADMINISTRATORS),
    "listErasures": Entry(ADMINISTRATORS),
    "retryErasure": Entry(ADMINISTRATORS),
    # message: conversations
    "createConversation": Entry(
        {**PEOPLE, "blocked": 403}, {"type": "group", "name": "Room", "members": ["{other_id}"]}
    ),
    "listConversations": Entry(PEOPLE),
    "listChannels": Entry(PEOPLE),
    "getConversation": Entry(MEMBERS),
    "changeConversation": Entry(ADMINS, {"name": "Renamed"}),
    "deleteConversation": Entry(OWNER),
    "joinChannel": Entry(MEMBERS),
    "addMember": Entry({**ADMINS, "blocked": 403}, {"user_id": "{other_id}"}),
    "changeMember": Entry(OWNER, {"role": "member"}),
    "removeMember": Entry(ADMINS),
    "listPins": Entry(MEMBERS),
    "pinMessage": Entry(MEMBERS),
    "unpinMessage": Entry(MEMBERS),
    "markRead": Entry(MEMBERS, {"seq": 1}),
    "listReads": Entry(MEMBERS),
    # message: messages
    "listMessages": Entry(MEMBERS),
    "sendMessage": Entry(MEMBERS, {"client_id": "{fresh}", "body": "Hello"}),
    "searchMessages": Entry(PEOPLE, query={"query": "hello"}),
    "getMessage": Entry(MEMBERS),
    "editMessage": Entry(SENDER, {"body": "Edited"}),
    "deleteMessage": Entry(MEMBERS),
    "listVersions": Entry(MEMBERS),
    "addReaction": Entry(MEMBERS),
    "removeReaction": Entry(MEMBERS),
    "listFollowers": Entry(MEMBERS),
    "followThread": Entry(MEMBERS),
    "unfollowThread": Entry(MEMBERS),
    "listSeenBy": Entry(MEMBERS),
    "reportMessage": Entry(MEMBERS, {"reason": "spam"}),
    "listReports": Entry(MODERATORS),
    "resolveReport": Entry(MODERATORS),
    "listModerationAudit": Entry(ADMINISTRATORS),
    # file
    "describeResumableUploads": Entry(PUBLIC),
    "createResumableUpload": Entry(PEOPLE, headers=_TUS),
    "getResumableUpload": Entry(PEOPLE, headers=_TUS),
    "appendToResumableUpload": Entry(PEOPLE, headers=_TUS),
    "dropResumableUpload": Entry(PEOPLE, headers=_TUS),
    "createDirectUpload": Entry(PEOPLE),
    "completeDirectUpload": Entry(PEOPLE),
    "uploadFiles": Entry(PEOPLE),
    "getAvatar": Entry(PUBLIC),
    "getFile": Entry(MEMBERS),
    "deleteFile": Entry(UPLOADER_OR_MODERATORS),
    "getFileContent": Entry(MEMBERS),
    "getFileThumbnail": Entry(MEMBERS),
    # notification
    "listNotifications": Entry(PEOPLE),
    "readNotifications": Entry(PEOPLE),
    "getNotificationPreferences": Entry(PEOPLE),
    "setNotificationPreferences": Entry(PEOPLE),
    "setConversationNotificationPreferences": Entry(PEOPLE),
    "deleteConversationNotificationPreferences": Entry(PEOPLE),
    "getPushKey": Entry(PEOPLE),
    "listPushSubscriptions": Entry(PEOPLE),
    "createPushSubscription": Entry(PEOPLE),
    "deletePushSubscriptions": Entry(PEOPLE),
    "deletePushSubscription": Entry(PEOPLE),
    "askToUnsubscribe": Entry(PUBLIC),
    "unsubscribe": Entry(PUBLIC),
    # presence
    "getPresence": Entry(PEOPLE, query={"user_ids": "{other_id}"}),
    "getMyPresence": Entry(PEOPLE),
    "setMyPresence": Entry(PEOPLE),
    # gateway
    "createApiToken": Entry(ACCOUNT),
    "listApiTokens": Entry(ACCOUNT),
    "revokeApiToken": Entry(ACCOUNT),
    "exchangeApiToken": Entry(API_TOKENS),
    "listAuditEntries": Entry(ADMINISTRATORS),
    "getOpenApi": Entry(PUBLIC),
    "getDocumentation": Entry(PUBLIC),
}
"""By operation id."""

EVENTS: Final[Mapping[str, Entry]] = {
    "message:send": Entry(MEMBERS, {"conversation_id": "{conversation_id}", "client_id": "{fresh}", "body": "Hello"}),
    "message:edit": Entry(SENDER, {"id": "{message_id}", "body": "Edited"}),
    "message:delete": Entry(MEMBERS, {"id": "{message_id}"}),
    "reaction:add": Entry(MEMBERS, {"id": "{message_id}", "emoji": "👍"}),
    "reaction:remove": Entry(MEMBERS, {"id": "{message_id}", "emoji": "👍"}),
    "read:mark": Entry(MEMBERS, {"conversation_id": "{conversation_id}", "seq": 1}),
    "sync": Entry(PEOPLE, {"conversations": {"{conversation_id}": 0}}),
    "presence:set": Entry(PEOPLE, {"status": "online"}),
    "presence:activity": Entry(PEOPLE, {}),
    "presence:subscribe": Entry(PEOPLE, {"user_ids": ["{other_id}"]}),
    "presence:unsubscribe": Entry(PEOPLE, {"user_ids": ["{other_id}"]}),
    "typing:start": Entry(MEMBERS, {"conversation_id": "{conversation_id}"}),
    "typing:stop": Entry(MEMBERS, {"conversation_id": "{conversation_id}"}),
}
"""By name. An event refuses by its acknowledgement what the handshake has not refused."""

ENDED_BY_A_BLOCK: Final = frozenset(
    {"sendMessage", "editMessage", "addReaction", "message:send", "message:edit", "reaction:add"}
)
"""What neither of two can do in their direct conversation once one blocks the other. All else is as before."""


def filled(template: Any, world: Mapping[str, str]) -> Any:
    """A template with the ids of `world` in it."""
    match template:
        case str():
            for name, value in world.items():
                template = template.replace(f"{{{name}}}", value)
            return template
        case dict():
            return {filled(key, world): filled(value, world) for key, value in template.items()}
        case list():
            return [filled(item, world) for item in template]
        case _:
            return template
