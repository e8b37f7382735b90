"""What the services offer and what they need for it from outside."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from chatcluster_operator.api.model import Model, rules
from chatcluster_operator.api.spec.common import ObjectName


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Smtp(Model):
    """The mail server that notifications are handed to."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.secretName) || self.security != 'none'",
                "notification.smtp.secretName would send a password in the clear; set notification.smtp.security to "
                "starttls or tls, or remove secretName",
            )
        )
    )

    host: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.]*)$")]
    """Name or address of the server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """Its port."""
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    """Protection of the connection: none, starttls, or tls from the first byte."""
    sender: Annotated[
        str, StringConstraints(min_length=3, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$"), Field(alias="from")
    ]
    """Address that mail comes from."""
    secret_name: ObjectName | None = None
    """Secret with the keys `username` and `password`. Left out: the server takes mail without them."""

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.secret_name is not None and self.security is SmtpSecurity.NONE:
            raise ValueError("secretName needs security starttls or tls; set the security or remove secretName")
        return self


class Notification(Model):
    """How people who are not there are told."""

    smtp: Smtp | None = None
    """The mail server. Left out: no mail is sent."""


class Scanner(Model):
    """A virus scanner that speaks ClamAV's protocol."""

    host: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.]*)$")]
    """Name or address of clamd."""
    port: Annotated[int, Field(ge=1, le=65535)] = 3310
    """Its port."""


class Files(Model):
    """What becomes of uploaded files."""

    scanner: Scanner | None = None
    """Scans each upload; until it is found clean nobody gets it. Left out: nothing is scanned."""
