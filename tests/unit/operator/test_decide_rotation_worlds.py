"""Rotations in small worlds, in which the operator dies between any two writes and everything else takes its time.

What must hold, whatever happens when:

1. At every instant, each password that a pod of a service uses is accepted by each store that the service uses.
2. At every instant, each key that a pod uses, and each by which a token that is still good was signed, is accepted by
   each pod that serves: new keys are known before they are used, old ones until the last token has expired.
3. A rotation ends once nothing stands in its way, with one value everywhere: the new one, or, when a service cannot
   work with that, the old one. Only when the status was lost too may it wait for that service to be mended.
4. Whether the operator dies between any two writes of a look, or its status is lost, the outcome is the same.

That this proves something is itself tested: each of `MUTANTS` is one rule of `decide.rotation`, or of how its input is
judged, altered as it might be by mistake. Each must break what it is listed with.
"""

import itertools
import random as randomness
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcluster_operator.api import Rotation, RotationKind, RotationPhase
from chatcluster_operator.decide.rotation import Change, Course, Progress, advance, turns
from chatcluster_operator.desired.types import Turns

PASSWORDS, KEYS = RotationKind.PASSWORDS, RotationKind.KEYS
STEP, LIFETIME, TOKEN = 600, 840, 900
"""Seconds that a step may take, that a token is good for, and that the operator takes for the latter."""
USES = {"user": ("postgres", "redis"), "message": ("kafka", "redis"), "gateway": ("postgres",)}
ORDER = tuple(USES)
STORES = ("postgres", "redis", "kafka")
REPLICAS = 2


class BrokenError(AssertionError):
    """What must hold does not."""


def must(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenError(what)


@dataclass(frozen=True)
class Values:
    """A Secret's values: one password, one key that signs tokens and is shown to other services."""

    password: int = 0
    key: int = 0
    coming: int = 0
    what: RotationKind | None = None

    @property
    def passwords(self) -> set[int]:
        return {self.password} | ({self.coming} if self.what is PASSWORDS else set())

    @property
    def keys(self) -> set[int]:
        return {self.key} | ({self.coming} if self.what is KEYS else set())

    def completed(self) -> "Values":
        return Values(self.coming, self.key) if self.what is PASSWORDS else Values(self.password, self.coming)


@dataclass(frozen=True)
class Template:
    """What a service's pods are to start with."""

    password: int
    key: int
    newest: int
    """The newest key that it has heard of."""


def template(values: Values, found: Turns, service: str) -> Template:
    using = service in found.using
    mine = values.completed() if using and values.what is not None else values
    knows = using or service in found.knowing
    return Template(mine.password, mine.key, max(values.keys) if knows else values.key)


@dataclass
class Pod:
    """Reads what it uses once, at its start; what it accepts again and again."""

    template: Template
    accepts: set[int]
    ready: bool = False
    ending: bool = False


def judged(world: "World", found: Turns) -> dict[str, Progress]:
    """How far each service is: as `reconcile.rotation` judges it by workloads and pods."""
    progress: dict[str, Progress] = {}
    for name in ORDER:
        wanted = template(world.secret, found, name)
        pods = world.pods[name]
        renewed = (
            world.templates[name] == wanted
            and len([pod for pod in pods if not pod.ending]) == REPLICAS
            and all(pod.ready and pod.template == wanted for pod in pods)
        )
        progress[name] = Progress(renewed)
    return progress


@dataclass(frozen=True)
class Rules:
    """What is under test."""

    advance: Callable[..., Course] = advance
    turns: Callable[[Rotation | None, tuple[str, ...]], Turns] = turns
    judged: Callable[["World", Turns], dict[str, Progress]] = judged


@dataclass
class World:
    rules: Rules = Rules()
    unable: str = ""
    """A service whose pods become ready with nothing but the values of the beginning."""
    secret: Values = Values()
    status: Rotation | None = None
    stores: dict[str, set[int]] = field(default_factory=lambda: {name: {0} for name in STORES})
    """The passwords that each store accepts."""
    templates: dict[str, Template] = field(default_factory=lambda: dict.fromkeys(ORDER, Template(0, 0, 0)))
    files: dict[str, set[int]] = field(default_factory=lambda: {name: {0} for name in ORDER})
    """The keys that each service's Secret tells it to accept."""
    pods: dict[str, list[Pod]] = field(
        default_factory=lambda: {
            name: [Pod(Template(0, 0, 0), {0}, ready=True) for _ in range(REPLICAS)] for name in ORDER
        }
    )
    tokens: dict[int, int] = field(default_factory=dict)
    """Until when a token that the key has signed is good."""
    now: int = 1000
    forgotten: bool = False
    """Whether the status was lost, or never written."""
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    # What the operator does

    def look(self, asked: RotationKind | None = None, crash: int = 9) -> None:
        """One look; the operator dies before its write number `crash`: of the Secret, the workloads, the status."""
        rules, old = self.rules, self.secret
        found = rules.advance(
            rotation=self.status,
            coming=old.what,
            asked=asked,
            order=ORDER,
            progress=rules.judged(self, rules.turns(self.status, ORDER)) if old.what else {},
            step_seconds=STEP,
            token_seconds=TOKEN,
            now=self.now,
        )
        if crash == 0:
            return
        match found.change:
            case Change.BEGIN:
                assert found.rotation is not None
                must(old.what is None, "values of another rotation are overwritten")
                self.secret = Values(old.password, old.key, next(self.numbers), found.rotation.what)
            case Change.COMPLETE:
                self.secret = old.completed()
            case Change.WITHDRAW:
                self.secret = Values(old.password, old.key)
            case Change.KEEP:
                pass
        self.forgotten |= found.change is Change.BEGIN and crash <= len(ORDER) + 1
        for number, name in enumerate(ORDER, start=1):
            if crash == number:
                return
            after = rules.turns(found.rotation, ORDER)
            self.templates[name] = template(self.secret, after, name)
            knows = name in after.knowing | after.using
            self.files[name] = self.secret.keys if knows else {self.secret.key}
        if crash > len(ORDER):
            self.status = found.rotation if crash > len(ORDER) + 1 else self.status

    # What others do, when they like

    def kubelet_brings_passwords(self, store: str) -> None:
        self.stores[store] = set(self.secret.passwords)

    def kubelet_brings_keys(self, name: str) -> None:
        for pod in self.pods[name]:
            pod.accepts = self.files[name]

    def store_lets_in(self, name: str) -> None:
        for pod in self.pods[name]:
            able = name != self.unable or pod.template == Template(0, 0, 0)
            known = all(pod.template.password in self.stores[store] for store in USES[name])
            pod.ready = pod.ready or (able and known and not pod.ending)

    def controller_acts(self, name: str) -> None:
        """A Deployment's: one new pod beside the old ones; one of those goes once it is ready, or never was itself."""
        pods = [pod for pod in self.pods[name] if not pod.ending]
        old = [pod for pod in pods if pod.template != self.templates[name]]
        if len(pods) <= REPLICAS:
            if old:
                self.pods[name].append(Pod(self.templates[name], self.files[name]))
            return
        idle = next((pod for pod in old if not pod.ready), None)
        if idle is not None:
            self.pods[name].remove(idle)
        elif old and all(pod.ready for pod in pods):
            old[0].ending = True

    def ending_pods_go(self, name: str) -> None:
        self.pods[name] = [pod for pod in self.pods[name] if not pod.ending]

    def user_signs(self) -> None:
        for pod in self.pods["user"]:
            if pod.ready:
                self.tokens[pod.template.key] = self.now + LIFETIME

    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.tokens = {key: until for key, until in self.tokens.items() if until > self.now}

    # What must hold

    def check(self) -> None:
        serving = [(name, pod) for name, pods in self.pods.items() for pod in pods if pod.ready]
        for name, pod in serving:
            for store in USES[name]:
                must(pod.template.password in self.stores[store], "a password in use is refused")
        used = {pod.template.key for _, pod in serving} | self.tokens.keys()
        for _, pod in serving:
            must(used <= pod.accepts, "a key in use is refused")

    # Together

    def everybody_else_acts(self) -> None:
        """Without delay, checked after each."""
        self.user_signs()
        for store in STORES:
            self.kubelet_brings_passwords(store)
            self.check()
        for name in ORDER:
            self.kubelet_brings_keys(name)
            for _ in range(3 * REPLICAS):
                for act in (self.controller_acts, self.store_lets_in, self.ending_pods_go):
                    act(name)
                    self.check()
        self.time_passes(60)

    def settle(self) -> None:
        """Nothing stands in the way any more."""
        for look in range(120):
            if look == 60 and self.forgotten:
                # Without the status nobody knows whether new keys are used already: it waits for all to know them.
                self.unable = ""
            self.look()
            self.check()
            self.everybody_else_acts()
            if self.over:
                break
        must(self.over, "it does not end")
        templates = set(self.templates.values())
        must(templates == {Template(self.secret.password, self.secret.key, self.secret.key)}, "it ends half-way")
        must({pod.template for pods in self.pods.values() for pod in pods} == templates, "pods are left behind")
        if self.unable:
            must(templates == {Template(0, 0, 0)}, "values that do not work are kept")

    @property
    def over(self) -> bool:
        return self.secret.what is None and (self.status is None or self.status.phase is RotationPhase.FAILED)

    def disturbed(self, random: randomness.Random, moves: int) -> None:
        """At random, somebody acts, or the operator dies or forgets. Values are asked for now and then."""
        crashes = [0, 1, 2, 3, 4, *[9] * 8]
        acts: list[Callable[[], None]] = [
            *(
                lambda: self.look(random.choice((PASSWORDS, KEYS, None, None)), random.choice(crashes))
                for _ in range(8)
            ),
            *(lambda store=store: self.kubelet_brings_passwords(store) for store in STORES),
            *(lambda name=name: self.kubelet_brings_keys(name) for name in ORDER),
            *(lambda name=name: self.controller_acts(name) for name in ORDER for _ in range(4)),
            *(lambda name=name: self.store_lets_in(name) for name in ORDER for _ in range(3)),
            *(lambda name=name: self.ending_pods_go(name) for name in ORDER for _ in range(2)),
            self.user_signs,
            lambda: self.time_passes(random.choice((5, 60, 300))),
        ]
        for _ in range(moves):
            random.choice(acts)()
            self.check()
            if random.random() < 0.005:
                self.status, self.forgotten = None, True


def interrupted(rules: Rules, what: RotationKind) -> None:
    """A rotation without delays, once for each write before which the operator may die, and with its status lost
    after each look: all come to the same end. When it is away for longer than a step may take, it may be taken back."""

    def outcome(at: int, crash: int, *, away: int = 0, forget: bool = False) -> tuple[int, Values]:
        world = World(rules)
        for look in itertools.count():
            asked = what if world.secret == Values() and world.status is None else None
            world.look(asked, crash if look == at else 9)
            world.check()
            if look == at:
                world.status = None if forget else world.status
                world.time_passes(away)
            world.everybody_else_acts()
            failed = world.status is not None and world.status.phase is RotationPhase.FAILED
            must(look < 120 and (away > 0 or not failed), "it fails")
            if world.over and (failed or world.secret != Values()):
                world.settle()
                return look, world.secret
        raise AssertionError

    looks, whole = outcome(-1, 9)
    must(whole == (Values(password=1) if what is PASSWORDS else Values(key=1)), "it ends with other values")
    for at in range(looks + 1):
        for crash in range(len(ORDER) + 2):
            must(outcome(at, crash)[1] == whole, "another outcome after a crash")
            must(outcome(at, crash, away=STEP)[1] in {whole, Values()}, "another outcome after a long time")
        must(outcome(at, 9, forget=True)[1] == whole, "another outcome after the status was lost")


@pytest.mark.parametrize("what", RotationKind)
def test_the_operator_may_die_between_any_two_writes(what: RotationKind) -> None:
    interrupted(Rules(), what)


@settings(max_examples=25)
@given(random=st.randoms(use_true_random=False), unable=st.sampled_from(("", *ORDER)))
def test_whatever_happens_when_nothing_in_use_is_refused_and_it_ends(random: randomness.Random, unable: str) -> None:
    world = World(unable=unable)
    world.disturbed(random, 300)
    world.settle()


Advance = Callable[..., Course]


def in_phase(*phases: RotationPhase) -> Callable[[Rotation | None], bool]:
    return lambda rotation: rotation is not None and rotation.phase in phases


def altered_input(when: Callable[[Rotation | None], bool], **changes: Any) -> Advance:
    """`advance`, told other things in some phases."""
    return lambda **told: advance(**(told | changes if when(told["rotation"]) else told))


def altered_turns(phase: RotationPhase, alter: Callable[[Turns], Turns]) -> Callable[..., Turns]:
    """`turns`, altered in one phase."""
    return lambda rotation, order: (
        alter(turns(rotation, order)) if in_phase(phase)(rotation) else turns(rotation, order)
    )


def altered_change(when: Callable[[Rotation | None], bool], change: Change) -> Advance:
    def found(**told: Any) -> Course:
        course = advance(**told)
        return replace(course, change=change) if when(told["rotation"]) and told["coming"] else course

    return found


def starts_over(**told: Any) -> Course:
    """A lost status is taken up at the first service."""
    course = advance(**told)
    if told["rotation"] is None and told["coming"] is KEYS and course.rotation is not None:
        first = {"phase": PUBLISHING, "step": ORDER[0]}
        return replace(course, rotation=course.rotation.model_copy(update=first))
    return course


def signs_at_once(**told: Any) -> Course:
    """The first service begins to sign in the very look in which the last one has learned to accept."""
    course = advance(**told)
    if in_phase(PUBLISHING)(told["rotation"]) and in_phase(SIGNING)(course.rotation) and course.rotation is not None:
        return replace(course, rotation=course.rotation.model_copy(update={"step": ORDER[0]}))
    return course


def gone_pods_only(world: World, found: Turns) -> dict[str, Progress]:
    """Pods that are ending are taken for gone."""
    stay = {name: [pod for pod in pods if not pod.ending] for name, pods in world.pods.items()}
    return judged(replace(world, pods=stay), found)


def ready_or_not(world: World, found: Turns) -> dict[str, Progress]:
    """Old pods are gone, or the new ones ready: either will do."""
    return {
        name: Progress(world.templates[name] == template(world.secret, found, name) and any(p.ready for p in pods))
        for name, pods in world.pods.items()
    }


WELL = dict.fromkeys(ORDER, Progress(renewed=True))
ROLLING, PUBLISHING, SIGNING = RotationPhase.ROLLING, RotationPhase.PUBLISHING, RotationPhase.SIGNING
EXPIRING, ROLLING_BACK = RotationPhase.EXPIRING, RotationPhase.ROLLING_BACK
PASSWORD_REFUSED, KEY_REFUSED, NO_END = "a password in use is refused", "a key in use is refused", "it does not end"

MUTANTS = {
    "old passwords go while services roll": (
        Rules(altered_change(in_phase(ROLLING), Change.COMPLETE)),
        PASSWORD_REFUSED,
    ),
    "a service is not waited for": (Rules(altered_input(in_phase(ROLLING), progress=WELL)), PASSWORD_REFUSED),
    "ending pods count as gone": (Rules(judged=gone_pods_only), "refused"),
    "one ready pod is enough": (Rules(judged=ready_or_not), "refused"),
    "new passwords go while services return": (
        Rules(altered_input(in_phase(ROLLING_BACK), progress=WELL)),
        PASSWORD_REFUSED,
    ),
    "keys are used before they are known": (
        Rules(turns=altered_turns(PUBLISHING, lambda found: replace(found, using=found.knowing))),
        KEY_REFUSED,
    ),
    "keys are used before it is noted": (Rules(signs_at_once), KEY_REFUSED),
    "publishing is not waited for": (
        Rules(altered_input(in_phase(PUBLISHING), progress=WELL)),
        f"{KEY_REFUSED}|{NO_END}",
    ),
    "those that do not use a key forget it": (
        Rules(turns=altered_turns(SIGNING, lambda found: replace(found, knowing=found.using))),
        KEY_REFUSED,
    ),
    "tokens are not waited for": (Rules(altered_input(in_phase(EXPIRING), token_seconds=0)), KEY_REFUSED),
    "tokens are not waited for on the way back": (
        Rules(altered_input(in_phase(ROLLING_BACK), token_seconds=0)),
        KEY_REFUSED,
    ),
    "keys are forgotten on the way back": (
        Rules(turns=altered_turns(ROLLING_BACK, lambda _: Turns())),
        KEY_REFUSED,
    ),
    "a lost status begins anew": (Rules(starts_over), KEY_REFUSED),
    "it is never completed": (Rules(altered_change(in_phase(ROLLING, EXPIRING), Change.KEEP)), "it fails|" + NO_END),
    "it is never taken back": (
        Rules(altered_input(in_phase(ROLLING, PUBLISHING, SIGNING), step_seconds=10**9)),
        NO_END,
    ),
    "new values are never withdrawn": (
        Rules(altered_change(in_phase(ROLLING_BACK), Change.KEEP)),
        "it fails|" + NO_END,
    ),
    "the new values are thrown away": (
        Rules(altered_change(in_phase(EXPIRING), Change.WITHDRAW)),
        "refused|other values",
    ),
}


def prove(rules: Rules) -> None:
    """Raises `BrokenError` where the rules break what must hold. What finds most mistakes at once comes first."""
    for seed in range(400):
        if seed == 30:
            for what in RotationKind:
                interrupted(rules, what)
        random = randomness.Random(seed)
        world = World(rules, unable=random.choice(("", *ORDER)))
        world.disturbed(random, 300)
        world.settle()


@pytest.mark.parametrize(("rules", "breaks"), MUTANTS.values(), ids=MUTANTS)
def test_a_mistake_in_the_rules_is_found(rules: Rules, breaks: str) -> None:
    with pytest.raises(BrokenError, match=breaks):
        prove(rules)
