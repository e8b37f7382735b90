"""Mails about an account: queued with the change that they tell of, handed to the notification service after it."""

import dataclasses
from datetime import datetime, timedelta
from typing import Literal

from chatcluster_common import errors
from chatcluster_common.clock import utc_now
from chatcluster_user.audit import store as audit
from chatcluster_user.client import Client
from chatcluster_user.credentials import store
from chatcluster_user.database import Database, Transaction
from chatcluster_user.others import Others
from chatcluster_user.outbox import Entry, Outbox
from chatcluster_user.people import store as accounts
from chatcluster_user.people.store import Account
from chatcluster_user.sealing import Sealer

Notice = Literal["password_changed", "new_sign_in", "totp_changed"]

_LIFETIMES: dict[store.Purpose, timedelta] = {
    "verify_email": timedelta(hours=24),
    "reset_password": timedelta(hours=1),
}
_PATHS: dict[store.Purpose, str] = {"verify_email": "verify-email", "reset_password": "reset-password"}
_BETWEEN = timedelta(minutes=1)
_PER_HOUR = 5


def next_mail_in(sent: list[datetime], now: datetime) -> timedelta:
    """How long until another link may be mailed, when these were in the last hour, the latest first: one a minute,
    five an hour. Zero or less: now."""
    waits = [sent[0] + _BETWEEN - now] if sent else []
    if len(sent) >= _PER_HOUR:
        waits.append(sent[_PER_HOUR - 1] + timedelta(hours=1) - now)
    return max(waits, default=timedelta(0))


class AccountMails:
    """Links and notices to a person's own address."""

    def __init__(self, database: Database, outbox: Outbox, sealer: Sealer, public_url: str, *, sent: bool) -> None:
        """Not `sent` without a notification service: links are refused with 404, notices left out."""
        self._database = database
        self._outbox = outbox
        self._sealer = sealer
        self._public_url = public_url.rstrip("/")
        self._sent = sent

    async def link(self, tx: Transaction, account: Account, purpose: store.Purpose) -> timedelta:
        """Mail a link that is good for one use, unless there were too many: then the time to wait is returned."""
        self._check_sent()
        now = utc_now()
        sent = await store.mailed_since(tx, account.id, purpose, now - timedelta(hours=1))
        wait = next_mail_in(sent, now)
        if wait <= timedelta(0):
            token = await store.add_mail_token(
                tx, account.id, account.email, purpose, now=now, lifetime=_LIFETIMES[purpose]
            )
            await self._queue(tx, account, purpose, f"{_PATHS[purpose]}?token={token}")
        return wait

    async def notice(self, tx: Transaction, account: Account, kind: Notice) -> None:
        """Tell the person, if the address is known to be theirs."""
        if account.email_verified_at is not None:
            await self._queue(tx, account, kind, "settings/security")

    async def farewell(self, tx: Transaction, account: Account) -> None:
        """The last mail to an address that is forgotten with it."""
        await self._queue(tx, account, "account_erased", "")

    async def forgotten(self, tx: Transaction, email: str, client: Client) -> None:
        """Somebody asked for a new password. Whether there is such an account is found out later, so that the answer
        tells nothing, not even by its time."""
        self._check_sent()
        await self._outbox.put(tx, "reset", {"email": email, "client": dataclasses.asdict(client)})

    async def deliver_reset(self, entry: Entry) -> None:
        """Mail the link that was asked for, if there is such an account."""
        async with self._database.transaction() as tx:
            account = await accounts.by_login(tx, entry.payload["email"])
            if account is not None and account.state == "active":
                client = Client(**entry.payload["client"])
                await audit.record(tx, "password_reset_requested", client, user_id=account.id)
                await self.link(tx, account, "reset_password")

    async def deliver_mail(self, others: Others, entry: Entry) -> None:
        """Hand a mail to the notification service, which sends it once however often it is handed over."""
        mail = dict(entry.payload)
        sealed = mail.pop("sealed_link")
        link = self._sealer.open("link", sealed)
        await others.tell("notification", "/internal/mails", {"id": entry.id, **mail, "link": link})

    def _check_sent(self) -> None:
        if not self._sent:
            raise errors.not_installed("notification")

    async def _queue(self, tx: Transaction, account: Account, kind: str, path: str) -> None:
        if not self._sent:
            return
        mail = {
            "kind": kind,
            "user_id": account.id,
            "address": account.email,
            "name": account.display_name,
            "locale": account.locale,
            # Encrypted while it waits: a link is as good as a password.
            "sealed_link": self._sealer.seal("link", f"{self._public_url}/{path}"),
        }
        await self._outbox.put(tx, "mail", mail)
