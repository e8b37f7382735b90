"""The files of messages, which the file service has. A ChatCluster may do without it: then messages are text alone."""

from collections.abc import Sequence

from chatcluster_common import errors
from chatcluster_common.internal import InternalClient
from chatcluster_message.models import Attachment


class Files:
    """Binds files to messages, and lets go of them. Each call raises a 503 `Problem` when the service is away."""

    def __init__(self, service: InternalClient | None) -> None:
        """None: there is no file service."""
        self._service = service

    async def attach(self, caller: str, conversation_id: str, message_id: str, ids: Sequence[str]) -> list[Attachment]:
        """The caller's files, bound to the message from now on; a `Problem` says which cannot be. Safe to repeat."""
        if not ids:
            return []
        if self._service is None:
            raise errors.invalid("attachments", "this ChatCluster has no file service: send text alone")
        body = {"owner_id": caller, "conversation_id": conversation_id, "message_id": message_id, "ids": ids}
        answer = await self._service.post("/internal/files/attach", body, refusals=(409, 422))
        if answer is None:
            raise errors.invalid("attachments", "there is no such file, or it is not yours")
        return [Attachment.model_validate(file) for file in answer["items"]]

    async def release(self, message_id: str, ids: Sequence[str]) -> None:
        """The message is gone: its files go too. Those of a service that was removed are its store's to remove."""
        if ids and self._service is not None:
            await self._service.post("/internal/files/release", {"message_id": message_id, "ids": list(ids)})
