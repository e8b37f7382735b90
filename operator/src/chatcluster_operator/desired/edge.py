"""The edge: HAProxy replicas with one configuration, what leads clients to them, and where their certificate is."""

from typing import Any, Final
from urllib.parse import urlsplit

from chatcluster_haproxy import certificate_script, render
from chatcluster_operator.api import EDGE, ChatCluster
from chatcluster_operator.api.spec import ServiceType
from chatcluster_operator.desired import common, tls
from chatcluster_operator.desired.common import manifest, object_name, selector
from chatcluster_operator.desired.haproxy import (
    ADMIN_PORT,
    CERTIFICATE,
    CLUSTER_DOMAIN,
    DRAIN_SECONDS,
    PORT,
    SCRIPT,
    TLS_PORT,
    config_of,
    tls_ends_here,
)
from chatcluster_operator.desired.names import authority_name, certificate_secret, public_url
from chatcluster_operator.desired.pods import (
    Pod,
    Probes,
    command,
    config_volume,
    deployment,
    disruption_budget,
    http_get,
    secrets_volume,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

CERTIFICATE_KIND: Final = "Certificate"
"""cert-manager's, an optional kind."""


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of the edge."""
    if cluster.spec.edge.external is not None:
        return []
    name, size = object_name(cluster, EDGE), sizing(cluster)[EDGE]
    secure = tls_ends_here(cluster)
    files = {"haproxy.cfg": render(config_of(cluster))} | ({SCRIPT: certificate_script()} if secure else {})
    certificate = certificate_secret(cluster) if secure else None
    pod = Pod(
        component=EDGE,
        ports={"http": PORT} | ({"https": TLS_PORT} if secure else {}) | {"admin": ADMIN_PORT},
        probes=Probes(live=http_get("admin", "/livez"), ready=http_get("admin", "/livez"), start_seconds=30),
        resources=size.resources,
        # The certificate is left out: HAProxy takes up a new one by itself.
        checksum=common.checksum(files),
        volumes=(config_volume(name), *([_certificate_volume(certificate)] if certificate else [])),
        # New connections still come for as long as other nodes have not heard that this pod goes.
        pre_stop=command("sleep", "3"),
        grace_seconds=DRAIN_SECONDS + 10,
        rollout_label="pod-template-hash",
    )
    return [
        *_certificates(cluster, inputs),
        common.config_map(cluster, name, EDGE, files),
        _service(cluster, name, secure=secure),
        deployment(cluster, inputs, pod, cluster.spec.edge, replicas=size.replicas.value),
        disruption_budget(cluster, EDGE),
        *_ingress(cluster, name),
    ]


def certificate_names(cluster: ChatCluster) -> frozenset[str]:
    """What a certificate of the operator's own is for: the public name, and those inside the cluster."""
    edge = cluster.spec.edge
    service = f"{object_name(cluster, EDGE)}.{cluster.namespace}"
    inside = {object_name(cluster, EDGE), service, f"{service}.svc", f"{service}.svc.{CLUSTER_DOMAIN}"}
    public = urlsplit(public_url(cluster)).hostname
    return frozenset(inside | {name for name in (edge.host, public) if name})


def _certificate_volume(secret: str) -> tuple[dict[str, Any], str]:
    return secrets_volume((secret, {tls.CERTIFICATE_KEY: CERTIFICATE, tls.PRIVATE_KEY: f"{CERTIFICATE}.key"}))


def _certificates(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """What the operator makes for the certificate, by its source."""
    given = cluster.spec.edge.tls
    if given is None or given.secret_name:
        return []
    if given.issuer:
        return [_cert_manager(cluster)] if CERTIFICATE_KIND in inputs.apis else []
    if inputs.tls is None:
        return []
    leaf, bundle, authority = inputs.tls.leaf, inputs.tls.bundle, authority_name(cluster)
    served = {tls.CERTIFICATE_KEY: leaf.certificate, tls.PRIVATE_KEY: leaf.key, tls.AUTHORITY_KEY: bundle}
    return [
        common.secret(cluster, authority, EDGE, tls.authorities_data(inputs.tls.authorities)),
        {
            **common.secret(cluster, object_name(cluster, EDGE, "tls"), EDGE, served),
            "type": "kubernetes.io/tls",
        },
        common.config_map(cluster, authority, EDGE, {tls.AUTHORITY_KEY: bundle}),
    ]


def _cert_manager(cluster: ChatCluster) -> Manifest:
    given = cluster.spec.edge.tls
    assert given is not None  # noqa: S101 - the caller's condition
    assert given.issuer is not None  # noqa: S101 - as above
    return manifest(
        "cert-manager.io/v1",
        CERTIFICATE_KIND,
        cluster,
        object_name(cluster, EDGE),
        EDGE,
        spec={
            "secretName": certificate_secret(cluster),
            # With our labels the Secret is seen as soon as it is there, or another.
            "secretTemplate": {"labels": common.labels(cluster, EDGE)},
            "dnsNames": [cluster.spec.edge.host],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "usages": ["digital signature", "server auth"],
            "issuerRef": given.issuer.model_dump(mode="json"),
        },
    )


def _service(cluster: ChatCluster, name: str, *, secure: bool) -> Manifest:
    given = cluster.spec.edge.service
    ports: list[dict[str, Any]] = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    if secure:
        ports.append({"name": "https", "port": 443, "targetPort": "https", "protocol": "TCP"})
    if given.type is not ServiceType.CLUSTER_IP:
        for port, number in zip(ports, (given.node_port, given.https_node_port), strict=False):
            if number is not None:
                port["nodePort"] = number
    spec: dict[str, Any] = {"type": given.type.value, "selector": selector(cluster, EDGE), "ports": ports}
    if given.external_traffic_policy is not None:
        spec["externalTrafficPolicy"] = given.external_traffic_policy.value
    if given.load_balancer_source_ranges is not None:
        spec["loadBalancerSourceRanges"] = list(given.load_balancer_source_ranges)
    return manifest("v1", "Service", cluster, name, EDGE, annotations=given.annotations, spec=spec)


def _ingress(cluster: ChatCluster, name: str) -> list[Manifest]:
    edge = cluster.spec.edge
    if edge.ingress is None:
        return []
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    spec: dict[str, Any] = {
        "rules": [{"host": edge.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    }
    if edge.ingress.class_name:
        spec["ingressClassName"] = edge.ingress.class_name
    if edge.tls is not None:
        spec["tls"] = [{"hosts": [edge.host], "secretName": certificate_secret(cluster)}]
    return [
        manifest(
            "networking.k8s.io/v1", "Ingress", cluster, name, EDGE, annotations=edge.ingress.annotations, spec=spec
        )
    ]
