"""The object store: SeaweedFS behind its S3 interface, with one bucket and one identity, the file service's.

With several members each file is on two nodes. What files there are is kept in PostgreSQL, in a database of its own:
every member must know of a file from the moment it is acknowledged, and SeaweedFS' own tables reach the other members
a little later, or never. So files are there as long as PostgreSQL is, without which nobody signs in either; and
whatever holds of accounts (copies, failover, backups) holds of the list of files. A store of its own for it, such as
etcd, would be one more thing to keep, of a few gigabytes at most.

Members show each other one certificate, which is its own authority: whoever has it is a member. Masters and volume
servers serve HTTP too, where reads need no credentials; network policies let members and the operator alone through.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired import common, stores
from chatcluster_operator.desired.common import object_name
from chatcluster_operator.desired.credentials import Credentials
from chatcluster_operator.desired.pods import (
    DATA_PATH,
    Pod,
    Probes,
    command,
    disruption_budget,
    env,
    env_from_pod,
    http_get,
    secrets_volume,
    stateful_set,
)
from chatcluster_operator.desired.sizing import sizing
from chatcluster_operator.desired.types import Inputs, Manifest

NAME: Final = "objects"
MASTER_PORT: Final = 9333
MEMBER_PORTS: Final = (MASTER_PORT, 19333, 8080, 18080, 8888, 18888, 18333)
"""Masters, volume servers and filers, each over HTTP and gRPC, and the gRPC of S3."""
MASTERS: Final = 3
"""Members that elect a master among themselves. More volume servers need no more masters."""
VOLUME_MB: Final = 256
"""Size of a volume file of several members: small, as some are made ahead on each two members."""

_PEER_FILES: Final = ("peer.crt", "peer.key", "signing_key")
_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
_FOR_EVER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""RFC 5280, 4.1.2.5: of a certificate that has no well-defined end."""


def manifests(cluster: ChatCluster, inputs: Inputs) -> list[Manifest]:
    """All objects of the object store."""
    name = object_name(cluster, NAME)
    several = stores.files_in_postgres(cluster)
    ports = {"s3": stores.PORTS[NAME]}
    secrets = {"s3.json": _identities(cluster, inputs)}
    sources = [(name, {"s3.json": "s3.json"})]
    if several:
        access = stores.access(cluster, inputs, "postgres", NAME)
        secrets |= peer_files(inputs.credentials) | dict(access.secrets)
        sources = [(name, {file: file for file in secrets})]
        sources += [(access.brought.secret, access.brought.files)] if access.brought else []
    pod = Pod(
        component=NAME,
        ports=ports | ({"master": MASTER_PORT} if several else {}),
        probes=Probes(live=http_get("s3", "/healthz"), ready=command("healthcheck", "ready")),
        resources=sizing(cluster)[NAME].resources,
        checksum=checksum(cluster, inputs),
        volumes=(secrets_volume(*sources),),
        claims=(("data", DATA_PATH),),
        env=(env("CHAT_BUCKET", stores.BUCKET), *(_member(cluster) if several else ())),
        # Requests go on until nobody is led here any more.
        pre_stop=command("sleep", "3") if several else None,
        grace_seconds=45 if several else 30,
    )
    return [
        common.secret(cluster, name, NAME, secrets),
        common.service(cluster, name, NAME, ports),
        common.service(
            cluster, object_name(cluster, NAME, "nodes"), NAME, dict(pod.ports), headless=True, publish_not_ready=True
        ),
        stateful_set(cluster, inputs, pod, cluster.spec.objects),
        disruption_budget(cluster, NAME),
    ]


def checksum(cluster: ChatCluster, inputs: Inputs) -> str:
    """The digest of what a member reads when it starts, and not again: its way to PostgreSQL. Identities it takes up
    while it runs."""
    if not stores.files_in_postgres(cluster):
        return common.checksum("")
    access = stores.access(cluster, inputs, "postgres", NAME)
    brought = inputs.digests.get(access.brought.secret, "") if access.brought else ""
    return common.checksum(dict(access.secrets), brought)


def peer_files(credentials: Credentials) -> dict[str, str]:
    """What members show each other: one certificate for all, and the key that signs what they ask over HTTP.

    The same key makes the same certificate, byte by byte: a look makes it anew each time.
    """
    key = load_pem_private_key(credentials.objects_peer_key.encode(), password=None)
    assert isinstance(key, Ed25519PrivateKey)  # noqa: S101 - made as one
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "chatcluster objects")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_FROM)
        .not_valid_after(_FOR_EVER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, None)
    )
    made = (
        certificate.public_bytes(Encoding.PEM).decode(),
        credentials.objects_peer_key,
        credentials.objects_signing_key,
    )
    return dict(zip(_PEER_FILES, made, strict=True))


def _member(cluster: ChatCluster) -> tuple[dict[str, Any], ...]:
    domain = f"{object_name(cluster, NAME, 'nodes')}.{cluster.namespace}.svc"
    masters = [f"{object_name(cluster, NAME, str(ordinal))}.{domain}:{MASTER_PORT}" for ordinal in range(MASTERS)]
    return (
        env("CHAT_MASTERS", ",".join(masters)),
        env_from_pod("POD_NAME", "metadata.name"),
        env("CHAT_HOST", f"$(POD_NAME).{domain}"),
        env_from_pod("CHAT_RACK", "spec.nodeName"),
        env("CHAT_VOLUME_SIZE_MB", VOLUME_MB),
    )


def _identities(cluster: ChatCluster, inputs: Inputs) -> str:
    """Who may do what: the file service reads, writes, lists and tags in its bucket; backups read and list there."""
    identities = [_identity(inputs, "file", "objects", ("Read", "Write", "List", "Tagging"))]
    if cluster.spec.backup is not None:
        identities.append(_identity(inputs, "backup", "objects_backup", ("Read", "List")))
    return json.dumps({"identities": identities})


def _identity(inputs: Inputs, name: str, keys: str, actions: Sequence[str]) -> dict[str, Any]:
    accepted = inputs.credentials.accepted
    pairs = zip(accepted(f"{keys}_access_key"), accepted(f"{keys}_secret_key"), strict=True)
    return {
        "name": name,
        "credentials": [{"accessKey": access, "secretKey": secret} for access, secret in pairs],
        "actions": [f"{action}:{stores.BUCKET}" for action in actions],
    }
