"""API tokens: secrets that programs call with, each good for some scopes, and exchanged for short-lived access tokens.

The secret is `cct_` and 48 characters: 32 random bytes and their checksum, so that what is no secret costs no look at
the database, and that scanners know a leaked one. The database has its SHA-256 alone; at 256 random bits nothing slower
is needed.

An exchange is remembered for a minute. A token that was revoked is void on all replicas as soon as they read their
stream of signals, for which it looks like a session that ended: its id is the `sid` of the access tokens made for it.
While Redis is away another replica takes the token until that minute is over.
"""

import asyncio
import base64
import binascii
import hashlib
import secrets
import time
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError

from chatcluster_common import clock, errors, ids, logs, signals
from chatcluster_common.auth import Principal, TokenVerifier
from chatcluster_common.errors import Problem
from chatcluster_common.internal import InternalClient
from chatcluster_common.permissions import Permission, Scope
from chatcluster_gateway.audit import Audit, Call
from chatcluster_gateway.models import MadeApiToken, NewApiToken
from chatcluster_gateway.store import GatewayStore, TokenRow

log = logs.get_logger(__name__)

STREAM = "gateway:signals"
"""Where replicas tell each other of revoked API tokens."""

PREFIX = b"cct_"
_SECRET_BYTES = 32

_DEFAULT_DAYS = 90
_MOST_DAYS = 366

_TRUST_SECONDS = 60.0
_SPARE_SECONDS = 30
"""An access token is not passed on with less than this left."""
_CAPACITY = 10_000
_SIGNAL_SECONDS = 1.0

_NEEDED = {Scope.MODERATION: (Permission.MODERATE,), Scope.ADMIN: (Permission.MANAGE_USERS, Permission.READ_AUDIT)}
"""What the owner of a token with such a scope must be permitted, one of each."""


def new_secret() -> bytes:
    """A new token's secret."""
    random = secrets.token_bytes(_SECRET_BYTES)
    return PREFIX + base64.urlsafe_b64encode(random + zlib.crc32(random).to_bytes(4))


def is_secret(token: bytes) -> bool:
    """Whether it can be the secret of an API token."""
    if not token.startswith(PREFIX):
        return False
    try:
        data = base64.b64decode(token.removeprefix(PREFIX), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    random, checksum = data[:_SECRET_BYTES], data[_SECRET_BYTES:]
    return len(random) == _SECRET_BYTES and zlib.crc32(random).to_bytes(4) == checksum


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an API token was exchanged for."""

    principal: Principal
    """`session_id` is the API token's id."""
    authorization: bytes
    """The header that services get in place of the caller's."""
    trusted_until: float


class ApiTokens:
    """Makes, lists, revokes and exchanges them."""

    def __init__(
        self,
        store: GatewayStore,
        users: InternalClient,
        redis: Redis,
        verifier: TokenVerifier,
        audit: Audit,
        *,
        per_person: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._users = users
        self._redis = redis
        self._verifier = verifier
        self._audit = audit
        self._per_person = per_person
        self._now = now
        self._known: OrderedDict[bytes, Exchanged] = OrderedDict()
        self._exchanges: dict[bytes, asyncio.Task[Exchanged]] = {}

    async def make(self, owner: Principal, wanted: NewApiToken, call: Call) -> MadeApiToken:
        """A new token of `owner`. Raises a `Problem`: 403 for a scope beyond their role, 409 for one token too many,
        422 for a time that cannot be."""
        for scope in wanted.scopes:
            if not any(owner.may(permission) for permission in _NEEDED.get(scope, (Permission.USE_ACCOUNT,))):
                raise errors.forbidden(f"Your role does not allow the scope {scope.value}.")
        now = clock.utc_now()
        expires_at = wanted.expires_at or now + timedelta(days=_DEFAULT_DAYS)
        if not now < expires_at <= now + timedelta(days=_MOST_DAYS):
            raise errors.invalid("body.expires_at", f"must be in the future, at most {_MOST_DAYS} days from now")
        secret = new_secret()
        token = TokenRow(
            id=ids.new_id(),
            user_id=owner.user_id,
            name=wanted.name,
            scopes=sorted({scope.value for scope in wanted.scopes}),
            created_at=now,
            expires_at=expires_at,
            last_used_at=None,
        )
        entry = self._audit.entry("token_created", owner.user_id, call, status=201, token_id=token.id)
        if not await self._store.add_token(token, _digest(secret), entry, most=self._per_person):
            raise errors.conflict(
                "too_many_tokens", f"You have {self._per_person} API tokens already. Revoke one that is not used."
            )
        return MadeApiToken.model_validate({**fields(token), "token": secret.decode()})

    async def of(self, user_id: str) -> list[TokenRow]:
        """The person's tokens, newest first."""
        return await self._store.tokens_of(user_id)

    async def revoke(self, owner: Principal, token_id: str, call: Call) -> None:
        """The token opens nothing any more. Raises a 404 `Problem` when the caller has none of that id."""
        entry = self._audit.entry("token_revoked", owner.user_id, call, status=204, token_id=token_id)
        if not ids.is_id(token_id) or not await self._store.delete_token(owner.user_id, token_id, entry):
            raise errors.not_found("API token")
        await self._tell(owner.user_id, [token_id])

    async def erase(self, user_id: str) -> None:
        """All the person's tokens are gone."""
        await self._tell(user_id, await self._store.delete_tokens_of(user_id))

    async def export(self, user_id: str) -> AsyncIterator[dict[str, object]]:
        """Everything held about the person that only the gateway has."""
        for token in await self._store.tokens_of(user_id):
            yield {"kind": "api_token", "data": fields(token)}
        async for entry in self._audit.all_of(user_id):
            yield {"kind": "audit_entry", "data": entry}

    def remembered(self, secret: bytes) -> Exchanged | None:
        """What a secret was exchanged for a moment ago, unless that is void."""
        known = self._known.get(_digest(secret))
        if known is None or self._now() >= known.trusted_until:
            return None
        principal = known.principal
        revoked = self._verifier.revocations.revoked(principal.user_id, principal.session_id, principal.issued_at)
        return None if revoked else known

    async def exchange(self, secret: bytes, call: Call) -> Exchanged:
        """Look a secret up and get an access token for it. Raises a `Problem`: 401 for a secret that opens nothing,
        503 when that cannot be found out."""
        digest = _digest(secret)
        task = self._exchanges.get(digest)
        if task is None:
            # One exchange answers all who wait for it, also when the first of them leaves.
            task = asyncio.create_task(self._exchange(digest, call))
            self._exchanges[digest] = task
            task.add_done_callback(lambda done: self._finished(digest, done))
        return await asyncio.shield(task)

    async def _exchange(self, digest: bytes, call: Call) -> Exchanged:
        found = await self._store.use_token(digest, clock.utc_now())
        if found is None:
            raise _refused()
        token, first = found
        answer = await self._users.post(
            "/internal/access-tokens", {"user_id": token.user_id, "token_id": token.id, "scopes": token.scopes}
        )
        if answer is None:
            raise _refused()
        principal = self._verifier.verify(answer["access_token"])
        if first:
            entry = self._audit.entry("token_first_used", token.user_id, call, status=200, token_id=token.id)
            await self._audit.add(entry)
        until = min(self._now() + _TRUST_SECONDS, principal.expires_at - _SPARE_SECONDS, token.expires_at.timestamp())
        exchanged = Exchanged(principal, b"Bearer " + answer["access_token"].encode(), until)
        self._known[digest] = exchanged
        self._known.move_to_end(digest)
        if len(self._known) > _CAPACITY:
            self._known.popitem(last=False)
        return exchanged

    def _finished(self, digest: bytes, task: "asyncio.Task[Exchanged]") -> None:
        self._exchanges.pop(digest, None)
        if not task.cancelled():
            task.exception()  # each who waits gets it; when they all have left nobody is to be told

    async def _tell(self, user_id: str, token_ids: list[str]) -> None:
        for token_id in token_ids:
            self._verifier.revocations.revoke_session(token_id, self._now())
        try:
            async with asyncio.timeout(_SIGNAL_SECONDS):
                for token_id in token_ids:
                    await signals.send(
                        self._redis, "session_revoked", stream=STREAM, session_id=token_id, user_id=user_id
                    )
        except (RedisError, OSError, TimeoutError) as error:
            log.warning(
                "other replicas learn of a revoked API token within a minute only", error_type=type(error).__name__
            )


def fields(token: TokenRow) -> dict[str, object]:
    """A token as its owner sees it."""
    return {
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
    }


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _refused() -> Problem:
    return errors.unauthorized("The API token is unknown, expired or revoked.")
