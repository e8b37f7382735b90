"""Looking up what a spec refers to: Secrets that the user brings, storage classes, and the release's images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatcluster_operator.api import STORES
from chatcluster_operator.decide import Missing
from chatcluster_operator.decide.certificates import CertificateFacts, Source
from chatcluster_operator.decide.snapshot import digest
from chatcluster_operator.desired import Reference, ReferenceKind
from chatcluster_operator.desired.components import TLS_KEYS
from chatcluster_operator.desired.tls import CertificateError, check, pair_of
from chatcluster_operator.kube import KINDS, ApiError, Client
from chatcluster_operator.kube.kinds import STORAGE_CLASS


@dataclass(frozen=True)
class References:
    """What is not there, and a digest of the content of each Secret that is."""

    missing: tuple[Missing, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    certificate: CertificateFacts | None = None
    """What the certificate says that the user brings for the edge."""


async def look_up(
    client: Client, namespace: str, references: list[Reference], catalogue: Mapping[str, Mapping[str, str]]
) -> References:
    """Ask for each reference. Raises what `Client` raises."""
    missing: list[Missing] = []
    digests: dict[str, str] = {}
    certificate: CertificateFacts | None = None
    for reference in references:
        match reference.kind:
            case ReferenceKind.RELEASE:
                missing.extend(_release(reference, catalogue))
            case ReferenceKind.STORAGE_CLASS:
                if not await _storage_class_exists(client, reference.name):
                    missing.append(_no_storage_class(reference))
            case ReferenceKind.SECRET:
                secret = await client.find(KINDS["Secret"], namespace, reference.name)
                data: Mapping[str, Any] = (secret or {}).get("data") or {}
                lacking = [key for key in reference.keys if key not in data]
                if secret is None:
                    missing.append(_no_secret(reference, namespace))
                elif lacking:
                    missing.append(_no_keys(reference, namespace, lacking))
                else:
                    digests[reference.name] = digest(data)
                    certificate = _certificate(reference.name, data) if reference.keys == TLS_KEYS else certificate
    return References(tuple(missing), digests, certificate)


def _certificate(name: str, data: Mapping[str, Any]) -> CertificateFacts:
    try:
        return CertificateFacts(Source.SECRET, name, check(pair_of(data)))
    except CertificateError as error:
        return CertificateFacts(Source.SECRET, name, problem=str(error))


async def _storage_class_exists(client: Client, name: str) -> bool:
    try:
        return await client.find(STORAGE_CLASS, None, name, metadata_only=True) is not None
    except ApiError as error:
        # Installed for one namespace the operator may not look: the volume's own events then say what it waits for.
        if error.status == 403:
            return True
        raise


def _release(reference: Reference, catalogue: Mapping[str, Mapping[str, str]]) -> list[Missing]:
    images = catalogue.get(reference.name)
    if images is None:
        known = ", ".join(sorted(catalogue)) or "none"
        return [
            Missing(
                "ReleaseUnknown",
                f"{reference.field} is {reference.name!r}, which the image catalogue does not have (it has: {known}); "
                "choose one of these, or add the release to the ConfigMap chatcluster-images beside the operator",
            )
        ]
    lacking = [component for component in reference.keys if component not in images]
    if not lacking:
        return []
    return [
        Missing(
            "ImageMissing",
            f"release {reference.name!r} has no image for {', '.join(lacking)}; add it to the ConfigMap "
            "chatcluster-images beside the operator, or set spec.images.overrides",
        )
    ]


def _no_storage_class(reference: Reference) -> Missing:
    return Missing(
        "StorageClassNotFound",
        f"{reference.field} names the StorageClass {reference.name!r}, which does not exist; create it, or make the "
        "ChatCluster anew with one that does (see kubectl get storageclasses)",
        component=_component(reference),
    )


def _no_secret(reference: Reference, namespace: str) -> Missing:
    keys = f" with the keys {', '.join(reference.keys)}" if reference.keys else ""
    return Missing(
        "SecretNotFound",
        f"{reference.field} names the Secret {reference.name!r}, which does not exist in namespace {namespace!r}; "
        f"create it{keys}",
        component=_component(reference),
    )


def _no_keys(reference: Reference, namespace: str, lacking: list[str]) -> Missing:
    return Missing(
        "SecretKeyMissing",
        f"{reference.field} names the Secret {reference.name!r} in namespace {namespace!r}, which lacks the keys "
        f"{', '.join(lacking)}; add them",
        component=_component(reference),
    )


def _component(reference: Reference) -> str | None:
    part = reference.field.split(".")[1]
    return part if part in STORES else None
