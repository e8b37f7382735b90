"""What the mails about a person's account say: a table of texts, and how one becomes a mail."""

import hashlib
import html
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage

from chatcluster_notification import addresses, mail
from chatcluster_notification.jobs import AccountMail, AccountMailKind


@dataclass(frozen=True, slots=True)
class _Text:
    subject: str
    body: str
    link: str = ""
    """What the link is called, where there is one."""
    ignore: str = ""
    """For a reader who did not ask for it."""


_NOT_YOU = "If this was not you, set a new password at once: whoever did it knows yours."
_WARNS_DE = "Wenn Sie das nicht waren, setzen Sie sofort ein neues Passwort: Jemand kennt das alte."

_ENGLISH: dict[AccountMailKind, _Text] = {
    "verify_email": _Text(
        "Confirm your e-mail address",
        "Confirm that this address is yours.",
        "Confirm the address",
        "If you did not register, ignore this mail: nothing happens without the link.",
    ),
    "reset_password": _Text(
        "Set a new password",
        "Somebody, probably you, asked for a new password.",
        "Set a new password",
        "If it was not you, ignore this mail: your password stays as it is.",
    ),
    "password_changed": _Text("Your password was changed", "Your password was changed.", "See your account", _NOT_YOU),
    "new_sign_in": _Text(
        "New sign-in to your account", "Your account was used on a device that is new.", "See your devices", _NOT_YOU
    ),
    "totp_changed": _Text(
        "Your second factor was changed",
        "The second factor that protects your account was turned on, changed or turned off.",
        "See your account",
        _NOT_YOU,
    ),
    "email_changed": _Text(
        "Your e-mail address was changed", "The address of your account was changed.", "See your account", _NOT_YOU
    ),
    "account_erased": _Text(
        "Your account was erased", "Your account and what belonged to it are erased. Nothing more will reach you.", ""
    ),
}

_GERMAN: dict[AccountMailKind, _Text] = {
    "verify_email": _Text(
        "Bestätigen Sie Ihre E-Mail-Adresse",
        "Bestätigen Sie, dass diese Adresse Ihnen gehört.",
        "Adresse bestätigen",
        "Wenn Sie sich nicht angemeldet haben, ist nichts zu tun: Ohne den Link geschieht nichts.",
    ),
    "reset_password": _Text(
        "Neues Passwort setzen",
        "Jemand, wahrscheinlich Sie, hat um ein neues Passwort gebeten.",
        "Neues Passwort setzen",
        "Wenn Sie das nicht waren, ist nichts zu tun: Ihr Passwort bleibt, wie es ist.",
    ),
    "password_changed": _Text(
        "Ihr Passwort wurde geändert", "Ihr Passwort wurde geändert.", "Zu Ihrem Konto", _WARNS_DE
    ),
    "new_sign_in": _Text(
        "Neue Anmeldung an Ihrem Konto",
        "Ihr Konto wurde auf einem neuen Gerät benutzt.",
        "Zu Ihren Geräten",
        _WARNS_DE,
    ),
    "totp_changed": _Text(
        "Ihr zweiter Faktor wurde geändert",
        "Der zweite Faktor, der Ihr Konto schützt, wurde ein-, um- oder ausgeschaltet.",
        "Zu Ihrem Konto",
        _WARNS_DE,
    ),
    "email_changed": _Text(
        "Ihre E-Mail-Adresse wurde geändert",
        "Die Adresse Ihres Kontos wurde geändert.",
        "Zu Ihrem Konto",
        _WARNS_DE,
    ),
    "account_erased": _Text(
        "Ihr Konto wurde gelöscht",
        "Ihr Konto und alles, was dazu gehörte, ist gelöscht. Sie hören nichts mehr von uns.",
    ),
}

_LANGUAGES = {"de": _GERMAN}


def build(wanted: AccountMail, *, sender: Address, date: datetime) -> EmailMessage:
    """The mail in the reader's language where we speak it, else in English. Raises `addresses.AddressError`."""
    language = (wanted.locale or "").replace("_", "-").partition("-")[0].lower()
    text = _LANGUAGES.get(language, _ENGLISH)[wanted.kind]
    name = mail.one_line(wanted.name)
    greeting = f"{'Guten Tag' if language in _LANGUAGES else 'Hello'}{f' {name}' if name else ''},"
    link = wanted.link if text.link else ""

    lines = [greeting, "", text.body, ""]
    lines += [f"{text.link}: {link}", ""] if link else []
    lines += [text.ignore, ""] if text.ignore else []
    page = [f"<p>{html.escape(greeting)}</p><p>{html.escape(text.body)}</p>"]
    page += [f'<p><a href="{html.escape(link)}">{html.escape(text.link)}</a></p>'] if link else []
    page += [f"<p>{html.escape(text.ignore)}</p>"] if text.ignore else []
    return mail.message(
        sender=sender,
        recipient=addresses.parse(name, wanted.address),
        subject=text.subject,
        message_id=f"{hashlib.sha256(wanted.id.encode()).hexdigest()[:32]}.account",
        date=date,
        text="\n".join(lines),
        page="".join(page),
    )
