"""How the operator signs in to a member of a replica set: as the members do to each other, by the key file.

That works before there are any users, and from another pod. What it knows of the set is not its business here.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient

Client = AsyncMongoClient[dict[str, Any]]


@asynccontextmanager
async def connected(address: str, port: int, key: str, seconds: float) -> AsyncGenerator[Client]:
    """One member alone, whatever the others say of it. Calls raise PyMongoError, within `seconds` each.

    `key` is the content of the key file.
    """
    milliseconds = round(seconds * 1000)
    client: Client = AsyncMongoClient(
        address,
        port,
        directConnection=True,
        username="__system",
        password=key,
        authSource="local",
        authMechanism="SCRAM-SHA-256",
        appname="chatcluster-operator",
        timeoutMS=milliseconds,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        maxPoolSize=1,
        retryWrites=False,
    )
    async with client:
        yield client
