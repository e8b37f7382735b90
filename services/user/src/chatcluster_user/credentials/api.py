"""Routes of addresses, passwords and second factors. No scope opens them: an API token must not become more."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response, status

from chatcluster_common.auth import AccountUser
from chatcluster_common.errors import problems
from chatcluster_user.client import Caller
from chatcluster_user.credentials import models
from chatcluster_user.credentials.service import Credentials
from chatcluster_user.documented import EVERYBODY, SIGNED_IN


def _credentials(request: Request) -> Credentials:
    return request.app.state.credentials


CredentialsDep = Annotated[Credentials, Depends(_credentials)]

public = APIRouter(prefix="/api/v1/auth", tags=["credentials"])

_NO_STORE = {"Cache-Control": "no-store"}
_LINK = problems(_404="The link was used, has expired, or is incomplete.")
_NO_MAILS = problems(_404="This ChatCluster sends no mails (`not_installed`): ask an admin.")
_CONFIRMED = SIGNED_IN | problems(
    _401="No access token, a wrong password (`bad_credentials`), or a code is needed (`totp_required`, `totp_wrong`).",
    _429="Too many attempts; see `Retry-After`.",
)


@public.post("/email/verify", operation_id="verifyEmail", status_code=204, responses=EVERYBODY | _LINK)
async def verify_email(body: models.VerifyEmail, credentials: CredentialsDep, client: Caller) -> None:
    """Confirm an address by the token of a mailed link. Refresh afterwards: the role may be another."""
    await credentials.verify_email(body.token, client)


@public.post(
    "/email/resend",
    operation_id="resendVerification",
    status_code=status.HTTP_202_ACCEPTED,
    responses=SIGNED_IN
    | _NO_MAILS
    | problems(_409="The address is confirmed.", _429="One mail a minute, five an hour; see `Retry-After`."),
)
async def resend(caller: AccountUser, credentials: CredentialsDep) -> None:
    """Mail the link to confirm one's address once more."""
    await credentials.send_verification(caller.user_id)


@public.post("/password", operation_id="changePassword", status_code=204, responses=_CONFIRMED)
async def change_password(
    body: models.ChangePassword, caller: AccountUser, credentials: CredentialsDep, client: Caller
) -> None:
    """Set a new password by the old one. Every other session ends."""
    await credentials.change_password(caller.user_id, caller.session_id, body, client)


@public.post(
    "/password/forgot",
    operation_id="forgotPassword",
    status_code=status.HTTP_202_ACCEPTED,
    responses=EVERYBODY | _NO_MAILS,
)
async def forgot_password(body: models.ForgotPassword, credentials: CredentialsDep, client: Caller) -> None:
    """Mail a link to set a new password. The answer is the same whether or not there is such an account."""
    await credentials.forgot_password(body.email, client)


@public.post("/password/reset", operation_id="resetPassword", responses=EVERYBODY | _LINK)
async def reset_password(
    body: models.ResetPassword, credentials: CredentialsDep, client: Caller, response: Response
) -> models.KnownDevice:
    """Set a new password by the token of a mailed link. Every session ends; then sign in."""
    response.headers.update(_NO_STORE)
    return await credentials.reset_password(body, client)


@public.get("/totp", operation_id="getSecondFactor", responses=SIGNED_IN)
async def second_factor(caller: AccountUser, credentials: CredentialsDep) -> models.SecondFactor:
    """Whether logins need a code."""
    return await credentials.second_factor(caller.user_id)


@public.post(
    "/totp", operation_id="enrolTotp", responses=_CONFIRMED | problems(_409="There is a second factor already.")
)
async def enrol(
    body: models.Confirmation, caller: AccountUser, credentials: CredentialsDep, client: Caller, response: Response
) -> models.Enrolment:
    """Begin with an authenticator: put the secret into it, then confirm by a code."""
    response.headers.update(_NO_STORE)
    return await credentials.enrol_totp(caller.user_id, body, client)


@public.post(
    "/totp/confirm",
    operation_id="confirmTotp",
    responses=SIGNED_IN | problems(_401="No access token, or a wrong code.", _409="Nothing to confirm."),
)
async def confirm(
    body: models.ConfirmTotp, caller: AccountUser, credentials: CredentialsDep, client: Caller, response: Response
) -> models.RecoveryCodes:
    """Show that the authenticator works. Logins need it from now on."""
    response.headers.update(_NO_STORE)
    return await credentials.confirm_totp(caller.user_id, body.code, client)


@public.post(
    "/totp/disable",
    operation_id="disableTotp",
    status_code=204,
    responses=_CONFIRMED | problems(_409="There is no second factor."),
)
async def disable(body: models.Confirmation, caller: AccountUser, credentials: CredentialsDep, client: Caller) -> None:
    """Turn the second factor off."""
    await credentials.disable_totp(caller.user_id, body, client)


@public.post(
    "/totp/recovery-codes",
    operation_id="replaceRecoveryCodes",
    responses=_CONFIRMED | problems(_409="There is no second factor."),
)
async def recovery_codes(
    body: models.Confirmation, caller: AccountUser, credentials: CredentialsDep, client: Caller, response: Response
) -> models.RecoveryCodes:
    """New recovery codes instead of all before."""
    response.headers.update(_NO_STORE)
    return await credentials.replace_recovery_codes(caller.user_id, body, client)
