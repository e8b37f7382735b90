"""The role that a token carries."""

import dataclasses

import pytest

from chatcluster_common.clock import utc_now
from chatcluster_common.permissions import Role
from chatcluster_user.people.service import role_of
from chatcluster_user.people.store import Account

ADA = Account(
    id="1", username="ada", email="ada@example.com", display_name="Ada", password_hash="x", created_at=utc_now()
)


@pytest.mark.parametrize(
    ("role", "verified", "required", "carried"),
    [
        (Role.USER, False, False, Role.USER),
        (Role.USER, False, True, Role.UNVERIFIED),
        (Role.USER, True, True, Role.USER),
        (Role.MODERATOR, False, True, Role.MODERATOR),
        (Role.ADMIN, False, True, Role.ADMIN),
        (Role.ADMIN, True, False, Role.ADMIN),
    ],
)
def test_role_of(role: Role, verified: bool, required: bool, carried: Role) -> None:
    account = dataclasses.replace(ADA, role=role, email_verified_at=utc_now() if verified else None)
    assert role_of(account, verification_required=required) is carried
