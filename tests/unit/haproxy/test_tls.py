"""HTTPS at a running HAProxy: what it speaks, and certificates that change under open connections."""

import os
import socket
import ssl
import time
from typing import Any, TypeVar

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
from cryptography import x509

from chatcluster_haproxy import Tls, certificate_script
from chatcluster_operator.desired.tls import Pair, make_authority, make_leaf

HOST = "chat.example.com"
PUBLIC = f"https://{HOST}"
NOW = int(time.time())


class Secret:
    """The files of a mounted Secret, replaced at once as the kubelet does it: behind a link that is renamed."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self._number = 0

    def write(self, pair: Pair) -> None:
        self._number += 1
        content = self.folder / f"content-{self._number}"
        content.mkdir()
        (content / "tls.pem").write_text(pair.certificate)
        (content / "tls.pem.key").write_text(pair.key)
        link = self.folder / "next"
        link.symlink_to(content)
        os.replace(link, self.folder / "data")
        for name in ("tls.pem", "tls.pem.key"):
            if not (self.folder / name).exists():
                (self.folder / name).symlink_to(f"data/{name}")


class Secured:
    """The running edge, its certificate, and connections to it that trust the test's authority."""

    def __init__(self, edge, secret, authority, port) -> None:
        self.edge, self.secret, self.authority, self.port = edge, secret, authority, port
        self.pair = None

    def renew(self) -> int:
        """Put another certificate into the Secret; its serial number."""
        self.pair = make_leaf({HOST}, self.authority, now=NOW)
        self.secret.write(self.pair)
        return _serial(self.pair)

    def connect(self, *protocols: str, **versions) -> ssl.SSLSocket:
        context = ssl.create_default_context(cadata=self.authority.certificate)
        for name, version in versions.items():
            setattr(context, name, version)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return context.wrap_socket(connection, server_hostname=HOST)

    def served(self) -> int:
        """Serial number of the certificate that a new connection is shown."""
        with self.connect() as connection:
            said: Any = connection.getpeercert()
            return int(said["serialNumber"], 16)


def _serial(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.certificate.encode()).serial_number


@pytest.fixture(scope="module")
def secured(start_edge, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    (folder / "certificate.lua").write_text(certificate_script())
    authority = make_authority("tests", now=NOW)
    secret = Secret(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first = make_leaf({HOST}, authority, now=NOW)
    secret.write(first)
    tls = Tls(
        certificate=f"{folder}/tls.pem",
        script=f"{folder}/certificate.lua",
        port=port,
        redirect_to=PUBLIC,
        socket=f"{folder}/socket",
    )
    with start_edge(tls=tls, hsts_seconds=600, threads=2) as edge:
        running = Secured(edge, secret, authority, port)
        running.pair = first
        yield running


def upgrade(connection: ssl.SSLSocket) -> None:
    """Make a WebSocket of it, HTTP/1.1."""
    connection.sendall(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: chat.example.com\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")


def test_a_renewed_certificate_is_served_and_no_open_socket_is_lost(secured, waiting):
    sockets = [secured.connect() for _ in range(20)]
    try:
        for connection in sockets:
            upgrade(connection)
        for _ in range(2):
            serial = secured.renew()
            waiting(lambda serial=serial: secured.served() == serial, "the new certificate is served", 30)
            for connection in sockets:
                connection.sendall(b"still here")
                assert connection.recv(100).endswith(b":still here")
    finally:
        for connection in sockets:
            connection.close()


def test_new_connections_succeed_at_every_moment_of_a_renewal(secured, waiting):
    serial = secured.renew()
    waiting(lambda: secured.served() == serial, "the new certificate is served", 30)


def test_a_certificate_that_cannot_be_used_changes_nothing_until_it_is_mended(secured, waiting):
    served = secured.served()
    stranger = make_leaf({HOST}, secured.authority, now=NOW)
    secured.secret.write(Pair(secured.pair.certificate, stranger.key))
    waiting(lambda: "not taken up" in secured.edge.log.read_text(), "the refusal to be told", 30)
    assert secured.served() == served
    serial = secured.renew()
    waiting(lambda: secured.served() == serial, "the mended one is served", 30)
    assert "PRIVATE KEY" not in secured.edge.log.read_text()


def test_plain_http_is_sent_to_the_public_address(secured):
    answer = httpx.get(f"{secured.edge.url}/api/v1/x?y=1", headers={"Host": "evil.example.com"})
    assert (answer.status_code, answer.headers["location"]) == (308, f"{PUBLIC}/api/v1/x?y=1")
    assert "strict-transport-security" not in answer.headers
    # Load balancers ask without knowing anything of it.
    assert httpx.get(f"{secured.edge.url}/healthz").status_code == 200


def test_https_answers_ask_for_https_only_and_services_are_told(secured):
    context = ssl.create_default_context(cadata=secured.authority.certificate)
    with httpx.Client(verify=context) as client:
        answer = client.get(
            f"https://127.0.0.1:{secured.port}/api/v1/x",
            headers={"Host": HOST, "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example.com"},
            extensions={"sni_hostname": HOST},
        )
    assert answer.headers["strict-transport-security"] == "max-age=600"
    seen = answer.json()["headers"]
    assert seen["x-forwarded-proto"] == "https"
    assert "x-forwarded-host" not in seen


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_modern_versions_with_forward_secrecy(secured, version):
    with secured.connect(minimum_version=version, maximum_version=version) as connection:
        name, protocol, _ = connection.cipher()
        assert protocol == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
        assert "GCM" in name or "CHACHA20" in name


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_older_versions_are_refused(secured):
    with (
        pytest.raises(ssl.SSLError),
        secured.connect(minimum_version=ssl.TLSVersion.TLSv1_1, maximum_version=ssl.TLSVersion.TLSv1_1),
    ):
        pass


Event = TypeVar("Event")


class Http2:
    """One HTTP/2 connection."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        assert connection.selected_alpn_protocol() == "h2"
        self._connection = connection
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self.websockets = False
        self._flush()

    def open(self, *headers: tuple[str, str], end: bool) -> int:
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, [(":scheme", "https"), (":authority", HOST), *headers], end_stream=end)
        self._flush()
        return stream

    def send(self, stream: int, data: bytes) -> None:
        self._h2.send_data(stream, data)
        self._flush()

    def until(self, kind: type[Event]) -> Event:
        """The next event of this kind; all that comes before it is let go."""
        while True:
            for event in self._h2.receive_data(self._connection.recv(65536)):
                if isinstance(event, h2.events.RemoteSettingsChanged):
                    # SETTINGS_ENABLE_CONNECT_PROTOCOL of RFC 8441.
                    self.websockets |= any(
                        int(code) == 8 and setting.new_value == 1 for code, setting in event.changed_settings.items()
                    )
                if isinstance(event, kind):
                    self._flush()
                    return event
            self._flush()

    def _flush(self) -> None:
        self._connection.sendall(self._h2.data_to_send())


def test_http_2_and_websockets_over_it(secured):
    with secured.connect("h2", "http/1.1") as connection:
        client = Http2(connection)
        client.open((":method", "GET"), (":path", "/api/v1/x"), end=True)
        plain: dict[Any, Any] = dict(client.until(h2.events.ResponseReceived).headers)
        assert plain[":status"] == "200"
        assert client.websockets, "RFC 8441 is offered"
        stream = client.open(
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":path", "/socket.io/?EIO=4&transport=websocket"),
            ("sec-websocket-version", "13"),
            end=False,
        )
        answer: dict[Any, Any] = dict(client.until(h2.events.ResponseReceived).headers)
        assert answer[":status"] == "200"
        assert answer["set-cookie"].startswith("chat_message=")
        client.send(stream, b"hello")
        assert client.until(h2.events.DataReceived).data.endswith(b":hello")
