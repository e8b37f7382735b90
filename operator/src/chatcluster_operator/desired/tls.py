"""Certificates: what one says, and making those of the ChatCluster's own authority.

Keys are P-256: small, quick, and known to every client that speaks TLS 1.2. Making them draws randomness, as signing
with them does; what is made becomes an input of the manifests.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY: Final = 86_400
LEAF_DAYS: Final = 90
AUTHORITY_DAYS: Final = 3650
BACKDATED_SECONDS: Final = 3600
"""Certificates are valid from a little earlier, for clients whose clock is behind."""
LONGEST: Final = 15_000
"""Bytes of a chain with its key: HAProxy takes up no more without a reload (`tune.bufsize`)."""

CERTIFICATE_KEY: Final = "tls.crt"
PRIVATE_KEY: Final = "tls.key"
"""Keys of a Secret of the type kubernetes.io/tls."""
AUTHORITY_KEY: Final = "ca.crt"

_BLOCK: Final = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)


class CertificateError(ValueError):
    """A certificate or key that cannot be used. The message says why, and never quotes it."""


@dataclass(frozen=True)
class Certificate:
    """What a certificate says of itself. Times are Unix seconds."""

    names: frozenset[str]
    """DNS names and addresses that it is for."""
    not_before: int
    not_after: int
    identity: str
    """Identifier of its key."""
    authority: str
    """Identifier of the key that signed it; empty when it does not say."""

    def covers(self, host: str) -> bool:
        """Whether it is for this name, by itself or by a wildcard for one label (RFC 6125, 6.4.3)."""
        _, _, parent = host.partition(".")
        return host in self.names or (bool(parent) and f"*.{parent}" in self.names)


@dataclass(frozen=True, repr=False)
class Pair:
    """A certificate (with those that it is signed by) and its private key, PEM. Its repr shows neither."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Pair(…)"


@dataclass(frozen=True)
class OwnTls:
    """The certificate that the operator signed, and the authorities that clients should trust, the newest first."""

    leaf: Pair
    authorities: tuple[Pair, ...]

    @property
    def bundle(self) -> str:
        """The authorities' certificates: what clients are given."""
        return "".join(pair.certificate for pair in self.authorities)


def describe(chain: str) -> Certificate:
    """What the first certificate of a PEM text says. Raises CertificateError."""
    try:
        certificate = x509.load_pem_x509_certificate(chain.encode())
        extensions = certificate.extensions
    except ValueError:
        raise CertificateError("it holds no certificate in PEM form") from None
    names: set[str] = set()
    authority = ""
    for extension in extensions:
        match extension.value:
            case x509.SubjectAlternativeName() as found:
                names |= {name.lower() for name in found.get_values_for_type(x509.DNSName)}
                names |= {str(address) for address in found.get_values_for_type(x509.IPAddress)}
            case x509.AuthorityKeyIdentifier(key_identifier=bytes() as identifier):
                authority = identifier.hex()
            case _:
                pass
    return Certificate(
        names=frozenset(names),
        not_before=int(certificate.not_valid_before_utc.timestamp()),
        not_after=int(certificate.not_valid_after_utc.timestamp()),
        identity=x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest.hex(),  # type: ignore[arg-type]
        authority=authority,
    )


def check(pair: Pair) -> Certificate:
    """What the certificate says, once it is sure that the key fits. Raises CertificateError."""
    if len(pair.certificate) + len(pair.key) > LONGEST:
        raise CertificateError(
            f"the certificates and the key together are longer than {LONGEST} bytes, which the edge cannot take up; "
            "leave out the root, and others that clients have"
        )
    said = describe(pair.certificate)
    try:
        key = load_pem_private_key(pair.key.encode(), password=None)
    except (ValueError, TypeError):
        raise CertificateError("its key is not a private key in PEM form without a password") from None
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
    if certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public:
        raise CertificateError("its key belongs to another certificate")
    return said


def pair_of(data: Mapping[str, str]) -> Pair:
    """The certificate and key in a Secret's `data`. Raises CertificateError."""
    return Pair(_text(data, CERTIFICATE_KEY), _text(data, PRIVATE_KEY))


def authorities_of(data: Mapping[str, str]) -> tuple[Pair, ...]:
    """The authorities in the `data` of the Secret that `authorities_data` made. Raises CertificateError."""
    certificates = _blocks(_text(data, CERTIFICATE_KEY))
    keys = _blocks(_text(data, PRIVATE_KEY))
    if len(certificates) != len(keys):
        raise CertificateError("it does not hold a key for each certificate")
    pairs = tuple(Pair(certificate, key) for certificate, key in zip(certificates, keys, strict=True))
    for pair in pairs:
        check(pair)
    return pairs


def authorities_data(pairs: Iterable[Pair]) -> dict[str, str]:
    """What the Secret of the authorities holds, as plain texts."""
    known = tuple(pairs)
    return {
        CERTIFICATE_KEY: "".join(pair.certificate for pair in known),
        PRIVATE_KEY: "".join(pair.key for pair in known),
    }


def make_authority(name: str, *, now: int) -> Pair:
    """A new authority, good for `AUTHORITY_DAYS`, that may sign servers' certificates and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name[:50]} {_date(now)}")])
    builder = (
        _builder(subject, subject, key, now=now, not_after=now + AUTHORITY_DAYS * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _signed(builder, key, by=key)


def make_leaf(names: Iterable[str], authority: Pair, *, now: int) -> Pair:
    """A new certificate for these names, good for `LEAF_DAYS` or until its authority ends."""
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = load_pem_private_key(authority.key.encode(), password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise CertificateError("the authority's key is not one of an elliptic curve")
    key = ec.generate_private_key(ec.SECP256R1())
    not_after = min(now + LEAF_DAYS * DAY, int(issuer.not_valid_after_utc.timestamp()))
    builder = (
        # A name in the subject is for people; clients go by the alternative ones, and a long one would not fit.
        _builder(x509.Name([]), issuer.subject, key, now=now, not_after=not_after)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in sorted(names)]), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    return _signed(builder, key, by=issuer_key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, now: int, not_after: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(now - BACKDATED_SECONDS, UTC))
        .not_valid_after(datetime.fromtimestamp(not_after, UTC))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, *, by: ec.EllipticCurvePrivateKey
) -> Pair:
    certificate = builder.sign(by, hashes.SHA256())
    return Pair(
        certificate.public_bytes(Encoding.PEM).decode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _date(now: int) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


def _text(data: Mapping[str, str], key: str) -> str:
    try:
        return base64.b64decode(data[key], validate=True).decode("ascii")
    except (KeyError, binascii.Error, UnicodeDecodeError):
        raise CertificateError(f"its {key} is missing or not text in PEM form") from None


def _blocks(text: str) -> list[str]:
    return [f"{block}\n" for block in _BLOCK.findall(text)]
