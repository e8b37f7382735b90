"""The AsyncAPI document names the events that the services answer, by the models that they check them with."""

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel

from chatcluster_common.realtime.asyncapi import Channel, document, key
from chatcluster_message import asyncapi as message
from chatcluster_message import sockets as message_sockets
from chatcluster_presence import asyncapi as presence
from chatcluster_presence import sockets as presence_sockets

ROOT = Path(__file__).parents[3]


class Registrations:
    """Stands where a service registers its events."""

    def __init__(self) -> None:
        self.models: dict[str, type[BaseModel]] = {}
        self.sockets = self

    def event(self, name: str, model: type[BaseModel], _handler: Any, **_options: Any) -> None:
        self.models[name] = model


def registered(channel: Channel) -> dict[str, type[BaseModel]]:
    found: Any = Registrations()
    nobody = cast(Any, None)
    if channel is message.CHANNEL:
        message_sockets.register(found, nobody)
    else:
        presence_sockets.register(found, nobody, nobody)
    return found.models


@pytest.mark.parametrize("channel", [message.CHANNEL, presence.CHANNEL], ids=lambda channel: channel.name)
def test_it_has_the_events_that_are_answered(channel: Channel) -> None:
    assert {event.name: event.payload for event in channel.client} == registered(channel)


def test_every_operation_points_to_messages_that_there_are() -> None:
    made = document([message.CHANNEL, presence.CHANNEL])
    for operation in made["operations"].values():
        for reference in [*operation["messages"], *operation.get("reply", {}).get("messages", [])]:
            found = made
            for step in reference["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            assert found["payload"]
    assert {operation["action"] for operation in made["operations"].values()} == {"send", "receive"}
    assert key("message:send") in made["channels"]["message"]["messages"]


def test_the_committed_document_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "services" / "asyncapi.py", "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
