"""One platform for all tests of this folder. Whoever harms a process leaves it well."""

from collections.abc import Iterator

import pytest

from chatcluster_testing.platform import Platform, running_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The edge, the six services and their stores."""
    with running_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running
