"""Routes of contacts, and what the other services ask of them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response, status

from chatcluster_common.auth import CurrentUser, InternalCaller
from chatcluster_common.errors import problems
from chatcluster_user.contacts import models
from chatcluster_user.contacts.rules import Action
from chatcluster_user.contacts.service import Contacts
from chatcluster_user.documented import SIGNED_IN


def _contacts(request: Request) -> Contacts:
    return request.app.state.contacts


ContactsDep = Annotated[Contacts, Depends(_contacts)]

public = APIRouter(prefix="/api/v1/contacts", tags=["contacts"], responses=SIGNED_IN)
internal = APIRouter(prefix="/internal/users", include_in_schema=False, dependencies=[InternalCaller])

_NO_USER = "No such user."


@public.get("", operation_id="listContacts")
async def list_contacts(
    caller: CurrentUser,
    contacts: ContactsDep,
    state: Annotated[models.ContactState | None, Query(description="Only those in this state.")] = None,
    cursor: Annotated[str | None, Query(max_length=128, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 50,
) -> models.ContactPage:
    """The caller's contacts, requests both ways, and whom they have blocked."""
    return await contacts.page(caller.user_id, state, cursor, limit)


@public.post(
    "",
    operation_id="requestContact",
    status_code=status.HTTP_201_CREATED,
    responses=problems(
        _404=_NO_USER, _409="The person is blocked by the caller, or is the caller, or the list is full."
    )
    | {200: {"model": models.Contact, "description": "There was something between the two already."}},
)
async def request_contact(
    body: models.ContactRequest, caller: CurrentUser, contacts: ContactsDep, response: Response
) -> models.Contact:
    """Ask somebody to be a contact. If they have asked already, both are contacts from now on."""
    contact, known = await contacts.act(caller.user_id, body.user_id, Action.REQUEST)
    if known:
        response.status_code = status.HTTP_200_OK
    return contact


@public.patch(
    "/{user_id}",
    operation_id="changeContact",
    responses=problems(
        _404=_NO_USER, _409="They have not asked, are blocked by the caller, are the caller, or the list is full."
    ),
)
async def change_contact(
    user_id: str, body: models.ContactChange, caller: CurrentUser, contacts: ContactsDep
) -> models.Contact:
    """Accept somebody's request, or block somebody. Who is blocked is not told."""
    action = Action.ACCEPT if body.state == "accepted" else Action.BLOCK
    contact, _ = await contacts.act(caller.user_id, user_id, action)
    return contact


@public.delete(
    "/{user_id}",
    operation_id="removeContact",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(_404="No such user, or nothing between the two.", _409="It is the caller."),
)
async def remove_contact(user_id: str, caller: CurrentUser, contacts: ContactsDep) -> None:
    """Withdraw or decline a request, end a contact, or lift a block."""
    await contacts.remove(caller.user_id, user_id)


@internal.post("/relations")
async def relations(body: models.RelationsRequest, contacts: ContactsDep) -> models.Relations:
    """Blocks and contacts between one person and others."""
    return await contacts.relations(body.user_id, body.others)
