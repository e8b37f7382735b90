"""ChatBackups written: made for a time of the schedule, told how they are, removed with what they stand for."""

from datetime import UTC, datetime
from http import HTTPStatus

import structlog

from chatcluster_operator.act.actor import Leadership, StandbyError
from chatcluster_operator.api import API_VERSION, FIELD_MANAGER, ChatCluster
from chatcluster_operator.api.backup import BACKUP_KIND, SCHEDULED_FOR, ChatBackup, ChatBackupStatus
from chatcluster_operator.decide.times import rfc3339
from chatcluster_operator.kube import ApiError, Client, Object
from chatcluster_operator.kube.kinds import CHATBACKUP


class BackupActor:
    """Writes ChatBackups while this replica leads. Each raises StandbyError, and what `Client` raises."""

    def __init__(self, client: Client, leadership: Leadership) -> None:
        self._client = client
        self._leadership = leadership
        self._log = structlog.get_logger(__name__)

    async def create(self, cluster: ChatCluster, at: int) -> Object | None:
        """One for a time of the schedule; None when it is there. The name is the time's, so none is made twice."""
        self._ensure_leading()
        # It has no owner: what it stands for outlives the ChatCluster.
        manifest: Object = {
            "apiVersion": API_VERSION,
            "kind": BACKUP_KIND,
            "metadata": {
                "name": f"{cluster.name}-{datetime.fromtimestamp(at, UTC):%Y%m%d%H%M}",
                "namespace": cluster.namespace,
                "annotations": {SCHEDULED_FOR: rfc3339(at)},
            },
            "spec": {"clusterName": cluster.name},
        }
        try:
            body = await self._client.create(CHATBACKUP, manifest, manager=FIELD_MANAGER)
        except ApiError as error:
            if error.status == HTTPStatus.CONFLICT:
                return None
            raise
        self._log.info("backup scheduled", name=manifest["metadata"]["name"])
        return body

    async def tell(self, backup: ChatBackup, status: ChatBackupStatus) -> Object | None:
        """What a ChatBackup says of itself from now on; None when it is gone, or another has its name."""
        self._ensure_leading()
        body: Object = {
            "apiVersion": API_VERSION,
            "kind": BACKUP_KIND,
            "metadata": {"name": backup.name, "namespace": backup.namespace, "uid": backup.uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        try:
            return await self._client.apply(CHATBACKUP, body, manager=FIELD_MANAGER, subresource="status")
        except ApiError as error:
            if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                return None
            raise

    async def remove(self, backup: ChatBackup) -> None:
        """Take away the record of what is no more."""
        self._ensure_leading()
        await self._client.delete(CHATBACKUP, backup.namespace, backup.name, uid=backup.uid)
        self._log.info("backup removed", name=backup.name)

    def _ensure_leading(self) -> None:
        if not self._leadership.leading:
            raise StandbyError
