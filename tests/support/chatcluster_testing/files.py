"""The file service as tests use it: a process with a real S3 and everything that it asks of others."""

import contextlib
import io
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from chatcluster_testing.peers import Peers, running_peers
from chatcluster_testing.process import INTERNAL_TOKEN, Service, running_service
from chatcluster_testing.s3 import S3
from chatcluster_testing.tokens import TokenAuthority

INTERNAL = {"X-Internal-Token": INTERNAL_TOKEN}


@dataclass
class Files:
    """A running file service and all it speaks to."""

    service: Service
    s3: S3
    bucket: str
    peers: Peers
    tokens: TokenAuthority
    http: httpx.Client

    def auth(self, user_id: str) -> dict[str, str]:
        return self.tokens.authorization(user_id)

    def upload(
        self, user_id: str, *files: tuple[str, bytes], conversation_id: str = "", status: int = 201
    ) -> list[dict[str, Any]]:
        response = self.http.post(
            "/api/v1/files",
            files=[("file", (name, content)) for name, content in files],
            data={"conversation_id": conversation_id} if conversation_id else {},
            headers=self.auth(user_id),
        )
        assert response.status_code == status, response.text
        return response.json().get("items", [])

    def get(self, user_id: str, path: str, **headers: str) -> httpx.Response:
        return self.http.get(f"/api/v1/files/{path}", headers=self.auth(user_id) | headers)

    def conversation(self, **roles: str) -> str:
        """A conversation of these users, by id, with their roles."""
        conversation_id = str(uuid.uuid4())
        self.peers.members[conversation_id] = roles
        return conversation_id

    def internal(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A call of another service."""
        return self.http.request(method, f"/internal/{path}", headers=INTERNAL, **options)

    def attach(self, message_id: str, *ids: str, owner: str = "ann", conversation_id: str = "c-1") -> httpx.Response:
        """Bind files to a message, as the message service does."""
        body = {"owner_id": owner, "conversation_id": conversation_id, "message_id": message_id, "ids": ids}
        return self.internal("POST", "files/attach", json=body)


@contextlib.contextmanager
def running_files(
    s3: S3, tokens: TokenAuthority, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[Files]:
    """The service on a bucket of its own; `env` adds to its settings."""
    bucket = s3.create_bucket()
    with running_peers() as peers:
        settings = s3.env(bucket) | {"CHAT_MESSAGE_URL": peers.url, **(env or {})}
        with (
            running_service("file", folder, settings, jwks_file=tokens.jwks_file) as service,
            httpx.Client(base_url=service.url, timeout=60) as http,
        ):
            yield Files(service, s3, bucket, peers, tokens, http)


def picture(width: int, height: int, kind: str = "JPEG", **options: Any) -> bytes:
    """An image, its left half red and its right half blue."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
