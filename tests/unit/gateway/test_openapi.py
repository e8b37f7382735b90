"""The merged OpenAPI document, and its page."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatcluster_gateway import page
from chatcluster_gateway.openapi import SERVICES, merge

OK: dict[str, Any] = {"200": {"description": "Fine."}}


def document(paths: dict[str, Any], **schemas: Any) -> dict[str, Any]:
    """A service's document."""
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}


def operation(name: str, schema: str = "", **more: Any) -> dict[str, Any]:
    """An operation that answers with a schema."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}} if schema else {}
    return {"operationId": name, "responses": {"200": {"description": "Fine.", "content": content}}, **more}


def answer_of(merged: dict[str, Any], path: str, method: str = "get") -> str:
    """The name of the schema that an operation answers with."""
    [content] = merged["paths"][path][method]["responses"]["200"]["content"].values()
    return content["schema"]["$ref"].rpartition("/")[2]


def test_a_path_belongs_to_the_service_that_answers_it() -> None:
    user = document({"/api/v1/users/{user_id}": {"get": operation("getUser")}, "/livez": {"get": operation("livez")}})
    message = document(
        {
            "/api/v1/messages/{id}": {"get": operation("getMessage")},
            "/api/v1/users/{user_id}": {"get": operation("stolen")},
        }
    )
    file = document({"/api/v1/files/{id}": {"get": operation("getFile")}})
    merged = merge({"user": user, "message": message, "file": file})
    assert {path: item["get"]["operationId"] for path, item in merged["paths"].items()} == {
        "/api/v1/files/{id}": "getFile",
        "/api/v1/messages/{id}": "getMessage",
        "/api/v1/users/{user_id}": "getUser",
    }
    assert merged["x-unavailable"] == ["gateway", "notification", "presence"]
    assert merged["paths"]["/api/v1/users/{user_id}"]["get"]["tags"] == ["user"]
    assert user["paths"]["/livez"], "the parts stay as they are"


def test_the_same_component_stays_one() -> None:
    problem = {"type": "object", "properties": {"code": {"type": "string"}}}
    user = document({"/api/v1/users": {"get": operation("a", "Problem")}}, Problem=problem)
    message = document({"/api/v1/messages": {"get": operation("b", "Problem")}}, Problem=dict(problem))
    merged = merge({"user": user, "message": message})
    assert merged["components"]["schemas"] == {"Problem": problem}
    assert answer_of(merged, "/api/v1/messages") == "Problem"


def test_components_that_differ_are_told_apart_with_all_that_refers_to_them() -> None:
    page_of_items = {"properties": {"items": {"items": {"$ref": "#/components/schemas/Item"}}}}
    user = document({"/api/v1/users": {"get": operation("a", "Page")}}, Page=page_of_items, Item={"title": "Person"})
    message = document(
        {"/api/v1/messages": {"get": operation("b", "Page")}}, Page=dict(page_of_items), Item={"title": "Message"}
    )
    merged = merge({"user": user, "message": message})
    assert set(merged["components"]["schemas"]) == {"user.Page", "user.Item", "message.Page", "message.Item"}
    assert answer_of(merged, "/api/v1/messages") == "message.Page"
    inner = merged["components"]["schemas"]["message.Page"]["properties"]["items"]["items"]
    assert inner == {"$ref": "#/components/schemas/message.Item"}


def test_operations_have_names_of_their_own() -> None:
    user = document({"/api/v1/users": {"get": operation("list")}})
    message = document({"/api/v1/messages": {"get": operation("list")}})
    merged = merge({"user": user, "message": message})
    assert [item["get"]["operationId"] for item in merged["paths"].values()] == ["message_list", "list"]


names = st.sampled_from(["A", "B", "C", "D"])
schemas = st.dictionaries(
    names,
    st.fixed_dictionaries(
        {"title": st.sampled_from(["x", "y"])},
        optional={"items": names.map(lambda name: {"$ref": f"#/components/schemas/{name}"})},
    ),
).map(lambda own: {name: closed(schema, own) for name, schema in own.items()})


def closed(schema: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The schema without a reference to one that is not there."""
    return schema if schema.get("items", {}).get("$ref", "").rpartition("/")[2] in own else {"title": schema["title"]}


def expanded(schemas: dict[str, Any], name: str, depth: int = 6) -> Any:
    """What a name stands for, references followed."""
    schema = schemas.get(name)
    if schema is None or not depth:
        return None
    inner = schema.get("items", {}).get("$ref", "").rpartition("/")[2]
    return schema["title"], expanded(schemas, inner, depth - 1) if inner else ""


@given(st.dictionaries(st.sampled_from(["user", "message", "presence"]), schemas, min_size=1))
def test_every_name_stands_for_what_it_stood_for(components: dict[str, dict[str, Any]]) -> None:
    areas = {"user": "users", "message": "messages", "presence": "presence"}
    documents = {
        service: document({f"/api/v1/{areas[service]}/{name}": {"get": operation(name, name)} for name in own}, **own)
        for service, own in components.items()
    }
    merged = merge(documents)
    for service, own in components.items():
        for name in own:
            now = answer_of(merged, f"/api/v1/{areas[service]}/{name}")
            assert expanded(merged["components"]["schemas"], now) == expanded(own, name)


def test_the_page_escapes_and_needs_nothing_else() -> None:
    evil = "<script>alert(1)</script>"
    parameters = [{"name": evil, "in": "query", "schema": {"enum": [evil]}, "description": evil}]
    user = document(
        {"/api/v1/users": {"get": operation("list", "Page", summary=evil, description=evil, parameters=parameters)}},
        Page={"description": f"`{evil}`", "properties": {evil: {"anyOf": [{"const": evil}, {"type": "null"}]}}},
    )
    html = page.render(merge(dict.fromkeys(SERVICES, user))).decode()
    assert "<script" not in html
    assert "<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>" in html
    assert 'href="#schema-Page"' in html
    assert not any(word in html for word in ("src=", "http://", "https://", "style="))
    assert "style-src 'sha256-" in page.CONTENT_SECURITY_POLICY
