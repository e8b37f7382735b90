"""The edge's objects for each way of being reached, and its configuration as HAProxy itself judges it."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from chatcluster_haproxy import certificate_script, render
from chatcluster_operator.api import InvalidSpecError
from chatcluster_operator.desired import components, manifests
from chatcluster_operator.desired.edge import certificate_names
from chatcluster_operator.desired.haproxy import ROUTES, config_of
from chatcluster_operator.desired.names import public_url
from chatcluster_operator.desired.services import PROFILES
from chatcluster_operator.desired.tls import make_authority, make_leaf

DOCS = Path(__file__).parents[3] / "docs/edge.md"


@pytest.fixture
def edged(chatcluster, inputs):
    """All manifests for a spec of the edge, by kind and name."""

    def make(edge: str, **more):
        cluster = chatcluster({"version": "1.0", "edge": yaml.safe_load(edge), **more})
        return {(item["kind"], item["metadata"]["name"]): item for item in manifests(cluster, inputs(cluster))}

    return make


def ports(made):
    return {port["name"]: port["port"] for port in made["Service", "demo-edge"]["spec"]["ports"]}


def mounted(made):
    """Names of the Secrets in the edge's pods."""
    volumes = made["Deployment", "demo-edge"]["spec"]["template"]["spec"]["volumes"]
    return {source["secret"]["name"] for volume in volumes for source in volume.get("projected", {}).get("sources", [])}


def test_without_a_word_it_is_plain_http(edged):
    made = edged("{}")
    assert ports(made) == {"http": 80}
    assert mounted(made) == set()
    assert ("Secret", "demo-edge-ca") not in made
    assert " ssl crt " not in made["ConfigMap", "demo-edge"]["data"]["haproxy.cfg"]


def test_an_own_certificate_is_in_the_edges_pods_and_its_authority_is_published(edged):
    made = edged("{tls: {}}")
    assert ports(made) == {"http": 80, "https": 443}
    assert mounted(made) == {"demo-edge-tls"}
    assert made["Secret", "demo-edge-tls"]["type"] == "kubernetes.io/tls"
    assert made["ConfigMap", "demo-edge-ca"]["data"] == {"ca.crt": "(an authority)"}
    # The authority's key is in one Secret, which no pod has.
    assert "demo-edge-ca" not in str([item["spec"]["template"] for (kind, _), item in made.items() if "Set" in kind])
    assert not [key for key, item in made.items() if key[0] != "Secret" and "demo-edge-ca" in str(item.get("spec"))]


@pytest.mark.parametrize(
    ("tls", "secret"),
    [("{}", "demo-edge-tls"), ("{secretName: mine}", "mine"), ("{issuer: {name: x}}", "demo-edge-issued")],
)
def test_only_the_edge_has_the_private_key(edged, tls, secret):
    made = edged(f"{{host: chat.example.com, tls: {tls}}}")
    users = {key for key, item in made.items() if key[0] in {"Deployment", "StatefulSet"} and secret in str(item)}
    assert users == {("Deployment", "demo-edge")}
    assert mounted(made) == {secret}


def test_a_renewed_certificate_rolls_no_pod(chatcluster, inputs):
    cluster = chatcluster({"version": "1.0", "edge": {"tls": {}}})
    given = inputs(cluster)
    now = int(time.time())
    authority = make_authority("x", now=now)
    renewed = type(given.tls)(make_leaf({"x"}, authority, now=now), (authority,))
    before, after = (
        {item["metadata"]["name"]: item for item in manifests(cluster, each) if item["kind"] == "Deployment"}
        for each in (given, type(given)(**{**vars(given), "tls": renewed}))
    )
    assert before == after


def test_cert_manager_is_asked_where_there_is_one(chatcluster, inputs):
    cluster = chatcluster({"version": "1.0", "edge": {"host": "chat.example.com", "tls": {"issuer": {"name": "x"}}}})
    given = inputs(cluster)
    (certificate,) = [item for item in manifests(cluster, given) if item["kind"] == "Certificate"]
    assert certificate["spec"]["dnsNames"] == ["chat.example.com"]
    assert certificate["spec"]["issuerRef"] == {"name": "x", "kind": "Issuer", "group": "cert-manager.io"}
    without = type(given)(**{**vars(given), "apis": frozenset()})
    assert not [item for item in manifests(cluster, without) if item["kind"] == "Certificate"]


def test_behind_an_ingress_https_ends_there(edged):
    made = edged("{host: chat.example.com, ingress: {className: nginx}, tls: {secretName: mine}}")
    spec = made["Ingress", "demo-edge"]["spec"]
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"] == [{"hosts": ["chat.example.com"], "secretName": "mine"}]
    assert spec["rules"][0]["http"]["paths"][0]["backend"]["service"] == {"name": "demo-edge", "port": {"name": "http"}}
    assert ports(made) == {"http": 80}
    assert mounted(made) == set()


def test_a_load_balancer_is_told_whom_to_let_in(edged):
    spec = edged(
        "{tls: {}, service: {type: LoadBalancer, httpsNodePort: 30443, externalTrafficPolicy: Local, "
        "loadBalancerSourceRanges: [198.51.100.7/24]}}"
    )["Service", "demo-edge"]["spec"]
    assert spec["loadBalancerSourceRanges"] == ["198.51.100.0/24"]
    assert spec["externalTrafficPolicy"] == "Local"
    assert [port.get("nodePort") for port in spec["ports"]] == [None, 30443]


def test_a_proxy_of_the_users_own_gets_through_and_no_edge_is_made(chatcluster, inputs):
    peer = {"namespaceSelector": {"matchLabels": {"name": "proxies"}}}
    edge = {"host": "chat.example.com", "external": {"peers": [peer]}}
    cluster = chatcluster({"version": "1.0", "edge": edge})
    made = {(item["kind"], item["metadata"]["name"]): item for item in manifests(cluster, inputs(cluster))}
    assert not [name for _, name in made if name.startswith("demo-edge")]
    assert "edge" not in {item.name for item in components(cluster)}
    for service in PROFILES:
        rules = made["NetworkPolicy", f"demo-{service}"]["spec"]["ingress"]
        opened = [rule["ports"][0]["port"] for rule in rules if peer in rule.get("from", [])]
        assert opened == ([PROFILES[service].port] if service in ROUTES else [])
    assert ("Service", "demo-message-pods") in made, "it needs the pods one by one"


@pytest.mark.parametrize(
    ("edge", "url"),
    [
        ("{}", "http://demo-edge.chat"),
        ("{tls: {}}", "https://demo-edge.chat"),
        ("{host: chat.example.com}", "http://chat.example.com"),
        ("{host: chat.example.com, tls: {}}", "https://chat.example.com"),
        (
            "{host: chat.example.com, tls: {}, publicUrl: 'https://chat.example.com:8443/'}",
            "https://chat.example.com:8443",
        ),
    ],
)
def test_public_address(chatcluster, edge, url):
    assert public_url(chatcluster({"version": "1.0", "edge": yaml.safe_load(edge)})) == url


def test_an_own_certificate_is_for_all_names(chatcluster):
    edge = {"host": "chat.example.com", "publicUrl": "https://198.51.100.7:30443", "tls": {}}
    names = certificate_names(chatcluster({"version": "1.0", "edge": edge}))
    inside = {"demo-edge", "demo-edge.chat", "demo-edge.chat.svc", "demo-edge.chat.svc.cluster.local"}
    assert names == inside | {"chat.example.com", "198.51.100.7"}


@pytest.mark.parametrize(
    ("edge", "message"),
    [
        ("{ingress: {}}", "set edge.host"),
        ("{tls: {issuer: {name: x}}}", "set edge.host"),
        ("{tls: {secretName: a, issuer: {name: x}}, host: a.b}", "remove one"),
        ("{external: {peers: [{podSelector: {matchLabels: {a: b}}}]}}", "set host or publicUrl"),
        ("{external: {peers: [{podSelector: {matchLabels: {a: b}}}]}, host: a.b, tls: {}}", "or remove external"),
        ("{external: {peers: [{podSelector: {matchLabels: {a: b}}}]}, host: a.b, replicas: 2}", "or remove external"),
        ("{external: {peers: [{}]}, host: a.b}", "add one"),
        ("{trustedProxies: {addresses: [everywhere]}}", "IPv4 or IPv6"),
        ("{service: {loadBalancerSourceRanges: [10.0.0.0/8]}}", "LoadBalancer"),
        ("{service: {externalTrafficPolicy: Local}}", "set the type"),
        ("{tuning: {maxConnections: 10}}", "greater than"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(chatcluster, edge, message):
    with pytest.raises(InvalidSpecError, match=re.escape(message)):
        chatcluster({"version": "1.0", "edge": yaml.safe_load(edge)})


@pytest.mark.parametrize(
    ("resources", "tuning", "threads"),
    [({}, {}, 2), ({"limits": {"cpu": "3500m"}}, {}, 4), ({"requests": {"cpu": "8"}}, {}, 8), ({}, {"threads": 1}, 1)],
)
def test_threads_follow_the_processor_share(chatcluster, resources, tuning, threads):
    spec = {"version": "1.0", "edge": {"resources": resources, "tuning": tuning}}
    assert config_of(chatcluster(spec)).threads == threads


def test_limits_reach_the_configuration(chatcluster):
    tuning = {
        "maxConnections": 500,
        "clientTimeoutSeconds": 31,
        "serverTimeoutSeconds": 32,
        "tunnelTimeoutSeconds": 133,
        "queueTimeoutSeconds": 4,
        "requestsPerAddress": 1001,
        "connectionsPerAddress": 102,
        "maxRequestBytes": 70_000,
        "maxUploadBytes": 2_000_000,
    }
    text = render(config_of(chatcluster({"version": "1.0", "edge": {"tuning": tuning}})))
    for line in (
        "maxconn 500\n",
        "timeout client 31s\n",
        "timeout server 32s\n",
        "timeout tunnel 133s\n",
        "timeout queue 4s\n",
        "sc_http_req_rate(0) gt 1001 ",
        "sc_conn_rate(0) gt 102 ",
        "req.hdr(content-length),add(0) gt 70000 ",
        "req.hdr(content-length),add(0) gt 2000000 ",
    ):
        assert line in text


def test_what_is_switched_off_has_no_route(chatcluster):
    config = config_of(chatcluster({"version": "1.0", "services": {"file": {"enabled": False}}}))
    assert {backend.name for backend in config.backends} == {"gateway", "message", "presence"}
    # The gateway has what is left of the API, and says there that files are not installed.
    assert re.findall(r"use_backend (\w+) if { path_beg /api/", render(config)) == ["gateway"]
    assert "/api/v1/files" not in render(config)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The folders of the pod: certificate and script."""
    folder = tmp_path_factory.mktemp("pod")
    now = int(time.time())
    pair = make_leaf({"chat.example.com"}, make_authority("x", now=now), now=now)
    (folder / "tls.pem").write_text(pair.certificate)
    (folder / "tls.pem.key").write_text(pair.key)
    (folder / "certificate.lua").write_text(certificate_script())
    return folder


def test_haproxy_accepts_what_each_cluster_gives_it(cluster, certificate, tmp_path):
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        pytest.skip("haproxy is not installed (Debian package haproxy)")
    text = render(config_of(cluster))
    for path in ("/run/secrets/chatcluster/", "/etc/chatcluster/", "/tmp/haproxy"):
        text = text.replace(path, f"{certificate}/")
    file = tmp_path / "haproxy.cfg"
    file.write_text(text)
    checked = subprocess.run([program, "-c", "-f", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def test_the_documented_routes_are_those_of_the_edge(chatcluster):
    """Who runs a proxy of their own goes by the table in docs/edge.md."""
    rows = re.findall(r"^\| `([^`]+)` \| `<name>-([a-z]+)-pods`, (\d+) \| (yes|no) \|", DOCS.read_text(), re.MULTILINE)
    assert {(path, service, int(port), sticky == "yes") for path, service, port, sticky in rows} == {
        (path, service, PROFILES[service].port, route.sticky)
        for service, route in ROUTES.items()
        for path in route.paths
    }
