"""The six services. They are built alike: a table says what each calls and which stores it uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.api.spec import Service
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import JWKS, object_name
from chatcluster_operator.desired.names import public_url
from chatcluster_operator.desired.pods import (
    Figures,
    Pod,
    Probes,
    deployment,
    disruption_budget,
    env,
    http_get,
    resources,
    secrets_volume,
)
from chatcluster_operator.desired.types import Inputs, Manifest

JWKS_PATH: Final = "/run/secrets/chatcluster-jwks"
DRAIN_SECONDS: Final = 20
"""Time from SIGTERM to exit. The grace period is longer by what a slow node may add."""

_LINKING: Final = ("user", "notification")
"""Services whose mails and answers hold links to the ChatCluster."""


@dataclass(frozen=True)
class Profile:
    """What sets one service apart from the others."""

    port: int
    figures: Figures
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
        Figures(cpu="100m", memory="96Mi", memory_limit="256Mi"),
        calls=("user", "message", "file", "notification", "presence"),
        stores=("postgres", "redis"),
        behind_edge=True,
        # The network policy lets nothing but the edge connect, and the edge says who the client is.
        settings={"CHAT_TRUST_EDGE": "true"},
    ),
    # argon2id takes 19 MiB a password, two at a time.
    "user": Profile(
        3001,
        Figures(cpu="100m", memory="128Mi", memory_limit="384Mi"),
        # A person's export and erasure reach every service.
        calls=("gateway", "message", "file", "notification", "presence"),
        stores=("postgres", "redis"),
    ),
    "message": Profile(
        3002,
        Figures(cpu="150m", memory="128Mi", memory_limit="512Mi"),
        calls=("user", "file", "presence"),
        stores=("mongodb", "redis", "kafka"),
        behind_edge=True,
    ),
    # Uploads pass through in parts, and thumbnails are decoded in processes of their own.
    "file": Profile(
        3003,
        Figures(cpu="100m", memory="192Mi", memory_limit="1Gi"),
        calls=("message",),
        stores=("objects", "redis"),
        behind_edge=True,
    ),
    "notification": Profile(
        3004,
        Figures(cpu="50m", memory="96Mi", memory_limit="256Mi"),
        calls=("user", "message", "presence"),
        stores=("postgres", "redis", "kafka"),
    ),
    "presence": Profile(
        3005,
        Figures(cpu="100m", memory="96Mi", memory_limit="384Mi"),
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


def manifests(cluster: ChatCluster, inputs: Inputs, name: str) -> list[Manifest]:
    """All objects of one service."""
    profile, spec = PROFILES[name], cluster.spec.service(name)
    access = [stores.access(cluster, inputs, store, name) for store in profile.stores]
    own = {"chat_internal_token": inputs.credentials.internal_token}
    for item in access:
        own |= item.secrets
    own |= _keys(inputs, name)
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
        *(env(f"CHAT_{called.upper()}_URL", url(cluster, called)) for called in profile.calls),
        *(setting for item in access for setting in item.env),
        *(env(key, value) for key, value in profile.settings.items()),
        *([env("CHAT_PUBLIC_URL", public_url(cluster))] if name in _LINKING else []),
        *mail.env,
        *([env("CHAT_CLAMAV_HOST", scanner.host), env("CHAT_CLAMAV_PORT", scanner.port)] if scanner else []),
    ]
    digests = {secret: inputs.digests.get(secret, "") for secret, _ in brought}
    pod = Pod(
        component=name,
        ports={"http": profile.port},
        probes=Probes(live=http_get("http", "/livez"), ready=http_get("http", "/readyz")),
        resources=resources(spec.resources, profile.figures),
        checksum=common.checksum(own, digests),
        volumes=(
            secrets_volume((secret_name, {key: key for key in own}), *brought),
            ({"name": "jwks", "configMap": {"name": object_name(cluster, JWKS)}}, JWKS_PATH),
        ),
        env=_overridden(settings, {item.name: item.value for item in spec.env}),
        init_args=("migrate",) if "postgres" in profile.stores else (),
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
        deployment(cluster, inputs, pod, spec, replicas=None),
        # An autoscaler would only complain of a workload that is asleep.
        *([] if cluster.spec.hibernated else [_autoscaler(cluster, name, spec)]),
        disruption_budget(cluster, name),
    ]


def _autoscaler(cluster: ChatCluster, name: str, spec: Service) -> Manifest:
    scaling = spec.autoscaling
    return common.manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        cluster,
        object_name(cluster, name),
        name,
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": object_name(cluster, name)},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": scaling.target_cpu_utilization},
                    },
                }
            ],
        },
    )


def _keys(inputs: Inputs, name: str) -> dict[str, str]:
    """The keys that a service alone holds, by file name."""
    match name:
        case "user":
            return {
                "token_key.pem": inputs.credentials.token_key,
                "chat_encryption_key": inputs.credentials.encryption_key,
            }
        case "notification":
            return {"chat_vapid_key": inputs.credentials.vapid_key}
        case _:
            return {}


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
