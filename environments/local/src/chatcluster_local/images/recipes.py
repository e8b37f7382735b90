"""The images of this repository: the one list of them, each a Dockerfile and its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SERVICES = ("gateway", "user", "message", "file", "notification", "presence")


@dataclass(frozen=True)
class Recipe:
    """How the image of one component is built: `chatcluster/<component>`."""

    component: str
    dockerfile: str
    """Path from the repository's root, which is the build context."""
    args: Mapping[str, str] = field(default_factory=dict[str, str])
    locked: tuple[str, ...] = ()
    """The distributions whose dependencies, as uv.lock has them, go into the image."""


RECIPES: tuple[Recipe, ...] = (
    *(
        Recipe(
            name,
            "services/Dockerfile",
            {"SERVICE": name},
            locked=("chatcluster-common", f"chatcluster-{name}"),
        )
        for name in SERVICES
    ),
    Recipe("operator", "operator/Dockerfile", locked=("chatcluster-operator",)),
    Recipe("backup", "backup/Dockerfile", locked=("chatcluster-backup",)),
    Recipe("postgres", "stores/postgres/Dockerfile"),
    Recipe("kafka", "stores/kafka/Dockerfile"),
    Recipe("mongodb-embedded", "stores/mongodb-embedded/Dockerfile"),
    Recipe("seaweedfs", "stores/seaweedfs/Dockerfile"),
    Recipe("redis", "stores/redis/Dockerfile"),
    Recipe("haproxy", "haproxy/Dockerfile"),
    Recipe("mail-sink", "environments/local/mail-sink/Dockerfile"),
)

COMPONENTS = tuple(recipe.component for recipe in RECIPES)
