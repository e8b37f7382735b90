"""Who may register, sign in and stay signed in, and what a spent refresh token means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Counter

from chatcluster_common import errors, ids, logs
from chatcluster_common.clock import utc_now
from chatcluster_common.permissions import Scope
from chatcluster_user.audit import store as audit
from chatcluster_user.client import Client
from chatcluster_user.credentials.identity import FactorCheck, Identity, totp_problem
from chatcluster_user.credentials.mails import AccountMails
from chatcluster_user.database import Database, Transaction
from chatcluster_user.leaving import store as erasures
from chatcluster_user.outbox import Outbox
from chatcluster_user.passwords import Passwords, Verdict
from chatcluster_user.people import models as people_models
from chatcluster_user.people import store as accounts
from chatcluster_user.people.service import People
from chatcluster_user.people.store import Account, TakenError
from chatcluster_user.sealing import Sealer
from chatcluster_user.settings import UserSettings
from chatcluster_user.sign_in import attempts, models, store, throttle
from chatcluster_user.sign_in.store import SessionRow
from chatcluster_user.sign_in.throttle import Limit
from chatcluster_user.tokens import AccessTokens, NoSigningKeyError, RefreshToken

log = logs.get_logger(__name__)

LOGINS = Counter("chat_user_logins_total", "Logins by result: accepted, refused.", ["result"])
REGISTRATIONS = Counter("chat_user_registrations_total", "Accounts made.")
REFRESHES = Counter("chat_user_refreshes_total", "Refreshes by result: rotated, reused, unknown.", ["result"])


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A login whose password was right."""

    request: models.LoginRequest
    client: Client
    account: Account
    verdict: Verdict
    limits: Sequence[Limit]
    device_id: str | None


class SignIn:
    """Registration, login, and the life of sessions."""

    def __init__(
        self,
        *,
        database: Database,
        outbox: Outbox,
        people: People,
        passwords: Passwords,
        identity: Identity,
        mails: AccountMails,
        sealer: Sealer,
        tokens: AccessTokens,
        settings: UserSettings,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._people = people
        self._passwords = passwords
        self._identity = identity
        self._mails = mails
        self._sealer = sealer
        self._tokens = tokens
        self._verification = settings.email_verification
        self._session_lifetime = timedelta(days=settings.session_days)
        self._sessions_per_user = settings.sessions_per_user

    async def register(self, request: models.RegisterRequest, client: Client) -> models.SignedIn:
        """A new account, signed in. 409 when its name or address is taken."""
        account = Account(
            id=ids.new_id(),
            username=request.username,
            email=request.email,
            display_name=request.display_name or request.username,
            password_hash=await self._passwords.hash(request.password),
            created_at=utc_now(),
        )
        refresh_token, session = self._new_session(account.id, client, account.created_at)
        signed_in = self._signed_in(account, session.id, refresh_token)
        try:
            async with self._database.transaction() as tx:
                if await erasures.is_reserved(tx, account.username):
                    raise TakenError("username")
                await accounts.add(tx, account)
                await store.add(tx, session)
                await audit.record(tx, "registered", client, user_id=account.id, actor_id=account.id)
                if self._verification != "off":
                    await self._mails.link(tx, account, "verify_email")
        except TakenError as taken:
            raise _taken(taken.field) from taken
        REGISTRATIONS.inc()
        return signed_in

    async def login(self, request: models.LoginRequest, client: Client) -> models.SignedIn:
        """A new session. 401 when account or password is wrong; which of them, neither text nor time tells. 401
        `totp_required` when a second factor is on and no code was sent. 429 when there were too many attempts."""
        login = request.login.strip()
        async with self._database.transaction() as tx:
            account = await accounts.by_login(tx, login)
            device_id = self._sealer.device_of(request.device_token, account.id) if account else None
            limits = throttle.login_limits(account.id if account else login.lower(), client.network, device_id)
            await attempts.admit(tx, limits, utc_now())
        try:
            verdict = await self._identity.check_password(account, request.password)
        except errors.Problem:  # too many at once; not the caller's failure
            async with self._database.transaction() as tx:
                await attempts.refund(tx, limits)
            raise
        if account is None or not verdict.valid:
            async with self._database.transaction() as tx:
                await self._refused(tx, account, client, "password")
            raise _bad_credentials()
        async with self._database.transaction() as tx:
            # Nothing is raised in here: it would undo what is counted and logged.
            answer = await self._begin(tx, _Attempt(request, client, account, verdict, limits, device_id))
        if isinstance(answer, errors.Problem):
            raise answer
        LOGINS.labels("accepted").inc()
        return answer

    async def _begin(self, tx: Transaction, attempt: _Attempt) -> models.SignedIn | errors.Problem:
        """A session for whom the password was right of; or why not."""
        client, limits = attempt.client, attempt.limits
        account = await accounts.by_id(tx, attempt.account.id, lock=True)
        if account is None or account.password_hash != attempt.account.password_hash:
            return _bad_credentials()  # changed while it was checked
        check = await self._identity.check_factor(tx, account.id, attempt.request.totp, client)
        if check is FactorCheck.MISSING:
            await attempts.refund(tx, limits)
            return totp_problem(check)
        if check is FactorCheck.WRONG:
            await self._refused(tx, account, client, "totp")
            return totp_problem(check)
        await attempts.succeeded(tx, limits)
        if account.state == "suspended":
            return _suspended(account)
        refresh_token, session = self._new_session(account.id, client, utc_now())
        signed_in = self._signed_in(account, session.id, refresh_token, attempt.device_id or "")
        await store.add(tx, session)
        if attempt.verdict.new_hash:
            await accounts.change(tx, account.id, password_hash=attempt.verdict.new_hash)
        await self.revoke(tx, account.id, await store.end_surplus(tx, account.id, self._sessions_per_user))
        await audit.record(tx, "signed_in", client, user_id=account.id, actor_id=account.id, session_id=session.id)
        if attempt.device_id is None:
            await self._mails.notice(tx, account, "new_sign_in")
        return signed_in

    async def _refused(self, tx: Transaction, account: Account | None, client: Client, wrong: str) -> None:
        LOGINS.labels("refused").inc()
        await audit.record(tx, "sign_in_failed", client, user_id=account.id if account else None, wrong=wrong)

    async def refresh(self, text: str, client: Client) -> models.Tokens:
        """The next tokens of a session. The token is spent by it; a spent one ends the session, whoever shows it.

        Of two refreshes with one token at the same moment the first gets tokens, and the second ends the session:
        one of the two may be a thief, and nobody can tell which.
        """
        token = RefreshToken.parse(text)
        if token is None:
            REFRESHES.labels("unknown").inc()
            raise _signed_out()
        following, now = token.next(), utc_now()
        access_token = None
        async with self._database.transaction() as tx:
            # Nothing is raised in here: it would undo the end of the session.
            found = await store.locked(tx, token.family_hash)
            if found is None or found[0].expires_at <= now or found[1].state == "suspended":
                result = "unknown"
            elif found[0].secret_hash != token.secret_hash:
                session, owner = found
                await self.revoke(tx, owner.id, await store.end(tx, owner.id, session.id))
                await audit.record(tx, "refresh_token_reused", client, user_id=owner.id, session_id=session.id)
                result = "reused"
                log.warning("spent refresh token used; session ended", session=session.id, user=owner.id)
            else:
                session, owner = found
                access_token = self._access_token(owner, session.id)
                await store.rotate(tx, session.id, following.secret_hash, now, now + self._session_lifetime)
                result = "rotated"
        REFRESHES.labels(result).inc()
        if access_token is None:
            raise _signed_out()
        return models.Tokens(
            access_token=access_token, refresh_token=following.text, expires_in=self._tokens.lifetime_seconds
        )

    async def logout(self, text: str, client: Client) -> None:
        """End the session of a refresh token, spent or not; a token nobody knows is no error."""
        if token := RefreshToken.parse(text):
            async with self._database.transaction() as tx:
                if found := await store.locked(tx, token.family_hash):
                    session, owner = found
                    await self.revoke(tx, owner.id, await store.end(tx, owner.id, session.id))
                    await audit.record(
                        tx, "signed_out", client, user_id=owner.id, actor_id=owner.id, session_id=session.id
                    )

    async def sessions(self, user_id: str, current: str) -> models.SessionPage:
        """Where the user is signed in, last used first."""
        async with self._database.transaction() as tx:
            rows = await store.of_user(tx, user_id, utc_now()) if accounts.is_id(user_id) else []
        return models.SessionPage(
            items=[
                models.Session(
                    id=row.id,
                    user_agent=row.user_agent,
                    created_at=row.created_at,
                    last_used_at=row.last_used_at,
                    expires_at=row.expires_at,
                    current=row.id == current,
                )
                for row in rows
            ]
        )

    async def end_session(self, user_id: str, session_id: str, client: Client) -> None:
        """Sign one device out at once, everywhere. 404 when the user has no such session."""
        async with self._database.transaction() as tx:
            ended = await store.end(tx, user_id, session_id)
            await self.revoke(tx, user_id, ended)
            if ended:
                await audit.record(tx, "signed_out", client, user_id=user_id, actor_id=user_id, session_id=session_id)
        if not ended:
            raise errors.not_found("session")

    async def end_other_sessions(self, user_id: str, current: str, client: Client) -> None:
        """Sign every other device out at once."""
        async with self._database.transaction() as tx:
            ended = await store.end_all(tx, user_id, but=current)
            await self.revoke(tx, user_id, ended)
            if ended:
                await audit.record(tx, "sessions_ended", client, user_id=user_id, actor_id=user_id, count=len(ended))

    async def access_token(self, user_id: str, token_id: str, scopes: Sequence[Scope]) -> people_models.AccessToken:
        """For the owner of an API token; its session is `token_id`. 404 for nobody, or someone suspended."""
        async with self._database.transaction() as tx:
            account = await accounts.by_id(tx, user_id)
        if account is None or account.state == "suspended":
            raise errors.not_found("user")
        return people_models.AccessToken(
            access_token=self._access_token(account, token_id, scopes), expires_in=self._tokens.lifetime_seconds
        )

    async def revoke(self, tx: Transaction, user_id: str, session_ids: Sequence[str]) -> None:
        """The sessions have ended in this transaction: their access tokens are void everywhere, and their sockets
        closed, a moment after it."""
        for session_id in session_ids:
            await self._outbox.signal(tx, "session_revoked", session_id=session_id, user_id=user_id)

    async def purge(self) -> bool:
        """Delete some of the sessions that have expired, and attempts that are forgotten; whether there may be more."""
        async with self._database.transaction() as tx:
            return any([await store.purge(tx, utc_now()), await attempts.purge(tx, utc_now())])

    def _new_session(self, user_id: str, client: Client, now: datetime) -> tuple[RefreshToken, SessionRow]:
        token = RefreshToken.new()
        row = SessionRow(
            id=ids.new_id(),
            user_id=user_id,
            family_hash=token.family_hash,
            secret_hash=token.secret_hash,
            user_agent=client.user_agent,
            created_at=now,
            last_used_at=now,
            expires_at=now + self._session_lifetime,
        )
        return token, row

    def _signed_in(
        self, account: Account, session_id: str, refresh_token: RefreshToken, device_id: str = ""
    ) -> models.SignedIn:
        return models.SignedIn(
            user=self._people.to_me(account),
            access_token=self._access_token(account, session_id),
            refresh_token=refresh_token.text,
            expires_in=self._tokens.lifetime_seconds,
            device_token=self._sealer.device_token(account.id, device_id),
        )

    def _access_token(self, account: Account, session_id: str, scopes: Sequence[Scope] | None = None) -> str:
        try:
            return self._tokens.issue(account.id, session_id, self._people.role(account), scopes)
        except NoSigningKeyError as error:
            log.error("no token can be issued", reason=str(error))
            raise errors.unavailable() from error


def _taken(field: str) -> errors.Problem:
    if field == "username":
        return errors.conflict("username_taken", "This username is taken. Choose another one.")
    return errors.conflict("email_taken", "There is an account with this e-mail address. Sign in instead.")


def _bad_credentials() -> errors.Problem:
    problem = errors.unauthorized("The username, e-mail address or password is wrong.")
    problem.code = "bad_credentials"
    return problem


def _suspended(account: Account) -> errors.Problem:
    return errors.Problem(403, "suspended", f"This account is suspended: {account.suspended_reason}")


def _signed_out() -> errors.Problem:
    problem = errors.unauthorized("This session has ended. Sign in again.")
    problem.code = "session_ended"
    return problem
