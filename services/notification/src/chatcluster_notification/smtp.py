"""Hands mails to the mail server, and tells failures that pass from those that do not: RFC 5321's 5yz replies."""

from email.message import EmailMessage

import aiosmtplib

from chatcluster_notification.outcomes import DelayedError, RefusedError
from chatcluster_notification.settings import NotificationSettings, SmtpSecurity

_TIMEOUT_SECONDS = 10.0


class Mailer:
    """One mail server, asked as the settings say."""

    def __init__(self, settings: NotificationSettings) -> None:
        self._settings = settings

    async def send(self, mail: EmailMessage) -> None:
        """Return once the server has taken the mail. Raises `RefusedError` or `DelayedError`."""
        settings = self._settings
        try:
            await aiosmtplib.send(
                mail,
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_username or None,
                password=settings.smtp_password.get_secret_value() or None,
                use_tls=settings.smtp_security is SmtpSecurity.TLS,
                start_tls=settings.smtp_security is SmtpSecurity.STARTTLS,
                local_hostname=settings.sender.domain,
                timeout=_TIMEOUT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = {refused.code for refused in error.recipients}
            kind = RefusedError if all(_permanent(code) for code in codes) else DelayedError
            raise kind(f"recipient refused: {sorted(codes)}") from error
        except (aiosmtplib.SMTPDataError, aiosmtplib.SMTPSenderRefused) as error:
            kind = RefusedError if _permanent(error.code) else DelayedError
            raise kind(f"mail refused: {error.code}") from error
        except (aiosmtplib.SMTPException, OSError) as error:  # also what is wrong with the set-up: it may be mended
            raise DelayedError(type(error).__name__) from error


def _permanent(code: int) -> bool:
    return 500 <= code < 600
