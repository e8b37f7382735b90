"""Other images of components, made from those in use: the same programs under new names, as a release would be."""

import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from chatcluster_local import images
from chatcluster_testing.cluster import Cluster


def relabelled(cluster: Cluster, current: Mapping[str, str]) -> dict[str, str]:
    """Build and load images that differ from `current`, by component, in a label alone; the new references."""
    mark = secrets.token_hex(4)
    new = {component: f"{image.rpartition(':')[0]}:test-{mark}" for component, image in current.items()}
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        images.relabel({image: new[component] for component, image in current.items()}, archive)
        cluster.local("load-images", str(archive))
    return new
