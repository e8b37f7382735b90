"""The ChatClusters of `chatcluster_testing.specs`, one after the other, and their manifests."""

from collections.abc import Callable
from typing import Any

import pytest

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import Inputs, Manifest, manifests
from chatcluster_testing.specs import MINIMAL, SPECS, body, even_randomness, inputs_maker


@pytest.fixture
def chatcluster() -> Callable[..., ChatCluster]:
    """Makes a ChatCluster of a spec, given as YAML or as a dict."""

    def make(spec: str | dict[str, Any] = MINIMAL, name: str = "demo") -> ChatCluster:
        return ChatCluster.from_body(body(spec, name))

    return make


@pytest.fixture
def rand() -> Callable[[int], bytes]:
    """Randomness that is the same in each run, and differs from call to call."""
    return even_randomness()


@pytest.fixture
def inputs() -> Callable[[ChatCluster], Inputs]:
    """Makes the inputs for a ChatCluster."""
    return inputs_maker()


@pytest.fixture(params=SPECS)
def cluster(request: pytest.FixtureRequest, chatcluster: Callable[..., ChatCluster]) -> ChatCluster:
    """Each of them."""
    return chatcluster(SPECS[request.param])


@pytest.fixture
def made(cluster: ChatCluster, inputs: Callable[[ChatCluster], Inputs]) -> list[Manifest]:
    """All manifests of each of them."""
    return manifests(cluster, inputs(cluster))
