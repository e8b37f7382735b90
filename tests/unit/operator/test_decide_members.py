"""What is done in stores with several members, by table, and what must never be, in worlds that chance makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatcluster_operator.api import MemberRole, MemberState, StoreOperation, StoreStatus, StoreWork, StoreWorkPhase
from chatcluster_operator.decide.members import (
    Claim,
    Course,
    Decision,
    Failover,
    GiveUp,
    Member,
    Node,
    Order,
    Question,
    StoreView,
    Surroundings,
    Switchover,
    set_course,
    store_status,
)
from chatcluster_operator.decide.members.course import HANDOVER_SECONDS
from chatcluster_operator.decide.members.requests import Request, annotation, pending
from chatcluster_operator.decide.operations import Wait

NAMES = ("demo-postgres-0", "demo-postgres-1", "demo-postgres-2")
A, B, C = NAMES
NOW, AFTER = 1_800_000_000, 300


def member(name: str, *, leads: bool = False, **more: Any) -> Member:
    role = MemberRole.LEADER if leads else MemberRole.FOLLOWER
    node = f"node-{name[-1]}"
    return Member(name, **{"node": node, "role": role, "state": MemberState.RUNNING, "in_step": True, **more})


def silent(name: str, **more: Any) -> Member:
    known = {"role": MemberRole.UNKNOWN, "state": MemberState.UNREACHABLE, "in_step": False}
    return member(name, **{**known, **more})


def view(*members: Member, leader: str = A, at: float = NOW, problem: str = "") -> StoreView:
    return StoreView("postgres", members, leader, problem, at)


WELL = view(member(A, leads=True), member(B), member(C))
LOST_C = view(member(A, leads=True), member(B), silent(C))
NODES = {f"node-{number}": Node(f"node-{number}", ready=True) for number in range(4)}
NO_2 = {**NODES, "node-2": Node("node-2", ready=False)}


def claim(name: str, node: str, **more: Any) -> Claim:
    return Claim(f"data-{name}", f"uid-{name}", node, **more)


def around(nodes: Mapping[str, Node] | None = NODES, *claims: tuple[str, Claim], steady: bool = True) -> Surroundings:
    return Surroundings(nodes, dict(claims), {name: f"pod-{name}" for name in NAMES}, steady)


BOUND = (C, claim(C, "node-2"))
LOST = around(NO_2, BOUND)


def before(now: StoreView | None = None, *, lost: Mapping[str, int] | None = None, **more: Any) -> StoreStatus:
    """A status as a look left it that saw `now`."""
    course = Course(3, now or WELL, lost=lost or {}, **more)
    return store_status(course, None)


def ask(seen: StoreView | None = WELL, **more: Any) -> Question:
    known = {"before": None, "around": around(), "request": None, "wait": None, "replace_after": AFTER, "now": NOW}
    return Question(store="postgres", wanted=3, view=seen, **{**known, **more})


def request(what: StoreWork, name: str = "", problem: str = "") -> Request:
    return Request(what, what.value.lower(), f"2026-11-23T18:00:00Z {name}".strip(), name, problem)


def remake(what: StoreWork = StoreWork.REPLACE, name: str = C, **more: Any) -> StoreOperation:
    known = {"leader": A, "claim": f"uid-{name}", "started": NOW - 5, "since": NOW - 5}
    return StoreOperation(what=what, phase=StoreWorkPhase.RUNNING, member=name, **{**known, **more})


def handover(what: StoreWork = StoreWork.SWITCHOVER, to: str = "", **more: Any) -> StoreOperation:
    return remake(what, to, **{"claim": "", **more})


def waits(course: Course) -> str:
    return course.decision.waits


def test_a_store_that_was_not_asked_yet_keeps_its_status() -> None:
    known = before(LOST_C, lost={C: NOW - 9}, operation=handover())
    course = set_course(ask(None, before=known, request=request(StoreWork.FAILOVER)), Decision())
    assert (course.give_up, course.decision) == (None, Decision())
    assert store_status(course, known) == known


def test_a_store_that_is_well_has_nothing_to_do() -> None:
    course = set_course(ask(), Decision())
    assert not course.busy
    assert (course.lost, course.due, waits(course)) == ({}, None, "")


@pytest.mark.parametrize(
    ("now", "surroundings", "lost"),
    [
        (LOST_C, LOST, {C: NOW}),
        # Its node is lost, and it answers: it is not.
        (WELL, LOST, {}),
        # It does not answer, and its node is there: its own matter, or the kubelet's.
        (LOST_C, around(NODES, BOUND), {}),
        # Deleted from the node, and made anew on none, as its volume is on the node that is lost.
        (view(member(A, leads=True), member(B), silent(C, node="", state=MemberState.ABSENT)), LOST, {C: NOW}),
        # The node is not known any more.
        (LOST_C, around({name: NODES[name] for name in ("node-0", "node-1", "node-3")}, BOUND), {C: NOW}),
        # Nodes cannot be seen.
        (LOST_C, around(None, BOUND), {}),
    ],
)
def test_which_members_are_on_lost_nodes(now: StoreView, surroundings: Surroundings, lost: Mapping[str, int]) -> None:
    course = set_course(ask(now, around=surroundings), Decision())
    assert course.lost == lost
    assert course.operation is None


def test_the_time_of_a_loss_outlasts_the_operator_and_ends_when_the_node_is_back() -> None:
    known = before(LOST_C, lost={C: NOW - 100})
    course = set_course(ask(LOST_C, before=known, around=LOST), Decision())
    assert course.lost == {C: NOW - 100}
    assert course.due == NOW + 200
    assert waits(course) == f"{C} is made anew elsewhere unless node-2 is back within 300 s of its loss"
    assert set_course(ask(LOST_C, before=known, around=around(NODES, BOUND)), Decision()).lost == {}


LATE = before(LOST_C, lost={C: NOW - AFTER})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"before": before(LOST_C, lost={C: NOW - AFTER + 1})}, "unless node-2 is back"),
        ({"around": around(NO_2)}, "claim of demo-postgres-2's volume to be read"),
        # A volume that can follow: only somebody who knows that the node is off may say so.
        ({"around": around(NO_2, (C, claim(C, "")))}, "node.kubernetes.io/out-of-service"),
        ({"around": replace(LOST, steady=False)}, "have answered for a while"),
        ({"view": replace(LOST_C, at=NOW - 61.0)}, "have answered for a while"),
        ({"view": replace(LOST_C, leader="")}, "until a member leads"),
        ({"view": view(member(A, leads=True), member(B, in_step=False), silent(C))}, f"until {B} answer"),
        ({"view": view(member(A, leads=True), silent(B), silent(C))}, f"until {B} answer"),
        ({"view": view(member(A), member(B), silent(C), leader=C)}, "leads; hand over first"),
        ({"view": view(member(A, leads=True), silent(C))}, "no majority"),
        (
            {"around": around({**NO_2, "node-3": Node("node-3", ready=False)}, BOUND)},
            "half of the nodes or more are lost",
        ),
        ({"around": around({"node-2": NO_2["node-2"], "node-0": NODES["node-0"]}, BOUND)}, "half of the nodes"),
    ],
)
def test_when_a_member_on_a_lost_node_is_made_anew(change: dict[str, Any], why: str) -> None:
    question = replace(ask(LOST_C, before=LATE, around=LOST), **change)
    course = set_course(question, Decision())
    assert course.give_up is None, "never in the look that decides on it"
    if why:
        assert why in waits(course)
        assert course.due is not None, "it is looked at again"
        assert course.operation is None
    else:
        assert course.operation == remake(started=NOW, since=NOW)


def test_of_two_lost_members_the_one_lost_for_longer_comes_first_and_waits_for_the_other() -> None:
    now = StoreView(
        "kafka", tuple(member(f"k-{n}") if n < 3 else silent(f"k-{n}") for n in range(5)), leader="k-0", at=NOW
    )
    nodes = {f"node-{n}": Node(f"node-{n}", ready=n < 3) for n in range(9)} | {"x": Node("x", ready=True)}
    claims = (("k-3", claim("k-3", "node-3")), ("k-4", claim("k-4", "node-4")))
    known = before(now, lost={"k-3": NOW - 900, "k-4": NOW - 1000})
    surroundings = around({**nodes, **{f"n{n}": Node("n", ready=True) for n in range(9)}}, *claims)
    course = set_course(replace(ask(now, before=known, around=surroundings), wanted=5), Decision())
    assert course.operation is None
    assert "until k-3 answer" in waits(course)


GIVE_UP = GiveUp("postgres", C, f"data-{C}", f"uid-{C}", f"pod-{C}", force=True)


@pytest.mark.parametrize(
    ("now", "surroundings", "step", "phase"),
    [
        (LOST_C, LOST, GIVE_UP, StoreWorkPhase.RUNNING),
        # The node is back in time: nothing was given up yet.
        (LOST_C, around(NODES, BOUND), None, StoreWorkPhase.DONE),
        (WELL, around(NODES, BOUND), None, StoreWorkPhase.DONE),
        # Back, but the claim is deleted already: there is no way back, and the pod must go for it.
        (
            WELL,
            around(NODES, (C, claim(C, "node-2", ending=True))),
            replace(GIVE_UP, force=False),
            StoreWorkPhase.RUNNING,
        ),
        # A second member is lost before anything was given up.
        (view(member(A, leads=True), silent(B), silent(C)), LOST, None, StoreWorkPhase.RUNNING),
        # Given up, and made anew.
        (LOST_C, around(NO_2), None, StoreWorkPhase.RUNNING),
        (LOST_C, around(NO_2, (C, Claim(f"data-{C}", "another"))), None, StoreWorkPhase.RUNNING),
        (WELL, around(NO_2, (C, Claim(f"data-{C}", "another", "node-3"))), None, StoreWorkPhase.DONE),
    ],
)
def test_how_making_a_member_anew_goes_on(
    now: StoreView, surroundings: Surroundings, step: GiveUp | None, phase: StoreWorkPhase
) -> None:
    known = before(LOST_C, lost={C: NOW - AFTER}, operation=remake())
    course = set_course(ask(now, before=known, around=surroundings), Decision())
    assert course.give_up == step
    assert course.operation is not None
    assert course.operation.phase is phase


@pytest.mark.parametrize(
    ("what", "name", "now", "problem"),
    [
        (StoreWork.SWITCHOVER, "", WELL, ""),
        (StoreWork.SWITCHOVER, B, WELL, ""),
        (StoreWork.SWITCHOVER, A, WELL, "leads already"),
        (StoreWork.SWITCHOVER, "demo-redis-0", WELL, "there is no member demo-redis-0"),
        (StoreWork.SWITCHOVER, C, LOST_C, "not in step"),
        (StoreWork.SWITCHOVER, "", replace(WELL, leader=""), "ask for a failover"),
        (StoreWork.FAILOVER, "", replace(WELL, leader=""), ""),
        (StoreWork.FAILOVER, "", view(silent(A), silent(B), silent(C), leader=""), "no other member is in step"),
        (StoreWork.REBUILD, "", WELL, "says no member"),
        (StoreWork.REBUILD, A, WELL, "switch over first"),
        (StoreWork.REBUILD, B, LOST_C, f"until {C} answer"),
        (StoreWork.REBUILD, C, LOST_C, ""),
    ],
)
def test_what_people_may_ask_for(what: StoreWork, name: str, now: StoreView, problem: str) -> None:
    course = set_course(ask(now, request=request(what, name), around=around(NODES, BOUND)), Decision())
    operation = course.operation
    assert operation is not None
    assert (operation.what, operation.member, operation.leader) == (what, name, now.leader)
    assert operation.phase is (StoreWorkPhase.FAILED if problem else StoreWorkPhase.RUNNING)
    assert problem in operation.message
    assert course.heeded == {what.value.lower(): request(what, name).value}
    assert not course.decision.orders, "told once the status says so"
    assert course.give_up is None


@pytest.mark.parametrize(
    ("operation", "now", "orders", "phase"),
    [
        (handover(to=B), WELL, (Switchover("postgres", "asked for by annotation", B),), StoreWorkPhase.RUNNING),
        (handover(StoreWork.FAILOVER), replace(WELL, leader=""), (Failover,), StoreWorkPhase.RUNNING),
        # Another leads than the one that was asked for: nobody is told twice, and it may still come.
        (handover(to=B), replace(WELL, leader=C), (), StoreWorkPhase.RUNNING),
        (handover(), replace(WELL, leader=C), (), StoreWorkPhase.DONE),
        (handover(to=B), replace(WELL, leader=B), (), StoreWorkPhase.DONE),
        (handover(started=NOW - HANDOVER_SECONDS - 1), WELL, (), StoreWorkPhase.FAILED),
    ],
)
def test_how_a_handover_goes_on(
    operation: StoreOperation, now: StoreView, orders: tuple[Order | type[Order], ...], phase: StoreWorkPhase
) -> None:
    course = set_course(ask(now, before=before(operation=operation)), Decision())
    given = course.decision.orders
    assert [order if isinstance(order, Order) else order.__name__ for order in orders] == [
        order if isinstance(expected, Order) else type(order).__name__
        for order, expected in zip(given, orders, strict=True)
    ]
    assert course.operation is not None
    assert course.operation.phase is phase


def test_a_request_waits_for_what_excludes_it_and_a_handover_does_not_wait_for_a_copy() -> None:
    held = set_course(ask(request=request(StoreWork.SWITCHOVER), wait=Wait("Paused", "waits")), Decision())
    assert (held.operation, held.heeded, waits(held)) == (None, {}, "switchover waits")
    copying = before(LOST_C, operation=remake(StoreWork.REBUILD))
    new = (C, Claim(f"data-{C}", "another"))
    course = set_course(
        ask(LOST_C, before=copying, request=request(StoreWork.FAILOVER), around=around(NODES, new)), Decision()
    )
    assert course.operation is not None
    assert course.operation.what is StoreWork.FAILOVER
    # Not while the claim is on its way out: that is over in a moment.
    midway = around(NODES, (C, claim(C, "node-2", ending=True)))
    course = set_course(ask(LOST_C, before=copying, request=request(StoreWork.FAILOVER), around=midway), Decision())
    assert course.operation == remake(StoreWork.REBUILD)


@pytest.mark.parametrize(
    ("value", "heeded", "expected"),
    [
        ("2026-11-23T18:00:00Z", {}, ("", "")),
        ("2026-11-23T18:00:00Z demo-redis-1", {}, ("demo-redis-1", "")),
        ("2026-11-23T18:00:00Z demo-redis-1", {"failover": "2026-11-23T18:00:00Z demo-redis-1"}, None),
        ("2026-11-23T18:00:01Z demo-redis-1", {"failover": "2026-11-23T18:00:00Z demo-redis-1"}, ("demo-redis-1", "")),
        # Older than the ChatCluster: it came with a manifest.
        ("2025-11-23T18:00:00Z", {}, None),
        ("demo-redis-1", {}, ("", "is no time")),
        ("2026-11-23T18:00:00", {}, ("", "is no time")),
    ],
)
def test_how_annotations_are_read(value: str, heeded: dict[str, str], expected: tuple[str, str] | None) -> None:
    annotations = {annotation("failover", "redis"): value, annotation("failover", "kafka"): "other"}
    found = pending(annotations, "redis", heeded, created="2026-01-01T00:00:00Z")
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.what is StoreWork.FAILOVER
        assert found.member == expected[0]
        assert expected[1] in found.problem


@dataclass
class World:
    """A store of three members on four nodes, and an operator that looks at it, forgets all, and looks again.

    Data is what was acknowledged: a member that is in step has it, one that was made anew copies it from one that has.
    """

    now: int = NOW
    ready: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(NODES, True))
    uids: dict[str, str] = field(default_factory=lambda: {name: f"uid-{name}" for name in NAMES})
    where: dict[str, str] = field(default_factory=lambda: {name: f"node-{name[-1]}" for name in NAMES})
    ending: set[str] = field(default_factory=set)
    has: set[str] = field(default_factory=lambda: set(NAMES))
    leader: str = A
    steady: bool = True
    status: StoreStatus | None = None
    made: int = 0

    def serves(self, name: str) -> bool:
        return self.ready.get(self.where[name], False)

    def look(self) -> StoreView:
        """What probes say. A leader is elected by a majority that serves, of those that have all."""
        up = [name for name in NAMES if self.serves(name)]
        if self.leader not in up:
            fit = [name for name in up if name in self.has]
            self.leader = fit[0] if len(up) >= 2 and fit else ""
        members = tuple(
            member(name, leads=name == self.leader, node=self.where[name], in_step=name in self.has)
            if name in up
            else silent(name, node=self.where[name])
            for name in NAMES
        )
        return view(*members, leader=self.leader, at=self.now)

    def happen(self, event: str, what: Any) -> None:
        match event:
            case "fails" | "returns":
                self.ready[what] = event == "returns"
            case "is forgotten":
                self.ready.pop(what, None)
            case "copies" if self.leader and self.serves(what):
                self.has.add(what)
            case "lags" if what != self.leader:
                self.has.discard(what)
            case "ends":
                # Somebody else deletes the claim. The pod holds it.
                self.ending.add(what)
            case "the API server":
                self.steady = what
            case "time":
                self.now += what
            case _:
                pass

    def step(self, asked: Request | None) -> Course:
        nodes = {name: Node(name, ready=ready) for name, ready in self.ready.items()}
        claims = {
            name: Claim(f"data-{name}", uid, self.where[name], ending=name in self.ending)
            for name, uid in self.uids.items()
        }
        surroundings = Surroundings(nodes, claims, dict.fromkeys(NAMES, "pod"), self.steady)
        question = ask(self.look(), before=self.status, around=surroundings, request=asked, now=self.now)
        course = set_course(question, Decision())
        if course.give_up is not None:
            self.give_up(course.give_up, question)
        self.status = store_status(course, self.status)
        return course

    def give_up(self, step: GiveUp, question: Question) -> None:
        others = [name for name in NAMES if name != step.member]
        assert all(self.serves(name) and name in self.has for name in others), "the others have all, and serve"
        assert self.leader in others, "one of them leads"
        assert self.steady, "the API server was not away"
        assert 2 * sum(not ready for ready in self.ready.values()) < len(self.ready), "most nodes are well"
        assert question.before is not None
        assert question.before.operation is not None
        assert question.before.operation.claim == step.claim_uid, "the status said so before"
        if question.before.operation.what is StoreWork.REPLACE and step.member not in self.ending:
            assert not self.ready.get(self.where[step.member], False), "its node is lost"
        if self.uids[step.member] != step.claim_uid:
            return
        well = [node for node, ready in self.ready.items() if ready]
        self.made += 1
        self.uids[step.member], self.where[step.member] = f"made-{self.made}", well[self.made % len(well)]
        self.ending.discard(step.member)
        self.has.discard(step.member)


EVENTS = st.one_of(
    st.tuples(st.just("fails"), st.sampled_from(sorted(NODES))),
    st.tuples(st.just("returns"), st.sampled_from(sorted(NODES))),
    st.tuples(st.just("is forgotten"), st.sampled_from(sorted(NODES))),
    st.tuples(st.just("copies"), st.sampled_from(NAMES)),
    st.tuples(st.just("lags"), st.sampled_from(NAMES)),
    st.tuples(st.just("ends"), st.sampled_from(NAMES)),
    st.tuples(st.just("asks to rebuild"), st.sampled_from(NAMES)),
    st.tuples(st.just("asks to fail over"), st.sampled_from(NAMES)),
    st.tuples(st.just("the API server"), st.booleans()),
    st.tuples(st.just("time"), st.integers(1, 400)),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(EVENTS, st.booleans()), max_size=40))
def test_no_volume_of_a_majority_is_ever_given_up(events: list[tuple[tuple[str, Any], bool]]) -> None:
    world = World()
    for (event, what), looks_twice in events:
        world.happen(event, what)
        asks = {"asks to rebuild": StoreWork.REBUILD, "asks to fail over": StoreWork.FAILOVER}
        world.step(request(asks[event], what) if event in asks else None)
        if looks_twice:
            world.step(None)


def test_a_node_that_never_returns_costs_nothing_in_the_end() -> None:
    world = World()
    world.ready["node-2"] = False
    for _ in range(60):
        world.step(None)
        world.now += 10
        if world.leader:
            world.has.update(name for name in NAMES if world.serves(name))
    assert world.made == 1
    assert all(world.serves(name) for name in NAMES)
    assert world.status is not None
    assert world.status.operation is not None
    assert world.status.operation.phase is StoreWorkPhase.DONE
