"""The local mail sink keeps what it is sent and gives it back."""

import asyncio
import importlib.util
import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from types import ModuleType
from typing import Any

import pytest

from chatcluster_local.paths import repository


@pytest.fixture(scope="module")
def sink() -> Iterator[ModuleType]:
    path = repository() / "environments/local/mail-sink/mail_sink.py"
    spec = importlib.util.spec_from_file_location("mail_sink", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mail_sink"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mail_sink"]


@pytest.fixture
def mailbox(sink: ModuleType) -> Any:
    return sink.Mailbox(2)


@pytest.fixture
def url(sink: ModuleType, mailbox: Any) -> Iterator[str]:
    server = sink.http_server(mailbox, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def mail(subject: str, text: str = "Grüße\n") -> bytes:
    message = EmailMessage()
    message["From"] = "chat@example.com"
    message["To"] = "ann@example.com"
    message["Subject"] = subject
    message.set_content(text)
    message.add_alternative("<p>html</p>", subtype="html")
    return message.as_bytes()


def call(url: str, method: str = "GET") -> tuple[int, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as answer:  # noqa: S310
        body = answer.read()
        return answer.status, json.loads(body) if body else None


def test_an_item_has_sender_recipients_subject_headers_text_and_time(sink: ModuleType) -> None:
    item = sink.as_item("chat@example.com", ["ann@example.com"], mail("Ünïcode"))
    assert (item["from"], item["to"], item["subject"]) == ("chat@example.com", ["ann@example.com"], "Ünïcode")
    assert item["text"] == "Grüße\n"
    assert ["To", "ann@example.com"] in item["headers"]
    assert item["received_at"].endswith("Z")


def test_messages_can_be_read_filtered_and_deleted(sink: ModuleType, mailbox: Any, url: str) -> None:
    for name in ("ann", "bob"):
        mailbox.add(sink.as_item("chat@example.com", [f"{name}@example.com"], mail(name)))
    assert [item["subject"] for item in call(f"{url}/messages")[1]["items"]] == ["ann", "bob"]
    assert [item["subject"] for item in call(f"{url}/messages?to=BOB@example.com")[1]["items"]] == ["bob"]
    assert call(f"{url}/messages", "DELETE") == (204, None)
    assert call(f"{url}/messages") == (200, {"items": []})
    assert call(f"{url}/healthz") == (200, {"status": "ok"})


def test_other_paths_are_not_found(url: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        call(f"{url}/other")
    caught.value.close()


def test_only_the_last_messages_are_kept(sink: ModuleType, mailbox: Any) -> None:
    for number in range(3):
        mailbox.add(sink.as_item("a@example.com", ["b@example.com"], mail(str(number))))
    assert [item["subject"] for item in mailbox.items()] == ["1", "2"]


async def test_mail_sent_by_smtp_arrives(sink: ModuleType, mailbox: Any) -> None:
    server, port = await sink.smtp_server(mailbox, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for line in (b"EHLO test", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.com>", b"DATA"):
        writer.write(line + b"\r\n")
    writer.write(mail("by SMTP").replace(b"\n", b"\r\n") + b"\r\n.\r\nQUIT\r\n")
    async with asyncio.timeout(5):
        conversation = await reader.read()
    writer.close()
    await writer.wait_closed()
    server.close()
    assert b"250 2.0.0 kept" in conversation
    assert [(item["to"], item["subject"]) for item in mailbox.items()] == [(["b@example.com"], "by SMTP")]
