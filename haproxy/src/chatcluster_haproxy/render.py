"""From what the edge should do to HAProxy's configuration."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined, Template

PROXY_ERRORS: Final = (
    (400, "Bad Request", "The request is not valid HTTP."),
    (408, "Request Timeout", "The request did not arrive in time."),
    (500, "Internal Server Error", "The request could not be handled."),
    (502, "Bad Gateway", "The service gave no valid answer."),
    (503, "Service Unavailable", "No replica of the service is available; try again shortly."),
    (504, "Gateway Timeout", "The service did not answer in time."),
)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")
_ROUTE = re.compile(r"/[-A-Za-z0-9._/]*")
_KEY = re.compile(r"[-A-Za-z0-9]{8,}")
_NAMESERVER = re.compile(r"[0-9A-Fa-f.:]+:[0-9]+")


@dataclass(frozen=True)
class Backend:
    """One service behind the edge."""

    name: str
    """Name of the service: lower-case letters, digits and underscores."""
    host: str
    """Full DNS name whose A records are the pods."""
    port: int
    """Port that the pods listen on."""
    routes: tuple[str, ...]
    """Paths that lead to it. `/a/` takes all below it; `/a` takes itself and all below it."""
    slots: int
    """Most pods known at a time, those that come and go in a rollout included; further ones get no requests."""
    sticky: bool = False
    """Whether the requests of one Engine.IO session must reach one pod."""
    max_body_bytes: int = 1024 * 1024
    """Longest body that is passed on."""


@dataclass(frozen=True)
class EdgeConfig:
    """What the edge should do."""

    backends: tuple[Backend, ...]
    cookie_key: str
    """Key of the sticky cookies' hash, one for all replicas. It is no secret: it only hides the pods' addresses."""
    port: int = 8080
    """Port for clients."""
    admin_port: int = 8404
    """Port for probes, metrics and statistics, inside the cluster alone."""
    nameservers: tuple[str, ...] = ()
    """Name servers as address:port; none: those of the pod's resolv.conf."""
    max_connections: int = 8000
    """Client connections at a time."""
    requests_per_10s: int = 10_000
    """Requests of one address in ten seconds before it gets 429."""
    connections_per_10s: int = 5_000
    """New connections of one address in ten seconds before it gets 429."""
    drain_seconds: int = 20
    """How long connections may last after a soft stop, of the proxy itself or of a pod behind it."""

    def __post_init__(self) -> None:
        """Raise ValueError for what HAProxy would misread: everything here becomes part of its configuration."""
        checks = [
            (_KEY, "cookie_key", self.cookie_key),
            *((_NAMESERVER, "nameserver", address) for address in self.nameservers),
            *((_NAME, "backend name", backend.name) for backend in self.backends),
            *((_HOST, "backend host", backend.host) for backend in self.backends),
            *((_ROUTE, "route", route) for backend in self.backends for route in backend.routes),
        ]
        for pattern, what, value in checks:
            if not pattern.fullmatch(value):
                raise ValueError(f"{what} {value!r} does not match {pattern.pattern}")


@cache
def _template() -> Template:
    # The output is HAProxy's language, not HTML: what goes in is checked by EdgeConfig, and HTML escapes would harm it.
    environment = Environment(  # noqa: S701
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    return environment.from_string(files("chatcluster_haproxy").joinpath("haproxy.cfg.j2").read_text(encoding="utf-8"))


def render(config: EdgeConfig) -> str:
    """The text of haproxy.cfg."""
    routes = sorted(
        ((backend, route) for backend in config.backends for route in backend.routes),
        key=lambda item: (-len(item[1]), item[1]),
    )
    return _template().render(config=config, routes=routes, proxy_errors=PROXY_ERRORS)
