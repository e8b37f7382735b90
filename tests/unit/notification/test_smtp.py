"""Handing mails over by real SMTP, in each way a server may be protected, and what its refusals mean."""

import datetime
import ssl
from email.message import EmailMessage
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chatcluster_notification.outcomes import DelayedError, RefusedError
from chatcluster_notification.settings import NotificationSettings
from chatcluster_notification.smtp import Mailer
from chatcluster_testing.process import free_port
from chatcluster_testing.smtp import PASSWORD, USERNAME, MailServer, running_mail_server

TO = "bob@example.org"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of `localhost`, followed by its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    file.write_bytes(signed.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return file


def mailer(port: int, **settings: object) -> Mailer:
    required = {
        "internal_token": "0123456789abcdef",
        "kafka_bootstrap": "unused:9092",
        "redis_url": "redis://unused",
        "database_url": "postgresql+asyncpg://unused/unused",
        "user_url": "http://unused",
        "presence_url": "http://unused",
        "smtp_host": "localhost",
        "smtp_port": port,
        "smtp_security": "none",
        "smtp_from": "chat@example.org",
    }
    return Mailer(NotificationSettings.model_validate(required | settings))


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "chat@example.org", TO, "Hello"
    message.set_content("Hello!\n")
    return message


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_protected_connections_and_logins(
    security: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    login = {"smtp_security": security, "smtp_username": USERNAME, "smtp_password": PASSWORD}
    with running_mail_server(tls=context, implicit_tls=security == "tls") as server:
        with pytest.raises(DelayedError):  # the certificate is nobody's that we trust
            await mailer(server.port, **login).send(mail())
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(DelayedError, match="SMTPAuthenticationError"):
            await mailer(server.port, **login | {"smtp_password": "wrong"}).send(mail())
        assert server.mails == []
        await mailer(server.port, **login).send(mail())
        assert [taken.recipients for taken in server.mails] == [[TO]]


async def test_a_server_without_starttls_gets_nothing_in_the_clear() -> None:
    with running_mail_server() as server:
        with pytest.raises(DelayedError):
            await mailer(server.port, smtp_security="starttls").send(mail())
        assert server.mails == []


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("450 busy", DelayedError), ("451 later", DelayedError), ("550 unknown", RefusedError)],
)
async def test_what_a_refusal_means(reply: str, expected: type[Exception]) -> None:
    server = MailServer(replies={TO: reply})
    server.start()
    try:
        with pytest.raises(expected, match=reply[:3]):
            await mailer(server.port).send(mail())
    finally:
        server.stop()


async def test_nobody_listens() -> None:
    with pytest.raises(DelayedError, match="SMTPConnectError"):
        await mailer(free_port()).send(mail())
