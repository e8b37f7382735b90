"""When a failure was detected, fenced and made good, from what the API server told."""

from typing import Any

from chatcluster_testing.failover.faults import ALL, FAULTS
from chatcluster_testing.failover.timeline import OUT_OF_SERVICE, Harm, Seen, marks
from chatcluster_testing.failover.world import STORES, several

HARM = Harm(100.0, "postgres", frozenset({"demo-postgres-0", "demo-gateway-a"}), "node-2")


def pod(at: float, name: str, change: str = "MODIFIED", *, ready: bool = True, primary: bool = False) -> Seen:
    labels = {"chatcluster.dev/role": "primary" if primary else "replica"}
    return Seen(at, change, item("Pod", name, ready=ready, labels=labels))


def node(at: float, name: str, *, ready: bool = True, taints: tuple[str, ...] = ()) -> Seen:
    return Seen(at, "MODIFIED", item("Node", name, ready=ready, spec={"taints": [{"key": key} for key in taints]}))


def chatcluster(at: float, leader: str, **members: str) -> Seen:
    told = [{"name": f"demo-redis-{name[1:]}", "state": state} for name, state in members.items()]
    found = item("ChatCluster", "demo")
    found["status"]["stores"] = {"redis": {"leader": leader, "members": told}}
    return Seen(at, "MODIFIED", found)


def item(kind: str, name: str, *, ready: bool = True, labels: Any = None, spec: Any = None) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "kind": kind,
        "metadata": {"name": name, "uid": name, "labels": labels or {}},
        "spec": spec or {},
        "status": {"conditions": conditions},
    }


def test_a_lost_node_from_its_loss_to_the_first_write() -> None:
    seen = [
        pod(90, "demo-postgres-0", primary=True),
        node(101, "node-1", ready=False),  # another's trouble
        pod(102, "demo-postgres-1"),
        node(120, "node-2", ready=False),
        pod(121, "demo-postgres-0", ready=False, primary=True),
        pod(122, "demo-postgres-1", primary=True),
        node(130, "node-2", ready=False, taints=("node.kubernetes.io/unreachable", OUT_OF_SERVICE)),
        pod(131, "demo-postgres-0", "DELETED"),
    ]
    expected = {"detected": 20, "promoted": 22, "fenced": 30, "reconnected": 24.5}
    assert marks(seen, HARM, reconnected=124.5) == expected


def test_a_dead_pod_without_any_word_of_a_node() -> None:
    harm = Harm(100.0, "postgres", frozenset({"demo-postgres-0"}))
    seen = [
        pod(99, "demo-postgres-0", ready=False),
        pod(101, "demo-postgres-0", ready=False),
        pod(104, "demo-postgres-2", primary=True),
    ]
    assert marks(seen, harm) == {"detected": 1, "promoted": 4}


def test_a_leader_that_only_the_operator_knows() -> None:
    harm = Harm(100.0, "redis", frozenset({"demo-redis-0"}))
    seen = [
        chatcluster(101, "demo-redis-0", m0="Running"),
        chatcluster(103, "", m0="Unreachable", m1="Running"),
        chatcluster(105, "demo-redis-1", m0="Unreachable", m1="Running"),
    ]
    assert marks(seen, harm) == {"detected": 3, "promoted": 5}


def test_nothing_is_said_of_what_nobody_saw() -> None:
    assert marks([pod(101, "demo-postgres-1", primary=True)], Harm(100.0, "")) == {}


def test_the_table_of_faults_can_be_told_apart_and_measured() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    for fault in FAULTS:
        assert fault.bounded
        assert set(fault.bounded) <= set(ALL)
        assert 0 < fault.seconds <= 30


def test_a_spec_like_the_environments_with_several_of_everything() -> None:
    spec = {
        "version": "dev",
        "edge": {"host": "x"},
        "services": {"user": {"env": ["kept"]}},
        "mongodb": {"engine": "E"},
    }
    made = several(spec, "198.18.0.11:30081")
    assert (made["edge"]["host"], made["edge"]["publicUrl"]) == ("x", "http://198.18.0.11:30081")
    assert {made[store]["members"] for store in STORES} == {3}
    assert made["services"]["user"]["env"] == ["kept"]
    assert made["services"]["gateway"]["autoscaling"]["minReplicas"] == 2
    assert made["mongodb"] == {"engine": "E"}
    assert spec["services"] == {"user": {"env": ["kept"]}}, "the environment's own is left as it is"
