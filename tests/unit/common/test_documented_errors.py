"""What the OpenAPI document and a 405 say of an application's routes."""

import httpx
from fastapi import APIRouter, FastAPI

from chatcluster_common import errors

router = APIRouter(prefix="/things")


@router.get("/{thing_id}", responses={404: {"model": errors.ProblemDetails, "description": "None."}})
def get(thing_id: str) -> str:
    return thing_id


@router.delete("/{thing_id}")
def delete(thing_id: str) -> str:
    return thing_id


def application() -> FastAPI:
    """Two methods of one path."""
    app = FastAPI()
    errors.install(app)
    errors.document_problems(app)
    app.include_router(router)
    return app


def test_problems_are_documented_as_what_they_are() -> None:
    responses = application().openapi()["paths"]["/things/{thing_id}"]["get"]["responses"]
    assert list(responses["404"]["content"]) == ["application/problem+json"]
    assert list(responses["200"]["content"]) == ["application/json"]


async def test_allow_names_all_methods_of_a_path() -> None:
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/things/1")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "DELETE, GET"
