"""Keys of a restored backup, on their way to the operator: into a Secret that this Job may change, and no other."""

import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS: Final = 30


def hand_over(secret: str, values: Mapping[str, str], *, account: Path = _ACCOUNT, server: str | None = None) -> None:
    """Write the values into an existing Secret of the pod's own namespace. Raises OSError when that is refused."""
    server = server or _in_cluster()
    namespace = (account / "namespace").read_text(encoding="utf-8").strip()
    request = urllib.request.Request(  # noqa: S310 - the API server's own address
        f"{server}/api/v1/namespaces/{namespace}/secrets/{secret}",
        data=json.dumps({"stringData": dict(values)}).encode(),
        headers={
            "Authorization": f"Bearer {(account / 'token').read_text(encoding='utf-8').strip()}",
            "Content-Type": "application/merge-patch+json",
        },
        method="PATCH",
    )
    context = ssl.create_default_context(cafile=account / "ca.crt")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS, context=context):  # noqa: S310 - as above
            return
    except urllib.error.HTTPError as error:
        with error:
            raise OSError(f"the API server does not let this Job write Secret {secret}: {error.code}") from None


def _in_cluster() -> str:
    """Where a pod finds the API server."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"
