"""The edge proxy's configuration: a commented template, and the function that renders it."""

from chatcluster_haproxy.render import Backend, EdgeConfig, Tls, certificate_script, render

__all__ = ["Backend", "EdgeConfig", "Tls", "certificate_script", "render"]
