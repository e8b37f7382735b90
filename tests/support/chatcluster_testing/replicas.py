"""The message service in two processes on one database, and the people who use it."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from chatcluster_testing.mongodb import MongoDB
from chatcluster_testing.peers import Peers, running_peers
from chatcluster_testing.people import Person
from chatcluster_testing.process import Service, service_program, wait_until
from chatcluster_testing.redis import Redis
from chatcluster_testing.tokens import TokenAuthority


@dataclass
class Replicas:
    """Two replicas of the service on one database, and what they need."""

    one: Service
    two: Service
    env: dict[str, str]
    peers: Peers
    tokens: TokenAuthority
    folder: Path

    def account(self, url: str, name: str, claims: Mapping[str, Any] | None = None) -> Person:
        """Somebody who speaks to the replica at `url`; `claims` add to their token."""
        user_id = f"{name}-{uuid.uuid4()}"
        self.peers.add_person(user_id, name)
        tokens = {
            "user": {"id": user_id, "username": name},
            "access_token": self.tokens.token_for(user_id, claims=claims),
            "refresh_token": "",
            "expires_in": 900,
        }
        return Person(url, aiohttp.ClientSession(), tokens)

    @asynccontextmanager
    async def people(self, *urls: str) -> AsyncIterator[list[Person]]:
        """One person for each replica named."""
        async with AsyncExitStack() as stack:
            people: list[Person] = []
            for number, url in enumerate(urls):
                person = self.account(url, f"p{number}")
                people.append(await stack.enter_async_context(person))
            yield people


@contextlib.contextmanager
def running_replicas(
    mongodb: MongoDB, redis: Redis, tokens: TokenAuthority, folder: Path, env: Mapping[str, str]
) -> Iterator[Replicas]:
    """Two replicas that are ready; `env` says where Kafka is, and which database is theirs."""
    with ExitStack() as stack:
        peers = stack.enter_context(running_peers())
        settings = {
            "CHAT_MONGODB_URL": mongodb.url,
            "CHAT_MONGODB_DATABASE": "chat",
            "CHAT_REDIS_URL": redis.url("message"),
            "CHAT_USER_URL": peers.url,
            "CHAT_FILE_URL": peers.url,
            "CHAT_PRESENCE_URL": peers.url,
            **env,
        }
        services = [
            service_program("message", folder / name, settings, jwks_file=tokens.jwks_file) for name in ("1", "2")
        ]
        for service in services:
            stack.callback(service.program.stop)
            service.program.spawn()
        for service in services:
            wait_until(service.program.ready, f"{service.url} to be ready")
        one, two = services
        yield Replicas(one, two, settings, peers, tokens, folder)
