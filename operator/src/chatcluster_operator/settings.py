"""What can be set from outside: a few environment variables, read once at start."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

LOG_LEVELS: Final = ("debug", "info", "warning", "error")


class SettingsError(ValueError):
    """A variable holds what cannot be used. The message names it and says what can."""


@dataclass(frozen=True)
class Settings:
    """The operator's settings. Times are in seconds."""

    namespace: str = "chatcluster-system"
    """`POD_NAMESPACE`: where the operator, its lease and its image catalogue are."""
    watch_namespaces: tuple[str, ...] = ()
    """`CHATCLUSTER_WATCH_NAMESPACES`: namespaces whose ChatClusters are looked after, separated by commas; all when
    empty."""
    identity: str = "operator"
    """`POD_NAME`: who this replica is in the leader election; the host's name when unset."""
    host: str = "0.0.0.0"  # noqa: S104 - the kubelet and Prometheus call from outside the pod
    """`CHATCLUSTER_HOST`: address that health checks and metrics are served on."""
    port: int = 8080
    """`CHATCLUSTER_PORT`: port of the same."""
    webhook_port: int | None = None
    """`CHATCLUSTER_WEBHOOK_PORT`: port of the validating webhook; 0, or unset: there is none."""
    log_level: str = "info"
    """`CHATCLUSTER_LOG_LEVEL`."""
    resync: float = 60.0
    """`CHATCLUSTER_RESYNC_SECONDS`: how long a ChatCluster goes unlooked-at, give or take a fifth."""
    concurrency: int = 16
    """`CHATCLUSTER_CONCURRENCY`: ChatClusters reconciled at the same time."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the variables. Raises SettingsError."""
        level = environment.get("CHATCLUSTER_LOG_LEVEL", cls.log_level).lower()
        if level not in LOG_LEVELS:
            raise SettingsError(f"CHATCLUSTER_LOG_LEVEL is {level!r}; use one of {', '.join(LOG_LEVELS)}")
        return cls(
            namespace=environment.get("POD_NAMESPACE", cls.namespace),
            watch_namespaces=_namespaces(environment),
            identity=environment.get("POD_NAME") or socket.gethostname(),
            host=environment.get("CHATCLUSTER_HOST", cls.host),
            port=int(_number(environment, "CHATCLUSTER_PORT", cls.port, low=0, high=65535)),
            webhook_port=int(_number(environment, "CHATCLUSTER_WEBHOOK_PORT", 0, low=0, high=65535)) or None,
            log_level=level,
            resync=_number(environment, "CHATCLUSTER_RESYNC_SECONDS", cls.resync, low=1, high=3600),
            concurrency=int(_number(environment, "CHATCLUSTER_CONCURRENCY", cls.concurrency, low=1, high=256)),
        )


def _namespaces(environment: Mapping[str, str]) -> tuple[str, ...]:
    text = environment.get("CHATCLUSTER_WATCH_NAMESPACES", "")
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
            raise SettingsError(
                f"CHATCLUSTER_WATCH_NAMESPACES is {text!r}; use names of namespaces separated by commas, or nothing"
            )
    return names


def _number(environment: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    text = environment.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise SettingsError(f"{name} is {text!r}; use a number from {low:g} to {high:g}")
    return value
