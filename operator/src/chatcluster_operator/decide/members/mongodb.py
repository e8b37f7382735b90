"""The replica set: what its members' answers mean, and what is to be done about it. It elects its primary by itself.

The operator begins the set once, adds members one at a time, takes them out before their pods go, and keeps the users.
A set is begun only when every member that there should be answers that it has never been in one: a member that comes
back with an empty disk is in the others' configuration, hears of it from them, and copies their data.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from chatcluster_operator.api import ChatCluster, MemberRole, MemberState
from chatcluster_operator.decide.members.facts import Contact, Member, Reach, StoreView
from chatcluster_operator.decide.members.orders import Decision, Order, Standing, Switchover
from chatcluster_operator.decide.room import STEP, percent
from chatcluster_operator.desired import Credentials
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.mongodb import NAME
from chatcluster_operator.desired.stores import (
    MONGODB_DATABASE,
    MONGODB_READER,
    MONGODB_SET,
    MONGODB_USER,
    PORTS,
    mongodb_member,
)

Document = Mapping[str, Any]

BEHIND_SECONDS: Final = 10.0
"""A secondary that is further behind the primary could not take over without others waiting for it."""
SETTINGS: Final[Document] = {"electionTimeoutMillis": 4000, "heartbeatIntervalMillis": 1000, "heartbeatTimeoutSecs": 4}
"""A primary that is gone is replaced after four seconds, where MongoDB's own default is ten."""


class Standstill(StrEnum):
    """Why a member has no status."""

    NEVER_IN_A_SET = "NotYetInitialized"
    """Code 94."""
    TAKEN_OUT = "InvalidReplicaSetConfig"
    """Code 93: it is in no configuration that it knows."""
    SILENT = "Silent"
    """It did not answer."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the members said."""

    statuses: Mapping[str, Document | Standstill]
    """By member: its answer to replSetGetStatus."""
    config: Document | None = None
    """What the primary answered to replSetGetConfig, the part `config`; None: no primary answers."""
    users: Mapping[str, str] | None = None
    """The mark of each of the users that there are, by name; None: not asked."""
    stats: Mapping[str, Document] = field(default_factory=dict[str, Document])
    """By member: its answer to dbStats, which tells of its file system too."""


@dataclass(frozen=True, slots=True)
class ReplicaSetView(StoreView):
    """A replica set at one moment."""

    config: Document | None = None
    """As the primary has it."""
    unbegun: bool = False
    """Whether every member that should be there has never been in a set."""
    users_due: bool = False
    """Whether users or passwords are others than they should be."""


@dataclass(frozen=True, slots=True)
class Initiate(Order):
    """Begin the set with one member; its others are added to it."""

    member: str
    config: Document = field(hash=False)


@dataclass(frozen=True, slots=True)
class Reconfigure(Order):
    """Give the set another configuration, of the version after the one that it was made from."""

    config: Document = field(hash=False)


@dataclass(frozen=True, slots=True)
class MakeUsers(Order):
    """Make the users, and set their passwords; those that have none go."""


def view(reach: Reach, answers: Answers) -> ReplicaSetView:
    """What the answers mean."""
    primary = next((name for name, status in answers.statuses.items() if _state(status) == "PRIMARY"), "")
    nothing: Document = {}
    seen = answers.statuses[primary] if primary else nothing
    assert not isinstance(seen, Standstill)  # noqa: S101 - a primary has a status
    members = tuple(
        replace(
            _member(contact, answers.statuses.get(contact.name, Standstill.SILENT), seen),
            full=_full(answers.stats.get(contact.name, nothing)),
        )
        for contact in reach.contacts
    )
    unbegun = bool(reach.contacts) and all(
        answers.statuses.get(contact.name) is Standstill.NEVER_IN_A_SET for contact in reach.contacts
    )
    return ReplicaSetView(
        reach.store,
        members,
        leader=primary,
        problem="" if primary else _problem(unbegun, members),
        config=answers.config,
        unbegun=unbegun,
        users_due=answers.users is not None and answers.users != marks(reach.credentials),
    )


def _full(stats: Document) -> int | None:
    """How full a member's file system is, in percent, in steps of five: a view should not be another each minute."""
    if not (size := int(stats.get("fsTotalSize", 0))):
        return None
    used = percent(size, size - int(stats["fsUsedSize"]), full=False)
    return used // STEP * STEP


def decide(standing: Standing) -> Decision:
    """What the set needs now."""
    seen, cluster = standing.view, standing.cluster
    kept = standing.made if standing.made > standing.wanted else None
    if not isinstance(seen, ReplicaSetView):
        return Decision(members=kept, waits="members that are to go wait until the set answers" if kept else "")
    if seen.unbegun:
        first = seen.members[0].name
        return Decision(
            (Initiate(NAME, "no member has ever been in a set", first, first_config(cluster)),), waits="begins"
        )
    if seen.config is None:
        return Decision(members=kept, waits="members that are to go wait for a primary" if kept else "")
    there = _ordinals(cluster, seen.config)
    surplus = [ordinal for ordinal in there if ordinal >= standing.wanted]
    orders = _membership(standing, seen, there, surplus)
    users = (MakeUsers(NAME, "users or passwords are others than they should be"),) if seen.users_due else ()
    # Their pods stay as long as the set counts on their votes.
    members = max(surplus) + 1 if surplus else None
    return Decision((*users, *orders), members, orders[0].why if orders else "")


def _membership(
    standing: Standing, seen: ReplicaSetView, there: Sequence[int], surplus: Sequence[int]
) -> tuple[Order, ...]:
    """One change at a time: of two at once, two halves of the members could each count themselves a majority."""
    cluster, config = standing.cluster, seen.config
    assert config is not None  # noqa: S101 - asked for with it
    names = [object_name(cluster, NAME, str(ordinal)) for ordinal in range(max((*there, standing.wanted)) + 1)]
    if any(item.state is MemberState.JOINING and item.name in {names[n] for n in there} for item in seen.members):
        return ()
    if surplus:
        last = max(surplus)
        if names[last] == seen.leader:
            return (Switchover(NAME, f"{names[last]} leads and is to go"),)
        return (Reconfigure(NAME, f"{names[last]} is to go", without(cluster, config, last)),)
    for ordinal in range(standing.wanted):
        member = seen.member(names[ordinal])
        if ordinal not in there and member is not None and member.state is MemberState.JOINING:
            return (Reconfigure(NAME, f"{names[ordinal]} is new", with_member(cluster, config, ordinal)),)
    return ()


def first_config(cluster: ChatCluster) -> Document:
    """What a set begins with: its first member."""
    members = [{"_id": 0, "host": mongodb_member(cluster, 0)}]
    return {"_id": MONGODB_SET, "version": 1, "members": members, "settings": dict(SETTINGS)}


def with_member(cluster: ChatCluster, config: Document, ordinal: int) -> Document:
    """The configuration after this one, with one member more. Numbers of members are never used twice."""
    number = max(member["_id"] for member in config["members"]) + 1
    return _next(config, [*config["members"], {"_id": number, "host": mongodb_member(cluster, ordinal)}])


def without(cluster: ChatCluster, config: Document, ordinal: int) -> Document:
    """The configuration after this one, with one member less."""
    host = mongodb_member(cluster, ordinal)
    return _next(config, [member for member in config["members"] if member["host"] != host])


def _next(config: Document, members: Sequence[Document]) -> Document:
    # `term` is the server's own: it puts the present one in.
    kept = {name: value for name, value in config.items() if name != "term"}
    return {**kept, "version": config["version"] + 1, "members": list(members)}


def users(credentials: Credentials) -> dict[str, str]:
    """The users that should be there, with their passwords."""
    return {name: password for name, (password, _) in _accounts(credentials).items() if password is not None}


def all_users(credentials: Credentials) -> tuple[str, ...]:
    """Names of all users that there may be."""
    return tuple(_accounts(credentials))


def roles(credentials: Credentials, name: str) -> list[dict[str, str]]:
    """What a user may do."""
    return [{"role": _accounts(credentials)[name][1], "db": MONGODB_DATABASE}]


def _accounts(credentials: Credentials) -> dict[str, tuple[str | None, str]]:
    """Each user's password and role: services write, backups read."""
    known = ((MONGODB_USER, "mongodb_password", "readWrite"), (MONGODB_READER, "mongodb_backup_password", "read"))
    return {
        name: (password, role)
        for user, value, role in known
        for name, password in credentials.logins(user, value).items()
    }


def marks(credentials: Credentials) -> dict[str, str]:
    """What is kept with each user to know its password again. It tells nobody without the key file anything."""
    key = credentials.mongodb_keyfile.encode()
    return {
        name: hmac.new(key, f"{name}:{password}".encode(), hashlib.sha256).hexdigest()[:32]
        for name, password in users(credentials).items()
    }


def _state(status: Document | Standstill | None) -> str:
    """A member's state as it sees itself, such as SECONDARY; empty when it has none."""
    if status is None or isinstance(status, Standstill):
        return ""
    return next((str(member["stateStr"]) for member in status["members"] if member.get("self")), "")


def _member(contact: Contact, status: Document | Standstill, primary: Document) -> Member:
    state = _state(status)
    role = {"PRIMARY": MemberRole.LEADER, "SECONDARY": MemberRole.FOLLOWER}.get(state, MemberRole.UNKNOWN)
    if not contact.address:
        return Member(contact.name, contact.node, state=MemberState.ABSENT)
    if status is Standstill.SILENT:
        return Member(contact.name, contact.node)
    if isinstance(status, Standstill):
        return Member(contact.name, contact.node, state=MemberState.JOINING, detail="in no set yet")
    if role is MemberRole.UNKNOWN:
        detail = {"STARTUP2": "copies the others' data", "ROLLBACK": "takes back what a majority never had"}
        return Member(contact.name, contact.node, state=MemberState.JOINING, detail=detail.get(state, state.lower()))
    behind = _behind(contact.name, primary)
    detail = "" if behind is not None and behind <= BEHIND_SECONDS else f"behind by more than {BEHIND_SECONDS:.0f} s"
    return Member(contact.name, contact.node, role, MemberState.RUNNING, not detail, detail)


def _behind(name: str, primary: Document) -> float | None:
    """Seconds that a member's last operation is older than the primary's; None: the primary does not know."""
    dates: dict[str, datetime] = {
        str(member["name"]).partition(".")[0]: member["optimeDate"]
        for member in primary.get("members", ())
        if member.get("health") == 1 and "optimeDate" in member
    }
    leads = next((member["optimeDate"] for member in primary.get("members", ()) if member.get("self")), None)
    return (leads - dates[name]).total_seconds() if leads is not None and name in dates else None


def _problem(unbegun: bool, members: Sequence[Member]) -> str:
    if unbegun:
        return "the set is about to begin"
    answering = sum(member.state in {MemberState.RUNNING, MemberState.JOINING} for member in members)
    return (
        f"no member is primary, and {answering} of {len(members)} answer: a majority elects one within seconds once "
        "its members see each other"
    )


def _ordinals(cluster: ChatCluster, config: Document) -> list[int]:
    """Which members the configuration has, ours alone."""
    prefix, suffix = (object_name(cluster, NAME, "").removesuffix("-") + "-"), f":{PORTS[NAME]}"
    pods = [str(member["host"]).removesuffix(suffix).partition(".")[0] for member in config["members"]]
    return [int(pod.removeprefix(prefix)) for pod in pods if pod.removeprefix(prefix).isdecimal()]
