"""What mails say, and that nothing in a name, a conversation or a message can change their shape."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_notification import mail
from chatcluster_notification.addresses import AddressError
from chatcluster_notification.models import MailJob

FROM = Address("Chat", addr_spec="chat@example.org")
HEADERS = ["Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "List-Id", "Auto-Submitted"]


def job(**changes: object) -> MailJob:
    fields: dict[str, object] = {
        "event_id": "event-1",
        "recipient_id": "bob",
        "sender_id": "ann",
        "conversation_id": "conversation-1",
        "conversation_type": "group",
        "conversation_name": "Tea",
        "preview": "Hello!",
        "occurred_at": datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    }
    return MailJob.model_validate(fields | changes)


def build(
    some_job: MailJob, *, sender_name: str = "Ann", recipient_name: str = "Bob", address: str = "bob@example.org"
) -> EmailMessage:
    return mail.build(
        some_job,
        sender=FROM,
        sender_name=sender_name,
        recipient_name=recipient_name,
        recipient_address=address,
        public_url="https://chat.example.org/",
    )


def sent(message: EmailMessage) -> EmailMessage:
    """The mail as a reader gets it."""
    received = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert isinstance(received, EmailMessage)
    return received


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({}, "Ann wrote in Tea"),
        ({"conversation_type": "direct", "conversation_name": None}, "Ann wrote to you"),
        ({"conversation_type": "direct", "conversation_name": "Tea"}, "Ann wrote to you"),
        ({"conversation_name": None}, "Ann wrote to you"),
    ],
)
def test_subject(changes: dict[str, object], subject: str) -> None:
    assert build(job(**changes))["Subject"] == subject


def test_a_repeat_can_be_told_and_a_thread_followed() -> None:
    first, repeat = build(job()), build(job())
    for header in HEADERS:
        assert first[header] == repeat[header]
    other = build(job(event_id="event-2"))
    assert other["Message-ID"] != first["Message-ID"]
    assert other["References"] == first["References"]
    for_another = build(job(recipient_id="cid"))
    assert for_another["Message-ID"] != first["Message-ID"]


@pytest.mark.parametrize(("missed", "expected"), [(1, "one earlier message."), (7, "7 earlier messages.")])
def test_missed_messages_are_mentioned(missed: int, expected: str) -> None:
    message = build(job(missed=missed))
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        assert expected in body.get_content()


@given(sender_name=st.text(), recipient_name=st.text(), conversation_name=st.text(), preview=st.text(max_size=500))
def test_nothing_people_write_changes_the_shape(
    sender_name: str, recipient_name: str, conversation_name: str, preview: str
) -> None:
    hostile = job(conversation_name=conversation_name, preview=preview, conversation_id=conversation_name or "x")
    message = sent(build(hostile, sender_name=sender_name, recipient_name=recipient_name))
    expected = sorted([*HEADERS, "MIME-Version", "Content-Type"])
    assert sorted(message.keys()) == expected
    assert [address.addr_spec for address in message["To"].addresses] == ["bob@example.org"]
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    "address", ["", "@", "bob", "bob@", "bob@example.org\r\nBcc: eve@example.org", "bob@example.org, eve@example.org"]
)
def test_malformed_addresses(address: str) -> None:
    with pytest.raises(AddressError):
        build(job(), address=address)


def test_preview_is_cut() -> None:
    assert mail.preview("short") == "short"
    assert len(mail.preview("x" * 10_000)) == mail.PREVIEW_CHARACTERS
