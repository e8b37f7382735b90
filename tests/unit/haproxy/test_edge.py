"""What the edge does with requests, asked of a running HAProxy."""

import re
import socket

import httpx
import pytest


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/v1/auth/login", "gateway"),
        ("/api/v1/users/me?x=1", "gateway"),
        ("/api/v1/filesystem", "gateway"),
        ("/api/v1/files", "file"),
        ("/api/v1/files/abc/content", "file"),
        ("/api/v1/files?limit=1", "file"),
        ("/socket.io/?EIO=4&transport=polling", "message"),
        ("/presence/socket.io/?EIO=4&transport=polling", "presence"),
    ],
)
def test_paths_lead_to_their_service_unchanged(edge, path, service):
    with edge.client() as client:
        answer = client.get(path).json()
    assert answer["pod"].split("-")[0] == service
    assert answer["path"] == path


@pytest.mark.parametrize(
    "path",
    ["/internal/users/lookup", "/livez", "/readyz", "/metrics", "/stats", "/", "/api/v2/x", "/api/v1", "/socket.io"],
)
def test_everything_else_is_not_found(edge, path):
    with edge.client() as client:
        answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 404
    assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "path",
    ["/api/v1/../../internal/x", "/api/v1/%2e%2e/internal/x", "/api/v1//internal", "/api/v1/a/..", "/api/v1/.%2e%2fx"],
)
def test_ambiguous_paths_are_refused(edge, path):
    # A client library would tidy the path up before sending it.
    with socket.create_connection(("127.0.0.1", edge.port), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_request_id_is_kept_or_made(edge):
    with edge.client() as client:
        kept = client.get("/api/v1/x", headers={"X-Request-Id": "abc-123"})
        made = client.get("/api/v1/x")
        replaced = client.get("/api/v1/x", headers={"X-Request-Id": 'a"b'})
    assert kept.headers["x-request-id"] == kept.json()["headers"]["x-request-id"] == "abc-123"
    for answer in (made, replaced):
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
        assert answer.json()["headers"]["x-request-id"] == answer.headers["x-request-id"]


def test_clients_cannot_pose_as_the_inside(edge):
    with edge.client() as client:
        headers = {"X-Forwarded-For": "10.9.9.9", "X-Internal-Token": "guess"}
        seen = client.get("/api/v1/x", headers=headers).json()["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert "x-internal-token" not in seen


def test_bodies_stream_and_announced_ones_are_limited(edge):
    with edge.client() as client:
        assert client.post("/api/v1/x", content=b"x" * 200_000).json()["received"] == 200_000
        assert client.post("/api/v1/x", content=iter([b"x" * 1000] * 50)).json()["received"] == 50_000
        refused = client.post("/api/v1/x", content=b"x" * 200_001)
    assert refused.status_code == 413
    assert refused.json()["title"] == "Content Too Large"


def test_requests_are_spread_without_a_session(edge):
    pods = set()
    with edge.client() as client:
        for _ in range(8):
            client.cookies.clear()
            pods.add(client.get("/socket.io/?EIO=4").json()["pod"])
    assert pods == {"message-2", "message-3"}


@pytest.mark.parametrize(
    ("path", "cookie"), [("/socket.io/", "chat_message"), ("/presence/socket.io/", "chat_presence")]
)
def test_a_session_stays_on_its_pod(edge, path, cookie):
    with edge.client() as client:
        first = client.get(f"{path}?EIO=4&transport=polling")
        assert cookie in client.cookies
        attributes = first.headers["set-cookie"].lower()
        assert "httponly" in attributes
        assert "samesite=lax" in attributes
        pods = {client.get(f"{path}?EIO=4&transport=polling&sid=s").json()["pod"] for _ in range(8)}
    assert pods == {first.json()["pod"]}


def open_websocket(edge) -> tuple[socket.socket, str]:
    """A WebSocket, and the name and value of the cookie that came with it."""
    connection = socket.create_connection(("127.0.0.1", edge.port), timeout=5)
    connection.sendall(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: chat\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    cookie = re.search(r"(?i)set-cookie: ([^;]+)", head.decode())
    assert cookie
    return connection, cookie.group(1)


def test_draining_pod_keeps_what_it_carries_and_gets_nothing_new(edge, waiting):
    websocket, cookie = open_websocket(edge)
    with websocket, edge.client() as client:
        websocket.sendall(b"hello")
        name = websocket.recv(100).split(b":")[0].decode()
        pods = {pod.name: pod for pod in edge.pods["message"]}
        headers = {"Cookie": f"other=1; {cookie}; more=2"}
        pods[name].ready = False
        try:
            waiting(lambda: edge.servers_up("message") == 1, "the draining pod is seen")
            websocket.sendall(b"still here")
            assert websocket.recv(100) == f"{name}:still here".encode()
            polled = client.get("/socket.io/?EIO=4&transport=polling&sid=s", headers=headers)
            assert polled.json()["pod"] == name
            client.cookies.clear()
            # A client that was told to go comes back with its cookie and without a session.
            for _ in range(4):
                returned = client.get("/socket.io/?EIO=4&transport=polling", headers=headers)
                assert returned.json()["pod"] != name
                assert returned.json()["headers"]["cookie"].startswith("other=1;")
                assert "chat_message" in client.cookies
                client.cookies.clear()
        finally:
            pods[name].ready = True
            waiting(lambda: edge.servers_up("message") == 2, "the pod is back")


def test_pod_that_left_the_name_server_keeps_its_sessions(edge, waiting):
    known = edge.names.records["message.test"]
    websocket, cookie = open_websocket(edge)
    with websocket, edge.client() as client:
        websocket.sendall(b"hello")
        name = websocket.recv(100).split(b":")[0].decode()
        pod = next(pod for pod in edge.pods["message"] if pod.name == name)
        try:
            edge.names.records["message.test"] = [address for address in known if address != pod.address]
            pod.ready = False
            waiting(lambda: edge.servers_up("message") == 1, "the pod that left is out")
            assert client.get("/socket.io/?EIO=4&sid=s", headers={"Cookie": cookie}).json()["pod"] == name
            websocket.sendall(b"still here")
            assert websocket.recv(100) == f"{name}:still here".encode()
        finally:
            pod.ready = True
            edge.names.records["message.test"] = known
            waiting(lambda: edge.servers_up("message") == 2, "the pod is back")


def test_session_of_a_dead_pod_ends_and_a_new_one_begins(edge, waiting):
    with edge.client() as client:
        name = client.get("/socket.io/?EIO=4").json()["pod"]
        dead = next(pod for pod in edge.pods["message"] if pod.name == name)
        edge.run(dead.stop())
        try:
            assert client.get("/socket.io/?EIO=4&sid=s").status_code == 503
            # Before and after the checks have noticed.
            assert client.get("/socket.io/?EIO=4").json()["pod"] != name
            waiting(lambda: edge.servers_up("message") == 1, "the dead pod is seen")
            assert client.get("/socket.io/?EIO=4").json()["pod"] != name
        finally:
            edge.run(dead.start())
            waiting(lambda: edge.servers_up("message") == 2, "the pod is back")


def test_new_pod_is_soon_used(edge, waiting):
    known = edge.names.records["gateway.test"]
    new = edge.add_pod("gateway", "127.0.0.4")
    try:
        edge.names.records["gateway.test"] = [*known, new.address]
        with edge.client() as client:
            waiting(lambda: client.get("/api/v1/x").json()["pod"] == new.name, "the new pod is used", seconds=3)
    finally:
        edge.names.records["gateway.test"] = known
        edge.run(new.stop())


def test_healthz_follows_the_services(edge, waiting):
    assert httpx.get(f"{edge.url}/healthz").status_code == 200
    pods = edge.pods["file"]
    pods[0].ready = False
    try:
        waiting(lambda: edge.servers_up("file") == 1, "one pod is out")
        assert httpx.get(f"{edge.url}/healthz").status_code == 200
        pods[1].ready = False
        waiting(lambda: httpx.get(f"{edge.url}/healthz").status_code == 503, "no pod is left")
        unavailable = httpx.get(f"{edge.url}/api/v1/files/x")
        assert unavailable.status_code == 503
        assert unavailable.json()["request_id"] == unavailable.headers["x-request-id"]
    finally:
        for pod in pods:
            pod.ready = True
        waiting(lambda: edge.servers_up("file") == 2, "the pods are back")
    assert httpx.get(f"{edge.url}/healthz").status_code == 200


def test_admin_port_serves_probes_and_metrics(edge):
    assert httpx.get(f"{edge.admin_url}/livez").text == "ok\n"
    assert "haproxy_backend_active_servers" in httpx.get(f"{edge.admin_url}/metrics").text
