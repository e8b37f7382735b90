"""A mail server of the tests: takes mails by real SMTP, keeps them, refuses whom it is told to, and can be stopped."""

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from chatcluster_testing.process import accepts, free_port, wait_until

USERNAME, PASSWORD = "mailer", "mail-password"


@dataclass
class Mail:
    """One mail as it was taken."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    raw: bytes

    @property
    def text(self) -> str:
        """The plain alternative."""
        body = self.message.get_body(("plain",))
        assert body is not None
        return body.get_content()

    @property
    def html(self) -> str:
        """The HTML alternative."""
        body = self.message.get_body(("html",))
        assert body is not None
        return body.get_content()


@dataclass
class MailServer:
    """Listens on a loopback port that stays the same over `stop` and `start`."""

    port: int = field(default_factory=free_port)
    tls: ssl.SSLContext | None = None
    """With it the server wants TLS, and a login (`USERNAME`, `PASSWORD`) before any mail."""
    implicit_tls: bool = False
    """TLS from the first byte, rather than STARTTLS."""
    mails: list[Mail] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    """What to answer to a recipient instead of taking the mail: `550 no such user`."""
    _controller: Controller | None = None

    def to(self, address: str) -> list[Mail]:
        """The mails taken for an address, oldest first."""
        return [mail for mail in list(self.mails) if address in mail.recipients]

    def start(self) -> None:
        """Listen."""
        options: dict[str, Any] = {}
        if self.tls:
            options = {"authenticator": _authenticate}
            if self.implicit_tls:
                options |= {"ssl_context": self.tls, "auth_require_tls": False}
            else:
                options |= {"tls_context": self.tls, "require_starttls": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()

    def stop(self) -> None:
        """Stop listening: connections are refused."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None
            wait_until(lambda: not accepts(self.port), "the mail server to be gone")

    async def handle_MAIL(  # noqa: N802 the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Called by aiosmtpd when a mail begins."""
        if self.tls and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Called by aiosmtpd for each recipient."""
        if reply := self.replies.get(address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by aiosmtpd with a whole mail."""
        raw = envelope.original_content or b""
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(Mail(envelope.mail_from or "", list(envelope.rcpt_tos), message, raw))
        return "250 OK"


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and data == LoginPassword(USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@contextlib.contextmanager
def running_mail_server(*, tls: ssl.SSLContext | None = None, implicit_tls: bool = False) -> Iterator[MailServer]:
    """A mail server, stopped at the end."""
    server = MailServer(tls=tls, implicit_tls=implicit_tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
