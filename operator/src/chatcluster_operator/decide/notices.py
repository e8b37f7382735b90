"""Which changes of the status are worth an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chatcluster_operator.decide.verdict import PROBLEMS


@dataclass(frozen=True, slots=True)
class Notice:
    """An event worth telling people who look at the ChatCluster."""

    warning: bool
    reason: str
    message: str


def notices(previous: Mapping[str, Any], status: Mapping[str, Any]) -> list[Notice]:
    """Events for what changed between two statuses: new problems, problems gone, and becoming ready."""
    before = {item["type"]: item for item in previous.get("conditions", [])}
    told: list[Notice] = []
    for condition in status.get("conditions", []):
        old = before.get(condition["type"], {})
        same = (old.get("reason"), old.get("message")) == (condition["reason"], condition["message"])
        changed = (old.get("status"), condition["status"])
        if condition["type"] == "Ready":
            if condition["status"] == "True" and old.get("status") != "True":
                told.append(Notice(warning=False, reason="Ready", message=condition["message"]))
        elif condition["reason"] in PROBLEMS and not same:
            told.append(Notice(warning=True, reason=condition["reason"], message=condition["message"]))
        elif condition["type"] == "ConfigurationValid" and changed == ("False", "True"):
            told.append(Notice(warning=False, reason="Recovered", message=condition["message"]))
        elif condition["type"] == "Restored" and condition["status"] == "True" and old.get("status") != "True":
            told.append(Notice(warning=False, reason="Restored", message=condition["message"]))
        elif condition["type"] == "CertificateReady" and condition["reason"] == "Valid" and old and not same:
            told.append(Notice(warning=False, reason="CertificateRenewed", message=condition["message"]))
    told.extend(_rotated(previous.get("rotated") or {}, status.get("rotated") or {}))
    earlier: Mapping[str, Any] = previous.get("stores") or {}
    stores: Mapping[str, Any] = status.get("stores") or {}
    for store, state in stores.items():
        told.extend(_store(store, earlier.get(store, {}), state))
    return told


_STORE_EVENTS: Final = {"Running": "Begun", "Done": "Done", "Failed": "Failed"}
"""How an event is called by the phase of what is done in a store: ReplaceBegun, SwitchoverFailed."""


def _store(store: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Notice]:
    """Another leader, members on lost nodes, and what is done about them."""
    was, leads = before.get("leader", ""), after.get("leader", "")
    if was and leads and was != leads:
        yield Notice(warning=False, reason="LeaderChanged", message=f"{store}: {leads} leads, before it did {was}.")
    known = {member["name"] for member in before.get("members", []) if "lostSince" in member}
    for member in after.get("members", []):
        if "lostSince" in member and member["name"] not in known:
            message = f"{store}: the node of {member['name']} is lost; see the condition StoresRedundant."
            yield Notice(warning=True, reason="MemberLost", message=message)
    old: Mapping[str, Any] = before.get("operation") or {}
    new: Mapping[str, Any] = after.get("operation") or {}
    if new and (old.get("started"), old.get("phase")) != (new["started"], new["phase"]):
        of = " ".join(filter(None, (new["what"].lower(), new.get("member"))))
        said = f": {new['message']}" if new.get("message") else ""
        reason = f"{new['what']}{_STORE_EVENTS[new['phase']]}"
        yield Notice(new["phase"] == "Failed", reason, f"{store}: {of} {_STORE_EVENTS[new['phase']].lower()}{said}.")


def _rotated(before: Mapping[str, int], after: Mapping[str, int]) -> Iterable[Notice]:
    for what, when in after.items():
        if before.get(what) != when:
            # Not that they are refused: stores and services take up the change when the kubelet brings it.
            message = (
                f"All {what} are new, and nothing uses the old ones any more. The old ones are refused as soon as the "
                "kubelet has brought the change to the pods, usually within two minutes."
            )
            yield Notice(warning=False, reason="Rotated", message=message)
