"""Accounts of the user service's tests: made, signed in, and signed out again."""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx

PASSWORD = "correct horse battery"


def fresh_name() -> str:
    """A username that no other test has."""
    return f"u{secrets.token_hex(6)}"


async def register(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """A new account; returns the answer."""
    name = fresh_name()
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD} | changes
    response = await client.post("/auth/register", json=body)
    assert response.status_code == 201, response.text
    return response.json()


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """The header to call with."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def becomes_unauthorized(client: httpx.AsyncClient, tokens: dict[str, Any], seconds: float = 30.0) -> bool:
    """Whether the access token is refused before long, which is when the service has heard of its end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (await client.get("/users/me", headers=bearer(tokens))).status_code == 401:
            return True
        await asyncio.sleep(0.01)
    return False


async def eventually(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait for something that happens a moment after an answer; `AssertionError` naming `what` when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        await asyncio.sleep(0.01)
