"""The local mail sink: takes every mail by SMTP and gives it back over HTTP. For development and tests only.

It keeps the last ``MAIL_SINK_LIMIT`` (500) messages in memory and asks nobody for credentials.

    SMTP on 1025, messages up to 1 MiB
    GET    /messages[?to=ADDRESS]  {"items": [{from, to, subject, headers, text, received_at}]}, oldest first
    DELETE /messages               204, forgets them all
    GET    /healthz                200
"""

import asyncio
import json
import os
import signal
import threading
from collections import deque
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session

SMTP_PORT = 1025
HTTP_PORT = 8025
MAX_MESSAGE_BYTES = 1024 * 1024


def as_item(sender: str | None, recipients: list[str], content: bytes) -> dict[str, Any]:
    """One received mail as JSON-ready values; ``text`` is its first plain text part."""
    message: EmailMessage = message_from_bytes(content, policy=policy.default)  # type: ignore[assignment]
    body = message.get_body(preferencelist=("plain", "html"))
    return {
        "from": sender,
        "to": recipients,
        "subject": str(message.get("Subject", "")),
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": body.get_content() if body is not None else "",
        "received_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }


class Mailbox:
    """The last ``limit`` messages, for one writer and any number of readers."""

    def __init__(self, limit: int) -> None:
        self._items: deque[dict[str, Any]] = deque(maxlen=limit)
        self._lock = threading.Lock()

    def add(self, item: dict[str, Any]) -> None:
        with self._lock:
            self._items.append(item)

    def items(self, to: str | None = None) -> list[dict[str, Any]]:
        with self._lock:
            items = list(self._items)
        return items if to is None else [item for item in items if to.lower() in map(str.lower, item["to"])]

    def clear(self) -> None:
        with self._lock:
            self._items.clear()


class SmtpHandler:
    """What aiosmtpd calls for each mail."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        try:
            self._mailbox.add(as_item(envelope.mail_from, list(envelope.rcpt_tos), content))
        except (LookupError, ValueError) as error:
            return f"554 5.6.0 not a message that can be read: {type(error).__name__}"
        return "250 2.0.0 kept"


def http_server(mailbox: Mailbox, host: str, port: int) -> ThreadingHTTPServer:
    """The read-back server, bound and not yet serving."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/healthz":
                self._answer(HTTPStatus.OK, {"status": "ok"})
            elif url.path == "/messages":
                to = parse_qs(url.query).get("to", [None])[0]
                self._answer(HTTPStatus.OK, {"items": mailbox.items(to)})
            else:
                self._answer(HTTPStatus.NOT_FOUND, {"detail": "there is /messages and /healthz"})

        def do_DELETE(self) -> None:
            if urlsplit(self.path).path == "/messages":
                mailbox.clear()
                self.send_response(HTTPStatus.NO_CONTENT)
                self.end_headers()
            else:
                self._answer(HTTPStatus.NOT_FOUND, {"detail": "only /messages can be deleted"})

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: probes and polling tests would fill the log."""

        def _answer(self, status: HTTPStatus, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer((host, port), Handler)


async def smtp_server(mailbox: Mailbox, host: str, port: int) -> tuple[asyncio.Server, int]:
    """The SMTP server, taking mail, and its port."""
    loop = asyncio.get_running_loop()
    handler = SmtpHandler(mailbox)
    server = await loop.create_server(lambda: SMTP(handler, data_size_limit=MAX_MESSAGE_BYTES, loop=loop), host, port)
    return server, server.sockets[0].getsockname()[1]


async def serve(mailbox: Mailbox) -> None:
    """Take mail until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server, _ = await smtp_server(mailbox, "0.0.0.0", SMTP_PORT)  # noqa: S104
    print(f"SMTP on {SMTP_PORT}, HTTP on {HTTP_PORT}", flush=True)
    await stopping.wait()
    server.close()


def main() -> None:
    mailbox = Mailbox(int(os.environ.get("MAIL_SINK_LIMIT", "500")))
    web = http_server(mailbox, "0.0.0.0", HTTP_PORT)  # noqa: S104
    threading.Thread(target=web.serve_forever, name="http", daemon=True).start()
    asyncio.run(serve(mailbox))
    web.shutdown()


if __name__ == "__main__":
    main()
