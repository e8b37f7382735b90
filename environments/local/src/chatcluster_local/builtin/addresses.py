"""Which addresses and device names a cluster uses.

All come from 198.18.0.0/15, reserved for benchmarks (RFC 2544) and so never a real network. Each cluster on this
machine has an index and, with it, a /18 of its own:

    first /24            the machines: .1 the host, .2 the control plane, .11 and up the nodes
    /24 at +16 + node    the pods of each node
    upper /19            the services: .1 the API server, .10 DNS
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

RANGE = IPv4Network("198.18.0.0/15")
CLUSTERS = tuple(RANGE.subnets(new_prefix=18))
MAX_NODES = 15
API_PORT = 6443
"""Where the API server listens on the control plane."""


@dataclass(frozen=True)
class AddressPlan:
    """The addresses and device names of the cluster with this index."""

    index: int
    """From 0; below `len(CLUSTERS)`."""

    @property
    def network(self) -> IPv4Network:
        return CLUSTERS[self.index]

    @property
    def machines(self) -> IPv4Network:
        return next(self.network.subnets(new_prefix=24))

    @property
    def host(self) -> IPv4Address:
        return self.machines[1]

    @property
    def control_plane(self) -> IPv4Address:
        return self.machines[2]

    def node(self, number: int) -> IPv4Address:
        """The address of node `number`, from 1."""
        if not 1 <= number <= MAX_NODES:
            raise ValueError(f"node number {number} is not within 1 to {MAX_NODES}")
        return self.machines[10 + number]

    @property
    def pods(self) -> IPv4Network:
        """All pod ranges together."""
        return list(self.network.subnets(new_prefix=20))[1]

    def pods_of(self, number: int) -> IPv4Network:
        """The pod range of node `number`, from 1."""
        self.node(number)
        return list(self.pods.subnets(new_prefix=24))[number]

    @property
    def services(self) -> IPv4Network:
        return list(self.network.subnets(new_prefix=19))[1]

    @property
    def api_service(self) -> IPv4Address:
        return self.services[1]

    @property
    def dns_service(self) -> IPv4Address:
        return self.services[10]

    @property
    def bridge(self) -> str:
        """The host's bridge between the machines; link names hold 15 characters at most."""
        return f"chat{self.index}"

    def link(self, machine: str) -> str:
        """The host's end of the cable to a machine (`control-plane`, `node-2`)."""
        return f"{self.bridge}-{'cp' if machine == 'control-plane' else machine.replace('node-', 'n')}"


def choose_index(used_indexes: set[int], used_links: set[str], used_networks: list[IPv4Network]) -> int | None:
    """The first index whose addresses and bridge nobody on this machine uses, or None."""
    for index in range(len(CLUSTERS)):
        plan = AddressPlan(index)
        if index in used_indexes or plan.bridge in used_links:
            continue
        if any(plan.network.overlaps(network) for network in used_networks if network.prefixlen):
            continue
        return index
    return None
