"""A session that is over reads no files, from the moment it is known; and files are there without Redis."""

from pathlib import Path

import redis as redis_client

from chatcluster_testing.files import running_files
from chatcluster_testing.process import wait_until
from chatcluster_testing.redis import Redis
from chatcluster_testing.s3 import S3
from chatcluster_testing.tokens import TokenAuthority


def test_an_ended_session_is_refused_at_once(s3: S3, redis: Redis, tokens: TokenAuthority, tmp_path: Path) -> None:
    with running_files(s3, tokens, tmp_path, {"CHAT_REDIS_URL": redis.url("file")}) as world:
        (file,) = world.upload("ann", ("a.txt", b"text"))
        headers = {"Authorization": f"Bearer {tokens.token_for('ann', session_id='lost phone')}"}
        path = f"/api/v1/files/{file['id']}"
        assert world.http.get(path, headers=headers).status_code == 200
        with redis_client.Redis.from_url(redis.url("user")) as user:
            user.xadd("auth:signals", {"kind": "session_revoked", "session_id": "lost phone", "user_id": "ann"})
        wait_until(lambda: world.http.get(path, headers=headers).status_code == 401, "the session to be refused")
        assert world.get("ann", file["id"]).status_code == 200


def test_files_are_there_without_redis(s3: S3, tokens: TokenAuthority, tmp_path: Path) -> None:
    with running_files(s3, tokens, tmp_path, {"CHAT_REDIS_URL": "redis://file:x@127.0.0.1:1/0"}) as world:
        (file,) = world.upload("ann", ("a.txt", b"text"))
        assert world.get("ann", f"{file['id']}/content").content == b"text"
