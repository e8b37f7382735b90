"""The rules of addresses, passwords and second factors."""

import time

from prometheus_client import Counter

from chatcluster_common import errors
from chatcluster_common.clock import utc_now
from chatcluster_common.permissions import Role
from chatcluster_user import names
from chatcluster_user.audit import store as audit
from chatcluster_user.client import Client
from chatcluster_user.credentials import models, store, totp
from chatcluster_user.credentials.identity import FactorCheck, Identity, totp_problem
from chatcluster_user.credentials.mails import AccountMails
from chatcluster_user.database import Database, Transaction
from chatcluster_user.outbox import Outbox
from chatcluster_user.passwords import Passwords
from chatcluster_user.people import store as accounts
from chatcluster_user.people.service import gone
from chatcluster_user.people.store import Account
from chatcluster_user.sealing import Sealer
from chatcluster_user.sign_in import attempts
from chatcluster_user.sign_in import store as session_store

CHANGES = Counter("chat_user_credential_changes_total", "Changes by kind.", ["kind"])


class Credentials:
    """What people prove themselves by, and how they change it."""

    def __init__(
        self,
        *,
        database: Database,
        outbox: Outbox,
        passwords: Passwords,
        identity: Identity,
        mails: AccountMails,
        sealer: Sealer,
        admin_emails: frozenset[str],
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._passwords = passwords
        self._identity = identity
        self._mails = mails
        self._sealer = sealer
        self._admin_emails = admin_emails

    async def send_verification(self, user_id: str) -> None:
        """Mail the link again. 409 when there is nothing to confirm, 429 when there were too many."""
        async with self._database.transaction() as tx:
            account = await accounts.by_id(tx, user_id, lock=True)
            if account is None:
                raise gone()
            if account.email_verified_at is not None:
                raise errors.conflict("email_verified", "The address is confirmed already.")
            wait = await self._mails.link(tx, account, "verify_email")
        if wait.total_seconds() > 0:
            raise attempts.too_many(wait, "A mail was sent a moment ago. Look for it, or wait a little.")

    async def verify_email(self, token: str, client: Client) -> None:
        """The address is the person's. 404 for a token that is spent, old, or made up."""
        now = utc_now()
        async with self._database.transaction() as tx:
            found = await store.use_mail_token(tx, token, "verify_email", now)
            if found is None:
                raise _bad_link()
            user_id, email = found
            await self._verified(tx, user_id, email, client)
        CHANGES.labels("email_verified").inc()

    async def change_password(
        self, user_id: str, session_id: str, change: models.ChangePassword, client: Client
    ) -> None:
        """A new password; every other session ends."""
        account = await self._identity.confirm(user_id, change, client)
        new_hash = await self._new_hash(account, change.new_password)
        async with self._database.transaction() as tx:
            await accounts.change(tx, user_id, password_hash=new_hash)
            await self._end_sessions(tx, user_id, but=session_id)
            await audit.record(tx, "password_changed", client, user_id=user_id, actor_id=user_id)
            await self._mails.notice(tx, account, "password_changed")
        CHANGES.labels("password_changed").inc()

    async def forgot_password(self, email: str, client: Client) -> None:
        """Mail a link to set a new password, if there is such an account; the caller is not told."""
        async with self._database.transaction() as tx:
            await self._mails.forgotten(tx, email.strip(), client)

    async def reset_password(self, reset: models.ResetPassword, client: Client) -> models.KnownDevice:
        """A new password by a mailed link, which also shows that the address is the person's; every session ends.
        404 for a token that is spent, old, or made up."""
        now = utc_now()
        new_hash = await self._passwords.hash(reset.new_password)
        async with self._database.transaction() as tx:
            found = await store.use_mail_token(tx, reset.token, "reset_password", now)
            account = await accounts.by_id(tx, found[0], lock=True) if found else None
            if found is None or account is None:
                raise _bad_link()
            _check_differs(account, reset.new_password)
            await accounts.change(tx, account.id, password_hash=new_hash)
            await self._verified(tx, account.id, found[1], client)
            await self._end_sessions(tx, account.id)
            await audit.record(tx, "password_reset", client, user_id=account.id)
            await self._mails.notice(tx, account, "password_changed")
        CHANGES.labels("password_reset").inc()
        return models.KnownDevice(device_token=self._sealer.device_token(account.id))

    async def second_factor(self, user_id: str) -> models.SecondFactor:
        """Whether the person has one."""
        async with self._database.transaction() as tx:
            if await accounts.by_id(tx, user_id) is None:
                raise gone()
            factor = await store.factor(tx, user_id)
            left = await store.recovery_codes_left(tx, user_id)
        active = factor is not None and factor.confirmed_at is not None
        return models.SecondFactor(active=active, recovery_codes_left=left)

    async def enrol_totp(self, user_id: str, shown: models.Confirmation, client: Client) -> models.Enrolment:
        """A secret for an authenticator. It counts once confirmed; 409 when there is one that does."""
        account = await self._identity.confirm(user_id, shown, client)
        secret = totp.new_secret()
        async with self._database.transaction() as tx:
            factor = await store.factor(tx, user_id)
            if factor is not None and factor.confirmed_at is not None:
                raise errors.conflict("totp_active", "There is a second factor. Turn it off first.")
            await store.put_factor(tx, user_id, self._sealer.seal(f"totp {user_id}", secret), utc_now())
        return models.Enrolment(secret=secret, uri=totp.uri(secret, account.username))

    async def confirm_totp(self, user_id: str, code: str, client: Client) -> models.RecoveryCodes:
        """From now on logins need a code. 401 when this one is wrong, 409 when there is nothing to confirm."""
        async with self._database.transaction() as tx:
            account = await accounts.by_id(tx, user_id)
            if account is None:
                raise gone()
            factor = await store.factor(tx, user_id)
            if factor is None or factor.confirmed_at is not None:
                raise errors.conflict("no_enrolment", "There is no authenticator to confirm. Begin by enrolling one.")
            step = totp.match(self._identity.secret(factor, user_id), code, time.time(), factor.last_step)
            if step is None:
                raise totp_problem(FactorCheck.WRONG)
            await store.confirm_factor(tx, user_id, step, utc_now())
            codes = await self._new_codes(tx, user_id)
            await audit.record(tx, "totp_enabled", client, user_id=user_id, actor_id=user_id)
            await self._mails.notice(tx, account, "totp_changed")
        CHANGES.labels("totp_enabled").inc()
        return codes

    async def disable_totp(self, user_id: str, shown: models.Confirmation, client: Client) -> None:
        """Logins need no code any more. 409 when they need none."""
        account = await self._confirm_with_factor(user_id, shown, client)
        async with self._database.transaction() as tx:
            await store.remove_factor(tx, user_id)
            await audit.record(tx, "totp_disabled", client, user_id=user_id, actor_id=user_id)
            await self._mails.notice(tx, account, "totp_changed")
        CHANGES.labels("totp_disabled").inc()

    async def replace_recovery_codes(
        self, user_id: str, shown: models.Confirmation, client: Client
    ) -> models.RecoveryCodes:
        """New ones, instead of all before. 409 without a second factor."""
        account = await self._confirm_with_factor(user_id, shown, client)
        async with self._database.transaction() as tx:
            codes = await self._new_codes(tx, user_id)
            await audit.record(tx, "recovery_codes_replaced", client, user_id=user_id, actor_id=user_id)
            await self._mails.notice(tx, account, "totp_changed")
        return codes

    async def purge(self) -> bool:
        """Delete some of the links that nobody has followed; whether there may be more."""
        async with self._database.transaction() as tx:
            return await store.purge_mail_tokens(tx, utc_now())

    async def _confirm_with_factor(self, user_id: str, shown: models.Confirmation, client: Client) -> Account:
        if not (await self.second_factor(user_id)).active:
            raise errors.conflict("totp_inactive", "There is no second factor.")
        return await self._identity.confirm(user_id, shown, client)

    async def _new_codes(self, tx: Transaction, user_id: str) -> models.RecoveryCodes:
        codes = totp.new_recovery_codes()
        await store.replace_recovery_codes(tx, user_id, [totp.recovery_hash(code) for code in codes])
        return models.RecoveryCodes(recovery_codes=codes)

    async def _verified(self, tx: Transaction, user_id: str, email: str, client: Client) -> None:
        """The person has read a mail sent to `email`; those whom the operator names become admins by it."""
        account = await accounts.by_id(tx, user_id, lock=True)
        if account is None or account.email != email or account.email_verified_at is not None:
            return
        named = email.lower() in self._admin_emails
        await accounts.change(tx, user_id, email_verified_at=utc_now(), role=Role.ADMIN if named else account.role)
        await audit.record(tx, "email_verified", client, user_id=user_id, actor_id=user_id)
        if named and account.role is not Role.ADMIN:
            await audit.record(tx, "role_changed", audit.NOBODY, user_id=user_id, role=Role.ADMIN)
            await self._outbox.signal(tx, "user_revoked", user_id=user_id)
        await self._outbox.signal(tx, "user_changed", user_id=user_id)

    async def _end_sessions(self, tx: Transaction, user_id: str, *, but: str = "") -> None:
        for session_id in await session_store.end_all(tx, user_id, but=but):
            await self._outbox.signal(tx, "session_revoked", session_id=session_id, user_id=user_id)

    async def _new_hash(self, account: Account, password: str) -> str:
        _check_differs(account, password)
        return await self._passwords.hash(password)


def _check_differs(account: Account, password: str) -> None:
    try:
        names.check_password_differs(password, account.username, account.email)
    except ValueError as error:
        raise errors.invalid("body.new_password", str(error)) from None


def _bad_link() -> errors.Problem:
    return errors.Problem(
        404, "link_invalid", "This link has been used, has expired, or is incomplete. Ask for another."
    )
