"""What the OpenAPI document and a 405 say of an application's routes."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from chatcluster_common import errors

router = APIRouter(prefix="/things")
PROBLEM: dict[int | str, dict[str, Any]] = {404: {"model": errors.ProblemDetails, "description": "None."}}


@router.get("/new", response_class=HTMLResponse, responses=PROBLEM)
def new() -> str:
    return ""


@router.get("/{thing_id}", responses=PROBLEM)
def get(thing_id: str) -> str:
    return thing_id


@router.delete("/{thing_id}")
def delete(thing_id: str) -> str:
    return thing_id


def application() -> FastAPI:
    """Two methods of one path, and a literal path that its template matches too."""
    app = FastAPI()
    errors.install(app)
    errors.document_problems(app)
    app.include_router(router)
    return app


def test_problems_are_documented_as_what_they_are() -> None:
    for path, kind in (("/things/{thing_id}", "application/json"), ("/things/new", "text/html")):
        responses = application().openapi()["paths"][path]["get"]["responses"]
        assert list(responses["404"]["content"]) == ["application/problem+json"]
        assert list(responses["200"]["content"]) == [kind]


@pytest.mark.parametrize(("path", "allowed"), [("/things/1", "DELETE, GET"), ("/things/new", "GET")])
async def test_allow_names_all_methods_of_a_path(path: str, allowed: str) -> None:
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post(path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed
