"""The Job that restores a backup for a test: what it may reach, and what it may take."""

from dataclasses import replace
from typing import Any

import pytest

from chatcluster_operator.desired import manifests
from chatcluster_operator.desired.types import VerificationRun

SPEC: dict[str, Any] = {
    "version": "1.0",
    "backup": {
        "destination": {"endpoint": "https://s3.example:9000", "bucket": "backups", "secretName": "s3"},
        "encryption": {"secretName": "passphrase"},
        "verification": {"schedule": "0 12 * * 0"},
    },
}
RUN = VerificationRun("demo-1", "20261123T030000Z-0a1b2c3d", "2026-11-23T12:00:00Z", "chatcluster/backup:1.0")


@pytest.fixture
def made(chatcluster: Any, inputs: Any) -> dict[tuple[str, str], Any]:
    cluster = chatcluster(SPEC)
    found = manifests(cluster, replace(inputs(cluster), verification=RUN))
    return {
        (item["kind"], item["metadata"]["labels"].get("app.kubernetes.io/component", "")): item
        for item in found
        if item["metadata"]["labels"].get("app.kubernetes.io/component") == "verification"
    }


def test_each_step_has_the_destination_and_no_store(made: dict[tuple[str, str], Any]) -> None:
    spec = made["Job", "verification"]["spec"]["template"]["spec"]
    [read], [restore] = spec["initContainers"], spec["containers"]
    assert (read["args"], restore["command"], restore["args"]) == (
        ["verify"],
        ["/usr/local/bin/backups"],
        ["verify", "/tmp/base.json"],
    )
    secrets = {
        source["secret"]["name"]
        for volume in spec["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
    }
    assert secrets == {"s3", "passphrase"}
    assert not spec["automountServiceAccountToken"]


def test_it_takes_no_more_than_its_share(made: dict[tuple[str, str], Any]) -> None:
    spec = made["Job", "verification"]["spec"]
    pod = spec["template"]["spec"]
    assert next(volume for volume in pod["volumes"] if volume["name"] == "tmp")["emptyDir"] == {"sizeLimit": "8Gi"}
    assert all(item["resources"]["limits"]["cpu"] == "1" for item in (*pod["initContainers"], *pod["containers"]))
    assert spec["activeDeadlineSeconds"] == 1440 * 60


def test_it_reaches_name_servers_and_the_destination_alone(made: dict[tuple[str, str], Any]) -> None:
    policy = made["NetworkPolicy", "verification"]["spec"]
    assert policy["ingress"] == []
    ports = [port["port"] for rule in policy["egress"] for port in rule["ports"]]
    assert sorted(set(ports)) == [53, 9000]


@pytest.mark.parametrize("more", [{"hibernated": True}, {"backup": None}])
def test_there_is_none(chatcluster: Any, inputs: Any, more: dict[str, Any]) -> None:
    cluster = chatcluster({**SPEC, **more})
    found = manifests(cluster, replace(inputs(cluster), verification=RUN))
    assert not [item for item in found if item["kind"] == "Job" and "verif" in item["metadata"]["name"]]
