"""The rendered configuration: accepted by HAProxy, and safe against values that it would misread."""

import subprocess

import pytest

from chatcluster_haproxy import Backend, EdgeConfig, render


def backend(**changes) -> Backend:
    values = {"name": "file", "host": "demo-file", "port": 3003, "routes": ("/api/v1/files",), "slots": 4}
    return Backend(**(values | changes))


def test_haproxy_accepts_the_configuration(haproxy, tmp_path):
    file = tmp_path / "haproxy.cfg"
    file.write_text(render(EdgeConfig((backend(), backend(name="message", sticky=True)), "0123456789abcdef")))
    checked = subprocess.run([haproxy, "-c", "-f", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


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
