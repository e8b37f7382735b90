"""What the tests of upgrades and of other operations share: the test plays the workloads' and the Jobs' controllers."""

import time
from typing import Any

import yaml

from chatcluster_operator import install
from chatcluster_operator.decide.times import rfc3339
from chatcluster_operator.decide.upgrade import ORDER
from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import until

SCHEMAS = {"user", "gateway", "notification"}


def run(room: Any) -> Any:
    """Make the ChatCluster run the shipped release; put a second one, named as the room, into the catalogue."""
    room.create()
    until(room.settled, "everything applied", 30)
    end_jobs(room)
    room.run_everything()
    until(lambda: (room.get().get("status") or {}).get("version") == install.RELEASE, "the version that runs", 30)
    catalogue = KINDS["ConfigMap"].path(install.NAMESPACE, "chatcluster-images")
    images = yaml.safe_load(room.api.get(catalogue)["data"][install.RELEASE])
    second = {name: f"{image}-next" for name, image in images.items()}
    room.api.merge(catalogue, {"data": {room.namespace: yaml.safe_dump(second)}})
    return room


def jobs(room: Any, *, renewed: bool, contract: bool) -> dict[str, Any]:
    """The Jobs, by service: those with an image of the second release or not, those that go all the way or not."""
    found: dict[str, Any] = {}
    for (kind, _), item in room.children().items():
        if kind == "Job":
            container = item["spec"]["template"]["spec"]["containers"][0]
            is_new, all_the_way = container["image"].endswith("-next"), "--contract" in container["args"]
            if (is_new, all_the_way) == (renewed, contract):
                found[item["metadata"]["labels"]["chatcluster.dev/service"]] = item
    return found


def end_jobs(room: Any) -> None:
    """Say of every Job that it has done its work."""
    for (kind, _), item in room.children().items():
        if kind == "Job" and not item.get("status", {}).get("conditions"):
            end_job(room, item)


def end_job(room: Any, item: Any, *, failed: str = "") -> None:
    """Say of a Job that it is done, or why it failed, as its controller would."""
    at = rfc3339(int(time.time()))
    about = {"status": "True", "lastTransitionTime": at, "reason": "BackoffLimitExceeded" if failed else "Done"}
    kinds = ("FailureTarget", "Failed") if failed else ("SuccessCriteriaMet", "Complete")
    status: dict[str, Any] = {
        "startTime": at,
        "conditions": [{"type": kind, "message": failed, **about} for kind in kinds],
        **({"failed": 1} if failed else {"succeeded": 1, "completionTime": at}),
    }
    room.api.merge(KINDS["Job"].path(room.namespace, item["metadata"]["name"]) + "/status", {"status": status})


def renewed(room: Any) -> list[str]:
    """Components whose workload has an image of the second release, in the order of steps."""
    found = [
        name.removeprefix("demo-")
        for (kind, name), item in room.children().items()
        if kind in {"Deployment", "StatefulSet"}
        and item["spec"]["template"]["spec"]["containers"][0]["image"].endswith("-next")
    ]
    return sorted(found, key=ORDER.index)


def roll_out(room: Any, component: str) -> None:
    """Say of a component that it has rolled out what was last applied."""
    for (kind, name), item in room.children().items():
        if kind in {"Deployment", "StatefulSet"} and name == f"demo-{component}":
            room.say_ready(kind, name, item)


def reason(room: Any, kind: str = "Upgrading") -> str:
    """The reason of a condition."""
    return room.condition(kind).get("reason", "")
