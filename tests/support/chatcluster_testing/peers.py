"""What a service asks of the others over `/internal`, answered by a real HTTP server that a test fills in."""

import contextlib
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chatcluster_testing.process import INTERNAL_TOKEN

_MEMBERS = re.compile(r"/internal/conversations/([^/]+)/members")


@dataclass
class Peers:
    """The user, message and presence services as far as their internal calls go."""

    url: str = ""
    members: dict[str, dict[str, str]] = field(default_factory=dict)
    """Roles by user id by conversation id."""
    people: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the user service says of each user id: `username`, `display_name`, `email`."""
    last_seen_for: dict[str, str] = field(default_factory=dict)
    """Whom a person shows `last_seen`: `everyone` unless said otherwise."""
    blocks: set[tuple[str, str]] = field(default_factory=set)
    """Who blocks whom."""
    contacts: set[frozenset[str]] = field(default_factory=set)
    hiding_reads: set[str] = field(default_factory=set)
    """Who does not show what they have read."""
    files: dict[str, str] = field(default_factory=dict)
    """The owner of each file that may be attached."""
    attached: dict[str, str] = field(default_factory=dict)
    """The message that each file is bound to."""
    online: set[str] = field(default_factory=set)
    failing: bool = False
    """Answer everything with 503."""
    calls: list[str] = field(default_factory=list)
    """The paths asked for, in order."""

    def add_person(self, user_id: str, name: str) -> None:
        """Someone with an address made of `user_id`."""
        self.people[user_id] = {"username": name.lower(), "display_name": name, "email": f"{user_id}@example.org"}

    def answer(self, path: str, query: dict[str, list[str]], body: Any) -> Any | None:  # noqa: PLR0911 a line a call
        """The JSON answer, or None for 404."""
        if match := _MEMBERS.fullmatch(path):
            roles = self.members.get(urllib.parse.unquote(match[1]))
            return None if roles is None else {"items": [{"user_id": u, "role": r} for u, r in roles.items()]}
        if path == "/internal/users/lookup":
            return {"items": [self._person(i) for i in body["ids"] if i in self.people]}
        if path == "/internal/users/relations":
            return self._relations(body["user_id"], body["others"])
        if path == "/internal/users/names":
            named = {person["username"]: user_id for user_id, person in self.people.items()}
            return {"items": [{"id": named[name], "username": name} for name in body["usernames"] if name in named]}
        if path == "/internal/files/attach":
            return self._attach(body)
        if path == "/internal/files/release":
            for file_id in body["ids"]:
                self.attached.pop(file_id, None)
                self.files.pop(file_id, None)
            return {}
        if path == "/internal/presence":
            asked = query["user_ids"][0].split(",")
            status = {user_id: "online" if user_id in self.online else "offline" for user_id in asked}
            return {
                "items": [
                    {"user_id": u, "status": s, "last_seen": None, "active": s == "online"} for u, s in status.items()
                ]
            }
        return None

    def _person(self, user_id: str) -> dict[str, Any]:
        privacy = {
            "read_receipts": user_id not in self.hiding_reads,
            "last_seen": self.last_seen_for.get(user_id, "everyone"),
        }
        return {"id": user_id, "privacy": privacy, **self.people[user_id]}

    def _attach(self, body: Any) -> Any | None:
        ids: list[str] = body["ids"]
        if any(self.files.get(file_id) != body["owner_id"] for file_id in ids):
            return None
        if any(self.attached.setdefault(file_id, body["message_id"]) != body["message_id"] for file_id in ids):
            return None
        return {
            "items": [
                {"id": file_id, "name": f"{file_id}.txt", "content_type": "text/plain", "size": 1, "owner_id": "x"}
                for file_id in ids
            ]
        }

    def _relations(self, user_id: str, others: list[str]) -> dict[str, list[str]]:
        return {
            "blocking": [other for other in others if (user_id, other) in self.blocks],
            "blocked_by": [other for other in others if (other, user_id) in self.blocks],
            "contacts": [other for other in others if frozenset({user_id, other}) in self.contacts],
        }


@contextlib.contextmanager
def running_peers() -> Iterator[Peers]:
    """A server on a free loopback port."""
    peers = Peers()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urllib.parse.urlsplit(self.path)
            peers.calls.append(parts.path)
            answer: Any = None
            if self.headers.get("X-Internal-Token") != INTERNAL_TOKEN:
                status = 401
            elif peers.failing:
                status = 503
            else:
                answer = peers.answer(parts.path, urllib.parse.parse_qs(parts.query), body)
                status = 404 if answer is None else 200
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = _serve  # noqa: N815 the base class's name
        do_POST = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    peers.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield peers
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
