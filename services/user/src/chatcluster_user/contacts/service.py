"""Contacts: the rules applied to what is stored, and what others may ask of it."""

from datetime import datetime
from typing import cast

from chatcluster_common import cursors, errors
from chatcluster_common.clock import utc_now
from chatcluster_user.contacts import models, rules, store
from chatcluster_user.contacts.rules import Action, Refused, Relation, Stance
from chatcluster_user.database import Database, Transaction
from chatcluster_user.names import USERNAME
from chatcluster_user.outbox import Outbox
from chatcluster_user.people import store as accounts
from chatcluster_user.people.service import gone, to_profile
from chatcluster_user.people.store import Account


class Contacts:
    """What people can do about each other; at most `most` people each."""

    def __init__(self, database: Database, outbox: Outbox, *, most: int) -> None:
        self._database = database
        self._outbox = outbox
        self._most = most

    async def act(self, user_id: str, other_id: str, action: Action) -> tuple[models.Contact, bool]:
        """Request, accept or block; returns the contact, and whether the person stood to the other before.

        404 when there is no such person, 409 when it does not fit what is between the two or is one too many.
        """
        other, before, after, since = await self._change(user_id, other_id, action)
        return _contact(other, after, since), before.mine is not Stance.NONE

    async def remove(self, user_id: str, other_id: str) -> None:
        """Undo what the person did, or decline what the other asked. 404 when there is nothing between the two."""
        await self._change(user_id, other_id, Action.REMOVE)

    async def _change(
        self, user_id: str, other_id: str, action: Action
    ) -> tuple[Account, Relation, Relation, datetime]:
        if user_id == other_id.lower():
            raise errors.conflict("oneself", "This is yourself.")
        if not accounts.is_id(other_id):
            raise errors.not_found("user")
        now = utc_now()
        async with self._database.transaction() as tx:
            await store.lock_pair(tx, user_id, other_id.lower())
            other = await accounts.by_id(tx, other_id)
            if other is None:
                raise errors.not_found("user")
            if await accounts.by_id(tx, user_id) is None:
                raise gone()
            before, since = await store.relation(tx, user_id, other.id)
            after = rules.after(before, action)
            if isinstance(after, Refused):
                raise errors.Problem(404 if after.code == "not_found" else 409, after.code, after.detail)
            if after == before:
                return other, before, after, since or now
            if before.mine is Stance.NONE and after.mine is not Stance.NONE:
                await self._check_room(tx, user_id)
            await store.put(tx, user_id, other.id, after.mine, now)
            if after.theirs is not before.theirs:
                await store.put(tx, other.id, user_id, after.theirs, now)
            await self._outbox.signal(tx, "relations_changed", user_id=user_id, other_id=other.id)
        return other, before, after, now

    async def page(self, user_id: str, state: str | None, cursor: str | None, limit: int) -> models.ContactPage:
        """The person's contacts, by username."""
        after = cursors.decode(cursor, USERNAME)
        async with self._database.transaction() as tx:
            found = await store.page(tx, user_id, state, after, limit + 1) if accounts.is_id(user_id) else []
        more = len(found) > limit
        return models.ContactPage(
            items=[_contact(account, relation, since) for account, relation, since in found[:limit]],
            next_cursor=cursors.encode(found[limit - 1][0].username) if more else None,
        )

    async def relations(self, user_id: str, others: list[str]) -> models.Relations:
        """For the other services: blocks both ways, and accepted contacts."""
        known = [other for other in others if accounts.is_id(other)]
        async with self._database.transaction() as tx:
            sides = await store.towards(tx, user_id, known) if accounts.is_id(user_id) else []
        mine = {other: Stance(state) for one, other, state in sides if one == user_id}
        return models.Relations(
            blocking=[other for other, stance in mine.items() if stance is Stance.BLOCKED],
            blocked_by=[one for one, other, state in sides if other == user_id and state == "blocked"],
            contacts=[other for other, stance in mine.items() if stance is Stance.ACCEPTED],
        )

    async def _check_room(self, tx: Transaction, user_id: str) -> None:
        if await store.count(tx, user_id) >= self._most:
            raise errors.conflict("too_many_contacts", f"A list holds {self._most:,} people. Remove some first.")


def _contact(other: Account, relation: Relation, since: datetime) -> models.Contact:
    state, incoming = rules.shown(relation) or (Stance.NONE, False)
    return models.Contact(
        user=to_profile(other), state=cast("models.ContactState", state.value), incoming=incoming, since=since
    )
