"""`kubectl chat logs`: all pods of a component, merged. Followed, new pods join in by themselves."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from chatcluster_operator.api import COMPONENTS, LABEL_COMPONENT, LABEL_INSTANCE, LABEL_NAME
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.loglines import Line, readable, seconds
from chatcluster_operator.cli.options import OPERATOR
from chatcluster_operator.cli.session import Session
from chatcluster_operator.install import NAME as OPERATOR_NAME
from chatcluster_operator.kube import KINDS, ApiError, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS

LOOK: Final = 3.0
"""Seconds between two looks for new pods while following."""
WAITING: Final = 1000
"""Lines that may wait to be written; then reading waits."""


async def run(
    session: Session,
    name: str | None,
    component: str | None,
    *,
    follow: bool,
    since: str,
    tail: int | None,
    previous: bool,
    raw: bool,
) -> None:
    """Write the lines."""
    if component not in {None, OPERATOR, *COMPONENTS}:
        known = ", ".join((*COMPONENTS, OPERATOR))
        raise CliError(f"There is no component {component!r}.", f"Choose one of {known}", ExitCode.USAGE)
    query = {"timestamps": "true"}
    if seconds(since):
        query["sinceSeconds"] = str(seconds(since))
    if tail is not None:
        query["tailLines"] = str(tail)
    if previous:
        query["previous"] = "true"
    namespace, labels = await where(session, name, component)

    def write(line: Line, width: int) -> None:
        session.screen.out.print(line.text if raw else readable(line, width), soft_wrap=True)

    if follow and not previous:
        follower = Follower(session, namespace, labels, query)
        await follower.run(lambda line: write(line, follower.width))
        return
    pods = await session.items(KINDS["Pod"], namespace, labels=labels)
    if not pods:
        raise CliError(
            "There is no pod to read from.", "See why with: kubectl chat status, kubectl chat doctor", ExitCode.ABSENT
        )
    width = max(len(pod["metadata"]["name"]) for pod in pods)
    async with session.screen.working("Reading logs"):
        read = [[line async for line in lines(session, pod, query)] for pod in pods]
    for line in heapq.merge(*read):
        write(line, width)


async def where(session: Session, name: str | None, component: str | None) -> tuple[str, dict[str, str]]:
    """The namespace and the labels of the pods."""
    if component == OPERATOR:
        return session.options.operator_namespace, {LABEL_NAME: OPERATOR_NAME}
    cluster = await session.chatcluster(name)
    labels = {LABEL_INSTANCE: cluster["metadata"]["name"]} | ({LABEL_COMPONENT: component} if component else {})
    return cluster["metadata"]["namespace"], labels


async def lines(session: Session, pod: Object, query: dict[str, str]) -> AsyncIterator[Line]:
    """The lines of a pod's containers; none when it has not started, or is gone."""
    metadata = pod["metadata"]
    statuses: list[Object] = pod.get("status", {}).get("containerStatuses", [])
    for container in [item["name"] for item in pod["spec"]["containers"]]:
        restarts = next((item.get("restartCount", 0) for item in statuses if item["name"] == container), 0)
        if query.get("previous") and not restarts:
            continue
        path = KINDS["Pod"].path(metadata["namespace"], metadata["name"], "log")
        try:
            async for raw in session.client.lines(path, {**query, "container": container}):
                yield Line.parse(metadata["name"], raw)
        except ApiError as error:
            # 400: it has not started yet; 404: it is gone.
            if error.status not in {400, 404}:
                raise


class Follower:
    """Reads all pods at once, those that come later too. A stream that is cut is taken up where it ended."""

    def __init__(self, session: Session, namespace: str, labels: dict[str, str], query: dict[str, str]) -> None:
        self._session = session
        self._namespace = namespace
        self._labels = labels
        self._query = query
        self._last: dict[str, str] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._waiting: asyncio.Queue[Line] = asyncio.Queue(WAITING)
        self.width = 0

    async def run(self, write: Callable[[Line], None]) -> None:
        """Write lines as they come, until cancelled. Raises what the first look at the pods raises."""
        await self._look()
        looking = asyncio.create_task(self._keep_looking())
        try:
            while True:
                write(await self._waiting.get())
        finally:
            for task in (looking, *self._reading.values()):
                task.cancel()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            # An API server that is away for a while is waited for: the pods write on meanwhile.
            with suppress(ApiError, *CONNECTION_ERRORS):
                await self._look()

    async def _look(self) -> None:
        pods = await self._session.items(KINDS["Pod"], self._namespace, labels=self._labels)
        self.width = max((len(pod["metadata"]["name"]) for pod in pods), default=0)
        known = {pod["metadata"]["uid"] for pod in pods}
        self._reading = {uid: task for uid, task in self._reading.items() if uid in known or not task.done()}
        self._last = {uid: time for uid, time in self._last.items() if uid in known}
        for pod in pods:
            uid = pod["metadata"]["uid"]
            if uid not in self._reading or self._reading[uid].done():
                self._reading[uid] = asyncio.create_task(self._read(pod))

    async def _read(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        last = self._last.get(uid, "")
        query = {**self._query, "follow": "true"}
        if last:
            query = {"timestamps": "true", "follow": "true", "sinceTime": f"{last}Z"}
        with suppress(ApiError, *CONNECTION_ERRORS):
            async for line in lines(self._session, pod, query):
                if line.time > last:
                    await self._waiting.put(line)
                    self._last[uid] = line.time
