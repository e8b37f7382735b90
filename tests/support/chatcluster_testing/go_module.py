"""Files of a Go module, such as the definitions that another project publishes with its source."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def source(name: str) -> Path:
    """The folder of a module's source (`example.com/module@v1.2.3`), from the module cache or the proxy.

    Skips the test where Go is not installed or the module cannot be fetched.
    """
    go = shutil.which("go", path=os.environ.get("PATH", "") + ":/usr/local/go/bin")
    if go is None:
        pytest.skip(f"Go is not installed, by which {name} is fetched")
    fetched = subprocess.run(
        [go, "mod", "download", "-json", name], capture_output=True, text=True, check=False, cwd="/", timeout=300
    )
    if fetched.returncode != 0:
        pytest.skip(f"{name} cannot be fetched: {fetched.stdout or fetched.stderr}")
    return Path(json.loads(fetched.stdout)["Dir"])
