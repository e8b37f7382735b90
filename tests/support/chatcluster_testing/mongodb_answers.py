"""Answers of MongoDB's server, in the shapes that its manual documents; the values are ours.

From the manual of MongoDB 8.0 (https://www.mongodb.com/docs/v8.0/reference/command/…):

- `replSetGetStatus`, "Example" and "Output": the fields of a member, of which its own has `self`, no other has it, and
  one that does not answer has `health` 0, `state` 8 and an `optimeDate` of 1970;
- `replSetGetConfig`, "Output Example": the part `config`, and `term` in it;
- error codes: https://www.mongodb.com/docs/v8.0/reference/error-codes/ (93 InvalidReplicaSetConfig, 94
  NotYetInitialized). States of members: …/reference/replica-states/.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
STATES = {"STARTUP": 0, "PRIMARY": 1, "SECONDARY": 2, "RECOVERING": 3, "STARTUP2": 5, "(not reachable/healthy)": 8}


def host(ordinal: int) -> str:
    return f"demo-mongodb-{ordinal}.demo-mongodb-nodes.chat.svc:27017"


def config(ordinals: Sequence[int], version: int = 1, term: int = 1) -> dict[str, Any]:
    """`replSetGetConfig`, the part `config`. A member's `_id` is its ordinal."""
    return {
        "_id": "chatcluster",
        "version": version,
        "term": term,
        "members": [
            {
                "_id": ordinal,
                "host": host(ordinal),
                "arbiterOnly": False,
                "buildIndexes": True,
                "hidden": False,
                "priority": 1,
                "tags": {},
                "secondaryDelaySecs": 0,
                "votes": 1,
            }
            for ordinal in ordinals
        ],
        "protocolVersion": 1,
        "writeConcernMajorityJournalDefault": True,
        "settings": {
            "chainingAllowed": True,
            "heartbeatIntervalMillis": 1000,
            "heartbeatTimeoutSecs": 4,
            "electionTimeoutMillis": 4000,
            "catchUpTimeoutMillis": -1,
            "catchUpTakeoverDelayMillis": 30000,
            "getLastErrorModes": {},
            "getLastErrorDefaults": {"w": 1, "wtimeout": 0},
        },
    }


def status(own: int, states: Mapping[int, str], behind: Mapping[int, float] | None = None) -> dict[str, Any]:
    """`replSetGetStatus` as member `own` answers it; `behind` is seconds that members' last operations are older."""
    return {
        "set": "chatcluster",
        "date": NOW,
        "myState": STATES[states[own]],
        "term": 1,
        "heartbeatIntervalMillis": 1000,
        "majorityVoteCount": len(states) // 2 + 1,
        "writeMajorityCount": len(states) // 2 + 1,
        "votingMembersCount": len(states),
        "writableVotingMembersCount": len(states),
        "members": [
            _member(own, ordinal, state, (behind or {}).get(ordinal, 0.0)) for ordinal, state in states.items()
        ],
        "ok": 1.0,
    }


def _member(own: int, ordinal: int, state: str, behind: float) -> dict[str, Any]:
    reachable = STATES[state] != 8
    seen = {
        "_id": ordinal,
        "name": host(ordinal),
        "health": 1.0 if reachable else 0.0,
        "state": STATES[state],
        "stateStr": state,
        "uptime": 3600 if reachable else 0,
        "optimeDate": NOW - timedelta(seconds=behind) if reachable else datetime(1970, 1, 1, tzinfo=UTC),
        "syncSourceHost": "",
        "syncSourceId": -1,
        "infoMessage": "",
        "configVersion": 1,
        "configTerm": 1,
    }
    return seen | (
        {"self": True, "lastHeartbeatMessage": ""} if ordinal == own else {"lastHeartbeat": NOW, "pingMs": 0}
    )
