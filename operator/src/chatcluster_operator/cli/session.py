"""One connection to an API server as its user, and the question that each command begins with: which ChatCluster?"""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from chatcluster_operator.api import LABEL_INSTANCE, LABEL_MANAGED_BY
from chatcluster_operator.api.constants import FIELD_MANAGER
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.options import Options
from chatcluster_operator.cli.screen import Screen
from chatcluster_operator.kube import CHATCLUSTER, ApiError, Client, Kind, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS

T = TypeVar("T")

MANAGER: Final = "kubectl-chat"
"""The name under which fields are written."""


@dataclass
class Session:
    """What a command works with."""

    client: Client
    options: Options
    namespace: str
    screen: Screen
    unreadable: dict[str, str] = field(default_factory=dict[str, str])
    """What the user may not read, and what the server said to it."""

    async def items(
        self, kind: Kind, namespace: str | None = None, *, labels: Mapping[str, str] | None = None, fields: str = ""
    ) -> list[Object]:
        """A list, whole. No namespace means all of them."""
        selector = {"labelSelector": ",".join(f"{name}={value}" for name, value in (labels or {}).items())}
        if fields:
            selector["fieldSelector"] = fields
        found: list[Object] = []
        async for page in self.client.pages(replace(kind, metadata_only=False), namespace, selector=selector):
            # Items of a list do not say what they are.
            about = {"apiVersion": kind.api_version, "kind": kind.name}
            found.extend(about | item for item in page["items"])
        return found

    async def theirs(self, kind: Kind, cluster: Object) -> list[Object]:
        """The objects of a kind that the operator made for a ChatCluster."""
        metadata = cluster["metadata"]
        labels = {LABEL_INSTANCE: metadata["name"], LABEL_MANAGED_BY: FIELD_MANAGER}
        return await self.items(kind, metadata["namespace"], labels=labels)

    async def readable(self, call: Awaitable[T], what: str, otherwise: T) -> T:
        """What the call gives; `otherwise` when the user has no right to it, which is noted, or when it is absent."""
        try:
            return await call
        except ApiError as error:
            if error.status == 403:
                self.unreadable[what] = error.message
            elif error.status != 404:
                raise
            return otherwise

    async def chatcluster(self, name: str | None) -> Object:
        """The ChatCluster of that name, or the only one in the namespace. Raises CliError."""
        if name:
            found = await self.client.find(CHATCLUSTER, self.namespace, name)
            if found is not None:
                return found
        known = [item["metadata"]["name"] for item in await self.items(CHATCLUSTER, self.namespace)]
        there = f"there are: {', '.join(sorted(known))}" if known else "there is none at all"
        if name:
            raise CliError(
                f"There is no ChatCluster {name!r} in the namespace {self.namespace!r}; {there}.",
                "Name another one, or another namespace with -n. All there are: kubectl get chat -A",
                ExitCode.ABSENT,
            )
        if not known:
            raise CliError(
                f"There is no ChatCluster in the namespace {self.namespace!r}.",
                "Name its namespace with -n (kubectl get chat -A lists all), or make one with kubectl apply",
                ExitCode.ABSENT,
            )
        if len(known) > 1:
            raise CliError(
                f"There are several ChatClusters in the namespace {self.namespace!r}: {', '.join(sorted(known))}.",
                "Say which one by its name",
                ExitCode.USAGE,
            )
        return await self.client.get(CHATCLUSTER, self.namespace, known[0])

    async def change(self, cluster: Object, patch: Object) -> Object:
        """Merge a patch into a ChatCluster."""
        metadata = cluster["metadata"]
        return await self.client.merge(CHATCLUSTER, metadata["namespace"], metadata["name"], patch, manager=MANAGER)

    async def kubectl(self, *arguments: str, text: str | None = None) -> tuple[int, str, str]:
        """Run kubectl against the same server, and return its exit code and what it wrote. Raises CliError."""
        process = await self.start_kubectl(*arguments)
        out, err = await process.communicate(text.encode() if text is not None else None)
        return process.returncode or 0, out.decode(), err.decode()

    async def start_kubectl(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start kubectl against the same server. Raises CliError when there is none."""
        pipe = asyncio.subprocess.PIPE
        program = os.environ.get("KUBECTL", "kubectl")
        try:
            return await asyncio.create_subprocess_exec(
                program, *arguments, *self.options.flags, stdin=pipe, stdout=pipe, stderr=pipe
            )
        except FileNotFoundError:
            raise CliError(
                f"The program {program} is not on the PATH.", "Install kubectl, or name it in KUBECTL"
            ) from None


@asynccontextmanager
async def connect(options: Options, screen: Screen) -> AsyncGenerator[Session]:
    """Connect as kubectl would. Raises CliError for all that can go wrong, in the block too."""
    configuration: Any = kubernetes_client.Configuration()
    loaders: Any = kubernetes_config  # not fully typed
    path = options.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    if not _exists(path):
        raise CliError(f"There is no kubeconfig {path}.", "Set KUBECONFIG or give --kubeconfig", ExitCode.ABSENT)
    try:
        loader = await loaders.load_kube_config(
            path, context=options.context, client_configuration=configuration, persist_config=False
        )
        context: Mapping[str, Any] = loader.current_context["context"]
    except (kubernetes_config.ConfigException, OSError, TypeError, KeyError) as error:
        raise CliError(
            f"The kubeconfig {path} cannot be used: {error}.",
            "Set KUBECONFIG or give --kubeconfig, and check it with: kubectl config view",
            ExitCode.ABSENT,
        ) from None
    namespace = options.namespace or context.get("namespace") or "default"
    client = Client(configuration, agent=MANAGER)
    try:
        yield Session(client, options, namespace, screen)
    except ApiError as error:
        raise _refusal(error) from None
    except CONNECTION_ERRORS as error:
        raise CliError(
            f"The API server {configuration.host} does not answer ({error or type(error).__name__}).",
            "Check the connection and the context: kubectl cluster-info",
            ExitCode.ABSENT,
        ) from None
    finally:
        await client.close()


def _exists(path: str) -> bool:
    """Whether a kubeconfig is there; KUBECONFIG may name several."""
    return any(Path(part).expanduser().exists() for part in path.split(os.pathsep) if part)


def _refusal(error: ApiError) -> CliError:
    match error.status:
        case 401:
            return CliError(
                "The API server does not know you.", "Log in again: the token may be over", ExitCode.REFUSED
            )
        case 403:
            return CliError(
                f"You may not do this: {error.message}.",
                "Ask for the right; kubectl auth can-i --list shows yours",
                ExitCode.REFUSED,
            )
        case 404:
            return CliError(
                f"Not found: {error.message}.",
                "Is the operator installed? kubectl chat doctor tells",
                ExitCode.ABSENT,
            )
        case status if status >= 500 or status == 429:
            return CliError(
                f"The API server could not answer: {error.message}.", "Try again in a moment", ExitCode.PROBLEM
            )
        case _:
            return CliError(f"The API server refuses this: {error.message}.", code=ExitCode.REFUSED)
