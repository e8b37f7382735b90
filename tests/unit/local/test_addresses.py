from ipaddress import IPv4Address, IPv4Network

import pytest

from chatcluster_local.builtin.addresses import CLUSTERS, MAX_NODES, RANGE, AddressPlan, choose_index

PLANS = [AddressPlan(index) for index in range(len(CLUSTERS))]


def test_the_first_cluster_has_the_addresses_that_the_documents_name() -> None:
    plan = AddressPlan(0)
    assert plan.machines == IPv4Network("198.18.0.0/24")
    assert (str(plan.host), str(plan.control_plane)) == ("198.18.0.1", "198.18.0.2")
    assert str(plan.node(1)) == "198.18.0.11"
    assert str(plan.pods_of(1)) == "198.18.17.0/24"
    assert str(plan.services) == "198.18.32.0/19"
    assert (str(plan.api_service), str(plan.dns_service)) == ("198.18.32.1", "198.18.32.10")


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: str(plan.index))
def test_the_parts_of_a_cluster_lie_in_its_range_and_do_not_overlap(plan: AddressPlan) -> None:
    pods = [plan.pods_of(number) for number in range(1, MAX_NODES + 1)]
    parts = [plan.machines, plan.services, *pods]
    assert all(part.subnet_of(plan.network) for part in parts)
    assert all(pod.subnet_of(plan.pods) for pod in pods)
    for number, part in enumerate(parts):
        assert not any(part.overlaps(other) for other in parts[number + 1 :])


def test_clusters_share_neither_addresses_nor_links() -> None:
    assert all(plan.network.subnet_of(RANGE) for plan in PLANS)
    links = [plan.link(machine) for plan in PLANS for machine in ("control-plane", "node-1", "node-15")]
    names = [*links, *(plan.bridge for plan in PLANS)]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 15 for name in names)


@pytest.mark.parametrize("number", [0, MAX_NODES + 1])
def test_there_is_no_node_outside_the_range(number: int) -> None:
    with pytest.raises(ValueError, match="node number"):
        AddressPlan(0).node(number)


@pytest.mark.parametrize(
    ("indexes", "links", "networks", "chosen"),
    [
        (set(), set(), [], 0),
        ({0, 1}, set(), [], 2),
        (set(), {"chat0", "eth0"}, [], 1),
        (set(), set(), ["198.18.0.0/16"], 4),
        (set(), set(), ["198.18.5.5/32", "10.0.0.0/8"], 1),
        # A default route overlaps everything and forbids nothing.
        (set(), set(), ["0.0.0.0/0"], 0),
        (set(), set(), ["198.18.0.0/15"], None),
        (set(range(len(CLUSTERS))), set(), [], None),
    ],
)
def test_the_first_index_that_nobody_uses_is_chosen(
    indexes: set[int], links: set[str], networks: list[str], chosen: int | None
) -> None:
    assert choose_index(indexes, links, [IPv4Network(network) for network in networks]) == chosen


def test_node_addresses_follow_their_numbers() -> None:
    plan = AddressPlan(3)
    assert plan.node(2) == plan.node(1) + 1
    assert isinstance(plan.node(1), IPv4Address)
