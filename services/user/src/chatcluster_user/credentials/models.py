"""Passwords, mailed links and second factors as JSON."""

from typing import Annotated

from pydantic import BaseModel, Field

from chatcluster_user.people.models import Body
from chatcluster_user.sign_in.models import NewPassword

MailedToken = Annotated[
    str, Field(min_length=1, max_length=128, description="What the mailed link ends in.", examples=["pX3v…"])
]
Password = Annotated[
    str, Field(min_length=1, max_length=512, description="The account's.", examples=["correct horse battery"])
]
Code = Annotated[
    str,
    Field(
        min_length=6,
        max_length=32,
        pattern=r"^[0-9A-Za-z -]+$",
        description="What the authenticator shows, or a recovery code.",
        examples=["492039"],
    ),
]


class Confirmation(Body):
    """That it is really the account's owner."""

    password: Password
    totp: Code | None = Field(default=None, description="Needed where a second factor is on.", examples=["492039"])


class ChangePassword(Confirmation):
    """A new password, by the old one."""

    new_password: NewPassword


class ForgotPassword(Body):
    """Where to send a link."""

    email: str = Field(
        min_length=3, max_length=320, pattern=r"^[^\x00]+$", description="The account's.", examples=["ada@example.com"]
    )


class ResetPassword(Body):
    """A new password, by a mailed link."""

    token: MailedToken
    new_password: NewPassword


class KnownDevice(BaseModel):
    """The device counts as known from now on."""

    device_token: str = Field(description="Keep it, and send it with each login.", examples=["gAAAAAB…"])


class VerifyEmail(Body):
    """The token of a mailed link."""

    token: MailedToken


class SecondFactor(BaseModel):
    """Whether a second factor is asked for."""

    active: bool = Field(description="Whether logins need a code.", examples=[True])
    recovery_codes_left: int = Field(description="Each is good for one login.", examples=[10])


class Enrolment(BaseModel):
    """What to put into an authenticator. Shown once; confirm it by a code."""

    secret: str = Field(description="Base32.", examples=["JBSWY3DPEHPK3PXP"])
    uri: str = Field(
        description="For a QR code.",
        examples=["otpauth://totp/ChatCluster:ada?secret=JBSWY3DPEHPK3PXP&issuer=ChatCluster"],
    )


class ConfirmTotp(Body):
    """That the authenticator works."""

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", description="Six digits.", examples=["492039"])]


class RecoveryCodes(BaseModel):
    """Each is good for one login without the authenticator. Shown once: keep them somewhere safe."""

    recovery_codes: list[str] = Field(description="Earlier ones are void.", examples=[["JBSW-Y3DP-EHPK-3PXP"]])
