"""How a service reaches a store, managed or external: its settings, its secrets, its files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.api.spec.stores import MongoEngine
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.credentials import login
from chatcluster_operator.desired.pods import env, env_from_secret
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs

PORTS: Final[Mapping[str, int]] = {"postgres": 5432, "mongodb": 27017, "redis": 6379, "kafka": 9092, "objects": 8333}
"""Port that clients of each managed store use."""
SENTINEL_PORT: Final = 26379
"""Where services ask who is Redis' master, where it has several members."""
ADMIN_PORTS: Final[Mapping[str, tuple[int, ...]]] = {
    "postgres": (8008,),
    "mongodb": (27017,),
    "redis": (6379, SENTINEL_PORT),
    "kafka": (9094,),
    "objects": (9333,),
}
"""Ports on which the operator asks the members of a store that has several, and tells them what to do."""

REDIS_GROUP: Final = "chatcluster"
"""Name by which Sentinels know the master and its replicas."""
POSTGRES_USERS: Final = ("user", "gateway", "notification")
"""Services that keep rows, each in a database of its own."""
MONGODB_DATABASE: Final = "chat"
MONGODB_USER: Final = "chat"
MONGODB_READER: Final = "chat_backup"
"""Who may read messages and nothing else."""
MONGODB_SET: Final = "chatcluster"
"""Name of the replica set."""
KAFKA_COPIES: Final = 3
"""Brokers that hold each partition, where there are so many."""
BUCKET: Final = "chat-files"
REGION: Final = "us-east-1"
"""The region that S3 clients assume where there are none."""


@dataclass(frozen=True)
class Brought:
    """Files from a Secret that the user brings."""

    secret: str
    files: Mapping[str, str]
    """Keys of the Secret → names of the files."""


@dataclass(frozen=True)
class Access:
    """What a service needs to reach a store."""

    env: tuple[dict[str, Any], ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """File names → generated values."""
    brought: Brought | None = None


def access(cluster: ChatCluster, inputs: Inputs, store: str, service: str) -> Access:
    """How `service` reaches `store`."""
    external = cluster.spec.store(store).external
    secret = external.secret_name if external else None
    match store:
        case "postgres":
            file = "chat_filer_url" if service == "objects" else "chat_database_url"
            if secret:
                return Access(brought=Brought(secret, {f"{service}_url": file}))
            return Access(secrets={file: _postgres_url(cluster, inputs, service)})
        case "mongodb":
            settings = (env("CHAT_MONGODB_DATABASE", MONGODB_DATABASE),)
            return _url("chat_mongodb_url", secret, lambda: _mongodb_url(cluster, inputs, service), settings)
        case "redis":
            return _url("chat_redis_url", secret, lambda: _redis_url(cluster, inputs, service))
        case "kafka":
            return _kafka(cluster, inputs, service, secret)
        case "objects":
            return _objects(cluster, inputs, service, secret)
        case _:
            raise ValueError(f"no such store: {store}")


def _url(
    file: str, secret: str | None, managed: Callable[[], str], settings: tuple[dict[str, Any], ...] = ()
) -> Access:
    if secret:
        return Access(settings, brought=Brought(secret, {"url": file}))
    return Access(settings, {file: managed()})


def _host(cluster: ChatCluster, store: str) -> str:
    return f"{object_name(cluster, store)}:{PORTS[store]}"


def files_in_postgres(cluster: ChatCluster) -> bool:
    """Whether the object store keeps its list of files in PostgreSQL: it is managed and has several members."""
    return cluster.spec.objects.external is None and sizing(cluster)["objects"].replicas.value > 1


def postgres_users(cluster: ChatCluster) -> tuple[str, ...]:
    """Who has a database in PostgreSQL."""
    backups = ("backup",) if cluster.spec.backup else ()
    return (*POSTGRES_USERS, *(("objects",) if files_in_postgres(cluster) else ()), *backups)


def postgres_role(service: str) -> str:
    """Role of a service in PostgreSQL, and the name of its database."""
    return f"chat_{service}"


def _postgres_url(cluster: ChatCluster, inputs: Inputs, service: str) -> str:
    role, keys = postgres_role(service), inputs.credentials_of(service)
    user, password = login(role, keys.slot), getattr(keys, f"postgres_{service}_password")
    return f"postgresql+asyncpg://{user}:{password}@{_host(cluster, 'postgres')}/{role}"


def _mongodb_url(cluster: ChatCluster, inputs: Inputs, service: str) -> str:
    keys = inputs.credentials_of(service)
    who = f"{login(MONGODB_USER, keys.slot)}:{keys.mongodb_password}"
    if service == "backup":
        who = f"{login(MONGODB_READER, keys.slot)}:{keys.mongodb_backup_password}"
    if cluster.spec.mongodb.engine is not MongoEngine.REPLICA_SET:
        # One node: the client stays with it and does not ask who else there is.
        # The stand-in looks through all its records of retryable writes at each write: at 50 messages a second, nine
        # tenths of its time. With one member there is no other to repeat a write on.
        return f"mongodb://{who}@{_host(cluster, 'mongodb')}/?directConnection=true&retryWrites=false"
    # Three tell of any others: nobody restarts when members come or go.
    members = ",".join(mongodb_member(cluster, ordinal) for ordinal in range(3))
    # A read from a secondary could miss what was acknowledged a moment ago.
    options = "authSource=admin&retryWrites=true&retryReads=true&w=majority&readPreference=primary"
    return f"mongodb://{who}@{members}/?replicaSet={MONGODB_SET}&{options}"


def mongodb_member(cluster: ChatCluster, ordinal: int) -> str:
    """Address of a member of the replica set, by which the others and clients know it."""
    nodes = object_name(cluster, "mongodb", "nodes")
    return f"{object_name(cluster, 'mongodb', str(ordinal))}.{nodes}.{cluster.namespace}.svc:{PORTS['mongodb']}"


def _redis_url(cluster: ChatCluster, inputs: Inputs, service: str) -> str:
    password = getattr(inputs.credentials_of(service), f"redis_{service}_password")
    if sizing(cluster)["redis"].replicas.value == 1:
        return f"redis://{service}:{password}@{_host(cluster, 'redis')}/0"
    # Three Sentinels tell of any others: nobody restarts when members come or go.
    sentinels = ",".join(f"{object_name(cluster, 'redis', str(n))}:{SENTINEL_PORT}" for n in range(3))
    return f"redis+sentinel://{service}:{password}@{sentinels}/{REDIS_GROUP}/0"


def client_ports(cluster: ChatCluster, store: str) -> tuple[int, ...]:
    """Ports on which services speak to a managed store."""
    several = store == "redis" and sizing(cluster)[store].replicas.value > 1
    return (PORTS[store], *((SENTINEL_PORT,) if several else ()))


def _kafka(cluster: ChatCluster, inputs: Inputs, service: str, secret: str | None) -> Access:
    if secret:
        settings = (
            env_from_secret("CHAT_KAFKA_BOOTSTRAP", secret, "bootstrap"),
            env_from_secret("CHAT_KAFKA_USERNAME", secret, "username"),
        )
        return Access(
            (*settings, *_topic(cluster, service, KAFKA_COPIES)),
            brought=Brought(secret, {"password": "chat_kafka_password"}),
        )
    settings = (env("CHAT_KAFKA_BOOTSTRAP", _kafka_bootstrap(cluster)), env("CHAT_KAFKA_USERNAME", service))
    password = getattr(inputs.credentials_of(service), f"kafka_{service}_password")
    copies = min(KAFKA_COPIES, sizing(cluster)["kafka"].replicas.value)
    return Access((*settings, *_topic(cluster, service, copies)), {"chat_kafka_password": password})


def _kafka_bootstrap(cluster: ChatCluster) -> str:
    """The first brokers, one by one: the address of one that is away is then passed over at once."""
    first = min(KAFKA_COPIES, sizing(cluster)["kafka"].replicas.value)
    if first == 1:
        return _host(cluster, "kafka")
    nodes = object_name(cluster, "kafka", "nodes")
    return ",".join(f"{object_name(cluster, 'kafka')}-{node}.{nodes}:{PORTS['kafka']}" for node in range(first))


def _topic(cluster: ChatCluster, service: str, replication: int) -> tuple[dict[str, Any], ...]:
    """Settings of the topic, for the service that makes it. `replication` is how many brokers hold each partition."""
    if service != "message":
        return ()
    return env("CHAT_KAFKA_PARTITIONS", sizing(cluster).partitions.value), env("CHAT_KAFKA_REPLICATION", replication)


def _objects(cluster: ChatCluster, inputs: Inputs, service: str, secret: str | None) -> Access:
    if secret:
        settings = tuple(
            env_from_secret(f"CHAT_S3_{key.upper()}", secret, key) for key in ("endpoint", "bucket", "region")
        )
        files = {"access_key": "chat_s3_access_key", "secret_key": "chat_s3_secret_key"}
        return Access(settings, brought=Brought(secret, files))
    settings = (
        env("CHAT_S3_ENDPOINT", f"http://{_host(cluster, 'objects')}"),
        env("CHAT_S3_BUCKET", BUCKET),
        env("CHAT_S3_REGION", REGION),
    )
    keys, own = inputs.credentials_of(service), "objects_backup" if service == "backup" else "objects"
    return Access(settings, {f"chat_s3_{key}": getattr(keys, f"{own}_{key}") for key in ("access_key", "secret_key")})
