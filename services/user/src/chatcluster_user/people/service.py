"""What may be known of people, and what they may change of themselves."""

from collections.abc import AsyncIterable, Mapping

from chatcluster_common import cursors, errors
from chatcluster_common.permissions import Role
from chatcluster_user.database import Database, Transaction
from chatcluster_user.names import USERNAME
from chatcluster_user.others import Others
from chatcluster_user.outbox import Outbox
from chatcluster_user.people import models, store
from chatcluster_user.people.store import Account


def role_of(account: Account, *, verification_required: bool) -> Role:
    """The role that tokens carry. Whoever has a right beyond `user` was given it knowingly, and keeps it."""
    waiting = verification_required and account.email_verified_at is None and account.role is Role.USER
    return Role.UNVERIFIED if waiting else account.role


def gone() -> errors.Problem:
    """401 for a token whose account was erased."""
    return errors.unauthorized("This account no longer exists.")


async def check_not_last_admin(tx: Transaction, account: Account) -> None:
    """409 when nobody would be left to run the platform without this account; call `store.lock_admins` before."""
    if account.role is Role.ADMIN and account.state == "active" and not await store.other_admins(tx, account.id):
        raise errors.conflict("last_admin", "This is the last admin. Make somebody else an admin first.")


def to_profile(account: Account) -> models.UserProfile:
    """An account as others see it."""
    return models.UserProfile(
        id=account.id,
        username=account.username,
        display_name=account.display_name,
        about=account.about,
        avatar_url=account.avatar_url,
        created_at=account.created_at,
    )


class People:
    """Profiles, and what the other services ask."""

    def __init__(self, database: Database, outbox: Outbox, others: Others, *, verification_required: bool) -> None:
        self._database = database
        self._outbox = outbox
        self._others = others
        self._verification_required = verification_required

    def to_me(self, account: Account) -> models.Me:
        """An account as its owner sees it."""
        return models.Me(
            **to_profile(account).model_dump(),
            email=account.email,
            email_verified=account.email_verified_at is not None,
            role=self.role(account),
            locale=account.locale,
            time_zone=account.time_zone,
            privacy=_privacy(account),
        )

    def role(self, account: Account) -> Role:
        """The role that the account's tokens carry."""
        return role_of(account, verification_required=self._verification_required)

    async def me(self, user_id: str) -> models.Me:
        """The caller. 401 when the account is gone though its token still holds."""
        async with self._database.transaction() as tx:
            account = await store.by_id(tx, user_id)
        if account is None:
            raise gone()
        return self.to_me(account)

    async def update_me(self, user_id: str, changes: models.UpdateMe) -> models.Me:
        """The caller after the changes."""
        wanted = changes.model_dump(exclude_none=True)
        wanted |= wanted.pop("privacy", {})
        return await self.change(user_id, **wanted) if wanted else await self.me(user_id)

    async def change(self, user_id: str, **values: object) -> models.Me:
        """Set columns of an account; the other services hear of it. 401 when it is gone."""
        async with self._database.transaction() as tx:
            account = await store.change(tx, user_id, **values)
            if account is None:
                raise gone()
            await self._outbox.signal(tx, "user_changed", user_id=user_id)
        return self.to_me(account)

    async def put_avatar(self, user_id: str, headers: Mapping[str, str], body: AsyncIterable[bytes]) -> models.Avatar:
        """Stream a picture on to the file service. 4xx as it says when it refuses the picture."""
        path = f"/internal/avatars/{user_id}"
        async with self._others.open("file", "PUT", path, stream=body, headers=headers, seconds=None) as response:
            content = await response.read()
        if response.status >= 300:
            raise _refusal(content)
        avatar = models.Avatar.model_validate_json(content)
        await self.change(user_id, avatar_url=avatar.avatar_url)
        return avatar

    async def remove_avatar(self, user_id: str) -> None:
        """No picture any more; also when there was none."""
        await self.change(user_id, avatar_url=None)
        if "file" not in self._others.services:
            return
        async with self._others.open("file", "DELETE", f"/internal/avatars/{user_id}") as response:
            if response.status >= 300 and response.status != 404:
                raise errors.unavailable()

    async def profile(self, user_id: str) -> models.UserProfile:
        """Anybody. 404 when there is no such person."""
        async with self._database.transaction() as tx:
            account = await store.by_id(tx, user_id)
        if account is None:
            raise errors.not_found("user")
        return to_profile(account)

    async def search(self, caller_id: str, query: str, cursor: str | None, limit: int) -> models.UserPage:
        """People whose username or display name begins with `query`, by username."""
        after = cursors.decode(cursor, USERNAME)
        async with self._database.transaction() as tx:
            found = await store.search(tx, caller_id, query.strip(), after, limit + 1)
        more = len(found) > limit
        return models.UserPage(
            items=[to_profile(account) for account in found[:limit]],
            next_cursor=cursors.encode(found[limit - 1].username) if more else None,
        )

    async def lookup(self, user_ids: list[str]) -> models.LookupResult:
        """Those of the people who exist."""
        async with self._database.transaction() as tx:
            accounts = await store.by_ids(tx, user_ids)
        return models.LookupResult(
            items=[
                models.KnownUser(
                    id=account.id,
                    username=account.username,
                    display_name=account.display_name,
                    email=account.email,
                    email_verified=account.email_verified_at is not None,
                    role=self.role(account),
                    state=account.state,
                    locale=account.locale,
                    time_zone=account.time_zone,
                    avatar_url=account.avatar_url,
                    privacy=_privacy(account),
                )
                for account in accounts
            ]
        )

    async def named(self, usernames: list[str]) -> models.NamesResult:
        """Those of the names that belong to somebody active."""
        async with self._database.transaction() as tx:
            found = await store.by_names(tx, usernames)
        return models.NamesResult(items=[models.Named(id=user_id, username=name) for user_id, name in found])


def _refusal(content: bytes) -> errors.Problem:
    """The other service's problem as our own."""
    try:
        said = errors.ProblemDetails.model_validate_json(content)
    except ValueError:
        return errors.unavailable()
    return errors.Problem(said.status, said.code, said.detail, errors=said.errors or ())


def _privacy(account: Account) -> models.Privacy:
    return models.Privacy(read_receipts=account.read_receipts, last_seen=account.last_seen)
