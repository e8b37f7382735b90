"""How names, addresses and passwords are written, so that two spellings of the same are the same.

Each function returns the normal form or raises ValueError with a message for the person who typed it.
"""

import functools
import re
import unicodedata
import zoneinfo

from email_validator import EmailNotValidError, validate_email

USERNAME_PATTERN = r"^[a-z0-9](?:[a-z0-9._-]{1,30}[a-z0-9])$"
PASSWORD_MIN, PASSWORD_MAX = 10, 128
DISPLAY_NAME_MAX = 64
ABOUT_MAX = 500

# Control, format (such as the marks that turn the text's direction round), surrogate, private use.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co"}
_JOINERS = "\u200c\u200d"  # part of Persian words and of emoji

USERNAME = re.compile(USERNAME_PATTERN)
_LOCALE = re.compile(r"([A-Za-z]{2,3})(?:-([A-Za-z]{4}))?(?:-([A-Za-z]{2}|[0-9]{3}))?", re.ASCII)


def username(typed: str) -> str:
    """Lower-case ASCII letters, digits, `.`, `_` and `-`, 3 to 32 of them: nothing that looks like something else."""
    name = typed.strip().lower()
    if not USERNAME.fullmatch(name):
        raise ValueError(
            "use 3 to 32 letters (a-z), digits, '.', '_' or '-'; the first and the last a letter or a digit"
        )
    return name


def email(typed: str) -> str:
    """The address with its domain in lower case; whether it exists is for a mail to find out."""
    try:
        # The flag admits the reserved domain `.test`: whether mail is delivered there is the installation's affair.
        return validate_email(typed.strip(), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None


def display_name(typed: str) -> str:
    """Any printable text of 1 to 64 characters (NFC), white space collapsed."""
    name = " ".join(unicodedata.normalize("NFC", typed).split())
    if not 1 <= len(name) <= DISPLAY_NAME_MAX:
        raise ValueError(f"use 1 to {DISPLAY_NAME_MAX} characters")
    if any(unicodedata.category(character) in _UNPRINTABLE and character not in _JOINERS for character in name):
        raise ValueError("use printable characters only")
    return name


def search_key(text: str) -> str:
    """What a display name is found by: compatibility characters and case do not matter (NFKC, case folded)."""
    return unicodedata.normalize("NFKC", text).casefold()


def password(typed: str) -> str:
    """The password in NFKC, so that it is the same from every keyboard; at least 10 characters, at most 128."""
    normal = unicodedata.normalize("NFKC", typed)
    if not PASSWORD_MIN <= len(normal) <= PASSWORD_MAX:
        raise ValueError(f"use {PASSWORD_MIN} to {PASSWORD_MAX} characters")
    return normal


def check_password_differs(normal_password: str, *names: str) -> None:
    """A password that is the account's own name protects nothing."""
    if normal_password.casefold() in {name.casefold() for name in names}:
        raise ValueError("must not be the username or the e-mail address")


def about(typed: str) -> str:
    """What someone says of themselves: at most 500 characters (NFC), printable but for line breaks."""
    text = unicodedata.normalize("NFC", typed.replace("\r\n", "\n")).strip()
    if len(text) > ABOUT_MAX:
        raise ValueError(f"use at most {ABOUT_MAX} characters")
    if any(unicodedata.category(c) in _UNPRINTABLE and c not in _JOINERS and c != "\n" for c in text):
        raise ValueError("use printable characters and line breaks only")
    return text


def locale(typed: str) -> str:
    """A language tag (BCP 47): language, and perhaps script and region, in their usual case."""
    match = _LOCALE.fullmatch(typed.strip())
    if match is None:
        raise ValueError("use a language tag such as en, pt-BR or zh-Hant-TW")
    language, script, region = match.groups()
    return "-".join(part for part in (language.lower(), (script or "").title(), (region or "").upper()) if part)


def time_zone(typed: str) -> str:
    """A time zone of the IANA database, by its name."""
    if typed not in _time_zones():
        raise ValueError("use a name of the IANA time zone database, such as Europe/London")
    return typed


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
