"""The operator installed for one namespace, with rights in no other."""

import json
from collections.abc import Iterator

import pytest

from chatcluster_operator import install
from chatcluster_operator.kube import CHATCLUSTER, KINDS
from chatcluster_operator.kube.kinds import STORAGE_CLASS
from chatcluster_testing.control_plane import ApiRefusalError, ControlPlane, until
from chatcluster_testing.operator import Operator, Room, apply_install, new_room, operator_process

NAMESPACE = "chat-alone"


@pytest.fixture(scope="module")
def alone(plane: ControlPlane, operator: Operator) -> Iterator[Operator]:
    """An operator as install-namespaced.yaml has it, in another namespace, in the place of the shared one."""
    text = json.dumps(install.namespaced_objects()).replace(install.NAMESPACE, NAMESPACE)
    apply_install(plane.api, json.loads(text))
    token = plane.service_account_token(NAMESPACE, install.NAME)
    settings = {"POD_NAMESPACE": NAMESPACE, "CHATCLUSTER_WATCH_NAMESPACES": NAMESPACE}
    alone = operator_process(plane, "operator-alone", token, env=settings)
    operator.program.stop()
    try:
        alone.program.start()
        until(lambda: alone.leading, "the operator to lead", 60)
        yield alone
        assert alone.program.stop() == 0
    finally:
        alone.program.kill()
        operator.program.start()
        until(lambda: operator.leading, "the shared operator to lead again", 60)


def test_it_looks_after_its_own_namespace_and_no_other(plane: ControlPlane, alone: Operator) -> None:
    own = Room(plane.api, NAMESPACE)
    with new_room(plane) as elsewhere:
        elsewhere.create()
        own.create({"postgres": {"storage": {"storageClassName": "not-to-be-looked-up"}}})
        until(own.settled, "everything applied", 60)
        own.api.delete(KINDS["Service"].path(NAMESPACE, "demo-user"))
        until(lambda: own.child("Service", "demo-user"), "the Service put back", 60)
        assert elsewhere.children() == {}
        assert alone.metric("chatcluster_operator_workers") == 1
    own.delete()
    assert alone.metric("chatcluster_operator_api_calls_total", status="403") > 0, "the StorageClass was asked for"
    assert "forbidden" not in alone.program.log, "it asks for nothing else that it may not have"
    assert alone.metric("chatcluster_operator_deaf_watches_total") == 0


@pytest.mark.parametrize(
    "path",
    [
        CHATCLUSTER.path(),
        KINDS["Secret"].path(),
        KINDS["Secret"].path("kube-system"),
        STORAGE_CLASS.path(),
        "/api/v1/namespaces",
    ],
)
def test_it_has_no_rights_elsewhere(plane: ControlPlane, alone: Operator, path: str) -> None:
    del alone
    api = plane.api_as(plane.service_account_token(NAMESPACE, install.NAME))
    try:
        with pytest.raises(ApiRefusalError) as refusal:
            api.get(path)
        assert refusal.value.status == 403
    finally:
        api.close()
