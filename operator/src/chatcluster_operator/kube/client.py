"""A typed, narrow face on the official asyncio client.

Only its connection is used: configuration, certificates, token refresh and HTTP. Bodies stay plain dicts, so that a
field which a generated model does not know is neither lost nor refused.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Self, cast
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from chatcluster_operator.kube.kinds import Kind

Object = dict[str, Any]
"""An API object as JSON gives it."""

CALL_TIMEOUT: Final = 5.0
"""Seconds for one call. Not more than lease duration less renew deadline, so that a write begun as leader is over
before another can lead."""
LIST_TIMEOUT: Final = 30.0
"""Seconds for one page of a list."""
SILENCE_TIMEOUT: Final = 90.0
"""Seconds a watch may say nothing. The server sends a bookmark each minute: a longer silence is a dead connection."""

_PARTIAL: Final = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io,application/json"


class ApiError(Exception):
    """The API server refused a call. `status` is HTTP's, `reason` Kubernetes' (`NotFound`), `message` for a person."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @classmethod
    def from_status(cls, status: int, body: str) -> Self:
        """Read a `Status` object; whatever else stands between us and the server may answer with is kept as text."""
        try:
            parsed: Any = json.loads(body)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            answer = cast(Object, parsed)
            return cls(status, str(answer.get("reason") or "Unknown"), str(answer.get("message") or body[:500]))
        return cls(status, "Unknown", body[:500])


CONNECTION_ERRORS: Final = (aiohttp.ClientError, TimeoutError, ConnectionError)
"""What a call raises when the server cannot be reached or does not answer in time."""


class Client:
    """Calls to one API server. Every method raises `ApiError`, or one of `CONNECTION_ERRORS`."""

    def __init__(self, configuration: Any) -> None:
        self.configuration = configuration
        self._api: Any = kubernetes_client.ApiClient(configuration)

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
        """
        query = {
            **selector,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_TIMEOUT, sock_read=SILENCE_TIMEOUT)
        response = await self._request("GET", kind.path(namespace), query, timeout, accept=_accept(kind.metadata_only))
        try:
            if response.status >= 400:
                raise ApiError.from_status(response.status, await response.text())
            async for line in response.content:
                event: Object = json.loads(line)
                body: Object = event["object"]
                if event["type"] == "ERROR":
                    raise ApiError(
                        int(body.get("code", 500)), str(body.get("reason", "")), str(body.get("message", ""))
                    )
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

    async def create(self, kind: Kind, manifest: Object, *, manager: str) -> Object:
        """Make an object; 409 when the name is taken."""
        path = kind.path(manifest["metadata"].get("namespace"))
        return await self._call("POST", path, query={"fieldManager": manager}, body=manifest)

    async def replace(self, kind: Kind, manifest: Object) -> Object:
        """Overwrite an object; 409 when its resource version is no longer the one in `manifest`."""
        metadata = manifest["metadata"]
        return await self._call("PUT", kind.path(metadata.get("namespace"), metadata["name"]), body=manifest)

    async def merge(self, kind: Kind, namespace: str | None, name: str, patch: Object) -> Object:
        """JSON merge patch."""
        path = kind.path(namespace, name)
        return await self._call("PATCH", path, body=patch, content="application/merge-patch+json")

    async def delete(self, kind: Kind, namespace: str | None, name: str, *, uid: str) -> None:
        """Delete the object that has this uid, its dependents in the background. No error when it is gone."""
        body: Object = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._call("DELETE", kind.path(namespace, name), body=body)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise

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
        limit = aiohttp.ClientTimeout(total=seconds)
        response = await self._request(method, path, query or {}, limit, body=body, content=content, accept=accept)
        try:
            text = await response.text()
        finally:
            response.release()
        if response.status >= 400:
            raise ApiError.from_status(response.status, text)
        return json.loads(text)

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
        headers = {"Accept": accept, "Content-Type": content, "User-Agent": "chatcluster-operator"}
        for setting in (await self.configuration.auth_settings()).values():
            headers[setting["key"]] = setting["value"]
        url = f"{self.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        answer: Any = await self._api.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=limit
        )
        return answer.response


def _accept(metadata_only: bool, suffix: str = "") -> str:
    return _PARTIAL.format(suffix) if metadata_only else "application/json"
