"""How names, addresses and passwords are written, so that two spellings of the same are the same.

Each function returns the normal form or raises ValueError with a message for the person who typed it.
"""

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

USERNAME_PATTERN = r"^[a-z0-9](?:[a-z0-9._-]{1,30}[a-z0-9])$"
PASSWORD_MIN, PASSWORD_MAX = 10, 128
DISPLAY_NAME_MAX = 64

# Control, format (such as the marks that turn the text's direction round), surrogate, private use.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co"}
_JOINERS = "\u200c\u200d"  # part of Persian words and of emoji

_USERNAME = re.compile(USERNAME_PATTERN)


def username(typed: str) -> str:
    """Lower-case ASCII letters, digits, `.`, `_` and `-`, 3 to 32 of them: nothing that looks like something else."""
    name = typed.strip().lower()
    if not _USERNAME.fullmatch(name):
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
