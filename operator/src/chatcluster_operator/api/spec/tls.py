"""Where the edge's certificate comes from."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.common import ObjectName


class Issuer(Model):
    """An issuer of cert-manager, which must be installed."""

    name: ObjectName
    """Its name."""
    kind: Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Za-z][A-Za-z0-9]*$")] = "Issuer"
    """Issuer: one in this namespace. ClusterIssuer: one for all. Other kinds: of an issuer that is not cert-manager's
    own."""
    group: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[a-z0-9][-a-z0-9.]*$")] = (
        "cert-manager.io"
    )
    """API group of that kind."""


class Tls(Model):
    """HTTPS at the edge, with TLS 1.2 and 1.3 and HTTP/2. Without `secretName` and `issuer` the operator signs the
    certificate itself: clients must trust its authority, which is in the ConfigMap <name>-edge-ca under `ca.crt`."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!(has(self.secretName) && has(self.issuer))",
                "edge.tls.secretName and edge.tls.issuer exclude each other: a certificate comes from one of them; "
                "remove the other",
            )
        )
    )

    secret_name: ObjectName | None = None
    """Secret of the type kubernetes.io/tls with a certificate of your own: `tls.crt` (with those that it is signed by)
    and `tls.key`. A changed one is taken up within two minutes, without a restart."""
    issuer: Issuer | None = None
    """cert-manager gets the certificate for edge.host, and renews it."""
    redirect: bool = True
    """Send plain HTTP requests to HTTPS."""
    hsts_seconds: Annotated[int, Field(ge=0, le=63_072_000)] = 15_552_000
    """For how long browsers must insist on HTTPS once they have used it (Strict-Transport-Security); 0: nothing is said
    of it, and before HTTPS is given up it must have been 0 for as long."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.secret_name is not None and self.issuer is not None:
            raise ValueError("secretName and issuer exclude each other; remove one")
        return self
