"""The commands that change a field or an annotation of a ChatCluster, and wait for what the operator makes of it."""

import sys
from collections.abc import Sequence
from typing import Final

from chatcluster_operator.api import COMPONENTS, EDGE, LABEL_COMPONENT, SERVICES, STORES
from chatcluster_operator.api.constants import ROTATE_CREDENTIALS, ROTATE_TOKEN_KEY
from chatcluster_operator.api.status import RotationPhase
from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.screen import stamp
from chatcluster_operator.cli.session import Session
from chatcluster_operator.cli.waiting import Progress, wait_for
from chatcluster_operator.decide.restart import RESTART
from chatcluster_operator.desired.pods import RESTARTED_AT
from chatcluster_operator.kube import CHATCLUSTER, KINDS, Object

_ROTATE: Final = {"passwords": ROTATE_CREDENTIALS, "token-key": ROTATE_TOKEN_KEY}
"""What can be rotated, by the annotation that asks for it."""
_ROTATED: Final = {"passwords": "passwords", "token-key": "keys"}
"""Where status.rotated says when it was last done."""

SEE: Final = "See what holds it up with: kubectl chat status, kubectl chat doctor"


async def pause(session: Session, name: str | None, *, paused: bool) -> None:
    """Set spec.paused, and say what that means."""
    cluster = await session.chatcluster(name)
    await session.change(cluster, {"spec": {"paused": paused}})
    done = "paused: the operator looks and reports, but changes nothing" if paused else "resumed"
    session.screen.say(f"{named(cluster)} is {done}.")


async def hibernate(
    session: Session, name: str | None, *, hibernated: bool, yes: bool, wait: bool, within: int
) -> None:
    """Set spec.hibernated and wait for what follows."""
    cluster = await session.chatcluster(name)
    if hibernated and not cluster["spec"].get("hibernated"):
        confirm(f"Stop {named(cluster)}? People are disconnected; all data is kept. [y/N] ", yes=yes)
    changed = await session.change(cluster, {"spec": {"hibernated": hibernated}})
    check_acted_on(changed)
    kind = "Hibernated" if hibernated else "Ready"
    if wait:
        title = f"{named(cluster)} {'falls asleep' if hibernated else 'wakes up'}"
        await _until_condition(session, changed, kind, title, within)
    session.screen.say(f"{named(cluster)} {'sleeps' if hibernated else 'is awake'}." if wait else "Asked for.")


async def restart(session: Session, name: str | None, components: Sequence[str], *, wait: bool, within: int) -> None:
    """Annotate, and wait until all pods of each component are new."""
    cluster = await session.chatcluster(name)
    unknown = [item for item in components if item not in COMPONENTS]
    if unknown:
        raise CliError(
            f"There is no component {', '.join(unknown)}.", f"Choose from {', '.join(COMPONENTS)}", ExitCode.USAGE
        )
    external = [item for item in components if item in STORES and cluster["spec"].get(item, {}).get("external")]
    if external:
        raise CliError(f"{', '.join(external)} is a store of your own; restart it where it runs.", code=ExitCode.USAGE)
    chosen = list(dict.fromkeys(components)) or [*SERVICES, EDGE]
    asked = stamp()
    await session.change(cluster, {"metadata": {"annotations": {f"{RESTART}-{item}": asked for item in chosen}}})
    check_acted_on(cluster)
    if not wait:
        session.screen.say(f"Asked for: {', '.join(chosen)}.")
        return

    async def look() -> Progress:
        workloads = await _workloads(session, cluster)
        left = [item for item in chosen if not renewed(workloads.get(item), asked)]
        return Progress(not left, f"{len(chosen) - len(left)} of {len(chosen)}, waiting for {', '.join(left)}")

    await wait_for(session, f"Restarting {named(cluster)}", look, seconds=within, remedy=SEE)
    session.screen.say(f"Restarted: {', '.join(chosen)}.")


async def _workloads(session: Session, cluster: Object) -> dict[str, Object]:
    found = [
        *await session.theirs(KINDS["Deployment"], cluster),
        *await session.theirs(KINDS["StatefulSet"], cluster),
    ]
    return {item["metadata"].get("labels", {}).get(LABEL_COMPONENT, ""): item for item in found}


def renewed(workload: Object | None, asked: str) -> bool:
    """Whether all pods of a workload were made after a restart was asked for: their template says when it was."""
    if workload is None:
        return False
    spec, status = workload["spec"], workload.get("status", {})
    annotations = spec["template"]["metadata"].get("annotations", {})
    wanted = spec.get("replicas", 1)
    return (
        annotations.get(RESTARTED_AT, "") >= asked
        and status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("readyReplicas", 0) >= wanted
        and status.get("replicas", 0) <= wanted
    )


async def rotate(session: Session, name: str | None, what: str, *, wait: bool, within: int) -> None:
    """Annotate, and wait until nothing old is in force."""
    if what not in {*_ROTATE, "all"}:
        raise CliError(f"{what!r} cannot be rotated.", f"Choose one of {', '.join(_ROTATE)}, all", ExitCode.USAGE)
    chosen = list(_ROTATE) if what == "all" else [what]
    cluster = await session.chatcluster(name)
    asked = stamp()
    await session.change(cluster, {"metadata": {"annotations": {_ROTATE[item]: asked for item in chosen}}})
    check_acted_on(cluster)
    if not wait:
        session.screen.say("Asked for; kubectl chat status shows how far it is.")
        return

    async def look() -> Progress:
        now = await session.client.get(CHATCLUSTER, cluster["metadata"]["namespace"], cluster["metadata"]["name"])
        return rotation(cluster, now, [_ROTATED[item] for item in chosen])

    title = f"Rotating {' and '.join(chosen)} of {named(cluster)}"
    session.screen.say(await wait_for(session, title, look, seconds=within, remedy=SEE))


def rotation(before: Object, now: Object, wanted: Sequence[str]) -> Progress:
    """How far a rotation is, by the status before it was asked for and now. Raises CliError when it failed."""
    old, new = before.get("status", {}), now.get("status", {})
    state: Object = new.get("rotation") or {}
    known: Object = old.get("rotation") or {}
    if state.get("phase") == RotationPhase.FAILED and state.get("started") != known.get("started"):
        where = f" at {state['step']}" if state.get("step") else ""
        raise CliError(f"The rotation failed{where}, and all is as before: {state.get('message', '')}.", SEE)
    left = [item for item in wanted if new.get("rotated", {}).get(item) == old.get("rotated", {}).get(item)]
    if not left:
        return Progress(True, f"Rotated: {' and '.join(wanted)}.")
    parts = (state.get("what"), state.get("phase"), state.get("step"), state.get("message"))
    return Progress(False, " ".join(str(part) for part in parts if part) or "waiting for the operator")


async def _until_condition(session: Session, cluster: Object, kind: str, title: str, seconds: int) -> None:
    """Wait until a condition is True of the spec as it is now."""
    namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
    generation = cluster["metadata"]["generation"]

    async def look() -> Progress:
        now = await session.client.get(CHATCLUSTER, namespace, name)
        conditions: dict[str, Object] = {item["type"]: item for item in now.get("status", {}).get("conditions", [])}
        found = conditions.get(kind, {})
        if found.get("observedGeneration", 0) < generation:
            return Progress(False, "waiting for the operator")
        parts: list[Object] = now["status"].get("components", [])
        running = sum(item.get("ready", 0) for item in parts), sum(item.get("wanted", 0) for item in parts)
        text = f"{running[0]} of {running[1]} pods ready; {found.get('message', '')}"
        return Progress(found.get("status") == "True", text)

    await wait_for(session, title, look, seconds=seconds, remedy=SEE)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal. Raises CliError when the answer is no, or when nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError("This must be confirmed, and there is no terminal to ask on.", "Give --yes", ExitCode.USAGE)
    if input(question).strip().lower() not in {"y", "yes"}:
        raise CliError("Nothing was changed.")


def check_acted_on(cluster: Object) -> None:
    """Raise CliError when the operator will not act on what was asked for."""
    if cluster["spec"].get("paused"):
        raise CliError(
            f"It is asked for, but {named(cluster)} is paused, so nothing happens yet.",
            "Have the operator act again with: kubectl chat resume",
        )


def named(cluster: Object) -> str:
    """The ChatCluster, for people."""
    return f"ChatCluster {cluster['metadata']['namespace']}/{cluster['metadata']['name']}"
