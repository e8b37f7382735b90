"""Whether the volumes of stores are as large as they are wanted, and whether there is room left in them."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.members.facts import MARKS
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
    """VolumesHaveRoom; nothing to say where no member says how full its volume is."""
    views = {name: course.view for name, course in facts.stores.items() if course.view is not None}
    told = [(name, member) for name, view in views.items() for member in view.members if member.full is not None]
    if not told or facts.cluster.spec.hibernated:
        return None
    filling = [(name, member) for name, member in told if member.full]
    if not filling:
        return Verdict("VolumesHaveRoom", True, "Room", f"Every volume that is asked is less than {MARKS[-1]} % full.")
    lines = [f"{name}: the volume of {member.name} is at least {member.full} % full" for name, member in filling]
    fields = ", ".join(dict.fromkeys(f"spec.{name}.storage.size" for name, _ in filling))
    reason = "NearlyFull" if any(member.full == MARKS[0] for _, member in filling) else "FillingUp"
    return Verdict("VolumesHaveRoom", False, reason, _sentence([*lines, f"raise {fields}: volumes grow in use"]))


def _sentence(parts: list[str]) -> str:
    return f"{'; '.join(parts)}."
