"""Another image of a component, made from the one in use: the same program under a new name, as a release would be."""

import secrets
import tempfile
from pathlib import Path

from chatcluster_local import images
from chatcluster_testing.cluster import Cluster


def relabelled(cluster: Cluster, component: str) -> str:
    """Build and load an image that differs from the component's by a label alone; its reference."""
    deployment = cluster.get("deployment", f"{cluster.chatcluster}-{component}")
    now = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    reference = f"{now.rpartition(':')[0]}:test-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        images.relabel(now, reference, archive)
        cluster.local("load-images", str(archive))
    return reference
