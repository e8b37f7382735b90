"""Upgrades during which the operator is killed, at a write or at any moment, and what they must leave behind."""

import os
import random
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from chatcluster_operator import install
from chatcluster_operator.kube import KINDS
from chatcluster_testing.control_plane import running, until
from chatcluster_testing.faulty_api import Call, Cut, Fault, FaultyApi, Lost, faulty
from chatcluster_testing.operator import Operator, Room, apply_install, new_room, on_fake_node, operator_process

NEXT = "next"
WORKLOADS = ("Deployment", "StatefulSet")


@dataclass
class Assassin:
    """Kills an operator at its n-th write from now: before the API server has it, or before its answer is heard."""

    operator: Operator
    api: FaultyApi
    done: threading.Event = field(default_factory=threading.Event)

    def at_write(self, number: int, *, heard: bool) -> None:
        """Lie in wait. `heard`: the API server carries the write out first."""
        self.done.clear()
        left = number

        def fault(call: Call) -> Fault | None:
            nonlocal left
            left -= call.writes
            if left or not call.writes:
                return None
            if heard:
                return Lost(then=self._kill)
            self._kill()
            return Cut()

        self.api.fault = fault

    def _kill(self) -> None:
        os.kill(self.operator.program.pid, signal.SIGKILL)
        self.done.set()


def generations(room: Room) -> dict[str, int]:
    """How often the spec of each workload was changed."""
    return {name: item["metadata"]["generation"] for (kind, name), item in room.children().items() if kind in WORKLOADS}


def begin_upgrade(room: Room) -> str:
    """Ask for the release that does not run, and return it."""
    body = room.get() or {}
    wanted = NEXT if body["spec"]["version"] == install.RELEASE else install.RELEASE
    room.change({"spec": {"version": wanted}})
    return wanted


def finished(room: Room, release: str) -> bool:
    """Whether all of it runs this release."""
    status = (room.get() or {}).get("status", {})
    return (
        status.get("version") == release and "operation" not in status and room.condition("Ready")["status"] == "True"
    )


def kill_at_random(assassin: Assassin) -> str:
    """Kill the operator once, somewhere, and start it again. Returns where."""
    where = random.choice(("before a write", "between a write and its answer", "at some moment"))
    number, seconds = random.randint(1, 12), random.uniform(0.0, 3.0)
    if where != "at some moment":
        assassin.at_write(number, heard=where.startswith("between"))
        # An upgrade that waits for pods may not write so often again.
        seconds = 15.0
    assassin.done.wait(seconds)
    assassin.api.heal()
    assassin.operator.program.kill()
    assassin.operator.program.start()
    return where


def crashed_upgrades(folder: Path, kills: int, *, kills_in_an_upgrade: int = 5) -> dict[str, int]:
    """Kill an operator so often, at random points of upgrades. Returns how often where.

    AssertionError when an upgrade does not complete, or leaves anything else than one that nobody disturbed: the same
    objects with the same content, each workload changed as often.
    """
    places: dict[str, int] = {}
    with running(folder, nodes=1) as plane, faulty(plane) as api, new_room(plane) as room:
        apply_install(plane.api)
        catalogue = KINDS["ConfigMap"].path(install.NAMESPACE, "chatcluster-images")
        images = yaml.safe_load((plane.api.get(catalogue) or {})["data"][install.RELEASE])
        other = yaml.safe_dump({name: f"{image}-next" for name, image in images.items()})
        plane.api.merge(catalogue, {"data": {NEXT: other}})
        token = plane.service_account_token(install.NAMESPACE, install.NAME)
        operator = operator_process(plane, "operator", token, server=api.url)
        operator.program.start()
        try:
            room.create(on_fake_node(0))
            until(lambda: finished(room, install.RELEASE), "the first release to run", 180)
            undisturbed: dict[str, tuple[dict[str, int], set[tuple[str, str]]]] = {}
            for _ in range(2):
                before, release = generations(room), begin_upgrade(room)
                until(lambda release=release: finished(room, release), "an upgrade that nobody disturbs", 180)
                undisturbed[release] = (_rises(before, generations(room)), set(room.contents()))
            while sum(places.values()) < kills:
                before, release = generations(room), begin_upgrade(room)
                for _ in range(min(kills_in_an_upgrade, kills - sum(places.values()))):
                    where = kill_at_random(Assassin(operator, api))
                    places[where] = places.get(where, 0) + 1
                until(lambda release=release: finished(room, release), f"the upgrade to {release}", 300)
                rises, objects = undisturbed[release]
                assert _rises(before, generations(room)) == rises, "a workload was changed more often, or less"
                assert set(room.contents()) == objects
        finally:
            operator.program.kill()
    return places


def _rises(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before.get(name, 0) for name in after}
