"""From what the edge should do to HAProxy's configuration."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ipaddress import ip_network
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
_PATH = re.compile(r"/[-A-Za-z0-9._/]+")
_URL = re.compile(r"https://[-A-Za-z0-9.:\[\]]+(/[-A-Za-z0-9._~/]*)?")


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
class Tls:
    """How the edge speaks HTTPS."""

    certificate: str
    """File of the certificate and those that it is signed by, PEM. Its key is beside it, in a file of the same name
    and `.key`. When they change, the new ones are used for new connections; those that are open go on."""
    script: str
    """File of `certificate_script()`, which sees to that."""
    port: int = 8443
    """Port for clients."""
    redirect_to: str | None = None
    """Address that plain HTTP requests are sent to, such as https://chat.example.com; None: they are served."""
    socket: str = "/tmp/haproxy.sock"  # noqa: S108 - the container's own
    """Where the proxy takes orders, from within its container alone."""


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
    tls: Tls | None = None
    """HTTPS; None: plain HTTP alone."""
    hsts_seconds: int = 0
    """For how long browsers must use HTTPS, told on HTTPS alone; 0: nothing is said of it."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) of proxies in front of the edge, whose word on who the client is counts."""
    proxy_protocol: bool = False
    """Whether these proxies say it by the PROXY protocol, rather than by X-Forwarded-For."""
    threads: int | None = None
    """Threads; None: one for each processor of the node."""
    client_seconds: int = 60
    """Silence of a client within a request."""
    server_seconds: int = 60
    """Silence of a service within a request."""
    tunnel_seconds: int = 3600
    """Silence on a WebSocket."""
    queue_seconds: int = 5
    """How long a request waits for a server that takes it."""
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
        if self.tls is not None:
            checks += [(_PATH, "path", path) for path in (self.tls.certificate, self.tls.script, self.tls.socket)]
            checks += [(_URL, "redirect_to", self.tls.redirect_to)] if self.tls.redirect_to else []
        for network in self.trusted_proxies:
            ip_network(network)
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


def certificate_script() -> str:
    """The text of the Lua script by which the proxy takes up a renewed certificate."""
    return files("chatcluster_haproxy").joinpath("certificate.lua").read_text(encoding="utf-8")


def render(config: EdgeConfig) -> str:
    """The text of haproxy.cfg."""
    routes = sorted(
        ((backend, route) for backend in config.backends for route in backend.routes),
        key=lambda item: (-len(item[1]), item[1]),
    )
    return _template().render(config=config, routes=routes, proxy_errors=PROXY_ERRORS)
