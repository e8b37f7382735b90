"""Manifests of a restore under way: what there is in each phase, and what is gone afterwards."""

import dataclasses
import itertools
from typing import Any

import pytest
import yaml

from chatcluster_operator.desired import Manifest, manifests
from chatcluster_operator.desired.pods import CHECKSUM
from chatcluster_testing.specs import RESTORING, restoring

STORES = {"demo-postgres", "demo-mongodb", "demo-redis", "demo-kafka", "demo-objects"}


def made(phase: str, **more: Any) -> list[Manifest]:
    cluster, inputs = restoring(phase, **more)
    return manifests(cluster, inputs)


def names(found: list[Manifest], kind: str) -> set[str]:
    return {item["metadata"]["name"] for item in found if item["kind"] == kind}


def one(found: list[Manifest], kind: str, name: str) -> Any:
    [item] = [item for item in found if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return item


@pytest.mark.parametrize(
    ("phase", "stores", "jobs"),
    [
        ("Finding", set[str](), {"demo-recovery-find"}),
        ("Postgres", STORES - {"demo-objects"}, set[str]()),
        ("Filling", STORES, {"demo-recovery-fill"}),
    ],
)
def test_nobody_is_let_in_and_files_come_after_the_list_of_others_is_gone(
    phase: str, stores: set[str], jobs: set[str]
) -> None:
    found = made(phase)
    assert names(found, "StatefulSet") == stores
    assert names(found, "Job") == jobs
    assert not names(found, "Deployment")


def test_asleep_no_job_runs() -> None:
    for phase in RESTORING.values():
        assert not names(made(phase, hibernated=True), "Job")


def test_one_member_restores_postgres_and_all_begin_as_ever_afterwards() -> None:
    before, after = (one(made(phase), "StatefulSet", "demo-postgres")["spec"] for phase in ("Postgres", "Filling"))
    assert (before["replicas"], after["replicas"]) == (1, 3)
    variables = {item["name"]: item.get("value") for item in before["template"]["spec"]["containers"][0]["env"]}
    assert variables["CHAT_RECOVERY_LABEL"] == "20261123-042550F"
    assert variables["CHAT_RECOVERY_TIME"] == "2026-11-23T05:00:00Z"
    assert variables["CHAT_RECOVERY_CA_FILE"] == "/run/secrets/chatcluster-recovery/ca.crt"
    assert "CHAT_BACKUP_ENDPOINT" not in variables, "nothing goes to a repository before it is restored"
    assert "chatcluster-recovery" not in str(after)
    assert (
        before["template"]["metadata"]["annotations"][CHECKSUM]
        != after["template"]["metadata"]["annotations"][CHECKSUM]
    )
    patroni = yaml.safe_load(one(made("Postgres"), "ConfigMap", "demo-postgres")["data"]["patroni.yml"])
    assert patroni["bootstrap"]["method"] == "recovery"


@pytest.mark.parametrize("phase", RESTORING.values())
def test_afterwards_it_is_as_any_other(phase: str) -> None:
    cluster, inputs = restoring(phase)
    spec = cluster.spec.model_copy(update={"bootstrap": None})
    plain = cluster.model_copy(update={"spec": spec})
    over = dataclasses.replace(inputs, recovery=None, members={})
    assert manifests(cluster, over) == manifests(plain, over)


def test_only_the_first_job_may_write_and_only_its_secret() -> None:
    for phase in RESTORING.values():
        found = made(phase)
        for name in names(found, "Job"):
            pod = one(found, "Job", name)["spec"]["template"]["spec"]
            assert pod["automountServiceAccountToken"] == (phase == "Finding")
    role = one(made("Finding"), "Role", "demo-recovery-keys")
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["demo-recovery-keys"], "verbs": ["patch"]}
    ]
    assert "data" not in one(made("Finding"), "Secret", "demo-recovery-keys")


def test_each_step_has_the_secrets_that_it_needs_and_no_others() -> None:
    pod = one(made("Filling"), "Job", "demo-recovery-fill")["spec"]["template"]["spec"]
    volumes = {item["name"]: item.get("projected", {}).get("sources", []) for item in pod["volumes"]}
    opened = {
        container["name"]: {
            file["path"].removeprefix("chat_backup_")
            for mount in container["volumeMounts"]
            for source in volumes[mount["name"]]
            for file in source["secret"]["items"]
        }
        for container in itertools.chain(pod["initContainers"], pod["containers"])
    }
    always = {"access_key", "secret_key", "ca.crt", "passphrase"}
    assert opened == {
        "restore-messages": always | {"mongodb_url"},
        "restore-objects": always | {"source_access_key", "source_secret_key"},
        "reconcile": always | {"user_database_url"},
    }


@pytest.mark.parametrize("phase", RESTORING.values())
def test_ways_are_open_at_both_ends_while_it_lasts(phase: str) -> None:
    found = made(phase)
    recovery = one(found, "NetworkPolicy", "demo-recovery")["spec"]
    assert {"ports": [{"port": 8443, "protocol": "TCP"}]} in recovery["egress"]
    for store in ("postgres", "mongodb", "objects"):
        spec = one(found, "NetworkPolicy", f"demo-{store}")["spec"]
        assert "'recovery'" in str(spec["ingress"])
    assert {"ports": [{"port": 8443, "protocol": "TCP"}]} in one(found, "NetworkPolicy", "demo-postgres")["spec"][
        "egress"
    ]
    assert "recovery" not in str(one(found, "NetworkPolicy", "demo-redis"))


def test_no_service_of_files_no_step_for_them() -> None:
    found = made("Filling", services={"file": {"enabled": False}})
    pod = one(found, "Job", "demo-recovery-fill")["spec"]["template"]["spec"]
    assert [item["name"] for item in (*pod["initContainers"], *pod["containers"])] == ["restore-messages", "reconcile"]
    holders = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}["CHAT_BACKUP_HOLDERS"]
    assert "file" not in yaml.safe_load(holders)


def test_external_stores_are_opened_by_the_users_secrets() -> None:
    mine = {
        "mongodb": {"external": {"secretName": "my-mongodb"}},
        "objects": {"external": {"secretName": "my-objects"}},
    }
    found = made("Filling", **mine)
    assert names(found, "StatefulSet") == STORES - {"demo-mongodb", "demo-objects"}
    text = str(one(found, "Job", "demo-recovery-fill"))
    assert "my-mongodb" in text
    assert "my-objects" in text
