"""One control plane for all tests here, an operator that they share, and a namespace for each."""

import contextlib
from collections.abc import Callable, Iterator, Mapping

import pytest

from chatcluster_operator import install
from chatcluster_testing.control_plane import ControlPlane, running, until
from chatcluster_testing.kubectl import Kubectl
from chatcluster_testing.operator import Operator, Room, apply_install, new_room, operator_process
from chatcluster_testing.process import free_port


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The control plane with everything that install.yaml holds."""
    with running(tmp_path_factory.mktemp("control-plane")) as plane:
        apply_install(plane.api)
        yield plane


@pytest.fixture(scope="session")
def kubectl(plane: ControlPlane) -> Kubectl:
    """kubectl, as an administrator."""
    return Kubectl(plane.kubeconfig("kubectl"))


@pytest.fixture(scope="session")
def start_operator(plane: ControlPlane) -> Iterator[Callable[..., Operator]]:
    """Starts an operator as its service account, and ends those that are left when the tests are over."""
    token = plane.service_account_token(install.NAMESPACE, install.NAME)
    started: list[Operator] = []

    def start(name: str, *, server: str | None = None, env: Mapping[str, str] | None = None) -> Operator:
        operator = operator_process(plane, name, token, server=server, env=env)
        operator.program.start()
        started.append(operator)
        return operator

    try:
        yield start
    finally:
        for operator in started:
            with contextlib.suppress(AssertionError):
                operator.program.stop()


@pytest.fixture(scope="session")
def webhook_port() -> int:
    """The port of the shared operator's webhook. The API server does not know of it, unless a test tells it."""
    return free_port()


@pytest.fixture(scope="session")
def operator(start_operator: Callable[..., Operator], webhook_port: int) -> Operator:
    """The operator that most tests share, leading."""
    operator = start_operator("operator-a", env={"CHATCLUSTER_WEBHOOK_PORT": str(webhook_port)})
    until(lambda: operator.leading, "the operator to lead", 30)
    return operator


@pytest.fixture
def room(plane: ControlPlane, operator: Operator) -> Iterator[Room]:
    """A namespace for one test, with an operator at work."""
    del operator
    with new_room(plane) as room:
        yield room


@pytest.fixture(scope="module")
def demo(plane: ControlPlane, operator: Operator) -> Iterator[Room]:
    """A ChatCluster whose objects are all there, for the tests of a module that leave it as it was."""
    del operator
    with new_room(plane) as room:
        room.create()
        until(room.settled, "everything applied", 30)
        yield room
