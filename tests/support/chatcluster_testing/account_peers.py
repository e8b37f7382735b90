"""What the user service asks of the others about a person, answered by a real HTTP server that a test fills in."""

import contextlib
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from chatcluster_testing.process import INTERNAL_TOKEN, Service, running_service

SERVICES = ("message", "file", "notification", "presence", "gateway")
_OF_USER = re.compile(r"/internal/users/([^/]+)/(export|erase)")


@dataclass
class AccountPeers:
    """The other services as far as accounts go."""

    mails: list[dict[str, Any]] = field(default_factory=list)
    """What the notification service was handed, in order, repeats among them."""
    exports: dict[str, bytes] = field(default_factory=dict)
    """The NDJSON of a service."""
    erase_calls: dict[str, int] = field(default_factory=dict)
    """How many more calls a service needs until it is done."""
    erased: list[tuple[str, str]] = field(default_factory=list)
    """Service and person of each call."""
    failing: set[str] = field(default_factory=set)
    """The services that answer everything with 503."""
    uploads: list[tuple[str, bytes]] = field(default_factory=list)
    """Content type and body of each avatar."""

    def answer(self, service: str, method: str, path: str, content_type: str, body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        if service in self.failing:
            return 503, b""
        if match := _OF_USER.fullmatch(path):
            if match[2] == "export":
                return 200, self.exports.get(service, b"")
            self.erased.append((service, match[1]))
            self.erase_calls[service] = self.erase_calls.get(service, 1) - 1
            return 200, json.dumps({"done": self.erase_calls[service] <= 0}).encode()
        if path == "/internal/mails":
            self.mails.append(json.loads(body))
            return 202, b""
        if path.startswith("/internal/avatars/"):
            return self._avatar(method, content_type, body)
        return 404, b""

    def _avatar(self, method: str, content_type: str, body: bytes) -> tuple[int, bytes]:
        if method == "DELETE":
            return 204, b""
        if b"bomb" in body:
            problem = {"type": "t", "title": "T", "status": 422, "detail": "No.", "code": "not_an_image"}
            return 422, json.dumps(problem | {"request_id": "r"}).encode()
        self.uploads.append((content_type, body))
        return 200, json.dumps({"avatar_url": f"/api/v1/files/avatars/{len(self.uploads)}.webp"}).encode()

    def mails_to(self, address: str, kind: str) -> list[dict[str, Any]]:
        """Those of one kind to one address."""
        return [mail for mail in self.mails if (mail["address"], mail["kind"]) == (address, kind)]


@contextlib.contextmanager
def running_account_peers() -> Iterator[tuple[AccountPeers, str]]:
    """A server on a free loopback port; each service is below its name."""
    peers = AccountPeers()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            _, service, path = urllib.parse.urlsplit(self.path).path.split("/", 2)
            if self.headers.get("X-Internal-Token") == INTERNAL_TOKEN:
                status, content = peers.answer(
                    service, self.command, f"/{path}", self.headers.get("Content-Type", ""), body
                )
            else:
                status, content = 401, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield peers, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextlib.contextmanager
def running_accounts(
    folder: Path, env: Callable[[str], dict[str, str]], database: str, *, jwks_file: Path, **settings: str
) -> Iterator[tuple[Service, AccountPeers]]:
    """The user service on `database`, with others that answer it."""
    with running_account_peers() as (peers, url):
        addresses = {f"CHAT_{name.upper()}_URL": f"{url}/{name}" for name in SERVICES}
        with running_service("user", folder, env(database) | addresses | settings, jwks_file=jwks_file) as service:
            yield service, peers
