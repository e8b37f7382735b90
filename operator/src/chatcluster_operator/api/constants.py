"""The names that everything agrees on: the API's own, the components', and the labels that tie objects together."""

from typing import Final

GROUP: Final = "chatcluster.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "ChatCluster"
PLURAL: Final = "chatclusters"
SINGULAR: Final = "chatcluster"
SHORT_NAME: Final = "chat"
API_VERSION: Final = f"{GROUP}/{VERSION}"

FIELD_MANAGER: Final = "chatcluster-operator"
"""The one owner name under which every field of every managed object is applied."""

IMAGE_CATALOGUE: Final = "chatcluster-images"
"""The ConfigMap beside the operator that maps each release to its images."""

ROTATE_CREDENTIALS: Final = f"{GROUP}/rotate-credentials"
"""Annotation of a ChatCluster: replace the passwords of all managed stores, asked for at this time (RFC 3339)."""
ROTATE_TOKEN_KEY: Final = f"{GROUP}/rotate-token-key"
"""Annotation of a ChatCluster: replace the token key and the other keys of services, as asked for at this time."""

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
APP_NAME: Final = "chatcluster"

SERVICES: Final = ("gateway", "user", "message", "file", "notification", "presence")
STORES: Final = ("postgres", "mongodb", "redis", "kafka", "objects")
EDGE: Final = "edge"
COMPONENTS: Final = (*STORES, *SERVICES, EDGE)
"""Every component, in the order in which a person reads them: what is leaned on comes first."""

BACKUP: Final = "backup"
"""What runs in the Jobs of backups; no component, but it has an image too."""
RECOVERY: Final = "recovery"
"""What runs in the Jobs of a restore, by the image of backups."""
VERIFICATION: Final = "verification"
"""What runs in the Jobs that restore a backup for a test, by the images of backups and of PostgreSQL."""

NOT_ARCHIVED_SINCE: Final = f"{GROUP}/not-archived-since"
"""Annotation by which the PostgreSQL member that leads says that its log does not reach the backups' destination."""

MOST_REPLICAS: Final = 500
"""Most replicas of a service."""
MOST_EDGES: Final = 50
"""Most replicas of the edge."""

MAX_NAME_LENGTH: Final = 40
"""Longest name of a ChatCluster: the longest name derived from it, a Service's, must stay a DNS label of 63."""
