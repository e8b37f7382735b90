"""Which changes of the status are worth an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
        elif condition["type"] == "CertificateReady" and condition["reason"] == "Valid" and old and not same:
            told.append(Notice(warning=False, reason="CertificateRenewed", message=condition["message"]))
    told.extend(_rotated(previous.get("rotated") or {}, status.get("rotated") or {}))
    return told


def _rotated(before: Mapping[str, int], after: Mapping[str, int]) -> Iterable[Notice]:
    for what, when in after.items():
        if before.get(what) != when:
            # Not that they are refused: stores and services take up the change when the kubelet brings it.
            message = (
                f"All {what} are new, and nothing uses the old ones any more. The old ones are refused as soon as the "
                "kubelet has brought the change to the pods, usually within two minutes."
            )
            yield Notice(warning=False, reason="Rotated", message=message)
