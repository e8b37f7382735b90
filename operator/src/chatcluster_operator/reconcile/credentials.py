"""The generated credentials as one look uses them: read when they changed, made once when there are none."""

import secrets
from dataclasses import dataclass

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.decide import Failure, Key, owned
from chatcluster_operator.desired import Credentials, credentials_name, generate
from chatcluster_operator.observe import Observer, Owner, child_of


@dataclass(frozen=True)
class Held:
    """What is known of the credentials. `credentials` is None when they cannot be used; `failure` says why."""

    credentials: Credentials | None
    version: int = 0
    """Resource version of the Secret that they were read from; 0: it is to be made."""
    failure: Failure | None = None


class Vault:
    """Reads one ChatCluster's credentials, and remembers them for as long as their Secret has not changed."""

    def __init__(self, observer: Observer, owner: Owner) -> None:
        self._observer = observer
        self._owner = owner
        self._credentials: Credentials | None = None
        self._version = 0

    async def hold(self, cluster: ChatCluster) -> Held:
        """The credentials as they are now. Raises what `kube.Client` raises."""
        key = Key("Secret", credentials_name(cluster))
        known = self._observer.cache.children(self._owner).get(key)
        if self._credentials is not None and known is not None and known.version == self._version:
            return Held(self._credentials, self._version)
        return await self._read(cluster, key)

    async def _read(self, cluster: ChatCluster, key: Key) -> Held:
        secret = await self._observer.secret(self._owner, key.name)
        if secret is None:
            # Values once known are restored: the stores still have them, new ones would lock everybody out.
            existing = self._credentials.to_secret() if self._credentials else None
            self._credentials, self._version = generate(existing, secrets.token_bytes), 0
            return Held(self._credentials)
        child = child_of(secret, "Secret")
        if not owned(child, uid=cluster.uid, name=cluster.name):
            message = "exists and is not this ChatCluster's; delete or rename it, or give the ChatCluster another name"
            return Held(None, failure=Failure(key, "NameTaken", message))
        self._credentials = generate(secret.get("data") or {}, secrets.token_bytes)
        self._version = child.version
        return Held(self._credentials, self._version)
