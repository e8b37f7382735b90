"""Whether somebody is who they say: the password and, where it is on, the second factor."""

import time
from enum import Enum

from chatcluster_common import errors
from chatcluster_common.clock import utc_now
from chatcluster_user import names
from chatcluster_user.audit import store as audit
from chatcluster_user.client import Client
from chatcluster_user.credentials import store, totp
from chatcluster_user.credentials.models import Confirmation
from chatcluster_user.database import Database, Transaction
from chatcluster_user.passwords import Passwords, Verdict
from chatcluster_user.people import store as accounts
from chatcluster_user.people.service import gone
from chatcluster_user.people.store import Account
from chatcluster_user.sealing import Sealer
from chatcluster_user.sign_in import attempts, throttle


class FactorCheck(Enum):
    """What became of the second factor."""

    PASSED = "passed"
    """Or there is none."""
    MISSING = "missing"
    WRONG = "wrong"


def totp_problem(check: FactorCheck) -> errors.Problem:
    """401: `totp_required` asks for a code, `totp_wrong` for another."""
    if check is FactorCheck.MISSING:
        problem = errors.unauthorized("Enter the code of your authenticator, or a recovery code.")
        problem.code = "totp_required"
    else:
        problem = errors.unauthorized("This code is wrong, has expired, or was used before.")
        problem.code = "totp_wrong"
    return problem


class Identity:
    """Checks passwords and codes."""

    def __init__(self, database: Database, passwords: Passwords, sealer: Sealer) -> None:
        self._database = database
        self._passwords = passwords
        self._sealer = sealer

    async def check_password(self, account: Account | None, password: str) -> Verdict:
        """Whether the password is the account's; takes as long where there is no account."""
        try:
            normal = names.password(password)
        except ValueError:
            normal = ""  # belongs to no account, but takes the time that one would
        return await self._passwords.verify(account.password_hash if account else None, normal)

    async def check_factor(self, tx: Transaction, user_id: str, shown: str | None, client: Client) -> FactorCheck:
        """Whether `shown` is a code of the person's authenticator or a recovery code; spends it."""
        factor = await store.factor(tx, user_id)
        if factor is None or factor.confirmed_at is None:
            return FactorCheck.PASSED
        if shown is None:
            return FactorCheck.MISSING
        step = totp.match(self.secret(factor, user_id), shown.strip(), time.time(), factor.last_step)
        if step is not None:
            await store.use_step(tx, user_id, step)
            return FactorCheck.PASSED
        if await store.use_recovery_code(tx, user_id, totp.recovery_hash(shown)):
            await audit.record(tx, "recovery_code_used", client, user_id=user_id, actor_id=user_id)
            return FactorCheck.PASSED
        return FactorCheck.WRONG

    def secret(self, factor: store.Factor, user_id: str) -> str:
        """The secret in the clear."""
        secret = self._sealer.open(f"totp {user_id}", factor.secret)
        if secret is None:
            raise errors.unavailable("Second factors cannot be read at the moment. Tell whoever runs this ChatCluster.")
        return secret

    async def confirm(self, user_id: str, shown: Confirmation, client: Client) -> Account:
        """The signed-in person once more, before something that a stolen session must not do. 401 when it is not
        them, 429 when there were too many attempts."""
        limits, now = throttle.confirmation_limits(user_id), utc_now()
        async with self._database.transaction() as tx:
            account = await accounts.by_id(tx, user_id)
            if account is None:
                raise gone()
            await attempts.admit(tx, limits, now)
        if not (await self.check_password(account, shown.password)).valid:
            problem = errors.unauthorized("The password is wrong.")
            problem.code = "bad_credentials"
            raise problem
        async with self._database.transaction() as tx:
            check = await self.check_factor(tx, user_id, shown.totp, client)
            if check is FactorCheck.PASSED:
                await attempts.succeeded(tx, limits)
            elif check is FactorCheck.MISSING:
                await attempts.refund(tx, limits)
        if check is not FactorCheck.PASSED:
            raise totp_problem(check)
        return account
