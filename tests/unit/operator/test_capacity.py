"""The capacity model: its figures are those that were measured, and more people never get less of anything."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_gateway.settings import GatewaySettings
from chatcluster_notification.settings import NotificationSettings
from chatcluster_operator.api import COMPONENTS, EDGE, SERVICES, STORES
from chatcluster_operator.api.constants import MOST_EDGES, MOST_REPLICAS
from chatcluster_operator.desired import capacity
from chatcluster_operator.desired.capacity import Demand, Need, Number, derive
from chatcluster_operator.desired.figures import COSTS, FIGURES, POLICY, STORED
from chatcluster_user.settings import UserSettings

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "tests/results"
DRIFT = 0.25
"""How far a figure of the model may be from the last one measured: the machine that measures is noisy."""

MEASURED = {
    (heading, name): figure
    for heading, table in FIGURES.items()
    for name, figure in table.items()
    if figure.source.startswith("tests/results/")
}
USERS = st.integers(min_value=1, max_value=1_000_000)


def numbers(demand: Demand) -> dict[tuple[str, str], Number]:
    """Every number of a plan."""
    found = {
        (name, field.name): value
        for name, need in demand.needs.items()
        for field in fields(Need)
        if (value := getattr(need, field.name)) is not None
    }
    return found | {
        ("kafka", "partitions"): demand.partitions,
        ("postgres", "connections"): demand.database_connections,
    }


@pytest.mark.parametrize(("heading", "name"), MEASURED)
def test_the_figures_are_those_that_were_measured(heading: str, name: str) -> None:
    figure = MEASURED[heading, name]
    file, _, title = figure.source.removeprefix("tests/results/").partition(": ")
    (result,) = [item for item in json.loads((RESULTS / file).read_text()) if item["figure"] == title]
    assert figure.value == pytest.approx(result["value"], rel=DRIFT)
    assert result["unit"] == figure.unit


def test_every_figure_has_a_source() -> None:
    for table in FIGURES.values():
        for name, figure in table.items():
            assert figure.what, name
            assert figure.source, name
            assert figure.value > 0, name


def test_pools_are_what_the_services_open() -> None:
    for name, settings in (
        ("user", UserSettings),
        ("gateway", GatewaySettings),
        ("notification", NotificationSettings),
    ):
        assert COSTS[f"pool_{name}"].value == settings.model_fields["database_pool"].default
    objects = re.search(r"connection_max_open = (\d+)", (ROOT / "stores/seaweedfs/entrypoint").read_text())
    assert objects
    assert COSTS["pool_objects"].value == int(objects[1])
    assert STORED["audit_days"].value == UserSettings.model_fields["audit_days"].default


def test_every_component_is_sized() -> None:
    assert set(derive(1000).needs) == set(COMPONENTS)


@given(USERS, USERS)
def test_more_people_never_get_less_of_anything(one: int, other: int) -> None:
    fewer, more = sorted((one, other))
    small, large = numbers(derive(fewer)), numbers(derive(more))
    assert small.keys() <= large.keys()
    assert not [key for key, number in small.items() if number.value > large[key].value]


@given(USERS, st.integers(min_value=1, max_value=3650), st.integers(min_value=1, max_value=3650))
def test_to_keep_longer_never_takes_less_room(users: int, one: int, other: int) -> None:
    shorter, longer = sorted((one, other))
    small = numbers(derive(users, message_days=shorter, audit_days=shorter))
    large = numbers(derive(users, message_days=longer, audit_days=longer))
    assert not [key for key, number in small.items() if number.value > large[key].value]


@given(USERS)
def test_without_one_pod_the_others_suffice(users: int) -> None:
    """For what a process can serve, and for the sockets that come back while it is away."""
    for name in (*SERVICES, EDGE):
        need, load = derive(users).needs[name], capacity._LOADS[name]
        left = need.fewest.value - 1
        assert left >= 1
        if need.fewest.value in {MOST_REPLICAS, MOST_EDGES}:
            continue
        assert users * load.cores / left <= POLICY["use"].value * POLICY["pod_cores"].value * 1.001
        assert users * load.sockets / left <= load.most_sockets * 1.001


def test_no_more_replicas_than_a_spec_may_ask_for() -> None:
    demand = derive(1_000_000)
    edge, most = demand.needs[EDGE].fewest, demand.needs["message"].most
    assert (edge.value, most.value) == (MOST_EDGES, MOST_REPLICAS)
    assert "where 61 are wanted; put a proxy of your own in its place" in edge.why
    assert "where 572 are wanted" in most.why
    assert all(need.most.value <= MOST_REPLICAS for need in demand.needs.values())


def test_a_lost_pods_sockets_come_back_within_the_drain_time() -> None:
    for users in (10, 1_000, 10_000, 100_000, 1_000_000):
        need = derive(users).needs["message"]
        assert need.connections is not None
        lost = need.connections.value
        spare = (need.fewest.value - 1) * COSTS["connects"].value * (1 - POLICY["use"].value)
        assert lost / spare <= POLICY["drain"].value + 1


def test_a_hundred_thousand_people() -> None:
    """The plan as a whole, as a platform engineer would judge it: a row that leaves its range wants a second look."""
    demand = derive(100_000)
    assert 40 <= demand.cores <= 120
    assert 30 <= demand.memory_gib <= 120
    assert 800 <= demand.users / demand.cores <= 2500
    # Mattermost's reference for as many has 240 processors, the database's and the search's among them.
    assert 20 <= demand.needs["message"].fewest.value <= 40
    assert all(need.cpu.value <= 1000 for name, need in demand.needs.items() if name in SERVICES)
    bounds = {bound.component: bound.users for bound in demand.bounds}
    assert bounds["mongodb"] < 5_000, "the embedded engine is for development"
    assert all(bounds[name] > 100_000 for name in STORES if name != "mongodb")


def test_the_page_says_what_the_model_says() -> None:
    program = [sys.executable, str(ROOT / "tests/load/capacity.py"), "--check"]
    assert subprocess.run(program, check=False, timeout=60).returncode == 0


def test_reasons_fit_a_line_of_the_status() -> None:
    for users in (1, 100_000, 1_000_000):
        for number in numbers(derive(users)).values():
            assert number.why
            assert len(number.why) < 200
            assert not re.search(r"\d\.\d{3}", number.why), "no more digits than a person reads"
