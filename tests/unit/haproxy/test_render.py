"""The rendered configuration: accepted by HAProxy, and safe against values that it would misread."""

import subprocess
import time
from dataclasses import replace

import pytest

from chatcluster_haproxy import Backend, EdgeConfig, Tls, certificate_script, render
from chatcluster_operator.desired.tls import make_authority, make_leaf


def backend(**changes) -> Backend:
    values = {"name": "file", "host": "demo-file", "port": 3003, "routes": ("/api/v1/files",), "slots": 4}
    return Backend(**(values | changes))


TLS = Tls("/certificate/tls.pem", "/certificate/certificate.lua", socket="/certificate/socket")
NETWORKS = ("10.0.0.0/8", "2001:db8::/32")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A folder with a certificate, its key, and the script that renews it."""
    folder = tmp_path_factory.mktemp("certificate")
    pair = make_leaf({"chat.example.com"}, make_authority("tests", now=int(time.time())), now=int(time.time()))
    (folder / "tls.pem").write_text(pair.certificate)
    (folder / "tls.pem.key").write_text(pair.key)
    (folder / "certificate.lua").write_text(certificate_script())
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tls": TLS},
        {"tls": replace(TLS, redirect_to="https://chat.example.com:8443/chat"), "hsts_seconds": 60},
        {"tls": replace(TLS, redirect_to="https://[2001:db8::1]"), "trusted_proxies": NETWORKS},
        {"trusted_proxies": NETWORKS},
        {"trusted_proxies": NETWORKS, "proxy_protocol": True},
        {"threads": 1, "max_connections": 100, "requests_per_10s": 100, "connections_per_10s": 10},
        {"client_seconds": 3600, "server_seconds": 3600, "tunnel_seconds": 86_400, "queue_seconds": 60},
        {"backends": (backend(max_body_bytes=17_179_869_184),)},
        {"backends": (backend(slots=402), backend(name="gateway", routes=("/api/v1/",)))},
    ],
)
def test_haproxy_accepts_the_configuration(haproxy, certificate, tmp_path, changes):
    given = {"backends": (backend(), backend(name="message", sticky=True)), "cookie_key": "0123456789abcdef", **changes}
    file = tmp_path / "haproxy.cfg"
    file.write_text(render(EdgeConfig(**given)).replace("/certificate/", f"{certificate}/"))
    checked = subprocess.run([haproxy, "-c", "-f", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": replace(TLS, certificate="/a b")},
        {"tls": replace(TLS, redirect_to="https://%[src]")},
        {"tls": replace(TLS, redirect_to="http://chat.example.com")},
        {"trusted_proxies": ("10.0.0.0/8 0.0.0.0/0",)},
        {"trusted_proxies": ("10.0.0.1/8",)},
    ],
)
def test_settings_that_haproxy_would_misread_are_refused(changes):
    with pytest.raises(ValueError, match=r"does not match|not appear to be|has host bits"):
        EdgeConfig((backend(),), "0123456789abcdef", **changes)


def test_name_servers_come_from_the_pod_unless_given():
    assert "parse-resolv-conf" in render(EdgeConfig((backend(),), "0123456789abcdef"))
    given = render(EdgeConfig((backend(),), "0123456789abcdef", nameservers=("10.0.0.1:53",)))
    assert "nameserver ns1 10.0.0.1:53" in given
    assert "parse-resolv-conf" not in given


def test_longest_route_comes_first():
    text = render(EdgeConfig((backend(name="gateway", routes=("/api/v1/",)), backend()), "0123456789abcdef"))
    assert text.index("use_backend file") < text.index("use_backend gateway")


@pytest.mark.parametrize(
    "changes",
    [{"name": "a b"}, {"host": "a\nserver x"}, {"routes": ("/a b",)}, {"routes": ("a",)}, {"name": "Ünde"}],
)
def test_what_haproxy_would_misread_is_refused(changes):
    with pytest.raises(ValueError, match="does not match"):
        EdgeConfig((backend(**changes),), "0123456789abcdef")


def test_cookie_key_is_checked():
    with pytest.raises(ValueError, match="cookie_key"):
        EdgeConfig((backend(),), "short")
