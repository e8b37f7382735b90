"""The ten lines of the README that connect a client are run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatcluster_testing.cluster import Cluster

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.timeout(60)
def test_the_client_in_the_readme_connects_and_sends(cluster: Cluster) -> None:
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(code.strip().splitlines()) <= 10
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CHAT_URL": cluster.edge},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Hello from ten lines" in done.stdout
