"""Whether the volumes of stores are as large as they are wanted, and whether there is room left in them."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.room import MARKS
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


def volumes_have_room(facts: Facts) -> Verdict | None:
    """VolumesHaveRoom; nothing to say where no member has said how full its volume is."""
    if not facts.volumes or facts.cluster.spec.hibernated:
        return None
    filling = {name: figure for name, figure in facts.volumes.items() if figure >= MARKS[0]}
    if not filling:
        return Verdict("VolumesHaveRoom", True, "Room", f"Every volume is less than {MARKS[0]} % full.")
    fullest = max(filling.values())
    lines = [f"the volume of {name} is {_figure(figure)}" for name, figure in sorted(filling.items())]
    stores = dict.fromkeys(pod.component for key, pod in sorted(facts.snapshot.pods.items()) if key.name in filling)
    fields = ", ".join(f"spec.{store}.storage.size" for store in stores)
    reason = next(name for name, mark in (("Full", 100), ("NearlyFull", 90), ("FillingUp", 80)) if fullest >= mark)
    remedy = f"raise {fields}: volumes grow in use, and writes go on once there is room"
    return Verdict("VolumesHaveRoom", False, reason, _sentence([*lines, remedy]))


def _figure(percent: int) -> str:
    return "full, and its store refuses writes" if percent == 100 else f"{percent} % full"


def _sentence(parts: list[str]) -> str:
    return f"{'; '.join(parts)}."
