"""Who may register, sign in and stay signed in, and what a spent refresh token means."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from prometheus_client import Counter

from chatcluster_common import errors, ids, logs
from chatcluster_common.clock import utc_now
from chatcluster_common.permissions import Scope
from chatcluster_user import names
from chatcluster_user.client import Client
from chatcluster_user.database import Database, Transaction
from chatcluster_user.outbox import Outbox
from chatcluster_user.passwords import Passwords
from chatcluster_user.people import models as people_models
from chatcluster_user.people import store as accounts
from chatcluster_user.people.service import People
from chatcluster_user.people.store import Account, TakenError
from chatcluster_user.settings import UserSettings
from chatcluster_user.sign_in import models, store
from chatcluster_user.sign_in.store import SessionRow
from chatcluster_user.tokens import AccessTokens, NoSigningKeyError, RefreshToken

log = logs.get_logger(__name__)

LOGINS = Counter("chat_user_logins_total", "Logins by result: accepted, refused.", ["result"])
REGISTRATIONS = Counter("chat_user_registrations_total", "Accounts made.")
REFRESHES = Counter("chat_user_refreshes_total", "Refreshes by result: rotated, reused, unknown.", ["result"])


class SignIn:
    """Registration, login, and the life of sessions."""

    def __init__(
        self,
        *,
        database: Database,
        outbox: Outbox,
        people: People,
        passwords: Passwords,
        tokens: AccessTokens,
        settings: UserSettings,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._people = people
        self._passwords = passwords
        self._tokens = tokens
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
                await accounts.add(tx, account)
                await store.add(tx, session)
        except TakenError as taken:
            raise _taken(taken.field) from taken
        REGISTRATIONS.inc()
        return signed_in

    async def login(self, request: models.LoginRequest, client: Client) -> models.SignedIn:
        """A new session. 401 when account or password is wrong; which of them, neither text nor time tells."""
        async with self._database.transaction() as tx:
            account = await accounts.by_login(tx, request.login.strip())
        try:
            password = names.password(request.password)
        except ValueError:
            password = ""  # belongs to no account, but takes the time that one would
        verdict = await self._passwords.verify(account.password_hash if account else None, password)
        if account is None or not verdict.valid:
            LOGINS.labels("refused").inc()
            raise _bad_credentials()
        refresh_token, session = self._new_session(account.id, client, utc_now())
        async with self._database.transaction() as tx:
            current = await accounts.by_id(tx, account.id, lock=True)
            # The account may have been changed while its password was checked.
            if current is None or current.password_hash != account.password_hash:
                raise _bad_credentials()
            if current.state == "suspended":
                raise _suspended(current)
            signed_in = self._signed_in(current, session.id, refresh_token)
            await store.add(tx, session)
            if verdict.new_hash:
                await accounts.change(tx, account.id, password_hash=verdict.new_hash)
            await self.revoke(tx, account.id, await store.end_surplus(tx, account.id, self._sessions_per_user))
        LOGINS.labels("accepted").inc()
        return signed_in

    async def refresh(self, text: str) -> models.Tokens:
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
            if found is None or found[0].expires_at <= now:
                result = "unknown"
            elif found[0].secret_hash != token.secret_hash:
                session, owner = found
                await self.revoke(tx, owner.id, await store.end(tx, owner.id, session.id))
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

    async def logout(self, text: str) -> None:
        """End the session of a refresh token, spent or not; a token nobody knows is no error."""
        if token := RefreshToken.parse(text):
            async with self._database.transaction() as tx:
                if found := await store.locked(tx, token.family_hash):
                    session, owner = found
                    await self.revoke(tx, owner.id, await store.end(tx, owner.id, session.id))

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

    async def end_session(self, user_id: str, session_id: str) -> None:
        """Sign one device out at once, everywhere. 404 when the user has no such session."""
        async with self._database.transaction() as tx:
            ended = await store.end(tx, user_id, session_id)
            await self.revoke(tx, user_id, ended)
        if not ended:
            raise errors.not_found("session")

    async def end_other_sessions(self, user_id: str, current: str) -> None:
        """Sign every other device out at once."""
        async with self._database.transaction() as tx:
            await self.revoke(tx, user_id, await store.end_all(tx, user_id, but=current))

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
        """Delete some of the sessions that have expired; whether there may be more."""
        async with self._database.transaction() as tx:
            return await store.purge(tx, utc_now())

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

    def _signed_in(self, account: Account, session_id: str, refresh_token: RefreshToken) -> models.SignedIn:
        return models.SignedIn(
            user=self._people.to_me(account),
            access_token=self._access_token(account, session_id),
            refresh_token=refresh_token.text,
            expires_in=self._tokens.lifetime_seconds,
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
