"""Whether the volumes of stores are as large as they are wanted."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict


def volumes_sized(facts: Facts) -> Verdict | None:
    """VolumesSized; nothing to say where no store is the operator's, or none is made yet."""
    growths = list(facts.growths.values())
    if not growths:
        return None
    refused = [
        f"{store}: the API server refuses a larger volume: {why}" for store, why in facts.growths_refused.items()
    ]
    if refused:
        return Verdict("VolumesSized", False, "ExpansionRefused", _sentence(refused))
    stuck = [
        f"{item.store} has {item.present}, {item.wanted} is wanted: {item.problem}" for item in growths if item.problem
    ]
    if stuck:
        reason = "Hibernated" if facts.cluster.spec.hibernated else "ExpansionUnsupported"
        return Verdict("VolumesSized", False, reason, _sentence(stuck))
    growing = [f"{item.store} grows to {item.wanted}: {item.waits}" for item in growths if item.waits]
    if growing:
        return Verdict("VolumesSized", False, "Growing", _sentence(growing))
    kept = [f"{item.store} keeps {item.present}, more than the {item.wanted} wanted" for item in growths if item.kept]
    if kept:
        return Verdict("VolumesSized", True, "Kept", _sentence([*kept, "no volume is ever made smaller"]))
    return Verdict("VolumesSized", True, "AsWanted", "Every volume is as large as it is wanted.")


def _sentence(parts: list[str]) -> str:
    return f"{'; '.join(parts)}."
