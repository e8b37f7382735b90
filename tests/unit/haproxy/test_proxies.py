"""Who the client is when proxies stand in front of the edge, asked of a running HAProxy."""

import socket

import httpx
import pytest

TRUSTED = ("127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32")


@pytest.fixture(scope="module")
def behind_proxies(start_edge):
    with start_edge(trusted_proxies=TRUSTED, hsts_seconds=60) as edge:
        yield edge


@pytest.fixture(scope="module")
def behind_proxy_protocol(start_edge):
    with start_edge(trusted_proxies=("127.0.0.1/32",), proxy_protocol=True) as edge:
        yield edge


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.1.2.3, 10.4.5.6", "203.0.113.9"),
        ("2001:470::1, 2001:db8::5", "2001:470::1"),
        # Each proxy is trusted all the way: the first of them is as far as it goes.
        ("10.1.2.3", "10.1.2.3"),
        ("not an address", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxys(behind_proxies, hops, client):
    seen = httpx.get(f"{behind_proxies.url}/api/v1/x", headers={"X-Forwarded-For": hops}).json()["headers"]
    assert seen["x-forwarded-for"] == client


def test_a_proxy_says_whether_the_client_speaks_https(behind_proxies):
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "chat.example.com"}
    answer = httpx.get(f"{behind_proxies.url}/api/v1/x", headers=headers)
    seen = answer.json()["headers"]
    assert (seen["x-forwarded-proto"], seen["x-forwarded-host"]) == ("https", "chat.example.com")
    assert answer.headers["strict-transport-security"] == "max-age=60"
    plain = httpx.get(f"{behind_proxies.url}/api/v1/x", headers={"X-Forwarded-Proto": "gopher"})
    assert plain.json()["headers"]["x-forwarded-proto"] == "http"
    assert "strict-transport-security" not in plain.headers


def test_without_trusted_proxies_nobody_is_believed(edge):
    headers = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example.com",
        "Forwarded": "for=203.0.113.9",
        "X-Real-IP": "203.0.113.9",
    }
    seen = httpx.get(f"{edge.url}/api/v1/x", headers=headers).json()["headers"]
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert not {"x-forwarded-host", "forwarded", "x-real-ip"} & seen.keys()


def ask(edge, beginning: bytes, source: str = "127.0.0.1") -> bytes:
    with socket.create_connection(("127.0.0.1", edge.port), timeout=5, source_address=(source, 0)) as connection:
        request = b"GET /api/v1/x HTTP/1.1\r\nHost: chat\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
        connection.sendall(beginning + request)
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    return answer


def test_the_proxy_protocol_is_believed_from_a_proxy(behind_proxy_protocol):
    answer = ask(behind_proxy_protocol, b"PROXY TCP4 203.0.113.9 10.0.0.1 4242 80\r\n")
    assert b'"x-forwarded-for": "203.0.113.9"' in answer


def test_the_proxy_protocol_is_no_http_from_anybody_else(behind_proxy_protocol):
    assert ask(behind_proxy_protocol, b"PROXY TCP4 203.0.113.9 10.0.0.1 4242 80\r\n", "127.0.0.9").startswith(
        b"HTTP/1.1 400 "
    )
    assert b'"x-forwarded-for": "127.0.0.9"' in ask(behind_proxy_protocol, b"", "127.0.0.9")
