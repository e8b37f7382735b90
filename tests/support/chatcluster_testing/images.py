"""Other images of components, made from those in use: the same programs under new names, as a release would be."""

import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from chatcluster_local import images
from chatcluster_local.manifests import PREFIX
from chatcluster_testing.cluster import Cluster


def relabelled(cluster: Cluster, current: Mapping[str, str]) -> dict[str, str]:
    """Build and load images that differ from `current`, by component, in a label alone; the new references.

    Images that are not ours, such as MongoDB's own server, stay as they are.
    """
    mark = secrets.token_hex(4)
    ours = {component: image for component, image in current.items() if image.startswith(PREFIX)}
    new = {component: f"{image.rpartition(':')[0]}:test-{mark}" for component, image in ours.items()}
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        images.relabel({image: new[component] for component, image in ours.items()}, archive)
        cluster.local("load-images", str(archive))
    return {**current, **new}
