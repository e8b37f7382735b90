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
from chatcluster_notification.jobs import Digest, EmailJob, Item

FROM = Address("Chat", addr_spec="chat@example.org")
HEADERS = [
    "Subject",
    "From",
    "To",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
]


def item(**changes: object) -> Item:
    fields: dict[str, object] = {
        "event_id": "event-1",
        "message_id": "message-1",
        "sender_id": "ann",
        "conversation_id": "conversation-1",
        "conversation_type": "group",
        "conversation_name": "Tea",
        "preview": "Hello!",
        "occurred_at": datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
        "created_at": datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    }
    return Item.model_validate(fields | changes)


def job(*items: Item, job_id: str = "email:bob:1", recipient_id: str = "bob", earlier: int = 0) -> EmailJob:
    return EmailJob(
        id=job_id,
        recipient_id=recipient_id,
        created_at=datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
        digest=Digest(items=list(items) or [item()], earlier=earlier),
    )


def build(
    some_job: EmailJob, *, sender_name: str = "Ann", recipient_name: str = "Bob", address: str = "bob@example.org"
) -> EmailMessage:
    return mail.build(
        some_job,
        sender=FROM,
        names={"ann": sender_name, "cid": "Cid", "bob": recipient_name},
        recipient_address=address,
        public_url="https://chat.example.org/",
        unsubscribe_url="https://chat.example.org/api/v1/notifications/unsubscribe?token=t",
    )


def sent(message: EmailMessage) -> EmailMessage:
    """The mail as a reader gets it."""
    received = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert isinstance(received, EmailMessage)
    return received


DIRECT: dict[str, object] = {"conversation_type": "direct", "conversation_name": None}


@pytest.mark.parametrize(
    ("items", "earlier", "subject"),
    [
        ([{}], 0, "Ann wrote in Tea"),
        ([DIRECT], 0, "Ann wrote to you"),
        ([DIRECT | {"conversation_name": "Tea"}], 0, "Ann wrote to you"),
        ([{"conversation_name": None}], 0, "Ann wrote to you"),
        ([{"mentioned": True}], 0, "Ann mentioned you in Tea"),
        ([{}, {}], 0, "2 messages from Ann in Tea"),
        ([DIRECT, DIRECT, DIRECT], 0, "3 messages from Ann"),
        ([{}, {"sender_id": "cid"}], 0, "2 messages in Tea"),
        ([{}, {"conversation_id": "conversation-2"}, {}], 0, "3 messages in 2 conversations"),
        ([{}, {}], 5, "7 messages"),
    ],
)
def test_subject(items: list[dict[str, object]], earlier: int, subject: str) -> None:
    assert build(job(*(item(**changes) for changes in items), earlier=earlier))["Subject"] == subject


def test_a_repeat_can_be_told_and_a_thread_followed() -> None:
    first, repeat = build(job()), build(job())
    for header in HEADERS:
        assert first[header] == repeat[header]
    other = build(job(job_id="email:bob:2"))
    assert other["Message-ID"] != first["Message-ID"]
    assert other["References"] == first["References"]
    for_another = build(job(recipient_id="cid"))
    assert for_another["References"] != first["References"]
    of_several = build(job(item(), item(conversation_id="conversation-2")))
    assert of_several["References"] != first["References"]


def test_one_click_unsubscribe() -> None:
    message = build(job())
    assert message["List-Unsubscribe"] == "<https://chat.example.org/api/v1/notifications/unsubscribe?token=t>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_digest_goes_conversation_by_conversation() -> None:
    items = [
        item(preview="1"),
        item(preview="2", conversation_id="other", conversation_name="Milk"),
        item(preview="3"),
        item(preview="4", sender_id="cid"),
    ]
    body = build(job(*items)).get_body(("plain",))
    assert body is not None
    lines = [line for line in body.get_content().splitlines() if line][:7]
    assert lines == ["Ann wrote in Tea:", "> 1", "> 3", "Cid wrote in Tea:", "> 4", "Ann wrote in Milk:", "> 2"]


@pytest.mark.parametrize(("earlier", "expected"), [(1, "one earlier message."), (7, "7 earlier messages.")])
def test_earlier_messages_are_mentioned(earlier: int, expected: str) -> None:
    message = build(job(earlier=earlier))
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        assert expected in body.get_content()


@given(sender_name=st.text(), recipient_name=st.text(), conversation_name=st.text(), preview=st.text(max_size=500))
def test_nothing_people_write_changes_the_shape(
    sender_name: str, recipient_name: str, conversation_name: str, preview: str
) -> None:
    hostile = item(conversation_name=conversation_name, preview=preview, conversation_id=conversation_name or "x")
    message = sent(build(job(hostile), sender_name=sender_name, recipient_name=recipient_name))
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
