"""An operator that cannot start says why and ends, so that the kubelet starts it anew."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from chatcluster_operator import install
from chatcluster_operator.kube.kinds import LEASE
from chatcluster_operator.leader import LEASE_NAME
from chatcluster_testing.control_plane import ControlPlane
from chatcluster_testing.operator import operator_process


@pytest.fixture
def cannot_start(plane: ControlPlane) -> Callable[..., Any]:
    """Runs an operator with these settings until it has ended; returns its exit code and its log."""
    token = plane.service_account_token(install.NAMESPACE, install.NAME)

    def run(name: str, **env: str) -> tuple[int, str]:
        program = operator_process(plane, name, token, env=env).program.spawn()
        try:
            return program.wait(), program.log
        finally:
            program.kill()

    return run


@pytest.mark.parametrize("port", ["CHATCLUSTER_PORT", "CHATCLUSTER_WEBHOOK_PORT"])
def test_a_port_that_is_taken_ends_it(plane: ControlPlane, cannot_start: Callable[..., Any], port: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        name = f"homeless-{port.rpartition('_')[0].rpartition('_')[2].lower()}"
        code, log = cannot_start(name, **{port: str(taken)})
    assert code == 1
    assert f"'127.0.0.1', {taken}): address already in use" in log
    lease = plane.api.get(LEASE.path(install.NAMESPACE, LEASE_NAME))
    assert lease is None or lease["spec"].get("holderIdentity") != name, "it never led"


def test_a_setting_that_cannot_be_used_ends_it(cannot_start: Callable[..., Any]) -> None:
    code, log = cannot_start("misled", CHATCLUSTER_RESYNC_SECONDS="often")
    assert code == 2
    assert log.splitlines()[-1].startswith("chatcluster-operator: CHATCLUSTER_RESYNC_SECONDS is 'often'; use a number")
