"""The whole spec."""

from typing import Annotated, Final, Self

from pydantic import ConfigDict, StringConstraints, model_validator

from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.backup import Backup
from chatcluster_operator.api.spec.bootstrap import Bootstrap
from chatcluster_operator.api.spec.capacity import Capacity, Retention
from chatcluster_operator.api.spec.credentials import Credentials
from chatcluster_operator.api.spec.edge import Edge
from chatcluster_operator.api.spec.features import Files, Notification
from chatcluster_operator.api.spec.images import Images
from chatcluster_operator.api.spec.lifecycle import DeletionPolicy, Failover, Maintenance, Upgrade
from chatcluster_operator.api.spec.services import Service, Services
from chatcluster_operator.api.spec.stores import Kafka, Mongodb, Objects, Postgres, Redis, Store

_BACKUP_OF_ALL: Final = (
    "spec.backup binds all stores to one moment, for which PostgreSQL must be managed; remove backup and back up the "
    "external stores by their own means, or remove postgres.external"
)
_RESTORED: Final = (
    "spec.bootstrap.recovery fills a PostgreSQL of its own; remove postgres.external, or remove bootstrap and restore "
    "the external database by its own means"
)
_BEGINNING: Final = (
    "spec.bootstrap says what a new ChatCluster begins with and cannot be added, changed or removed; make another "
    "ChatCluster with it"
)


class ChatClusterSpec(Model):
    """What a ChatCluster should be. Only the version is required."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.backup) || !has(self.postgres) || !has(self.postgres.external)",
                _BACKUP_OF_ALL,
            ),
            ("!has(self.bootstrap) || !has(self.postgres) || !has(self.postgres.external)", _RESTORED),
            (
                "has(self.bootstrap) == has(oldSelf.bootstrap) "
                "&& (!has(self.bootstrap) || self.bootstrap == oldSelf.bootstrap)",
                _BEGINNING,
            ),
        )
    )

    version: Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9._]*)$")]
    """Release to run: a key of the image catalogue, the ConfigMap chatcluster-images beside the operator."""
    paused: bool = False
    """While true, the operator looks and reports, but changes nothing: for mending something by hand. What Kubernetes
    does by itself goes on."""
    hibernated: bool = False
    """While true, nothing runs: services and edge go to zero replicas, then the stores. Volumes, credentials and
    addresses stay; set back to false, everything is as it was."""
    capacity: Capacity | None = None
    """What the ChatCluster is sized for. Left out: small sizes, for a few hundred people."""
    retention: Retention = Retention()
    """How long things are kept."""
    upgrade: Upgrade = Upgrade()
    """How a change of `version` goes."""
    failover: Failover = Failover()
    """What becomes of members of stores whose node is lost."""
    maintenance: Maintenance = Maintenance()
    """When changes may begin that restart pods."""
    credentials: Credentials = Credentials()
    """When generated passwords and keys are replaced."""
    backup: Backup | None = None
    """Backups of all stores. Left out: none."""
    bootstrap: Bootstrap | None = None
    """What a new ChatCluster begins with. Left out: nothing."""
    images: Images = Images()
    """Where images come from."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What becomes of volumes and credentials when the ChatCluster is deleted. Retain keeps them, and a new ChatCluster
    of the same name takes them up again; Delete removes them."""
    edge: Edge = Edge()
    """The HAProxy replicas through which all clients come."""
    services: Services = Services()
    """The six services."""
    postgres: Postgres = Postgres()
    """PostgreSQL: accounts, API tokens and preferences. Keys of an external Secret, each postgresql+asyncpg://… with a
    database and role of its own: `user_url`, `gateway_url`, `notification_url`; `objects_url` too where a managed
    object store has several members."""
    mongodb: Mongodb = Mongodb()
    """MongoDB: conversations and messages. Keys of an external Secret: `url` (mongodb://…)."""
    redis: Redis = Redis()
    """Redis: fan-out, presence and rates. Keys of an external Secret: `url` (redis://… or rediss://…), of a user that
    may use the keys and channels `gateway:*`, `user:*`, `message:*`, `file:*`, `notification:*`, `presence:*` and
    `auth:*`."""
    kafka: Kafka = Kafka()
    """Kafka: events between services. Keys of an external Secret: `bootstrap` (host:port, several with commas),
    `username`, `password`; SASL PLAIN."""
    objects: Objects = Objects()
    """S3 object store: files. Keys of an external Secret: `endpoint` (http:// or https://), `bucket`, `region`,
    `access_key`, `secret_key`."""
    files: Files = Files()
    """What becomes of uploaded files."""
    notification: Notification = Notification()
    """How people who are not there are told."""

    @model_validator(mode="after")
    def _backs_up_what_it_runs(self) -> Self:
        if self.backup is not None and self.postgres.external is not None:
            raise ValueError(_BACKUP_OF_ALL)
        if self.bootstrap is not None and self.postgres.external is not None:
            raise ValueError(_RESTORED)
        return self

    def service(self, name: str) -> Service:
        """The service of that name."""
        return getattr(self.services, name)

    def store(self, name: str) -> Store:
        """The store of that name."""
        return getattr(self, name)
