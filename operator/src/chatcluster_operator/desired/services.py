"""The six services. They are built alike: a table says what each calls and which stores it uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import autoscaling, common, stores
from chatcluster_operator.desired.common import JWKS, object_name
from chatcluster_operator.desired.components import running_services
from chatcluster_operator.desired.names import public_url
from chatcluster_operator.desired.pods import (
    Pod,
    Probes,
    deployment,
    disruption_budget,
    env,
    http_get,
    secrets_volume,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

JWKS_PATH: Final = "/run/secrets/chatcluster-jwks"
DRAIN_SECONDS: Final = 20
"""Time from SIGTERM to exit. The grace period is longer by what a slow node may add."""

_RINGS: Final = ("chat_internal_token", "chat_encryption_key")
"""Files with several values, separated by spaces: the first is used, all are accepted."""
_LINKING: Final = ("user", "notification")
"""Services whose mails and answers hold links to the ChatCluster."""


@dataclass(frozen=True)
class Profile:
    """What sets one service apart from the others."""

    port: int
    calls: tuple[str, ...] = ()
    """Other services that it calls."""
    stores: tuple[str, ...] = ()
    """Stores that it uses."""
    behind_edge: bool = False
    """Whether the edge sends requests to it."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """Settings of its own."""


PROFILES: Final[Mapping[str, Profile]] = {
    "gateway": Profile(
        3000,
        calls=("user", "message", "file", "notification", "presence"),
        stores=("postgres", "redis"),
        behind_edge=True,
        # The network policy lets nothing but the edge connect, and the edge says who the client is.
        settings={"CHAT_TRUST_EDGE": "true"},
    ),
    "user": Profile(
        3001,
        # A person's export and erasure reach every service.
        calls=("gateway", "message", "file", "notification", "presence"),
        stores=("postgres", "redis"),
    ),
    "message": Profile(
        3002,
        calls=("user", "file", "presence"),
        stores=("mongodb", "redis", "kafka"),
        behind_edge=True,
    ),
    "file": Profile(
        3003,
        calls=("message",),
        stores=("objects", "redis"),
        behind_edge=True,
    ),
    "notification": Profile(
        3004,
        calls=("user", "message", "presence"),
        stores=("postgres", "redis", "kafka"),
    ),
    "presence": Profile(
        3005,
        calls=("user", "message"),
        stores=("redis",),
        behind_edge=True,
    ),
}


def url(cluster: ChatCluster, service: str) -> str:
    """Where a service is called by the others."""
    return f"http://{object_name(cluster, service)}:{PROFILES[service].port}"


def pods_service(cluster: ChatCluster, service: str) -> str:
    """Name of the headless Service by which the edge finds the pods one by one."""
    return object_name(cluster, service, "pods")


def metrics_url(cluster: ChatCluster, service: str) -> str:
    """Where the metrics of a service's pods are, one by one where the edge finds them so."""
    host = pods_service(cluster, service) if PROFILES[service].behind_edge else object_name(cluster, service)
    return f"http://{host}.{cluster.namespace}.svc:{PROFILES[service].port}/metrics"


def manifests(cluster: ChatCluster, inputs: Inputs, name: str) -> list[Manifest]:
    """All objects of one service."""
    profile, spec, size = PROFILES[name], cluster.spec.service(name), sizing(cluster)[name]
    access = [stores.access(cluster, inputs, store, name) for store in profile.stores]
    own = _own(inputs, name, access)
    brought = [(item.brought.secret, item.brought.files) for item in access if item.brought]
    mail = _mail(cluster) if name == "notification" else _Mail([], [])
    brought += mail.secrets
    scanner = cluster.spec.files.scanner if name == "file" else None
    secret_name = object_name(cluster, name)
    settings = [
        env("CHAT_PORT", profile.port),
        env("CHAT_LOG_LEVEL", "INFO"),
        env("CHAT_JWKS_FILE", f"{JWKS_PATH}/jwks.json"),
        env("CHAT_DRAIN_SECONDS", DRAIN_SECONDS),
        *(
            env(f"CHAT_{called.upper()}_URL", url(cluster, called))
            for called in running_services(cluster, profile.calls)
        ),
        *(setting for item in access for setting in item.env),
        *(env(key, value) for key, value in profile.settings.items()),
        *_retention(cluster, name),
        *([env("CHAT_PUBLIC_URL", public_url(cluster))] if name in _LINKING else []),
        *mail.env,
        *([env("CHAT_CLAMAV_HOST", scanner.host), env("CHAT_CLAMAV_PORT", scanner.port)] if scanner else []),
    ]
    pod = Pod(
        component=name,
        ports={"http": profile.port},
        probes=Probes(live=http_get("http", "/livez"), ready=http_get("http", "/readyz")),
        resources=size.resources,
        checksum=checksum(cluster, inputs, name),
        volumes=(
            secrets_volume((secret_name, {key: key for key in own}), *brought),
            ({"name": "jwks", "configMap": {"name": object_name(cluster, JWKS)}}, JWKS_PATH),
        ),
        env=_overridden(settings, {item.name: item.value for item in spec.env}),
        grace_seconds=DRAIN_SECONDS + 10,
        rollout_label="pod-template-hash",
    )
    objects = [
        common.secret(cluster, secret_name, name, own),
        common.service(cluster, object_name(cluster, name), name, {"http": profile.port}),
    ]
    if profile.behind_edge:
        objects.append(
            common.service(cluster, pods_service(cluster, name), name, {"http": profile.port}, headless=True)
        )
    return [
        *objects,
        deployment(cluster, inputs, pod, spec, replicas=size.replicas.value if size.most is None else None),
        *autoscaling.manifests(cluster, inputs, name, size, metrics_url(cluster, name)),
        disruption_budget(cluster, name),
    ]


def checksum(cluster: ChatCluster, inputs: Inputs, name: str) -> str:
    """The digest of what a service's pods read when they start: those with another one are to be replaced.

    What they need not be replaced for is left out: keys that they still accept, and no longer use.
    """
    access = [stores.access(cluster, inputs, store, name) for store in PROFILES[name].stores]
    used = {
        file: text.partition(" ")[0] if file in _RINGS else text for file, text in _own(inputs, name, access).items()
    }
    brought = [item.brought.secret for item in access if item.brought]
    brought += [secret for secret, _ in (_mail(cluster).secrets if name == "notification" else ())]
    digests = {secret: inputs.digests.get(secret, "") for secret in brought}
    knows = name in inputs.turns.knowing | inputs.turns.using
    keys = inputs.credentials if knows else inputs.credentials.withdraw()
    return common.checksum(used, digests, keys.newest_key_id)


def _own(inputs: Inputs, name: str, access: Sequence[stores.Access]) -> dict[str, str]:
    """The generated values that a service gets, by file name."""
    own = {"chat_internal_token": _ring(inputs, name, "internal_token")}
    for item in access:
        own |= item.secrets
    match name:
        case "user":
            own["token_key.pem"] = inputs.credentials_of(name).token_key
            own["chat_encryption_key"] = _ring(inputs, name, "encryption_key")
        case "notification":
            own["chat_vapid_key"] = inputs.credentials.vapid_key
            own["chat_link_key"] = inputs.credentials.links_key
        case _:
            pass
    return own


def _ring(inputs: Inputs, service: str, name: str) -> str:
    """All values of a key that a service accepts, separated by spaces; the first is the one that it uses."""
    keys = inputs.credentials
    present, coming = getattr(keys, name), keys.coming.get(name)
    if coming and service in inputs.turns.using:
        return f"{coming} {present}"
    return f"{present} {coming}" if coming and service in inputs.turns.knowing else present


def _retention(cluster: ChatCluster, name: str) -> list[dict[str, Any]]:
    """How long a service keeps what it writes, where the spec says."""
    kept = cluster.spec.retention
    days = {
        "message": ("CHAT_MESSAGE_RETENTION_DAYS", kept.messages_days),
        "user": ("CHAT_AUDIT_DAYS", kept.audit_days),
    }
    setting, value = days.get(name, ("", None))
    return [env(setting, value)] if value is not None else []


@dataclass(frozen=True)
class _Mail:
    env: list[dict[str, Any]]
    secrets: list[tuple[str, Mapping[str, str]]]


def _mail(cluster: ChatCluster) -> _Mail:
    """Settings of the mail server, and the Secret that the user brings for it."""
    smtp = cluster.spec.notification.smtp
    if smtp is None:
        return _Mail([], [])
    settings = [
        env("CHAT_SMTP_HOST", smtp.host),
        env("CHAT_SMTP_PORT", smtp.port),
        env("CHAT_SMTP_SECURITY", smtp.security.value),
        env("CHAT_SMTP_FROM", smtp.sender),
    ]
    files = {"username": "chat_smtp_username", "password": "chat_smtp_password"}
    return _Mail(settings, [(smtp.secret_name, files)] if smtp.secret_name else [])


def _overridden(settings: list[dict[str, Any]], given: Mapping[str, str]) -> list[dict[str, Any]]:
    """The settings with those that the spec gives in their place, further ones at the end."""
    kept = [setting for setting in settings if setting["name"] not in given]
    return [*kept, *(env(name, value) for name, value in given.items())]
