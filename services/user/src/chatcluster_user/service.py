"""The rules: who may register, sign in and stay signed in, and what a spent refresh token means."""

from datetime import datetime, timedelta

from prometheus_client import Counter

from chatcluster_common import errors, ids, logs
from chatcluster_common.clock import utc_now
from chatcluster_user import cursors, models, names
from chatcluster_user.passwords import Passwords
from chatcluster_user.settings import UserSettings
from chatcluster_user.store import Account, SessionRow, TakenError, UserStore
from chatcluster_user.tokens import AccessTokens, NoSigningKeyError, RefreshToken

log = logs.get_logger(__name__)

LOGINS = Counter("chat_user_logins_total", "Logins by result: accepted, refused.", ["result"])
REGISTRATIONS = Counter("chat_user_registrations_total", "Accounts made.")
REFRESHES = Counter("chat_user_refreshes_total", "Refreshes by result: rotated, reused, unknown.", ["result"])

_USER_AGENT_MAX = 200


class Accounts:
    """What people can do with their accounts and sessions."""

    def __init__(self, store: UserStore, passwords: Passwords, tokens: AccessTokens, settings: UserSettings) -> None:
        self._store = store
        self._passwords = passwords
        self._tokens = tokens
        self._session_lifetime = timedelta(days=settings.session_days)
        self._sessions_per_user = settings.sessions_per_user

    async def register(self, request: models.RegisterRequest, user_agent: str) -> models.SignedIn:
        """A new account, signed in. 409 when its name or address is taken."""
        account = Account(
            id=ids.new_id(),
            username=request.username,
            email=request.email,
            display_name=request.display_name or request.username,
            password_hash=await self._passwords.hash(request.password),
            created_at=utc_now(),
        )
        refresh_token, session = self._new_session(account.id, user_agent, account.created_at)
        signed_in = self._signed_in(account, session.id, refresh_token)
        try:
            await self._store.add_account(account, session)
        except TakenError as taken:
            raise _taken(taken.field) from taken
        REGISTRATIONS.inc()
        return signed_in

    async def login(self, request: models.LoginRequest, user_agent: str) -> models.SignedIn:
        """A new session. 401 when account or password is wrong; which of them, neither text nor time tells."""
        account = await self._store.account_by_login(request.login.strip())
        try:
            password = names.password(request.password)
        except ValueError:
            password = ""  # belongs to no account, but takes the time that one would
        verdict = await self._passwords.verify(account.password_hash if account else None, password)
        if account is None or not verdict.valid:
            LOGINS.labels("refused").inc()
            raise _bad_credentials()
        refresh_token, session = self._new_session(account.id, user_agent, utc_now())
        signed_in = self._signed_in(account, session.id, refresh_token)
        await self._store.add_session(
            session, keep=self._sessions_per_user, old_hash=account.password_hash, new_hash=verdict.new_hash
        )
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
        async with self._store.locked_session(token.family_hash) as session:
            # Nothing is raised in here: it would undo the end of the session.
            if session is None or session.row.expires_at <= now:
                result = "unknown"
            elif session.row.secret_hash != token.secret_hash:
                await session.end()
                result = "reused"
            else:
                access_token = self._access_token(session.row.user_id, session.row.id)
                await session.rotate(following.secret_hash, now, now + self._session_lifetime)
                result = "rotated"
        REFRESHES.labels(result).inc()
        if result == "reused" and session is not None:
            log.warning("spent refresh token used; session ended", session=session.row.id, user=session.row.user_id)
        if access_token is None:
            raise _signed_out()
        return models.Tokens(
            access_token=access_token, refresh_token=following.text, expires_in=self._tokens.lifetime_seconds
        )

    async def logout(self, text: str) -> None:
        """End the session of a refresh token, spent or not; a token nobody knows is no error."""
        if token := RefreshToken.parse(text):
            async with self._store.locked_session(token.family_hash) as session:
                if session is not None:
                    await session.end()

    async def sessions(self, user_id: str, current: str) -> models.SessionPage:
        """Where the user is signed in, last used first."""
        rows = await self._store.sessions_of(user_id, utc_now())
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
        """Sign one device out; its access token works until it expires. 404 when the user has no such session."""
        if not await self._store.end_session(user_id, session_id):
            raise errors.not_found("session")

    async def me(self, user_id: str) -> models.Me:
        """The caller. 401 when the account is gone though its token still holds."""
        account = await self._store.account(user_id)
        if account is None:
            raise errors.unauthorized("This account no longer exists.")
        return _me(account)

    async def update_me(self, user_id: str, changes: models.UpdateMe) -> models.Me:
        """The caller after the changes."""
        if changes.display_name is None:
            return await self.me(user_id)
        account = await self._store.set_display_name(user_id, changes.display_name)
        if account is None:
            raise errors.unauthorized("This account no longer exists.")
        return _me(account)

    async def profile(self, user_id: str) -> models.UserProfile:
        """Anybody. 404 when there is no such person."""
        account = await self._store.account(user_id)
        if account is None:
            raise errors.not_found("user")
        return _profile(account)

    async def search(self, query: str, cursor: str | None, limit: int) -> models.UserPage:
        """People whose username or display name begins with `query`, by username."""
        rows = await self._store.search(query.strip(), cursors.decode(cursor) if cursor else "", limit + 1)
        more = len(rows) > limit
        return models.UserPage(
            items=[_profile(account) for account in rows[:limit]],
            next_cursor=cursors.encode(rows[limit - 1].username) if more else None,
        )

    async def lookup(self, user_ids: list[str]) -> models.LookupResult:
        """Those of the people who exist, for other services."""
        return models.LookupResult(
            items=[
                models.KnownUser(
                    id=account.id, username=account.username, display_name=account.display_name, email=account.email
                )
                for account in await self._store.accounts(user_ids)
            ]
        )

    async def purge(self) -> int:
        """Delete what expired; returns how many sessions that were."""
        return await self._store.purge_sessions(utc_now())

    def _new_session(self, user_id: str, user_agent: str, now: datetime) -> tuple[RefreshToken, SessionRow]:
        token = RefreshToken.new()
        row = SessionRow(
            id=ids.new_id(),
            user_id=user_id,
            family_hash=token.family_hash,
            secret_hash=token.secret_hash,
            user_agent=user_agent.replace("\0", "")[:_USER_AGENT_MAX],
            created_at=now,
            last_used_at=now,
            expires_at=now + self._session_lifetime,
        )
        return token, row

    def _signed_in(self, account: Account, session_id: str, refresh_token: RefreshToken) -> models.SignedIn:
        return models.SignedIn(
            user=_me(account),
            access_token=self._access_token(account.id, session_id),
            refresh_token=refresh_token.text,
            expires_in=self._tokens.lifetime_seconds,
        )

    def _access_token(self, user_id: str, session_id: str) -> str:
        try:
            return self._tokens.issue(user_id, session_id)
        except NoSigningKeyError as error:
            log.error("no token can be issued", reason=str(error))
            raise errors.unavailable() from error


def _profile(account: Account) -> models.UserProfile:
    return models.UserProfile(
        id=account.id, username=account.username, display_name=account.display_name, created_at=account.created_at
    )


def _me(account: Account) -> models.Me:
    return models.Me(**_profile(account).model_dump(), email=account.email)


def _taken(field: str) -> errors.Problem:
    if field == "username":
        return errors.conflict("username_taken", "This username is taken. Choose another one.")
    return errors.conflict("email_taken", "There is an account with this e-mail address. Sign in instead.")


def _bad_credentials() -> errors.Problem:
    problem = errors.unauthorized("The username, e-mail address or password is wrong.")
    problem.code = "bad_credentials"
    return problem


def _signed_out() -> errors.Problem:
    problem = errors.unauthorized("This session has ended. Sign in again.")
    problem.code = "session_ended"
    return problem
