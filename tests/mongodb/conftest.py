"""A cluster of kind with MongoDB's own server in it: for machines that have Docker and reach its registry."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from chatcluster_testing.replica_set import CLUSTER, ReplicaSet, run


def _missing() -> str:
    """Why the tests cannot run here; empty when they can."""
    for program in ("docker", "kind", "kubectl"):
        if shutil.which(program) is None:
            return f"{program} is not installed: these tests run MongoDB's own server in a cluster of kind"
    if subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=60).returncode:
        return "Docker does not answer: these tests run MongoDB's own server in a cluster of kind"
    return ""


@pytest.fixture(scope="session")
def replica_set() -> Iterator[ReplicaSet]:
    """A set of three members that is well. The cluster is removed at the end."""
    if why := _missing():
        pytest.skip(why)
    run("kind", "create", "cluster", "--name", CLUSTER, "--wait", "120s", timeout=600)
    try:
        with contextlib.closing(ReplicaSet()) as found:
            found.apply(3)
            found.settle(3)
            yield found
    finally:
        run("kind", "delete", "cluster", "--name", CLUSTER, timeout=120)
