"""The webhook's certificate: made and renewed by whoever leads, used by every replica, told to the API server.

By the same rules as the edge's: a new authority is trusted long before it signs, and an old one for as long as it is
valid, so that at no moment the API server meets a certificate that it cannot check.
"""

import asyncio
import base64
import random
import time
from collections.abc import Callable, Collection
from typing import Any, Final, cast

import structlog

from chatcluster_operator.act.actor import Leadership
from chatcluster_operator.admission.names import AUTHORITY, CONFIGURATION, HOOK, SERVICE
from chatcluster_operator.api import FIELD_MANAGER, LABEL_NAME
from chatcluster_operator.decide.certificates import renew
from chatcluster_operator.desired.credentials import encode
from chatcluster_operator.desired.tls import (
    CERTIFICATE_KEY,
    PRIVATE_KEY,
    Certificate,
    CertificateError,
    OwnTls,
    Pair,
    authorities_data,
    authorities_of,
    check,
    make_authority,
    make_leaf,
    pair_of,
)
from chatcluster_operator.kube import KINDS, ApiError, Client, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.kube.kinds import VALIDATING_WEBHOOK

CHECK_SECONDS: Final = 30.0
"""Seconds between two looks."""


class WebhookCertificate:
    """Keeps the certificate. `use` is called with each that this process is to present."""

    def __init__(
        self,
        client: Client,
        leadership: Leadership,
        *,
        namespace: str,
        names: Collection[str],
        use: Callable[[Pair], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._leadership = leadership
        self._namespace = namespace
        self._names = frozenset(names)
        self._use = use
        self._clock = clock
        self._used: Pair | None = None
        self._log = structlog.get_logger(__name__)

    async def run(self) -> None:
        """Look after it until cancelled."""
        while True:
            try:
                await self.step()
            except (ApiError, *CONNECTION_ERRORS) as error:
                self._log.warning("the webhook's certificate was not looked after", error=repr(error))
            # Until there is one, it is the other replica's turn to make it, which takes but a moment.
            wait = CHECK_SECONDS if self._used else 2.0
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing

    async def step(self) -> None:
        """Look once: renew if it is time and this replica leads, present what there is, tell the API server."""
        leaf, said = await self._leaf()
        known = {check(pair).identity: pair for pair in await self._authorities()}
        now = int(self._clock())
        decided = renew(now=now, names=self._names, authorities=[check(pair) for pair in known.values()], leaf=said)
        authorities = [known[identity] for identity in decided.keep]
        if self._leadership.leading:
            if decided.make_authority:
                authorities.insert(0, make_authority(SERVICE, now=now))
            if decided.make_authority or len(authorities) != len(known):
                await self._write(AUTHORITY, authorities_data(authorities))
            if decided.issue:
                leaf = make_leaf(self._names, known[decided.signer] if decided.signer else authorities[0], now=now)
            # The API server hears of an authority before anything that it signed is presented.
            if leaf is not None:
                await self._tell(OwnTls(leaf, tuple(authorities)))
            if leaf is not None and decided.issue:
                await self._write(SERVICE, {CERTIFICATE_KEY: leaf.certificate, PRIVATE_KEY: leaf.key})
        if leaf is not None and leaf != self._used:
            self._use(leaf)
            self._used = leaf

    async def _leaf(self) -> tuple[Pair, Certificate] | tuple[None, None]:
        try:
            pair = pair_of(await self._read(SERVICE))
            return pair, check(pair)
        except CertificateError:
            return None, None

    async def _authorities(self) -> tuple[Pair, ...]:
        try:
            return authorities_of(await self._read(AUTHORITY))
        except CertificateError:
            return ()

    async def _read(self, name: str) -> dict[str, str]:
        secret = await self._client.find(KINDS["Secret"], self._namespace, name)
        return (secret or {}).get("data") or {}

    async def _write(self, name: str, values: dict[str, str]) -> None:
        manifest: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self._namespace, "labels": {LABEL_NAME: FIELD_MANAGER}},
            "type": "Opaque",
            "data": encode(values),
        }
        await self._client.apply(KINDS["Secret"], manifest, manager=FIELD_MANAGER)
        self._log.info("certificate of the webhook renewed", secret=name)

    async def _tell(self, own: OwnTls) -> None:
        """Put the authorities into the webhook's configuration, where there is one."""
        found = await self._client.find(VALIDATING_WEBHOOK, None, CONFIGURATION)
        hooks = cast("list[dict[str, Any]]", (found or {}).get("webhooks") or [])
        hook = next((item for item in hooks if item["name"] == HOOK), None)
        bundle = base64.b64encode(own.bundle.encode()).decode()
        if hook is None or hook["clientConfig"].get("caBundle") == bundle:
            return
        manifest: Object = {
            "apiVersion": VALIDATING_WEBHOOK.api_version,
            "kind": VALIDATING_WEBHOOK.name,
            "metadata": {"name": CONFIGURATION},
            "webhooks": [{"name": HOOK, "clientConfig": {"caBundle": bundle}}],
        }
        await self._client.apply(VALIDATING_WEBHOOK, manifest, manager=FIELD_MANAGER)
        self._log.info("the API server was told of the webhook's authorities")
