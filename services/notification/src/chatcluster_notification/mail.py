"""What a mail about messages says and carries: a pure function of the job and of people's names.

The same job gives the same mail, `Message-ID` and `Date` included, so that servers and people can tell a repeat.
"""

import hashlib
import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from itertools import groupby

from chatcluster_notification import addresses
from chatcluster_notification.jobs import Digest, EmailJob, Item

PREVIEW_CHARACTERS = 500
NAME_CHARACTERS = 80
_SAFE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def one_line(text: str, most: int = NAME_CHARACTERS) -> str:
    """`text` as a header can hold it: no line breaks or control characters, `most` characters at most."""
    clean = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} else c for c in text)
    clean = " ".join(clean.encode(errors="ignore").decode().split())
    return clean if len(clean) <= most else clean[: most - 1].rstrip() + "…"


def preview(body: str) -> str:
    """The beginning of a message's text."""
    return body if len(body) <= PREVIEW_CHARACTERS else body[: PREVIEW_CHARACTERS - 1].rstrip() + "…"


def message(
    *, sender: Address, recipient: Address, subject: str, message_id: str, date: datetime, text: str, page: str
) -> EmailMessage:
    """A mail of ours: plain text, and the same as HTML (`page`, the inside of its body)."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = subject
    mail["From"] = sender
    mail["To"] = recipient
    mail["Date"] = format_datetime(date)
    mail["Message-ID"] = f"<{message_id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    mail.add_alternative(f"<!DOCTYPE html><html><body>{page}</body></html>\n", subtype="html")
    return mail


def build(
    job: EmailJob,
    *,
    sender: Address,
    names: Mapping[str, str],
    recipient_address: str,
    public_url: str,
    unsubscribe_url: str,
) -> EmailMessage:
    """The mail about a digest; `names` are display names by user id. Raises `addresses.AddressError`."""
    digest = job.digest
    blocks = [(f"{_name(names, items[0])} wrote{where(items[0])}:", items) for items in _blocks(digest.items)]
    earlier = _earlier(digest.earlier)

    text: list[str] = []
    for heading, items in blocks:
        text += [heading, ""]
        for item in items:
            text += [*(f"> {line}" for line in item.preview.splitlines()), ""]
    text += [earlier, ""] if earlier else []
    text += [f"Answer at {public_url}", ""] if public_url else []
    text += [f"No more mails like this: {unsubscribe_url}", ""] if unsubscribe_url else []

    page = [
        f"<p>{html.escape(heading)}</p>" + "".join(f"<blockquote>{_lines(item.preview)}</blockquote>" for item in items)
        for heading, items in blocks
    ]
    page += [f"<p>{html.escape(earlier)}</p>"] if earlier else []
    page += [f'<p><a href="{html.escape(public_url)}">Answer</a></p>'] if public_url else []
    if unsubscribe_url:
        page += [f'<p><small><a href="{html.escape(unsubscribe_url)}">No more mails like this</a></small></p>']

    mail = message(
        sender=sender,
        recipient=addresses.parse(one_line(names.get(job.recipient_id, "")), recipient_address),
        subject=subject(digest, names),
        message_id=_digest(job.id),
        date=job.created_at,
        text="\n".join(text),
        page="".join(page),
    )
    conversation_id = digest.items[0].conversation_id if digest.one_conversation else ""
    thread = f"<{_digest(f'{conversation_id}:{job.recipient_id}')}.conversation@{sender.domain}>"
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    mail["List-Id"] = f"<{_label(conversation_id or 'all')}.conversations.{sender.domain}>"
    if unsubscribe_url:
        mail["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return mail


def subject(digest: Digest, names: Mapping[str, str]) -> str:
    """One line for the whole digest; also the title of a push."""
    count = len(digest.items) + digest.earlier
    first = digest.items[0]
    if digest.earlier:
        return f"{count} messages"
    if not digest.one_conversation:
        conversations = len({item.conversation_id for item in digest.items})
        return f"{count} messages in {conversations} conversations"
    if count == 1:
        if first.mentioned and first.conversation_type != "direct":
            return f"{_name(names, first)} mentioned you{where(first)}"
        return f"{_name(names, first)} wrote{where(first) or ' to you'}"
    if len({item.sender_id for item in digest.items}) == 1:
        return f"{count} messages from {_name(names, first)}{where(first)}"
    return f"{count} messages{where(first)}"


def where(item: Item) -> str:
    """The conversation as part of a sentence; nothing for a direct or nameless one."""
    name = one_line(item.conversation_name or "")
    return f" in {name}" if item.conversation_type != "direct" and name else ""


def _blocks(items: Sequence[Item]) -> list[list[Item]]:
    """One conversation after the other, and in each what one person wrote in a row."""
    order = {conversation_id: n for n, conversation_id in reversed(list(enumerate(i.conversation_id for i in items)))}
    by_conversation = sorted(items, key=lambda item: order[item.conversation_id])
    return [list(group) for _, group in groupby(by_conversation, key=lambda i: (i.conversation_id, i.sender_id))]


def _name(names: Mapping[str, str], item: Item) -> str:
    return one_line(names.get(item.sender_id, "")) or "Someone"


def _earlier(count: int) -> str:
    if not count:
        return ""
    return "There is one earlier message." if count == 1 else f"There are {count} earlier messages."


def _lines(text: str) -> str:
    return "<br>".join(html.escape(line) for line in text.splitlines())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _label(conversation_id: str) -> str:
    return conversation_id if _SAFE_ID.fullmatch(conversation_id) else _digest(conversation_id)
