"""The container images: what each is made of, and how they are built on a machine without a registry.

    images = build_all(progress)                      # all of them; what has not changed is not built again
    images = build_all(progress, only={"message"})

An image's tag is a hash of everything it is built from, so that a new tag means a new image and the other way round.
"""

from .build import BuiltImage, build_all, relabel
from .recipes import COMPONENTS

__all__ = ["COMPONENTS", "BuiltImage", "build_all", "relabel"]
