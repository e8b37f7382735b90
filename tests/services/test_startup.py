"""A service that cannot start yet goes as soon as it is told to."""

from pathlib import Path

from chatcluster_testing.process import free_port, service_program, wait_until
from chatcluster_testing.tokens import TokenAuthority


def test_a_service_that_waits_for_its_store_stops_at_once(tmp_path: Path, tokens: TokenAuthority) -> None:
    env = {
        "CHAT_REDIS_URL": f"redis://presence:x@127.0.0.1:{free_port()}/0",
        "CHAT_MESSAGE_URL": f"http://127.0.0.1:{free_port()}",
        "CHAT_USER_URL": f"http://127.0.0.1:{free_port()}",
    }
    service = service_program("presence", tmp_path, env, jwks_file=tokens.jwks_file)
    service.program.spawn()
    wait_until(lambda: '"message":"waiting"' in service.log, "the service to wait for Redis")
    assert service.program.stop() == 0  # a minute before it would have given up
