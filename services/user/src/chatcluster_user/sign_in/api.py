"""Routes of registration, login and sessions."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, status

from chatcluster_common.auth import AccountUser, InternalCaller
from chatcluster_common.errors import problems
from chatcluster_user.client import Caller
from chatcluster_user.documented import EVERYBODY, SIGNED_IN
from chatcluster_user.people import models as people_models
from chatcluster_user.sign_in import models
from chatcluster_user.sign_in.service import SignIn


def _sign_in(request: Request) -> SignIn:
    return request.app.state.sign_in


SignInDep = Annotated[SignIn, Depends(_sign_in)]

NO_STORE = {"Cache-Control": "no-store"}  # RFC 6749 5.1: answers with tokens in them are kept nowhere

public = APIRouter(prefix="/api/v1/auth", tags=["auth"])
internal = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])

_BUSY = "Too many passwords are being checked, or the database is away; see `Retry-After`."


@public.post(
    "/register",
    operation_id="register",
    status_code=status.HTTP_201_CREATED,
    responses=EVERYBODY | problems(_409="Username or e-mail address is taken.", _503=_BUSY),
)
async def register(
    body: models.RegisterRequest, sign_in: SignInDep, response: Response, client: Caller
) -> models.SignedIn:
    """Make an account and sign in."""
    response.headers.update(NO_STORE)
    return await sign_in.register(body, client)


@public.post(
    "/login",
    operation_id="login",
    responses=EVERYBODY
    | problems(
        _401="Wrong name or password (`bad_credentials`), or a code is needed (`totp_required`, `totp_wrong`).",
        _403="The account is suspended; `detail` says why.",
        _429="Too many attempts; see `Retry-After`. A known device is not slowed down by strangers.",
        _503=_BUSY,
    ),
)
async def login(body: models.LoginRequest, sign_in: SignInDep, response: Response, client: Caller) -> models.SignedIn:
    """Sign in by username or e-mail address."""
    response.headers.update(NO_STORE)
    return await sign_in.login(body, client)


@public.post(
    "/refresh",
    operation_id="refresh",
    responses=EVERYBODY | problems(_401="The session has ended: sign in again."),
)
async def refresh(body: models.RefreshRequest, sign_in: SignInDep, response: Response, client: Caller) -> models.Tokens:
    """Exchange a refresh token for new tokens.

    Each refresh token is good for one use; using a spent one ends the session. Do not repeat a refresh whose answer
    was lost, and do not run two at once.
    """
    response.headers.update(NO_STORE)
    return await sign_in.refresh(body.refresh_token, client)


@public.post("/logout", operation_id="logout", status_code=status.HTTP_204_NO_CONTENT, responses=EVERYBODY)
async def logout(body: models.RefreshRequest, sign_in: SignInDep, client: Caller) -> None:
    """End the session that a refresh token belongs to; also when it has ended already."""
    await sign_in.logout(body.refresh_token, client)


@public.get("/jwks.json", operation_id="getJwks")
async def jwks(request: Request, response: Response) -> dict[str, Any]:
    """The public keys of access tokens (RFC 7517)."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return request.app.state.verifier.keys()


@public.get("/sessions", operation_id="listSessions", responses=SIGNED_IN)
async def list_sessions(caller: AccountUser, sign_in: SignInDep) -> models.SessionPage:
    """The devices where the caller is signed in, last used first."""
    return await sign_in.sessions(caller.user_id, caller.session_id)


@public.delete(
    "/sessions", operation_id="endOtherSessions", status_code=status.HTTP_204_NO_CONTENT, responses=SIGNED_IN
)
async def end_other_sessions(caller: AccountUser, sign_in: SignInDep, client: Caller) -> None:
    """Sign every device out but the one that calls."""
    await sign_in.end_other_sessions(caller.user_id, caller.session_id, client)


@public.delete(
    "/sessions/{session_id}",
    operation_id="endSession",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=SIGNED_IN | problems(_404="No such session."),
)
async def end_session(session_id: str, caller: AccountUser, sign_in: SignInDep, client: Caller) -> None:
    """Sign one device out: its tokens are void and its sockets closed within a moment."""
    await sign_in.end_session(caller.user_id, session_id, client)


@internal.post("/access-tokens")
async def access_token(body: people_models.AccessTokenRequest, sign_in: SignInDep) -> people_models.AccessToken:
    """A scoped access token, for the gateway to call with on behalf of an API token's owner."""
    return await sign_in.access_token(body.user_id, body.token_id, body.scopes)
