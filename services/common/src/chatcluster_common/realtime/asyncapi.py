"""The Socket.IO events of services as an AsyncAPI 3 document, made from the models that they are checked with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from chatcluster_common.errors import ProblemDetails

Schema = dict[str, Any]


class Nothing(BaseModel):
    """No fields."""


class Draining(BaseModel):
    """`server:draining`."""

    retry_after_ms: int = Field(ge=0, description="Connect again after so many milliseconds.")


@dataclass(frozen=True)
class ClientEvent:
    """An event that clients send; it is always acknowledged."""

    name: str
    payload: type[BaseModel]
    answer: type[BaseModel]
    """What the acknowledgement holds beside `ok: true`."""
    summary: str


@dataclass(frozen=True)
class ServerEvent:
    """An event that clients are sent."""

    name: str
    payload: type[BaseModel]
    summary: str


@dataclass(frozen=True)
class Channel:
    """The sockets of one service."""

    name: str
    path: str
    summary: str
    client: Sequence[ClientEvent]
    server: Sequence[ServerEvent]

    @property
    def events(self) -> list[ServerEvent]:
        """All that clients are sent, what every service sends included."""
        return [*self.server, *_EVERYWHERE]


_EVERYWHERE = (
    ServerEvent("auth:expired", Nothing, "The access token is void by now; the socket closes. Connect with a new one."),
    ServerEvent("server:draining", Draining, "This replica goes away; the socket closes soon. Connect again."),
)

_DESCRIPTION = (
    "Socket.IO (protocol 5, Engine.IO 4) over WebSocket or long-polling. The handshake carries `auth: {token}`, an "
    "access token of `POST /api/v1/auth/login`; a bad or expired one gets a `connect_error` whose `data` is the "
    "problem document. Each client event has one argument and is acknowledged with `{ok: true, …}` or `{ok: false, "
    "error}`, where `error` is a problem document (RFC 9457). The events of one socket are handled one after the other."
)


def document(channels: Sequence[Channel]) -> Schema:
    """The whole document."""
    schemas = _Schemas(channels)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ChatCluster: real-time events",
            "version": "1",
            "description": _DESCRIPTION,
            "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "edge": {
                "host": "{host}",
                "protocol": "wss",
                "description": "The edge, the one origin of clients; `ws` without TLS in front.",
                "variables": {"host": {"default": "chat.example.com"}},
                "security": [{"$ref": "#/components/securitySchemes/accessToken"}],
            }
        },
        "channels": {channel.name: _channel(channel, schemas) for channel in channels},
        "operations": {name: operation for channel in channels for name, operation in _operations(channel).items()},
        "components": {
            "securitySchemes": {
                "accessToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "In the handshake, as `auth: {token}`.",
                }
            },
            "schemas": schemas.definitions,
        },
    }


def key(name: str) -> str:
    """An event's name as the document's keys have it, which allow no colon."""
    return name.replace(":", ".")


class _Schemas:
    """JSON schemas of all models, each by a name of its own."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ProblemDetails, "serialization")]
        for channel in channels:
            for event in channel.client:
                models.extend([(event.payload, "validation"), (event.answer, "serialization")])
            models.extend((event.payload, "serialization") for event in channel.events)
        self._references, made = models_json_schema(
            list(dict.fromkeys(models)), ref_template="#/components/schemas/{model}"
        )
        self.definitions: Schema = made["$defs"]

    def reference(self, model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Schema:
        return dict(self._references[model, mode])

    def acknowledgement(self, event: ClientEvent) -> Schema:
        answer = self.definitions[self.reference(event.answer, "serialization")["$ref"].rpartition("/")[2]]
        # One object: what an `allOf` is made of could not be closed by those who check strictly.
        return {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"ok": {"const": True}, **answer.get("properties", {})},
                    "required": ["ok", *answer.get("required", [])],
                },
                {
                    "type": "object",
                    "properties": {"ok": {"const": False}, "error": self.reference(ProblemDetails, "serialization")},
                    "required": ["ok", "error"],
                },
            ]
        }


def _channel(channel: Channel, schemas: _Schemas) -> Schema:
    messages: Schema = {}
    for event in channel.client:
        messages[key(event.name)] = {
            "name": event.name,
            "summary": event.summary,
            "payload": schemas.reference(event.payload, "validation"),
        }
        messages[_answer(event)] = {
            "name": event.name,
            "summary": f"The acknowledgement of `{event.name}`.",
            "payload": schemas.acknowledgement(event),
        }
    for event in channel.events:
        messages[key(event.name)] = {
            "name": event.name,
            "summary": event.summary,
            "payload": schemas.reference(event.payload, "serialization"),
        }
    return {
        "address": channel.path,
        "summary": channel.summary,
        "servers": [{"$ref": "#/servers/edge"}],
        "messages": messages,
    }


def _operations(channel: Channel) -> Mapping[str, Schema]:
    """Seen from the service, as AsyncAPI wants it: it receives what clients send."""
    here = f"#/channels/{channel.name}"
    operations: dict[str, Schema] = {}
    for event in channel.client:
        operations[f"{channel.name}.{key(event.name)}"] = {
            "action": "receive",
            "channel": {"$ref": here},
            "summary": event.summary,
            "messages": [{"$ref": f"{here}/messages/{key(event.name)}"}],
            "reply": {"channel": {"$ref": here}, "messages": [{"$ref": f"{here}/messages/{_answer(event)}"}]},
        }
    for event in channel.events:
        operations[f"{channel.name}.{key(event.name)}"] = {
            "action": "send",
            "channel": {"$ref": here},
            "summary": event.summary,
            "messages": [{"$ref": f"{here}/messages/{key(event.name)}"}],
        }
    return operations


def _answer(event: ClientEvent) -> str:
    return f"{key(event.name)}.ack"
