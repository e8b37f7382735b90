"""What a service answers when its code fails in a way nobody expected."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.responses import StreamingResponse

from chatcluster_common.app import create_app, with_context
from chatcluster_common.settings import ServiceSettings


@asynccontextmanager
async def _nothing(_app: FastAPI) -> AsyncGenerator[None]:
    yield


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose routes fail."""
    settings = ServiceSettings(internal_token=SecretStr("x" * 16), jwks_file=tmp_path / "jwks.json")
    app = create_app(service="failing", title="Failing", settings=settings, resources=_nothing)

    @app.get("/before")
    async def before() -> None:
        raise RuntimeError("the database password is hunter2")

    @app.get("/during")
    async def during() -> StreamingResponse:
        async def body() -> AsyncGenerator[bytes]:
            yield b"begun"
            raise RuntimeError("cut")

        return StreamingResponse(body())

    transport = httpx.ASGITransport(with_context(app, "failing"))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_it_is_a_problem_without_the_cause(client: httpx.AsyncClient) -> None:
    response = await client.get("/before", headers={"X-Request-Id": "abc"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == "abc"
    assert (response.json()["code"], response.json()["request_id"]) == ("internal", "abc")
    assert "hunter2" not in response.text


async def test_an_answer_already_begun_is_cut(client: httpx.AsyncClient) -> None:
    with pytest.raises(RuntimeError, match="cut"):
        await client.get("/during")
