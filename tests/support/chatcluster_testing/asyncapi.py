"""Real traffic against `docs/asyncapi.yaml`: what it does not allow, and what it does not name."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

DOCUMENT = Path(__file__).parents[3] / "docs" / "asyncapi.yaml"


class Documented:
    """Checks events of one channel. Answers and what the server sends must also have no field beyond the documented:
    the schemas leave that open for clients, who must expect more to come."""

    def __init__(self, channel: str) -> None:
        document = yaml.safe_load(DOCUMENT.read_text())
        self._channel = channel
        self._validators: dict[str, jsonschema_rs.Validator] = {}
        messages = document["channels"][channel]["messages"]
        for key, message in messages.items():
            schema = {"$schema": _DIALECT, "components": document["components"], **message["payload"]}
            sent_by_clients = f"{key}.ack" in messages
            self._validators[key] = jsonschema_rs.validator_for(schema if sent_by_clients else _closed(schema))

    def __call__(self, direction: str, event: str, data: Any) -> str | None:
        """What is wrong with traffic, or None. `direction` is `sent`, `answer` or `received`."""
        key = event.replace(":", ".") + (".ack" if direction == "answer" else "")
        validator = self._validators.get(key)
        if validator is None:
            return f"{self._channel} has no {direction} {event}"
        error = next(validator.iter_errors({} if data is None else data), None)
        if error is None:
            return None
        return f"{direction} {event}: {error.message} at /{'/'.join(map(str, error.instance_path))}"


_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _closed(schema: Any) -> Any:
    """The schema with every object closed that lists its properties."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed(part) for name, part in schema.items()}
    return {"additionalProperties": False} | made if "properties" in made else made
