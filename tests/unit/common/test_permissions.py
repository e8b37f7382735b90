"""What roles and scopes open, and what they must never open."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_common.auth import Principal, check
from chatcluster_common.errors import Problem
from chatcluster_common.permissions import PERMISSIONS, Permission, Role, Scope, permits, scope_for


def principal(role: Role = Role.USER, scopes: frozenset[Scope] | None = None) -> Principal:
    return Principal("u", "s", 0, role, scopes)


def test_each_role_has_what_the_one_before_it_has() -> None:
    ladder = [Role.UNVERIFIED, Role.USER, Role.MODERATOR, Role.ADMIN]
    assert set(ladder) == set(Role)
    for lower, higher in itertools.pairwise(ladder):
        assert PERMISSIONS[lower] < PERMISSIONS[higher]


def test_only_administrators_manage_people_and_read_the_audit() -> None:
    for permission in (Permission.MANAGE_USERS, Permission.READ_AUDIT):
        assert [role for role in Role if permits(role, permission)] == [Role.ADMIN]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/v1/conversations", Scope.MESSAGES_READ),
        ("HEAD", "/api/v1/files/1/content", Scope.FILES_READ),
        ("POST", "/api/v1/files", Scope.FILES_WRITE),
        ("DELETE", "/api/v1/messages/1", Scope.MESSAGES_WRITE),
        ("GET", "/api/v1/users/me", Scope.PROFILE_READ),
        ("PATCH", "/api/v1/users/me", Scope.PROFILE_WRITE),
        ("GET", "/api/v1/admin/users", Scope.ADMIN),
        ("GET", "/api/v1/moderation/reports", Scope.MODERATION),
    ],
)
def test_the_scope_of_a_call(method: str, path: str, scope: Scope) -> None:
    assert scope_for(method, path) is scope


@given(st.sampled_from(["GET", "POST", "DELETE"]), st.sampled_from(["auth", "tokens", "", "x", "../users"]))
def test_signing_in_sessions_and_tokens_are_behind_no_scope(method: str, area: str) -> None:
    everything = principal(Role.ADMIN, frozenset(Scope))
    scope = scope_for(method, f"/api/v1/{area}/anything")
    assert scope is None
    with pytest.raises(Problem, match="out_of_scope"):
        check(everything, Permission.USE_ACCOUNT, scope)


@given(st.sampled_from(list(Scope)), st.frozensets(st.sampled_from(list(Scope))))
def test_a_scoped_token_reaches_what_it_names_and_nothing_else(scope: Scope, scopes: frozenset[Scope]) -> None:
    token = principal(Role.ADMIN, scopes)
    if scope in scopes:
        check(token, Permission.CHAT, scope)
    else:
        with pytest.raises(Problem, match="out_of_scope"):
            check(token, Permission.CHAT, scope)


def test_scopes_never_widen_a_role() -> None:
    with pytest.raises(Problem, match="forbidden"):
        check(principal(Role.USER, frozenset(Scope)), Permission.MODERATE, Scope.MODERATION)


def test_someone_unverified_is_told_what_to_do() -> None:
    with pytest.raises(Problem, match="email_unverified"):
        check(principal(Role.UNVERIFIED), Permission.CHAT, None)
    check(principal(Role.UNVERIFIED), Permission.USE_ACCOUNT, None)
