"""Volumes that grow: which claims are asked for more, when a StatefulSet says the new size, and what is said of it.

The size in a StatefulSet's claim template is the one thing that is known of a store's volumes without a call. It is
raised last, when all of them have grown. So it also says whether there is anything to do: a store whose template says
the size that is wanted costs nothing, and growing goes on where it stood after a restart of the operator.

Nothing here asks whether the store works, or whether another operation is under way: a full volume is mended by this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chatcluster_operator.api.quantity import parse_quantity


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim for one member's volume. Sizes are quantities, as Kubernetes has them."""

    name: str
    store: str
    """Component that it belongs to."""
    uid: str
    version: str
    """Resource version at which it was seen."""
    asked: str
    """The size that is asked for."""
    has: str
    """The size that there is; empty while there is no volume."""
    storage_class: str = ""
    said: str = ""
    """What its controllers say of growing it, where they say anything."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What one look makes of a store's volumes."""

    store: str
    present: str
    """Size that the StatefulSet's claim template says."""
    wanted: str
    template: str
    """Size that it is to say from now on."""
    expand: tuple[Claim, ...] = ()
    """Claims to be asked for the size that is wanted."""
    waits: str = ""
    """What it waits for, where it is under way; a sentence without its full stop."""
    problem: str = ""
    """Why volumes cannot grow, and what to do about it; likewise."""

    @property
    def kept(self) -> bool:
        """Whether the volumes stay larger than what is wanted: none is ever made smaller."""
        return larger(self.present, self.wanted)


def larger(one: str, other: str) -> bool:
    """Whether a quantity is more than another."""
    return parse_quantity(one) > parse_quantity(other)


def growth(
    store: str,
    present: str | None,
    wanted: str,
    claims: Sequence[Claim] | None,
    expandable: Mapping[str, bool],
    *,
    asleep: bool = False,
) -> Growth:
    """What to do about the volumes of one store, whose claim template says `present`; None: it is yet to be made.

    A template is made, or made anew, with the size of the smallest volume that there is already, where that is too
    small: so what was cut short goes on.

    `claims` are the store's; None: they were not looked up. `expandable` says of each storage class whether its volumes
    can grow; of one that is not in it nobody knows, and the API server is asked by trying. A ChatCluster that is
    `asleep` waits, as most volumes grow only while they are in use.
    """
    if present is None:
        smallest = min((claim.has or claim.asked for claim in claims or ()), key=parse_quantity, default=wanted)
        present = smallest if larger(wanted, smallest) else wanted
        return Growth(store, present, wanted, present)
    stays = Growth(store, present, wanted, present)
    if not larger(wanted, present):
        return stays
    if asleep:
        return replace(stays, problem="volumes grow once the ChatCluster is awake")
    if claims is None:
        return replace(stays, waits="its claims are looked up")
    return _grown(stays, claims, expandable)


def _grown(stays: Growth, claims: Sequence[Claim], expandable: Mapping[str, bool]) -> Growth:
    """What to do about volumes that are too small; `stays` is to leave them so."""
    wanted = stays.wanted
    fixed = sorted({claim.storage_class for claim in claims if not expandable.get(claim.storage_class, True)})
    small = [claim for claim in claims if larger(wanted, claim.asked)]
    if fixed and small:
        problem = (
            f"the StorageClass {', '.join(fixed)} does not let volumes grow; set allowVolumeExpansion on it if its "
            "driver can do that, or make a new ChatCluster on another class and move the data"
        )
        return replace(stays, problem=problem)
    lagging = [claim for claim in claims if not claim.has or larger(wanted, claim.has)]
    if lagging:
        waits = "; ".join(f"{claim.name} has {claim.has or 'no volume yet'}{_said(claim)}" for claim in lagging)
        return replace(stays, expand=tuple(small), waits=waits)
    return replace(stays, template=wanted)


def _said(claim: Claim) -> str:
    return f" ({claim.said})" if claim.said else ""
