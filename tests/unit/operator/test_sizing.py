"""Sizes: explicit over derived over the operator's own, and what becomes of them in manifests."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.realtime.server import CONNECTIONS
from chatcluster_operator.api import EDGE, SERVICES, STORES, ChatCluster
from chatcluster_operator.api.quantity import parse_quantity
from chatcluster_operator.desired import Inputs, components, manifests, running_services
from chatcluster_operator.desired.autoscaling import CONNECTIONS_GAUGE
from chatcluster_operator.desired.needs import LEAST
from chatcluster_operator.desired.sizing import Origin, Size, Sizing, sizing

Make = Callable[..., ChatCluster]
Given = Callable[[ChatCluster], Inputs]

USERS = st.integers(min_value=1, max_value=1_000_000)


def cluster_of(spec: dict[str, Any]) -> ChatCluster:
    metadata = {"name": "demo", "namespace": "chat", "uid": "0f5fd2a4", "generation": 1}
    return ChatCluster.from_body({"metadata": metadata, "spec": {"version": "1", **spec}})


def made(cluster: ChatCluster, inputs: Inputs, kind: str) -> dict[str, Any]:
    """The specs of all objects of a kind, by component."""
    return {
        item["metadata"]["labels"].get("app.kubernetes.io/component", item["metadata"]["name"]): item["spec"]
        for item in manifests(cluster, inputs)
        if item["kind"] == kind
    }


def amounts(sizes: Sizing) -> dict[tuple[str, str], Any]:
    """Everything that is a number, in numbers."""
    found: dict[tuple[str, str], Any] = {}
    for name, size in sizes.components.items():
        found |= {(name, what): float(parse_quantity(getattr(size, what).value)) for what in ("cpu", "memory")}
        found[name, "replicas"] = size.replicas.value
        found[name, "most"] = size.ceiling
        if size.volume:
            found[name, "volume"] = float(parse_quantity(size.volume.value))
    return found


def test_without_capacity_all_is_the_operators_own() -> None:
    sizes = sizing(cluster_of({}))
    assert (sizes.users, sizes.bounds) == (None, ())
    for name, size in sizes.components.items():
        assert {choice.origin for choice in (size.replicas, size.cpu, size.memory)} == {Origin.DEFAULT}
        assert (size.replicas.value, size.ceiling) == (LEAST[name].fewest.value, LEAST[name].most.value)
    assert sizes["message"].connections is None
    assert sizes["redis"].resources == {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}


@given(USERS)
def test_capacity_never_gives_less_than_none(users: int) -> None:
    own, derived = (
        amounts(sizing(cluster_of({}))),
        amounts(sizing(cluster_of({"capacity": {"concurrentUsers": users}}))),
    )
    assert not [key for key, value in own.items() if value > derived[key]]


@st.composite
def explicit(draw: st.DrawFn) -> dict[str, Any]:
    """A spec with some numbers of its own."""
    service, store = draw(st.sampled_from(SERVICES)), draw(st.sampled_from(STORES))
    fewest = draw(st.integers(min_value=1, max_value=100))
    scaling = draw(
        st.sampled_from(
            [
                {"replicas": fewest},
                {"autoscaling": {"minReplicas": fewest}},
                {"autoscaling": {"maxReplicas": fewest}},
                {"autoscaling": {"minReplicas": fewest, "maxReplicas": fewest + 7}},
            ]
        )
    )
    resources = draw(
        st.sampled_from([{}, {"limits": {"memory": "77Mi"}}, {"requests": {"cpu": "33m", "memory": "99Gi"}}])
    )
    return {
        "services": {service: {**scaling, "resources": resources}},
        store: {"storage": {"size": "3Gi"}},
        "edge": {"replicas": fewest % 50 + 1},
    }


@given(explicit(), st.none() | USERS)
def test_what_is_explicit_wins(spec: dict[str, Any], users: int | None) -> None:
    sizes = sizing(cluster_of(spec | ({"capacity": {"concurrentUsers": users}} if users else {})))
    assert sizes[EDGE].replicas.value == spec["edge"]["replicas"]
    (store,) = set(spec) & set(STORES)
    assert sizes[store].volume == ("3Gi", "set in the spec", Origin.SPEC)
    ((service, asked),) = spec["services"].items()
    size, scaling = sizes[service], asked.get("autoscaling", {})
    assert size.replicas.value == asked.get("replicas", scaling.get("minReplicas", size.replicas.value))
    assert (size.most is None) == ("replicas" in asked)
    assert size.ceiling == asked.get("replicas", scaling.get("maxReplicas", size.ceiling))
    assert size.replicas.value <= size.ceiling
    for what in ("requests", "limits"):
        assert asked["resources"].get(what, {}).items() <= size.resources[what].items()
    assert parse_quantity(size.memory.value) <= parse_quantity(size.memory_limit.value)


@pytest.mark.parametrize(
    ("resources", "becomes"),
    [
        ({"limits": {"memory": "32Mi"}}, ("100m", "32Mi", "32Mi")),
        ({"requests": {"memory": "2Gi"}}, ("100m", "2Gi", "2Gi")),
        ({"limits": {"cpu": "50m"}}, ("50m", "96Mi", "256Mi")),
    ],
)
def test_a_request_and_its_limit_fit(resources: dict[str, Any], becomes: tuple[str, str, str]) -> None:
    size = sizing(cluster_of({"services": {"gateway": {"resources": resources}}}))["gateway"]
    assert (size.cpu.value, size.memory.value, size.memory_limit.value) == becomes


def test_derived_sizes_reach_every_manifest(inputs: Given) -> None:
    cluster = cluster_of({"capacity": {"concurrentUsers": 100_000}})
    sizes, given = sizing(cluster), replace(inputs(cluster), apis=frozenset[str]())
    for name, spec in (made(cluster, given, "Deployment") | made(cluster, given, "StatefulSet")).items():
        assert spec["template"]["spec"]["containers"][0]["resources"] == sizes[name].resources
    bounds = {name: (spec["minReplicas"], spec["maxReplicas"]) for name, spec in scalers(cluster, given).items()}
    assert bounds["message"] == (30, 60)
    assert made(cluster, given, "Deployment")["edge"]["replicas"] == sizes[EDGE].replicas.value > 2
    settings = made(cluster, given, "Deployment")["message"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "CHAT_KAFKA_PARTITIONS", "value": str(sizes.partitions.value)} in settings
    assert {item.name: item.replicas for item in components(cluster)}["user"] == sizes["user"].replicas.value


def test_a_volume_that_exists_keeps_its_size(inputs: Given) -> None:
    cluster = cluster_of({"capacity": {"concurrentUsers": 10_000}})
    fresh = inputs(cluster)
    live = replace(fresh, volumes={"mongodb": "10Gi"})
    claims = {
        name: spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
        for name, spec in made(cluster, live, "StatefulSet").items()
    }
    assert claims["mongodb"] == "10Gi"
    assert claims["kafka"] == sizing(cluster)["kafka"].volume.value  # type: ignore[union-attr]


def scalers(cluster: ChatCluster, given: Inputs) -> dict[str, Any]:
    return made(cluster, given, "HorizontalPodAutoscaler")


def test_a_fixed_number_has_no_autoscaler(inputs: Given) -> None:
    cluster = cluster_of({"services": {"message": {"replicas": 5}}})
    given = replace(inputs(cluster), apis=frozenset({"ScaledObject"}))
    assert set(scalers(cluster, given)) == set(SERVICES) - {"message"}
    deployments = made(cluster, given, "Deployment")
    assert deployments["message"]["replicas"] == 5
    assert "replicas" not in deployments["user"]


def test_replicas_grow_fast_and_shrink_by_one_a_minute(inputs: Given) -> None:
    cluster = cluster_of({})
    for spec in scalers(cluster, inputs(cluster)).values():
        up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
        assert up["stabilizationWindowSeconds"] == 0
        assert down["stabilizationWindowSeconds"] == 300
        assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


SOCKETS = {"services": {"message": {"autoscaling": {"targetConnections": 4000}}}}


def test_keda_counts_sockets_where_it_is_installed(inputs: Given) -> None:
    cluster = cluster_of(SOCKETS)
    given = replace(inputs(cluster), apis=frozenset({"ScaledObject"}))
    assert set(scalers(cluster, given)) == set(SERVICES) - {"message"}
    (spec,) = made(cluster, given, "ScaledObject").values()
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 6)
    cpu, sockets = spec["triggers"]
    assert (cpu["type"], cpu["metadata"]) == ("cpu", {"value": "70"})
    assert sockets["metadata"]["targetValue"] == "4000"
    assert sockets["metadata"]["url"] == "http://demo-message-pods.chat.svc:3002/metrics"
    assert sockets["metadata"]["valueLocation"] == 'chat_socket_connections{service="message"}'
    # KEDA takes texts alone.
    assert all(isinstance(value, str) for value in sockets["metadata"].values())
    ingress = made(cluster, given, "NetworkPolicy")["message"]["ingress"]
    keda = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "keda-operator"}}}
    assert {"from": [keda], "ports": [{"port": 3002, "protocol": "TCP"}]} in ingress


def test_without_keda_processor_use_alone_counts(inputs: Given) -> None:
    cluster = cluster_of(SOCKETS)
    given = replace(inputs(cluster), apis=frozenset[str]())
    assert set(scalers(cluster, given)) == set(SERVICES)
    assert not made(cluster, given, "ScaledObject")


def test_capacity_brings_a_number_of_sockets() -> None:
    sizes = sizing(cluster_of({"capacity": {"concurrentUsers": 100_000}}))
    scaled = {name for name in SERVICES if sizes[name].scales_on_sockets}
    assert scaled == {"message", "presence"}
    assert sizes["message"].connections is not None
    assert sizes["message"].connections.value > 1000


def test_the_gauge_is_the_one_that_services_have() -> None:
    (metric,) = CONNECTIONS.collect()
    assert metric.name == CONNECTIONS_GAUGE


@pytest.mark.parametrize("service", ["file", "notification"])
def test_a_service_that_is_off_leaves_nothing_but_the_stores(inputs: Given, service: str) -> None:
    cluster = cluster_of({"services": {service: {"enabled": False}}})
    given = inputs(cluster)
    assert service not in running_services(cluster)
    assert service not in given.images
    assert service not in {item.name for item in components(cluster)}
    all_made = manifests(cluster, given)
    assert not [item for item in all_made if item["metadata"]["labels"].get("app.kubernetes.io/component") == service]
    for spec in made(cluster, given, "Deployment").values():
        settings = {item["name"] for item in spec["template"]["spec"]["containers"][0].get("env", [])}
        assert f"CHAT_{service.upper()}_URL" not in settings
    assert {item.name for item in components(cluster)} >= set(STORES)


def test_switched_off_and_on_all_is_as_it_was(inputs: Given) -> None:
    off = cluster_of({"services": {"file": {"enabled": True}, "notification": {"enabled": True}}})
    on = cluster_of({})
    assert manifests(off, inputs(on)) == manifests(on, inputs(on))


def test_the_edge_does_not_look_for_a_service_that_is_off(inputs: Given) -> None:
    cluster = cluster_of({"services": {"file": {"enabled": False}}})
    (config,) = [
        item["data"]["haproxy.cfg"]
        for item in manifests(cluster, inputs(cluster))
        if item["kind"] == "ConfigMap" and item["metadata"]["name"] == "demo-edge"
    ]
    assert "demo-file-pods" not in config
    assert "demo-message-pods" in config


def test_retention_reaches_those_who_keep(inputs: Given) -> None:
    cluster = cluster_of({"retention": {"messagesDays": 90, "auditDays": 400}})
    settings = {
        (name, item["name"]): item["value"]
        for name, spec in made(cluster, inputs(cluster), "Deployment").items()
        for item in spec["template"]["spec"]["containers"][0].get("env", [])
        if item["name"].endswith("_DAYS")
    }
    assert settings == {("message", "CHAT_MESSAGE_RETENTION_DAYS"): "90", ("user", "CHAT_AUDIT_DAYS"): "400"}


def test_messages_kept_for_less_need_less_room() -> None:
    def volume(retention: dict[str, int]) -> float:
        spec = {"capacity": {"concurrentUsers": 100_000}, "retention": retention}
        size: Size = sizing(cluster_of(spec))["objects"]
        assert size.volume is not None
        return float(parse_quantity(size.volume.value))

    assert volume({"messagesDays": 30}) < volume({}) / 10


def test_stores_that_do_not_suffice_are_named_unless_they_are_external() -> None:
    spec: dict[str, Any] = {"capacity": {"concurrentUsers": 100_000}}
    assert [bound.component for bound in sizing(cluster_of(spec)).bounds] == ["mongodb"]
    assert sizing(cluster_of({**spec, "mongodb": {"external": {"secretName": "mine"}}})).bounds == ()


def test_a_single_object_store_stays_single_and_several_stay_several(chatcluster):
    """Its list of files would be left behind."""
    asked = {"version": "1", "objects": {"members": 3}}
    made = {"inventory": [{"kind": "StatefulSet", "name": "demo-objects"}]}
    several = {**made, "stores": {"objects": {"size": 3}}}
    for status, members in (({}, 3), ({"components": [{"name": "objects"}]}, 3), (made, 1), (several, 3)):
        cluster = chatcluster(asked).model_copy(update={"status": status})
        assert sizing(cluster)["objects"].replicas.value == members


@pytest.mark.parametrize(
    ("spec", "connections", "origin"),
    [
        ({}, 200, Origin.DEFAULT),
        # The filers of three still fit into what the operator takes by itself; those of five do not.
        ({"objects": {"members": 3}}, 200, Origin.DEFAULT),
        ({"objects": {"members": 5}}, 208, Origin.DEFAULT),
        ({"services": {"user": {"replicas": 20}}, "objects": {"members": 3}}, 328, Origin.DEFAULT),
        # 26 replicas of user, 8 of gateway, 16 of notification, three filers.
        ({"capacity": {"concurrentUsers": 100_000}}, 478, Origin.CAPACITY),
        (
            {"capacity": {"concurrentUsers": 100_000}, "objects": {"external": {"secretName": "s3"}}},
            448,
            Origin.CAPACITY,
        ),
        ({"capacity": {"concurrentUsers": 100_000}, "services": {"user": {"replicas": 2}}}, 238, Origin.CAPACITY),
    ],
)
def test_postgres_has_a_connection_for_each_that_may_be_opened(
    spec: dict[str, Any], connections: int, origin: Origin
) -> None:
    sizes = sizing(cluster_of(spec))
    assert (sizes.database_connections.value, sizes.database_connections.origin) == (connections, origin)
