"""Kubernetes events for people who run `kubectl describe chatcluster`, told once and not over and over."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from chatcluster_operator.act.actor import Leadership
from chatcluster_operator.api import API_VERSION, FIELD_MANAGER, KIND
from chatcluster_operator.decide import Notice
from chatcluster_operator.decide.snapshot import digest
from chatcluster_operator.decide.times import rfc3339
from chatcluster_operator.kube import ApiError, Client, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.kube.kinds import EVENT

QUIET_SECONDS: Final = 300.0
"""The same event is not told again for so long; after that, its count goes up."""

_REMEMBERED: Final = 1024
_MESSAGE_LENGTH: Final = 1000


class Events:
    """Tells notices. An event's name is made from what it says, so that a restarted operator counts on."""

    def __init__(
        self, client: Client, leadership: Leadership, *, identity: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._leadership = leadership
        self._identity = identity
        self._clock = clock
        self._told: OrderedDict[str, float] = OrderedDict()
        self._log = structlog.get_logger(__name__)

    async def tell(self, notices: Iterable[Notice], *, namespace: str, name: str, uid: str) -> None:
        """Tell each notice about one ChatCluster. Failures are logged alone: an event is never worth a retry."""
        for notice in notices:
            event = self._event(notice, namespace=namespace, name=name, uid=uid)
            key = str(event["metadata"]["name"]) + uid
            if not self._leadership.leading or self._clock() - self._told.get(key, float("-inf")) < QUIET_SECONDS:
                continue
            self._told[key] = self._clock()
            self._told.move_to_end(key)
            if len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
            try:
                await self._post(event)
            except (ApiError, *CONNECTION_ERRORS) as error:
                self._log.warning("event not told", reason=notice.reason, error=str(error))

    async def _post(self, event: Object) -> None:
        try:
            await self._client.create(EVENT, event, manager=FIELD_MANAGER)
        except ApiError as error:
            if error.status != 409:
                raise
            metadata = event["metadata"]
            known = await self._client.get(EVENT, metadata["namespace"], metadata["name"])
            again = {"count": int(known.get("count") or 1) + 1, "lastTimestamp": event["lastTimestamp"]}
            await self._client.merge(EVENT, metadata["namespace"], metadata["name"], again)

    def _event(self, notice: Notice, *, namespace: str, name: str, uid: str) -> Object:
        now = rfc3339(int(time.time()))
        message = notice.message[:_MESSAGE_LENGTH]
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {"name": f"{name}.{digest([uid, notice.reason, message])}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": namespace,
                "name": name,
                "uid": uid,
            },
            "type": "Warning" if notice.warning else "Normal",
            "reason": notice.reason,
            "message": message,
            "source": {"component": FIELD_MANAGER, "host": self._identity},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
