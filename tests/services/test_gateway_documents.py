"""The merged OpenAPI document and its page, of real services and of one that is away."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chatcluster_testing.process import Service, free_port, running_service
from chatcluster_testing.redis import Redis
from chatcluster_testing.tokens import TokenAuthority


@pytest.fixture(scope="module")
def settings(redis: Redis, gateway_database: str, user_service: Service) -> dict[str, str]:
    """A gateway before the user service; nobody is where the others should be."""
    nobody = f"http://127.0.0.1:{free_port()}"
    return {f"CHAT_{name}_URL": nobody for name in ("MESSAGE", "FILE", "NOTIFICATION", "PRESENCE")} | {
        "CHAT_USER_URL": user_service.url,
        "CHAT_REDIS_URL": redis.url("gateway"),
        "CHAT_DATABASE_URL": gateway_database,
    }


@pytest.fixture(scope="module")
def gateway(
    settings: dict[str, str], tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with running_service("gateway", folder, settings, jwks_file=tokens.jwks_file) as service:
        yield service


async def test_the_document(gateway: Service) -> None:
    async with httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", timeout=30) as client:
        response = await client.get("/openapi.json")
        document = response.json()
        assert response.headers["content-type"] == "application/json"
        assert document["x-unavailable"] == ["message", "file", "notification", "presence"]
        for path in ("/auth/login", "/users/{user_id}", "/tokens", "/admin/requests", "/openapi.json"):
            assert f"/api/v1{path}" in document["paths"]
        assert not any(path.startswith("/internal") for path in document["paths"])
        assert {"HTTPBearer", "ApiToken"} <= set(document["components"]["securitySchemes"])
        references = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', response.text))
        assert references <= set(document["components"]["schemas"])
        operations = [op for item in document["paths"].values() for op in item.values()]
        assert len({op["operationId"] for op in operations}) == len(operations)
        again = await client.get("/openapi.json", headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_the_page(gateway: Service) -> None:
    async with httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", timeout=30) as client:
        response = await client.get("/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    [style] = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert response.headers.get_list("content-security-policy") == [
        f"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-{digest}'"
    ]
    assert "message, file, notification, presence did not answer" in response.text
    assert "/api/v1/auth/login" in response.text
    anchors = set(re.findall(r'href="#([^"]+)"', response.text))
    assert anchors <= set(re.findall(r'id="([^"]+)"', response.text))


async def test_services_that_are_left_out_are_in_no_document_and_say_so(
    settings: dict[str, str], tokens: TokenAuthority, tmp_path: Path
) -> None:
    without = {name: url for name, url in settings.items() if name not in {"CHAT_FILE_URL", "CHAT_NOTIFICATION_URL"}}
    with running_service("gateway", tmp_path, without, jwks_file=tokens.jwks_file) as gateway:
        async with httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", timeout=30) as client:
            assert (await client.get("/openapi.json")).json()["x-unavailable"] == ["message", "presence"]
            for headers in ({}, tokens.authorization("ada")):
                for path, service in (
                    ("/files", "file"),
                    ("/files/uploads/x", "file"),
                    ("/notifications", "notification"),
                    ("/notifications/preferences", "notification"),
                ):
                    answer = await client.get(path, headers=headers)
                    assert (answer.status_code, answer.json()["code"]) == (404, "not_installed")
                    assert answer.json()["detail"] == f"This ChatCluster has no {service} service."
            assert (await client.get("/filesystem")).json()["code"] == "not_found"
