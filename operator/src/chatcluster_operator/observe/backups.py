"""ChatBackups, by the ChatCluster that they name."""

from collections.abc import Callable, Sequence

import structlog
from pydantic import ValidationError

from chatcluster_operator.api.backup import ChatBackup
from chatcluster_operator.kube import Kind, Object
from chatcluster_operator.observe.cache import Owner
from chatcluster_operator.observe.informer import Listing


class Backups:
    """Keeps them as the watch brings them. `changed` is told of the ChatCluster whose backups are others now."""

    def __init__(self, changed: Callable[[Owner], None]) -> None:
        self._changed = changed
        self._known: dict[tuple[str, str], ChatBackup] = {}
        self._by_owner: dict[Owner, dict[str, ChatBackup]] = {}
        self._log = structlog.get_logger(__name__)

    def of(self, owner: Owner) -> Sequence[ChatBackup]:
        """All of one ChatCluster."""
        return list(self._by_owner.get(owner, {}).values())

    def named(self, namespace: str, name: str) -> ChatBackup | None:
        """One by its own name."""
        return self._known.get((namespace, name))

    def owners(self) -> list[Owner]:
        """The ChatClusters that any ChatBackup names, whether they are there or not."""
        return list(self._by_owner)

    def put(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        del kind
        try:
            found = ChatBackup.from_body(body)
        except ValidationError as error:
            # Written by a later release, or past the schema; it is left alone.
            self._log.warning("ChatBackup unreadable", name=body["metadata"]["name"], error=str(error))
            return
        known = self._known.get((found.namespace, found.name))
        if known is not None and known.uid == found.uid and known.version >= found.version:
            return
        self._known[found.namespace, found.name] = found
        self._by_owner.setdefault(_owner(found), {})[found.name] = found
        self._changed(_owner(found))

    def remove(self, kind: Kind, body: Object) -> None:
        """As `Sink`."""
        del kind
        self._drop(body["metadata"]["namespace"], body["metadata"]["name"])

    def retain(self, kind: Kind, listing: Listing) -> None:
        """As `Sink`."""
        del kind
        for (namespace, name), found in list(self._known.items()):
            if listing.lacks(namespace, name, found.version):
                self._drop(namespace, name)

    def _drop(self, namespace: str, name: str) -> None:
        found = self._known.pop((namespace, name), None)
        if found is None:
            return
        owner = _owner(found)
        of_owner = self._by_owner.get(owner, {})
        of_owner.pop(name, None)
        if not of_owner:
            self._by_owner.pop(owner, None)
        self._changed(owner)


def _owner(backup: ChatBackup) -> Owner:
    return Owner(backup.namespace, backup.cluster_name)
