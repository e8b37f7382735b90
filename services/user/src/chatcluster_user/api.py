"""The routes of the user service."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response, status

from chatcluster_common.auth import CurrentUser, InternalCaller
from chatcluster_common.errors import ProblemDetails
from chatcluster_user import models
from chatcluster_user.service import Accounts


def _accounts(request: Request) -> Accounts:
    return request.app.state.accounts


AccountsDep = Annotated[Accounts, Depends(_accounts)]
UserAgent = Annotated[str, Header(include_in_schema=False)]

_NO_STORE = {"Cache-Control": "no-store"}  # RFC 6749 5.1: answers with tokens in them are kept nowhere


def _problems(**what: str) -> dict[int | str, dict[str, Any]]:
    return {int(code[1:]): {"model": ProblemDetails, "description": text} for code, text in what.items()}


auth = APIRouter(prefix="/api/v1/auth", tags=["auth"])
users = APIRouter(prefix="/api/v1/users", tags=["users"])
internal = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[InternalCaller])

_BUSY = "Too many passwords are being checked; see `Retry-After`."


@auth.post(
    "/register",
    operation_id="register",
    status_code=status.HTTP_201_CREATED,
    responses=_problems(_409="Username or e-mail address is taken.", _422="A field is refused.", _503=_BUSY),
)
async def register(
    body: models.RegisterRequest, accounts: AccountsDep, response: Response, user_agent: UserAgent = ""
) -> models.SignedIn:
    """Make an account and sign in."""
    response.headers.update(_NO_STORE)
    return await accounts.register(body, user_agent)


@auth.post("/login", operation_id="login", responses=_problems(_401="Wrong name or password.", _503=_BUSY))
async def login(
    body: models.LoginRequest, accounts: AccountsDep, response: Response, user_agent: UserAgent = ""
) -> models.SignedIn:
    """Sign in by username or e-mail address."""
    response.headers.update(_NO_STORE)
    return await accounts.login(body, user_agent)


@auth.post("/refresh", operation_id="refresh", responses=_problems(_401="The session has ended: sign in again."))
async def refresh(body: models.RefreshRequest, accounts: AccountsDep, response: Response) -> models.Tokens:
    """Exchange a refresh token for new tokens.

    Each refresh token is good for one use; using a spent one ends the session. Do not repeat a refresh whose answer
    was lost, and do not run two at once.
    """
    response.headers.update(_NO_STORE)
    return await accounts.refresh(body.refresh_token)


@auth.post("/logout", operation_id="logout", status_code=status.HTTP_204_NO_CONTENT)
async def logout(body: models.RefreshRequest, accounts: AccountsDep) -> None:
    """End the session that a refresh token belongs to; also when it has ended already."""
    await accounts.logout(body.refresh_token)


@auth.get("/jwks.json", operation_id="getJwks")
async def jwks(request: Request, response: Response) -> dict[str, Any]:
    """The public keys of access tokens (RFC 7517)."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return request.app.state.verifier.keys()


@auth.get("/sessions", operation_id="listSessions")
async def list_sessions(caller: CurrentUser, accounts: AccountsDep) -> models.SessionPage:
    """The devices where the caller is signed in, last used first."""
    return await accounts.sessions(caller.user_id, caller.session_id)


@auth.delete(
    "/sessions/{session_id}",
    operation_id="endSession",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_problems(_404="No such session."),
)
async def end_session(session_id: str, caller: CurrentUser, accounts: AccountsDep) -> None:
    """Sign one device out: it can refresh no more."""
    await accounts.end_session(caller.user_id, session_id)


@users.get("/me", operation_id="getMe")
async def get_me(caller: CurrentUser, accounts: AccountsDep) -> models.Me:
    """The caller's own account."""
    return await accounts.me(caller.user_id)


@users.patch("/me", operation_id="updateMe", responses=_problems(_422="A field is refused."))
async def update_me(body: models.UpdateMe, caller: CurrentUser, accounts: AccountsDep) -> models.Me:
    """Change the caller's own account."""
    return await accounts.update_me(caller.user_id, body)


@users.get("/{user_id}", operation_id="getUser", responses=_problems(_404="No such user."))
async def get_user(user_id: str, _caller: CurrentUser, accounts: AccountsDep) -> models.UserProfile:
    """Somebody's profile."""
    return await accounts.profile(user_id)


@users.get("", operation_id="searchUsers", responses=_problems(_422="A parameter is refused."))
async def search_users(
    _caller: CurrentUser,
    accounts: AccountsDep,
    query: Annotated[
        str,
        Query(
            min_length=1,
            max_length=64,
            pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
            description="How the username or the display name begins; case does not matter.",
        ),
    ],
    cursor: Annotated[str | None, Query(max_length=128, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> models.UserPage:
    """Find people by the beginning of their names."""
    return await accounts.search(query, cursor, limit)


@internal.post("/users/lookup")
async def lookup(body: models.LookupRequest, accounts: AccountsDep) -> models.LookupResult:
    """Names and addresses of many people at once, for other services."""
    return await accounts.lookup(body.ids)
