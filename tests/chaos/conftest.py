"""Every test below runs against the environment that `CHATCLUSTER_NAME` names (`make test-cluster` brings one up)."""

import pytest

from chatcluster_testing.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The environment, Ready."""
    running = Cluster.running()
    running.wait_ready()
    return running


@pytest.fixture
def edge(cluster: Cluster) -> str:
    """The one address that people know."""
    return cluster.edge
