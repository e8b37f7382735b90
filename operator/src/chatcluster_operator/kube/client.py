"""A typed, narrow face on the official asyncio client.

Only its connection is used: configuration, certificates, token refresh and HTTP. Bodies stay plain dicts, so that a
field which a generated model does not know is neither lost nor refused.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Self, cast
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from chatcluster_operator import metrics
from chatcluster_operator.kube.kinds import Kind

Object = dict[str, Any]
"""An API object as JSON gives it."""

CALL_TIMEOUT: Final = 5.0
"""Seconds for one call. Not more than lease duration less renew deadline, so that a write begun as leader is over
before another can lead."""
LIST_TIMEOUT: Final = 30.0
"""Seconds for one page of a list."""
GAP: Final = 10.0
"""Seconds without any answer after which the server counts as having been away. The election asks every two."""
_BUSY: Final = frozenset({429, 503})
"""With a `Retry-After` these say that nothing was done, and when to ask again."""

MAX_LINE: Final = 1 << 20
"""Bytes of a line of text; what is longer comes in pieces."""

_PARTIAL: Final = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io,application/json"


class ApiError(Exception):
    """The API server refused a call. `status` is HTTP's, `reason` Kubernetes' (`NotFound`), `message` for a person."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        """Seconds after which the server wants to be asked again, when it said so."""

    @classmethod
    def from_status(cls, status: int, body: str, retry_after: str | None = None) -> Self:
        """Read a `Status` object; whatever else stands between us and the server may answer with is kept as text.

        `retry_after` is the header of that name; Kubernetes gives it in seconds.
        """
        wait = float(retry_after) if status in _BUSY and retry_after and retry_after.isdecimal() else None
        try:
            parsed: Any = json.loads(body)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            answer = cast(Object, parsed)
            reason, message = answer.get("reason") or "Unknown", answer.get("message") or body[:500]
            return cls(status, str(reason), str(message), retry_after=wait)
        return cls(status, "Unknown", body[:500], retry_after=wait)


CONNECTION_ERRORS: Final = (aiohttp.ClientError, TimeoutError, ConnectionError)
"""What a call raises when the server cannot be reached or does not answer in time."""


class Client:
    """Calls to one API server. Every method raises `ApiError`, or one of `CONNECTION_ERRORS`."""

    def __init__(self, configuration: Any, *, agent: str = "chatcluster-operator") -> None:
        self.configuration = configuration
        self._agent = agent
        self._api: Any = kubernetes_client.ApiClient(configuration)
        self._answered_at = self._steady_since = time.monotonic()

    def steady(self) -> float:
        """Seconds for which the server has answered without a gap of more than `GAP`; 0 while there is one."""
        now = time.monotonic()
        return 0.0 if now - self._answered_at > GAP else now - self._steady_since

    def silence(self) -> float:
        """Seconds since the server last answered any call."""
        return time.monotonic() - self._answered_at

    @classmethod
    async def connect(cls) -> Self:
        """With the pod's service account when in a cluster, else as `KUBECONFIG` (or `~/.kube/config`) says.

        Raises kubernetes.aio.config.ConfigException when there is neither.
        """
        configuration: Any = kubernetes_client.Configuration()
        loaders: Any = kubernetes_config  # not fully typed
        try:
            loaders.load_incluster_config(configuration)
        except kubernetes_config.ConfigException:
            await loaders.load_kube_config(os.environ.get("KUBECONFIG"), client_configuration=configuration)
        configuration.connection_pool_maxsize = 64
        return cls(configuration)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, kind: Kind, namespace: str | None, name: str, *, metadata_only: bool = False) -> Object:
        """One object."""
        return await self._call("GET", kind.path(namespace, name), accept=_accept(metadata_only))

    async def find(self, kind: Kind, namespace: str | None, name: str, *, metadata_only: bool = False) -> Object | None:
        """One object, or None when there is none of that name."""
        try:
            return await self.get(kind, namespace, name, metadata_only=metadata_only)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def pages(
        self, kind: Kind, namespace: str | None = None, *, selector: Mapping[str, str], size: int = 500
    ) -> AsyncIterator[Object]:
        """The pages of a list; `selector` holds `labelSelector` or `fieldSelector`. No namespace means all of them."""
        query = {**selector, "limit": str(size)}
        while True:
            page = await self._call(
                "GET",
                kind.path(namespace),
                query=query,
                seconds=LIST_TIMEOUT,
                accept=_accept(kind.metadata_only, suffix="List"),
            )
            yield page
            token = str(page["metadata"].get("continue") or "")
            if not token:
                return
            query["continue"] = token

    async def watch(
        self, kind: Kind, namespace: str | None = None, *, selector: Mapping[str, str], version: str, seconds: int
    ) -> AsyncIterator[tuple[str, Object]]:
        """Changes after resource version `version`: (`ADDED` | `MODIFIED` | `DELETED` | `BOOKMARK`, object).

        Ends when the server ends the stream, after at most `seconds`. An error told in the stream (`410 Gone`) raises.
        How long it may be silent is for the caller to say.
        """
        query = {
            **selector,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_TIMEOUT)
        response = await self._request("GET", kind.path(namespace), query, timeout, accept=_accept(kind.metadata_only))
        try:
            if response.status >= 400:
                raise await _refusal(response)
            rest = b""
            # Not aiohttp's lines: it raises for one longer than its buffer, and an object may be longer.
            async for chunk in response.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    event: Object = json.loads(line)
                    body: Object = event["object"]
                    if event["type"] == "ERROR":
                        raise ApiError.from_status(int(body.get("code", 500)), json.dumps(body))
                    yield str(event["type"]), body
        finally:
            response.close()

    async def apply(
        self, kind: Kind, manifest: Object, *, manager: str, subresource: str | None = None, dry_run: bool = False
    ) -> Object:
        """Server-side apply: `manager` comes to own exactly the manifest's fields, whoever owned them before."""
        metadata = manifest["metadata"]
        query = {"fieldManager": manager, "force": "true"}
        if dry_run:
            query["dryRun"] = "All"
        return await self._call(
            "PATCH",
            kind.path(metadata.get("namespace"), metadata["name"], subresource),
            query=query,
            body=manifest,
            content="application/apply-patch+yaml",
        )

    async def create(self, kind: Kind, manifest: Object, *, manager: str, dry_run: bool = False) -> Object:
        """Make an object; 409 when the name is taken."""
        path = kind.path(manifest["metadata"].get("namespace"))
        query = {"fieldManager": manager}
        if dry_run:
            query["dryRun"] = "All"
        return await self._call("POST", path, query=query, body=manifest)

    async def replace(self, kind: Kind, manifest: Object) -> Object:
        """Overwrite an object; 409 when its resource version is no longer the one in `manifest`."""
        metadata = manifest["metadata"]
        return await self._call("PUT", kind.path(metadata.get("namespace"), metadata["name"]), body=manifest)

    async def merge(
        self, kind: Kind, namespace: str | None, name: str, patch: Object, *, manager: str | None = None
    ) -> Object:
        """JSON merge patch."""
        path = kind.path(namespace, name)
        query = {"fieldManager": manager} if manager else {}
        return await self._call("PATCH", path, query=query, body=patch, content="application/merge-patch+json")

    async def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str,
        version: str | None = None,
        propagation: str = "Background",
        grace: int | None = None,
    ) -> bool:
        """Delete the object that has this uid, and this resource version if one is given.

        `propagation` says what becomes of its dependents: they go after it (`Background`) or before it (`Foreground`),
        or they stay (`Orphan`). A pod gets `grace` seconds to end, its own when left out; with 0 it is gone at once,
        whatever still runs. False when it is gone already, or another one than was asked for.
        """
        preconditions = {"uid": uid} if version is None else {"uid": uid, "resourceVersion": version}
        body: Object = {"preconditions": preconditions, "propagationPolicy": propagation}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            await self._call("DELETE", kind.path(namespace, name), body=body)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
            return False
        return True

    async def raw(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """Whatever JSON is at this path."""
        return await self._call("GET", path, query=query, seconds=LIST_TIMEOUT)

    async def lines(self, path: str, query: Mapping[str, str], *, silence: float | None = None) -> AsyncIterator[bytes]:
        """A text, line by line as it comes, such as a log that is followed; at most `silence` seconds between two."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_TIMEOUT, sock_read=silence)
        response = await self._request("GET", path, query, timeout, accept="*/*")
        try:
            if response.status >= 400:
                raise ApiError.from_status(response.status, await response.text())
            rest = b""
            # Not aiohttp's lines: it raises for one longer than its buffer, and logs have those.
            async for chunk in response.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line
                if len(rest) > MAX_LINE:
                    yield rest
                    rest = b""
            if rest:
                yield rest
        finally:
            response.close()

    async def serves(self, kind: Kind) -> bool:
        """Whether the server knows this kind."""
        try:
            listing = await self._call("GET", f"/apis/{kind.group}/{kind.version}")
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return any(resource["name"] == kind.plural for resource in listing.get("resources", []))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        accept: str = "application/json",
        seconds: float = CALL_TIMEOUT,
    ) -> Object:
        """One call, repeated while the server says that it is too busy, all within `seconds`."""
        limit = aiohttp.ClientTimeout(total=seconds)
        async with asyncio.timeout(seconds) as timer:
            while True:
                response = await self._request(
                    method, path, query or {}, limit, body=body, content=content, accept=accept
                )
                try:
                    if response.status < 400:
                        return json.loads(await response.read())
                    error = await _refusal(response)
                finally:
                    response.release()
                # Up to half as long again, so that those who were turned away together do not come back together.
                pause = (error.retry_after or 0.0) * random.uniform(1.0, 1.5)  # noqa: S311 - spreads load
                if not pause or asyncio.get_running_loop().time() + pause > (timer.when() or 0.0):
                    raise error
                await asyncio.sleep(pause)

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        limit: aiohttp.ClientTimeout,
        *,
        body: Object | None = None,
        content: str = "application/json",
        accept: str,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": accept, "Content-Type": content, "User-Agent": self._agent}
        # Lists of a large cluster cost both sides more to compress than to send.
        headers["Accept-Encoding"] = "identity"
        for setting in (await self.configuration.auth_settings()).values():
            headers[setting["key"]] = setting["value"]
        url = f"{self.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        answer: Any = await self._api.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=limit
        )
        now = time.monotonic()
        if now - self._answered_at > GAP:
            self._steady_since = now
        self._answered_at = now
        metrics.API_CALLS.labels(method, str(answer.response.status)).inc()
        return answer.response


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    return ApiError.from_status(response.status, await response.text(), response.headers.get("Retry-After"))


def _accept(metadata_only: bool, suffix: str = "") -> str:
    return _PARTIAL.format(suffix) if metadata_only else "application/json"
