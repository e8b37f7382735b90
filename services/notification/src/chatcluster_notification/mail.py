"""What a mail says and carries: a pure function of the job and of two people's names.

The same job gives the same mail, `Message-ID` and `Date` included, so that servers and people can tell a repeat.
"""

import hashlib
import html
import re
import unicodedata
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from chatcluster_notification import addresses
from chatcluster_notification.models import MailJob

PREVIEW_CHARACTERS = 500
_SUBJECT_NAME_CHARACTERS = 80
_SAFE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def one_line(text: str, most: int) -> str:
    """`text` as a header can hold it: no line breaks or control characters, `most` characters at most."""
    clean = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} else c for c in text)
    clean = " ".join(clean.encode(errors="ignore").decode().split())
    return clean if len(clean) <= most else clean[: most - 1].rstrip() + "…"


def preview(body: str) -> str:
    """The beginning of a message's text."""
    return body if len(body) <= PREVIEW_CHARACTERS else body[: PREVIEW_CHARACTERS - 1].rstrip() + "…"


def build(
    job: MailJob, *, sender: Address, sender_name: str, recipient_name: str, recipient_address: str, public_url: str
) -> EmailMessage:
    """The mail about a message: text, and the same as HTML. Raises `addresses.AddressError`."""
    name = one_line(sender_name, _SUBJECT_NAME_CHARACTERS) or "Someone"
    conversation = one_line(job.conversation_name or "", _SUBJECT_NAME_CHARACTERS)
    where = f" in {conversation}" if job.conversation_type != "direct" and conversation else ""
    domain = sender.domain

    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = f"{name} wrote to you" if not where else f"{name} wrote{where}"
    mail["From"] = sender
    mail["To"] = addresses.parse(one_line(recipient_name, _SUBJECT_NAME_CHARACTERS), recipient_address)
    mail["Date"] = format_datetime(job.occurred_at)
    mail["Message-ID"] = f"<{_digest(job.id)}@{domain}>"
    thread = f"<{_digest(f'{job.conversation_id}:{job.recipient_id}')}.conversation@{domain}>"
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    mail["List-Id"] = f"<{_label(job.conversation_id)}.conversations.{domain}>"
    mail["Auto-Submitted"] = "auto-generated"

    heading = f"{name} wrote{where}:"
    missed = _missed(job.missed)
    text = [heading, "", *(f"> {line}" for line in job.preview.splitlines())]
    text += ["", missed] if missed else []
    text += ["", f"Answer at {public_url}"] if public_url else []
    mail.set_content("\n".join(text) + "\n")

    page = [f"<p>{html.escape(heading)}</p>", f"<blockquote>{_lines(job.preview)}</blockquote>"]
    page += [f"<p>{html.escape(missed)}</p>"] if missed else []
    page += [f'<p><a href="{html.escape(public_url)}">Answer</a></p>'] if public_url else []
    mail.add_alternative(f"<!DOCTYPE html><html><body>{''.join(page)}</body></html>\n", subtype="html")
    return mail


def _missed(count: int) -> str:
    if not count:
        return ""
    return "There is one earlier message." if count == 1 else f"There are {count} earlier messages."


def _lines(text: str) -> str:
    return "<br>".join(html.escape(line) for line in text.splitlines())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _label(conversation_id: str) -> str:
    return conversation_id if _SAFE_ID.fullmatch(conversation_id) else _digest(conversation_id)
