"""Asking for something in a store, and waiting for what comes of it: switchover, failover, rebuild."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from chatcluster_operator.api import STORES, StoreWorkPhase
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.screen import stamp
from chatcluster_operator.cli.session import Session
from chatcluster_operator.cli.switches import SEE, check_acted_on, confirm, named
from chatcluster_operator.cli.waiting import Progress, wait_for
from chatcluster_operator.decide.members.requests import annotation
from chatcluster_operator.kube import CHATCLUSTER, Object

_DONE: Final = {
    "switchover": "{leader} leads.",
    "failover": "{leader} leads.",
    "rebuild": "{member} is made anew, and in step.",
}


async def ask(
    session: Session, name: str | None, what: str, store: str, member: str | None, *, yes: bool, wait: bool, within: int
) -> None:
    """Annotate, and wait until the operator says that it is done. `what` is a key of `requests.REQUESTS`."""
    cluster = await session.chatcluster(name)
    chosen = choose(cluster, store, member)
    if what == "rebuild":
        confirm(f"Throw the data of {chosen} away and copy it anew from the other members? [y/N] ", yes=yes)
    value = f"{stamp()} {chosen}".strip()
    await session.change(cluster, {"metadata": {"annotations": {annotation(what, store): value}}})
    check_acted_on(cluster)
    answer: dict[str, Any] = {"store": store, "what": what, "member": chosen, "asked": value, "done": False}
    if wait:

        async def look() -> Progress:
            now = await session.client.get(CHATCLUSTER, cluster["metadata"]["namespace"], cluster["metadata"]["name"])
            return progress(now, what, store, value)

        title = f"{what.capitalize()} of {store}, {named(cluster)}"
        said = await wait_for(session, title, look, seconds=within, remedy=SEE)
        answer |= {"done": True, "leader": said}
    session.screen.show(answer, lambda: _render(answer))


def choose(cluster: Object, store: str, member: str | None) -> str:
    """The full name of a member, which may be given by its number; empty when none is given. Raises CliError."""
    if store not in STORES:
        raise CliError(f"There is no store {store}.", f"Choose one of {', '.join(STORES)}", ExitCode.USAGE)
    if cluster["spec"].get(store, {}).get("external"):
        raise CliError(f"{store} is a store of your own; do it where it runs.", code=ExitCode.USAGE)
    known: Object | None = cluster.get("status", {}).get("stores", {}).get(store)
    if known is None:
        remedy = f"Give it more with spec.{store}.members"
        raise CliError(f"{store} has a single member, or the operator has not seen more yet.", remedy, ExitCode.USAGE)
    names = [item["name"] for item in known.get("members", [])]
    full = f"{cluster['metadata']['name']}-{store}-{member}" if member and member.isdecimal() else member or ""
    if full and names and full not in names:
        raise CliError(f"There is no member {full}.", f"Choose one of {', '.join(names)}", ExitCode.USAGE)
    return full


def progress(cluster: Object, what: str, store: str, value: str) -> Progress:
    """How far it is by the status; once it is done, the text is who leads. Raises CliError when it failed."""
    state: Object = cluster.get("status", {}).get("stores", {}).get(store, {})
    if state.get("heeded", {}).get(what) != value:
        conditions: list[Object] = cluster.get("status", {}).get("conditions", [])
        said = next((item.get("message", "") for item in conditions if item["type"] == "StoresRedundant"), "")
        return Progress(False, f"waiting for the operator; {said}" if said else "waiting for the operator")
    operation: Object = state.get("operation") or {}
    if operation.get("what", "").lower() != what:
        raise CliError(f"The {what} gave way to a {operation.get('what', 'change')} of {store}.", SEE)
    if operation["phase"] == StoreWorkPhase.FAILED:
        raise CliError(f"The {what} failed: {operation.get('message', '')}.", SEE)
    leader = state.get("leader", "")
    if operation["phase"] == StoreWorkPhase.DONE:
        return Progress(True, leader)
    return Progress(False, operation.get("message") or f"{leader or 'no member'} leads")


def _render(answer: Mapping[str, Any]) -> RenderableType:
    if not answer["done"]:
        return Text("Asked for; kubectl chat status shows how far it is.")
    return Text(_DONE[answer["what"]].format(**answer))
