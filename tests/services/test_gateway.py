"""The gateway from outside: a real process between a client and real upstream processes."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from chatcluster_testing.echo import pattern
from chatcluster_testing.process import Program, Service, accepts, free_port, running_service
from chatcluster_testing.redis import Redis, running_redis
from chatcluster_testing.tokens import TokenAuthority

MEGABYTE = 1024 * 1024
MAX_BODY = 8 * MEGABYTE


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that tells what reached it."""
    port = free_port()
    folder = tmp_path_factory.mktemp("echo")
    argv = [sys.executable, "-m", "chatcluster_testing.echo", str(port)]
    support = str(Path(__file__).parents[1] / "support")
    program = Program("echo", argv, folder, lambda: accepts(port), env={"PYTHONPATH": support}).start()
    yield Service(program, f"http://127.0.0.1:{port}")
    program.stop()


@pytest.fixture(scope="module")
def odd_port() -> int:
    """Where the presence service should be; a test may listen there. Otherwise nobody does."""
    return free_port()


def gateway_settings(redis: Redis, database: str, echo: Service, user_url: str, odd_port: int) -> dict[str, str]:
    """The gateway before the echo service."""
    return {
        "CHAT_REDIS_URL": redis.url("gateway"),
        "CHAT_DATABASE_URL": database,
        "CHAT_FILE_URL": echo.url,
        "CHAT_USER_URL": user_url,
        "CHAT_MESSAGE_URL": echo.url,
        "CHAT_NOTIFICATION_URL": echo.url,
        "CHAT_PRESENCE_URL": f"http://127.0.0.1:{odd_port}",
        "CHAT_MAX_JSON_BYTES": str(MAX_BODY),
        "CHAT_CORS_ORIGINS": "https://app.example.org, https://other.example.org:8443",
        "CHAT_ANSWER_SECONDS": "4",
        "CHAT_REDIS_SECONDS": "2",
    }


@pytest.fixture(scope="module")
def generous(
    redis: Redis, gateway_database: str, echo: Service, user_service: Service, odd_port: int
) -> dict[str, str]:
    """Settings of a gateway that nobody reaches the limits of."""
    return gateway_settings(redis, gateway_database, echo, user_service.url, odd_port) | {
        "CHAT_USER_RATE_PER_SECOND": "10000",
        "CHAT_USER_BURST": "10000",
        "CHAT_ADDRESS_RATE_PER_SECOND": "10000",
        "CHAT_ADDRESS_BURST": "10000",
        "CHAT_SIGN_IN_RATE_PER_MINUTE": "10000",
        "CHAT_SIGN_IN_BURST": "10000",
    }


@pytest.fixture(scope="module")
def gateway(
    generous: dict[str, str], tokens: TokenAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The gateway."""
    with running_service(
        "gateway", tmp_path_factory.mktemp("gateway"), generous, jwks_file=tokens.jwks_file
    ) as service:
        yield service


@pytest.fixture
async def client(gateway: Service, tokens: TokenAuthority) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in client of the gateway."""
    headers = tokens.authorization("ada")
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30) as client:
        yield client


async def raw(url: str, request: bytes) -> bytes:
    """Send bytes as they are; returns what comes back until the other side closes or is silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    writer.write(request)
    answer = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            while piece := await reader.read(65536):
                answer += piece
    writer.close()
    return answer


class TestRouting:
    """Where a call goes, and whose may."""

    @pytest.mark.parametrize("segment", ["conversations", "messages", "notifications"])
    async def test_paths_travel_unchanged(self, client: httpx.AsyncClient, segment: str) -> None:
        path = f"/api/v1/{segment}/a-b/reactions/%F0%9F%91%8D"
        seen = (await client.get(f"{path}?query=a%20b&x=%2F&y")).json()
        assert (seen["path"], seen["query"]) == (path, "query=a%20b&x=%2F&y")

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def test_methods(self, client: httpx.AsyncClient, method: str) -> None:
        assert (await client.request(method, "/api/v1/messages/x")).json()["method"] == method

    async def test_head_has_no_body(self, client: httpx.AsyncClient) -> None:
        response = await client.head("/api/v1/messages/sized/1000")
        assert (response.status_code, response.headers["content-length"], response.content) == (200, "1000", b"")

    @pytest.mark.parametrize("method", ["TRACE", "PROPFIND"])
    async def test_other_methods_are_refused(self, client: httpx.AsyncClient, method: str) -> None:
        response = await client.request(method, "/api/v1/messages/x")
        assert (response.status_code, "GET" in response.headers["allow"]) == (405, True)

    @pytest.mark.parametrize(
        "path",
        ["/", "/api", "/api/v1", "/internal/users/lookup", "/api/v1/internal/users", "/api/v1/messagesx",
         "/openapi.json", "/api/v2/messages", "/api/v1/Messages", "/%61pi/v1/messages/x", "/api/v1/files/x"],
    )  # fmt: skip
    async def test_nothing_else_is_there(self, client: httpx.AsyncClient, path: str) -> None:
        response = await client.get(path)
        assert response.status_code in {400, 404}
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["ratelimit"]

    @pytest.mark.parametrize(
        "path",
        ["/api/v1/messages/../internal/users", "/api/v1/messages/./x", "/api/v1//messages/x", "/api/v1/messages//x",
         "/api/v1/messages/x/", "/api/v1/messages/..", "/api/v1/messages/%2e%2e/internal",
         "/api/v1/messages/.%2E/internal",
         "/api/v1/messages/a%2fb", "/api/v1/messages/a%2Fb", "/api/v1/messages/a%5cb", "/api/v1/messages/a\\b",
         "/api/v1/messages/a%00b", "/api/v1/messages/a%0d%0ab", "/api/v1/messages/%252e%252e/internal",
         "/api/v1/messages/%zz", "/api/v1/messages/%", "/api/v1/messages/\xe4", "/api/v1/messages/x?a=\xe4",
         "//api/v1/messages/x", "http://other/../api/v1/messages/x"],
    )  # fmt: skip
    async def test_path_tricks_are_refused(self, gateway: Service, tokens: TokenAuthority, path: str) -> None:
        token = tokens.token_for("mallory")
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        answer = await raw(gateway.url, head.encode("latin-1"))
        assert re.match(rb"HTTP/1.1 (400|404) ", answer), answer[:200]

    @pytest.mark.parametrize(
        "smuggled",
        [b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Content-Length: 5\r\nContent-Length: 6",
         b"Content-Length: -5", b"Content-Length: +5", b"Transfer-Encoding: xchunked", b"X-A: 1\r\n b"],
    )  # fmt: skip
    async def test_ambiguous_lengths_are_refused(
        self, gateway: Service, tokens: TokenAuthority, smuggled: bytes
    ) -> None:
        head = f"POST /api/v1/messages/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens.token_for('m')}\r\n"
        answer = await raw(gateway.url, head.encode() + smuggled + b"\r\nConnection: close\r\n\r\n0\r\n\r\nxx")
        assert re.match(rb"HTTP/1.1 4\d\d ", answer), answer[:200]
        assert answer.count(b"HTTP/1.1 ") == 1


class TestCallers:
    """Who may call."""

    async def test_register_and_call_through_the_gateway(self, gateway: Service) -> None:
        async with httpx.AsyncClient(base_url=f"{gateway.url}/api/v1", timeout=30) as client:
            name = f"g{os.urandom(6).hex()}"
            body = {"username": name, "email": f"{name}@example.com", "password": "correct horse battery"}
            signed_in = (await client.post("/auth/register", json=body)).json()
            headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
            assert (await client.get("/users/me", headers=headers)).json() == signed_in["user"]
            again = await client.post("/auth/refresh", json={"refresh_token": signed_in["refresh_token"]})
            assert again.status_code == 200
            assert (await client.get("/auth/jwks.json")).json()["keys"]
            gone = await client.post("/auth/logout", json={"refresh_token": again.json()["refresh_token"]})
            assert gone.status_code == 204

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/api/v1/messages/x"), ("GET", "/api/v1/users/me"), ("GET", "/api/v1/auth/sessions"),
         ("GET", "/api/v1/auth/login"), ("DELETE", "/api/v1/auth/sessions/x"), ("POST", "/api/v1/auth/login/x")],
    )  # fmt: skip
    async def test_a_token_is_needed(
        self, gateway: Service, tokens: TokenAuthority, tmp_path: Path, method: str, path: str
    ) -> None:  # fmt: skip
        other = TokenAuthority.create(tmp_path)
        bad = [
            ".",
            "x",
            tokens.token_for("ada", lifetime=-60),
            tokens.token_for("ada", claims={"aud": "others"}),
            tokens.token_for("ada", claims={"iss": "others"}),
            tokens.token_for("ada", headers={"kid": "unknown"}),
            tokens.token_for("ada")[:-4] + "AAAA",
            other.token_for("ada", headers={"kid": tokens.key_id}),
        ]
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            for headers in [
                {},
                *({"Authorization": f"Bearer {token}"} for token in bad),
                {"Authorization": "Basic eDp5"},
            ]:
                response = await client.request(method, path, headers=headers)
                assert (response.status_code, response.json()["code"]) == (401, "unauthorized"), headers
                assert response.headers["www-authenticate"] == "Bearer"
                assert response.json()["request_id"] == response.headers["x-request-id"]
                assert response.headers["ratelimit"].startswith('"address"')

    async def test_two_tokens_are_none(self, client: httpx.AsyncClient, tokens: TokenAuthority) -> None:
        header = ("Authorization", f"Bearer {tokens.token_for('bob')}")
        async with httpx.AsyncClient(base_url=client.base_url) as other:
            assert (await other.get("/api/v1/messages/x", headers=[header, header])).status_code == 401


class TestHeaders:
    """What travels on, and what does not."""

    async def test_inward(self, client: httpx.AsyncClient) -> None:
        sent = {
            "Connection": "keep-alive, X-Hop, Authorization",
            "X-Hop": "1",
            "Keep-Alive": "timeout=5",
            "TE": "trailers",
            "Proxy-Authorization": "Basic x",
            "Upgrade": "h2c",
            "X-Internal-Token": "internal-token-of-the-tests",
            "X-Forwarded-For": "6.6.6.6",
            "X-Forwarded-Proto": "gopher",
            "X-Forwarded-Host": "evil",
            "X-Real-Ip": "6.6.6.6",
            "Forwarded": "for=6.6.6.6",
            "X-Request-Id": "my-id",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": "a=b",
            "X-Custom": "ü",
            "Accept-Encoding": "br",
        }
        response = await client.get("/api/v1/messages/x", headers=[(k.encode(), v.encode()) for k, v in sent.items()])
        seen: dict[str, str] = dict(response.json()["headers"])
        assert len(seen) == len(response.json()["headers"]), "a header twice"
        assert not {"x-hop", "keep-alive", "te", "upgrade", "forwarded", "x-real-ip", "x-internal-token",
                    "proxy-authorization", "connection"} & set(seen)  # fmt: skip
        assert seen["x-forwarded-for"] == "127.0.0.1"
        assert seen["x-forwarded-proto"] == "http"
        assert seen["x-forwarded-host"] == client.base_url.netloc.decode()
        assert seen["host"] != seen["x-forwarded-host"]
        assert seen["via"] == "1.1 chatcluster"
        assert seen["x-request-id"] == response.headers["x-request-id"] == "my-id"
        assert seen["traceparent"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
        assert seen["traceparent"].split("-")[2] != "b7ad6b7169203331"
        assert (seen["tracestate"], seen["x-custom"], seen["accept-encoding"]) == ("a=b", "ü", "br")
        assert seen["authorization"].startswith("Bearer ")

    async def test_outward(self, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/api/v1/messages/headers") as response:
            body = b"".join([piece async for piece in response.aiter_raw()])
        assert body == b"not really gzip"
        assert response.headers["content-encoding"] == "gzip"
        assert not {"x-hop", "keep-alive", "server"} & set(response.headers)
        assert dict(response.headers.raw)[b"x-end-to-end"] == "ä".encode()
        assert len(response.headers.get_list("date")) == len(response.headers.get_list("x-request-id")) == 1
        assert response.headers.get_list("ratelimit")[0].startswith('"user";r=')


class TestBrowsers:
    """What pages of other origins may do, and what a browser is told of every answer."""

    async def test_a_preflight(self, gateway: Service) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
            for origin in ("https://app.example.org", "https://other.example.org:8443"):
                response = await client.options("/api/v1/users/me", headers=asked | {"Origin": origin})
                assert response.status_code == 204
                assert response.headers["access-control-allow-origin"] == origin
                assert "PUT" in response.headers["access-control-allow-methods"]
                assert "access-control-allow-credentials" not in response.headers
            for origin in ("https://evil.example", "null", "http://app.example.org"):
                response = await client.options("/api/v1/users/me", headers=asked | {"Origin": origin})
                assert (response.status_code, response.json()["code"]) == (403, "origin_not_allowed")
                assert "access-control-allow-origin" not in response.headers

    async def test_every_answer_says_who_may_read_it(self, client: httpx.AsyncClient) -> None:
        for path in ("/api/v1/messages/x", "/api/v1/nowhere", "/api/v1/tokens"):
            response = await client.get(path, headers={"Origin": "https://app.example.org"})
            assert response.headers.get_list("access-control-allow-origin") == ["https://app.example.org"], path
            assert response.headers.get_list("x-content-type-options") == ["nosniff"]
            assert response.headers["vary"] == "Origin"
            assert response.headers["content-security-policy"].startswith("default-src 'none'")
            other = await client.get(path, headers={"Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in other.headers


class TestBodies:
    """Both directions are streamed."""

    @pytest.mark.parametrize("size", [0, 1, 1000, 65536, 65537, 5 * MEGABYTE, MAX_BODY])
    @pytest.mark.parametrize("sized", [True, False])
    async def test_upload(self, client: httpx.AsyncClient, size: int, sized: bool) -> None:
        body = pattern(size)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, size, 50_000):
                yield body[start : start + 50_000]

        response = await client.post("/api/v1/messages/x", content=body if sized else pieces())
        seen = response.json()
        assert (seen["body_length"], seen["body_sha256"]) == (size, hashlib.sha256(body).hexdigest())
        if size:  # passed on with the same framing, but what is small gets a length in any case
            assert ("content-length" in dict(seen["headers"])) == sized

    @pytest.mark.parametrize("size", [0, 1, 65536, 65537, 5 * MEGABYTE])
    @pytest.mark.parametrize("kind", ["sized", "stream"])
    async def test_download(self, client: httpx.AsyncClient, size: int, kind: str) -> None:
        response = await client.get(f"/api/v1/messages/{kind}/{size}")
        assert response.content == pattern(size)
        assert ("content-length" in response.headers) == (kind == "sized")

    async def test_too_large_by_its_length(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/api/v1/messages/x", content=bytes(MAX_BODY + 1))
        assert (response.status_code, response.json()["code"]) == (413, "too_large")

    async def test_too_large_in_the_end(self, gateway: Service, tokens: TokenAuthority) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(MAX_BODY // MEGABYTE + 1):
                yield bytes(MEGABYTE)

        async with (
            aiohttp.ClientSession(headers=tokens.authorization("ada")) as session,
            session.post(f"{gateway.url}/api/v1/messages/x", data=pieces()) as response,
        ):
            assert (response.status, (await response.json(content_type=None))["code"]) == (413, "too_large")

    @pytest.mark.parametrize("length", [1000, 1_000_000])
    async def test_a_body_that_does_not_come(self, gateway: Service, tokens: TokenAuthority, length: int) -> None:
        head = f"POST /api/v1/messages/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens.token_for('slow')}\r\n"
        answer = await raw(gateway.url, f"{head}Content-Length: {length}\r\n\r\nbegun".encode())
        assert answer.startswith(b"HTTP/1.1 408 ")

    async def test_a_slow_reader_holds_the_service_back(self, gateway: Service, tokens: TokenAuthority) -> None:
        size = 200 * MEGABYTE
        token = tokens.token_for("slow")
        head = f"GET /api/v1/messages/sized/{size} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        before = peak_memory(gateway.program.pid)
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(gateway.url).port, limit=65536)
        writer.write(f"{head}\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        total = len(await reader.readexactly(MEGABYTE))
        while total < size:  # at full speed now; the gateway never held more than its buffers
            total += len(await reader.readexactly(MEGABYTE))
        assert peak_memory(gateway.program.pid) - before < 32 * MEGABYTE
        writer.close()


def peak_memory(pid: int) -> int:
    """The most bytes of memory a process has held so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


class TestUpstreamTrouble:
    """A service that fails costs its callers little time, and others nothing."""

    async def test_nobody_there(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/api/v1/presence", json={})
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert response.headers["retry-after"] == "1"
        assert response.headers["ratelimit"]

    async def test_no_answer_in_time(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/api/v1/messages/hang")
        assert (response.status_code, response.json()["code"]) == (504, "upstream_timeout")

    async def test_an_answer_cut_short_is_not_made_whole(self, client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/api/v1/messages/cut")

    async def test_what_is_repeated(self, client: httpx.AsyncClient, odd_port: int) -> None:
        calls: list[bytes] = []

        async def closes_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            calls.append(head.partition(b" ")[0])
            if len(calls) > 1:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                await writer.drain()
            writer.close()

        async with await asyncio.start_server(closes_first, "127.0.0.1", odd_port):
            assert (await client.get("/api/v1/presence")).text == "ok"
            assert calls == [b"GET", b"GET"]
            calls.clear()
            response = await client.post("/api/v1/presence", json={"a": 1})
            assert (response.status_code, response.json()["code"]) == (502, "bad_gateway")
            assert calls == [b"POST"]

    @pytest.mark.parametrize("nonsense", [b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 999999 OK\r\n\r\n", b""])
    async def test_an_answer_that_is_not_http(self, client: httpx.AsyncClient, odd_port: int, nonsense: bytes) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(nonsense)
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", odd_port):
            assert (await client.get("/api/v1/presence")).status_code == 502

    async def test_a_service_killed_and_back(self, client: httpx.AsyncClient, echo: Service) -> None:
        assert (await client.get("/api/v1/messages/x")).status_code == 200
        echo.program.kill()
        response = await client.get("/api/v1/messages/x")
        assert response.status_code in {502, 503}, "no 504: nobody waited for it"
        assert (await client.get("/api/v1/auth/jwks.json")).status_code == 200
        echo.program.start()
        assert (await client.get("/api/v1/messages/x")).status_code == 200

    async def test_a_hanging_service_is_left_alone(
        self, client: httpx.AsyncClient, gateway: Service, echo: Service
    ) -> None:
        echo.program.signal(signal.SIGSTOP)
        try:
            responses = await asyncio.gather(*(client.get("/api/v1/messages/x") for _ in range(20)))
            assert {response.status_code for response in responses} <= {503, 504}
            async with asyncio.timeout(60):  # who calls just as the circuit half-opens waits for an answer
                while (response := await client.get("/api/v1/messages/x")).status_code == 504:
                    pass
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")
            assert int(response.headers["retry-after"]) >= 1
            assert (await client.get("/api/v1/auth/jwks.json")).status_code == 200, "the others are not concerned"
            metrics = (await client.get(f"{gateway.url}/metrics")).text
            assert re.search(r'chat_gateway_circuit_refused_total\{upstream="message"\} [1-9]', metrics)
        finally:
            echo.program.signal(signal.SIGCONT)
        async with asyncio.timeout(60):
            while (await client.get("/api/v1/messages/x")).status_code != 200:
                await asyncio.sleep(0.05)
        assert 'chat_gateway_circuit_state{upstream="message"} 0.0' in (await client.get(f"{gateway.url}/metrics")).text


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Redis]:
    """A Redis to stop."""
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def limited(
    own_redis: Redis,
    gateway_database: str,
    echo: Service,
    tokens: TokenAuthority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A gateway with low limits that trusts the edge."""
    env = gateway_settings(own_redis, gateway_database, echo, echo.url, free_port()) | {
        "CHAT_TRUST_EDGE": "true",
        "CHAT_USER_RATE_PER_SECOND": "1",
        "CHAT_USER_BURST": "5",
        "CHAT_SIGN_IN_RATE_PER_MINUTE": "6",
        "CHAT_SIGN_IN_BURST": "3",
    }
    folder = tmp_path_factory.mktemp("limited")
    with running_service("gateway", folder, env, jwks_file=tokens.jwks_file) as service:
        yield service


class TestLimits:
    """Rate limits, with a Redis that comes and goes."""

    @staticmethod
    async def burst(client: httpx.AsyncClient, headers: dict[str, str], calls: int) -> list[httpx.Response]:
        """So many calls at once."""
        return await asyncio.gather(*(client.get("/api/v1/messages/x", headers=headers) for _ in range(calls)))

    async def test_a_user_has_a_burst(self, limited: Service, tokens: TokenAuthority) -> None:
        async with httpx.AsyncClient(base_url=limited.url, timeout=30) as client:
            started = time.monotonic()
            responses = await self.burst(client, tokens.authorization("greedy"), 12)
            earned = int(time.monotonic() - started) + 1
            assert 5 <= sum(response.status_code == 200 for response in responses) <= 5 + earned
            refused = next(response for response in responses if response.status_code == 429)
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["code"] == "rate_limited"
            assert refused.headers["retry-after"] == "1"
            assert refused.headers["ratelimit-policy"] == '"user";q=5;w=5'
            assert refused.headers["ratelimit"] == '"user";r=0;t=1'
            first = next(response for response in responses if response.status_code == 200)
            assert re.fullmatch(r'"user";r=[0-4];t=[1-5]', first.headers["ratelimit"])
            assert (await self.burst(client, tokens.authorization("modest"), 1))[0].status_code == 200

    async def test_sign_in_is_limited_by_the_edges_view_of_the_address(self, limited: Service) -> None:
        async with httpx.AsyncClient(base_url=limited.url, timeout=30) as client:

            async def attempt(forwarded: str) -> int:
                headers = {"X-Forwarded-For": forwarded}
                return (await client.post("/api/v1/auth/login", json={}, headers=headers)).status_code

            assert [await attempt("203.0.113.7") for _ in range(4)] == [200, 200, 200, 429]
            assert await attempt("203.0.113.8, 203.0.113.7") == 429, "what the caller claims does not count"
            assert await attempt("203.0.113.7, 203.0.113.8") == 200
            assert [await attempt(f"2001:db8::{n}") for n in range(4)] == [200, 200, 200, 429], "one network"

    async def test_without_redis_it_counts_by_itself(
        self, limited: Service, own_redis: Redis, tokens: TokenAuthority
    ) -> None:
        async with httpx.AsyncClient(base_url=limited.url, timeout=30) as client:
            own_redis.program.kill()
            started = time.monotonic()
            responses = await self.burst(client, tokens.authorization("stubborn"), 12)
            earned = int(time.monotonic() - started) + 1
            assert 5 <= sum(response.status_code == 200 for response in responses) <= 5 + earned
            assert (await client.get("/readyz")).status_code == 200
            assert "chat_gateway_rate_limit_degraded 1.0" in (await client.get("/metrics")).text

            own_redis.program.start()
            async with asyncio.timeout(30):
                while "chat_gateway_rate_limit_degraded 0.0" not in (await client.get("/metrics")).text:
                    await self.burst(client, tokens.authorization("patient"), 1)
                    await asyncio.sleep(0.05)

    async def test_a_hanging_redis_delays_little(
        self, limited: Service, own_redis: Redis, tokens: TokenAuthority
    ) -> None:
        async with httpx.AsyncClient(base_url=limited.url, timeout=30) as client:
            own_redis.program.signal(signal.SIGSTOP)
            try:
                responses = await self.burst(client, tokens.authorization("hasty"), 5)
                assert "chat_gateway_rate_limit_degraded 1.0" in (await client.get("/metrics")).text
                responses += await self.burst(client, tokens.authorization("hasty2"), 5)
            finally:
                own_redis.program.signal(signal.SIGCONT)
            assert {response.status_code for response in responses} == {200}


async def test_metrics_and_logs_name_routes_not_paths(client: httpx.AsyncClient, gateway: Service) -> None:
    await client.get("/api/v1/messages/very-special-id")
    own = await client.get("/metrics")
    assert re.search(r'chat_http_requests_total\{.*route="/api/v1/messages",service="gateway",status="200"\}', own.text)
    assert "very-special-id" not in own.text
    last: dict[str, Any] = json.loads(gateway.log.splitlines()[-1])
    assert last["service"] == "gateway"
    assert "very-special-id" not in gateway.log
