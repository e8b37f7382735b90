"""The user service with Redis away, and with replicas that die at their work."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
from argon2 import PasswordHasher
from redis.asyncio import Redis as RedisClient

from chatcluster_common import signals
from chatcluster_testing.account_peers import SERVICES, running_account_peers
from chatcluster_testing.accounts import PASSWORD, bearer, becomes_unauthorized, eventually, register
from chatcluster_testing.postgres import Postgres
from chatcluster_testing.process import running_service, service_program
from chatcluster_testing.redis import running_redis
from chatcluster_testing.tokens import TokenAuthority

Environment = Callable[[str], dict[str, str]]


async def test_without_redis_people_sign_in_and_no_revocation_is_lost(
    postgres: Postgres, migrated_database: str, user_environment: Environment, tokens: TokenAuthority, tmp_path: Path
) -> None:
    with running_redis() as redis:
        redis.program.stop()
        database = postgres.clone_database(migrated_database)
        env = user_environment(database) | {"CHAT_REDIS_URL": redis.url("user")}
        with running_service("user", tmp_path, env, jwks_file=tokens.jwks_file) as service:
            async with httpx.AsyncClient(base_url=f"{service.url}/api/v1", timeout=30) as client:
                ada = await register(client)
                cheap = PasswordHasher(time_cost=1, memory_cost=32, parallelism=1).hash(PASSWORD)
                postgres.execute(f"UPDATE users SET password_hash = '{cheap}'", database)  # noqa: S608
                login = {"login": ada["user"]["username"], "password": PASSWORD}
                other = (await client.post("/auth/login", json=login)).json()
                stored = postgres.execute("SELECT password_hash FROM users", database)
                assert stored.startswith("$argon2id$v=19$m=64,"), "hashed anew at the cost that is asked for now"
                assert (await client.delete("/auth/sessions", headers=bearer(ada))).status_code == 204
                assert await becomes_unauthorized(client, other), "here it holds at once"
                assert (await client.get("/users/me", headers=bearer(ada))).status_code == 200

                redis.program.start()
                ended = postgres.execute("SELECT count(*) FROM outbox WHERE lane = 'signal'", database)
                assert ended == "1", "kept until Redis has taken it"
                async with RedisClient.from_url(redis.url("message")) as reader:
                    told: list[dict[bytes, bytes]] = []
                    async with asyncio.timeout(30):
                        while not told:
                            told = [fields for _, fields in cast("Any", await reader.xrange(signals.STREAM))]
                            await asyncio.sleep(0.05)
                assert [fields[b"kind"] for fields in told] == [b"session_revoked"]


async def test_what_a_dead_replica_left_is_done_by_another(
    postgres: Postgres, migrated_database: str, user_environment: Environment, tokens: TokenAuthority, tmp_path: Path
) -> None:
    database = postgres.clone_database(migrated_database)
    with running_account_peers() as (peers, url):
        addresses = {f"CHAT_{name.upper()}_URL": f"{url}/{name}" for name in SERVICES}
        env = user_environment(database) | addresses | {"CHAT_EMAIL_VERIFICATION": "optional"}
        dying = service_program("user", tmp_path / "dying", env, jwks_file=tokens.jwks_file)
        dying.program.start()
        peers.failing.update(SERVICES)
        async with httpx.AsyncClient(base_url=f"{dying.url}/api/v1", timeout=30) as client:
            people = [await register(client) for _ in range(3)]
            gone = people[0]
            erased = await client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=bearer(gone))
            assert erased.status_code == 204
        dying.program.stop(by=signal.SIGKILL)
        peers.failing.clear()
        # What it had claimed is another's once the lease has ended; no test waits for that.
        postgres.execute("UPDATE outbox SET due_at = now(); UPDATE erasures SET due_at = now()", database)
        with running_service("user", tmp_path / "other", env, jwks_file=tokens.jwks_file):
            for person in people[1:]:
                address = person["user"]["email"]
                await eventually(lambda a=address: bool(peers.mails_to(a, "verify_email")), "the mail")
            done = "SELECT count(*) FROM erasures WHERE finished_at IS NOT NULL"
            await eventually(lambda: postgres.execute(done, database) == "1", "the erasure")
            left = "SELECT count(*) FROM outbox"
            await eventually(lambda: postgres.execute(left, database) == "0", "the outbox to be empty")
    assert len({mail["id"] for mail in peers.mails}) == 3, "two links and a farewell, each under one id"
    assert not peers.mails_to(gone["user"]["email"], "verify_email"), "nothing more but the farewell"
