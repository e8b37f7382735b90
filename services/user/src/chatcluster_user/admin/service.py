"""Roles, suspension, and other people's sessions. Nobody can take away the last admin."""

from typing import cast

from chatcluster_common import cursors, errors
from chatcluster_common.permissions import Role
from chatcluster_user.admin import models, store
from chatcluster_user.audit import store as audit
from chatcluster_user.audit.store import NOBODY
from chatcluster_user.client import Client
from chatcluster_user.database import Database, Transaction
from chatcluster_user.names import USERNAME
from chatcluster_user.outbox import Outbox
from chatcluster_user.people import store as accounts
from chatcluster_user.people.service import check_not_last_admin, to_profile
from chatcluster_user.people.store import Account
from chatcluster_user.sign_in import store as sessions


class Admin:
    """What admins do to accounts. Each change voids the person's access tokens, so that it holds at once."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def page(
        self, *, query: str | None, role: str | None, state: str | None, cursor: str | None, limit: int
    ) -> models.AdminUserPage:
        """Accounts by username."""
        after = cursors.decode(cursor, USERNAME)
        async with self._database.transaction() as tx:
            found = await store.page(
                tx, query=query.strip() if query else None, role=role, state=state, after=after, limit=limit + 1
            )
        more = len(found) > limit
        return models.AdminUserPage(
            items=[_shown(account) for account in found[:limit]],
            next_cursor=cursors.encode(found[limit - 1].username) if more else None,
        )

    async def user(self, user_id: str) -> models.AdminUser:
        """One account. 404 when there is none."""
        async with self._database.transaction() as tx:
            return _shown(await _existing(tx, user_id))

    async def set_role(self, actor_id: str, user_id: str, role: Role, client: Client) -> models.AdminUser:
        """404 when there is nobody, 409 for the last admin."""
        async with self._database.transaction() as tx:
            await accounts.lock_admins(tx)
            account = await _existing(tx, user_id)
            if account.role is role:
                return _shown(account)
            await check_not_last_admin(tx, account)
            return await self._set_role(tx, account, role, client, actor_id)

    async def suspend(self, actor_id: str, user_id: str, reason: str, client: Client) -> models.AdminUser:
        """Out at once, everywhere, until it is lifted. 404 when there is nobody, 409 for the last admin."""
        async with self._database.transaction() as tx:
            await accounts.lock_admins(tx)
            await check_not_last_admin(tx, await _existing(tx, user_id))
            changed = await accounts.change(tx, user_id, state="suspended", suspended_reason=reason)
            await sessions.end_all(tx, user_id)
            await audit.record(tx, "suspended", client, user_id=user_id, actor_id=actor_id, reason=reason)
            await self._announce(tx, user_id)
        return _shown(_still(changed))

    async def unsuspend(self, actor_id: str, user_id: str, client: Client) -> models.AdminUser:
        """May sign in again; fine for whom may anyway. 404 when there is nobody."""
        async with self._database.transaction() as tx:
            account = await _existing(tx, user_id)
            if account.state == "active":
                return _shown(account)
            changed = await accounts.change(tx, user_id, state="active", suspended_reason=None)
            await audit.record(tx, "unsuspended", client, user_id=user_id, actor_id=actor_id)
            await self._outbox.signal(tx, "user_changed", user_id=user_id)
        return _shown(_still(changed))

    async def end_sessions(self, actor_id: str, user_id: str, client: Client) -> None:
        """Sign somebody out everywhere. 404 when there is nobody."""
        async with self._database.transaction() as tx:
            await _existing(tx, user_id)
            ended = await sessions.end_all(tx, user_id)
            for session_id in ended:
                await self._outbox.signal(tx, "session_revoked", session_id=session_id, user_id=user_id)
            await audit.record(tx, "sessions_ended", client, user_id=user_id, actor_id=actor_id, count=len(ended))

    async def promote(self, username: str) -> bool:
        """Make somebody an admin, for whoever runs the ChatCluster; False when there is nobody of that name."""
        async with self._database.transaction() as tx:
            await accounts.lock_admins(tx)
            account = await accounts.by_login(tx, username)
            if account is not None and account.role is not Role.ADMIN:
                await self._set_role(tx, account, Role.ADMIN, NOBODY, None)
        return account is not None

    async def promote_named(self, emails: frozenset[str]) -> int:
        """Make admins of those who have confirmed one of the addresses; returns how many were none."""
        if not emails:
            return 0
        async with self._database.transaction() as tx:
            await accounts.lock_admins(tx)
            waiting = await store.waiting_admins(tx, emails)
            for user_id in waiting:
                await self._set_role(tx, await _existing(tx, user_id), Role.ADMIN, NOBODY, None)
        return len(waiting)

    async def _set_role(
        self, tx: Transaction, account: Account, role: Role, client: Client, actor_id: str | None
    ) -> models.AdminUser:
        changed = await accounts.change(tx, account.id, role=role)
        await audit.record(
            tx, "role_changed", client, user_id=account.id, actor_id=actor_id, role=role, before=account.role
        )
        await self._announce(tx, account.id)
        return _shown(_still(changed))

    async def _announce(self, tx: Transaction, user_id: str) -> None:
        await self._outbox.signal(tx, "user_revoked", user_id=user_id)
        await self._outbox.signal(tx, "user_changed", user_id=user_id)


async def _existing(tx: Transaction, user_id: str) -> Account:
    account = await accounts.by_id(tx, user_id, lock=True)
    if account is None:
        raise errors.not_found("user")
    return account


def _still(account: Account | None) -> Account:
    assert account is not None, "its row is locked"  # noqa: S101
    return account


def _shown(account: Account) -> models.AdminUser:
    return models.AdminUser(
        **to_profile(account).model_dump(),
        email=account.email,
        email_verified=account.email_verified_at is not None,
        role=cast("models.AssignableRole", account.role.value),
        state=account.state,
        suspended_reason=account.suspended_reason,
    )
