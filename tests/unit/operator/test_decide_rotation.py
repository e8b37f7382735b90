"""Rotations: what follows from what, and that nothing used is ever refused whatever is interrupted when."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcluster_operator.api import Rotation, RotationKind, RotationPhase
from chatcluster_operator.decide.rotation import Change, Course, Progress, advance, turns
from chatcluster_operator.desired.types import Turns

ORDER = ("user", "message", "gateway")
PASSWORDS, KEYS = RotationKind.PASSWORDS, RotationKind.KEYS
STEP, TOKEN = 600, 900
WELL, LATE = Progress(renewed=True), Progress(renewed=False)


def at(what, phase, step="user", since=1000, message=""):
    return Rotation(what=what, phase=RotationPhase(phase), step=step, started=1000, since=since, message=message)


def course(rotation=None, coming=None, asked=None, late=(), *, trouble="", now=1010) -> Course:
    progress = {name: Progress(renewed=False, trouble=trouble) if name in late else WELL for name in ORDER}
    return advance(
        rotation=rotation,
        coming=coming,
        asked=asked,
        order=ORDER,
        progress=progress,
        step_seconds=STEP,
        token_seconds=TOKEN,
        now=now,
    )


def test_nothing_asked_nothing_done():
    assert course() == Course(None)


@pytest.mark.parametrize(("what", "phase"), [(PASSWORDS, "Rolling"), (KEYS, "Publishing")])
def test_it_begins_with_new_values_in_the_secret(what, phase):
    assert course(asked=what, now=1000) == Course(at(what, phase), Change.BEGIN)


def test_values_that_could_not_be_stored_are_made_again():
    assert course(at(PASSWORDS, "Rolling"), asked=PASSWORDS, now=1000).change is Change.BEGIN
    assert course(at(PASSWORDS, "Rolling")) == Course(None)


PASSES = [
    (PASSWORDS, "Rolling", "user", ("Rolling", "message", Change.KEEP)),
    (PASSWORDS, "Rolling", "gateway", ("Rolling", "gateway", Change.COMPLETE)),
    (KEYS, "Publishing", "message", ("Publishing", "gateway", Change.KEEP)),
    (KEYS, "Publishing", "gateway", ("Signing", "user", Change.KEEP)),
    (KEYS, "Signing", "user", ("Signing", "message", Change.KEEP)),
    (KEYS, "Signing", "gateway", ("Expiring", "", Change.KEEP)),
]


@pytest.mark.parametrize(("what", "phase", "step", "after"), PASSES)
def test_a_service_that_is_through_gives_its_turn_to_the_next(what, phase, step, after):
    found = course(at(what, phase, step), what)
    assert (found.rotation.phase, found.rotation.step, found.change) == after
    waits = course(at(what, phase, step), what, late=("user",))
    assert waits == Course(at(what, phase, step)), "one that was through and is no more holds it up too"


@pytest.mark.parametrize(("seconds", "change"), [(TOKEN - 1, Change.KEEP), (TOKEN, Change.COMPLETE)])
def test_the_old_key_stays_until_its_last_token_has_expired(seconds, change):
    rotation = at(KEYS, "Expiring", "")
    assert course(rotation, KEYS, now=1000 + seconds) == Course(rotation, change)


@pytest.mark.parametrize("rotation", [at(PASSWORDS, "Rolling", "gateway"), at(KEYS, "Expiring", "")])
def test_it_is_over_once_the_secret_has_the_new_values_alone(rotation):
    assert course(rotation) == Course(None, finished=rotation)


@pytest.mark.parametrize(("trouble", "seconds", "phase"), [
    ("", STEP - 1, "Rolling"),
    ("", STEP, "RollingBack"),
    ("no image", 29, "Rolling"),
    ("no image", 30, "RollingBack"),
])  # fmt: skip
def test_a_service_that_does_not_become_ready_takes_it_back(trouble, seconds, phase):
    found = course(
        at(PASSWORDS, "Rolling", "message"), PASSWORDS, late=("message",), trouble=trouble, now=1000 + seconds
    )
    assert found.rotation.phase == phase
    assert found.change is Change.KEEP
    if phase == "RollingBack":
        assert found.rotation.message == (trouble or f"message did not become ready within {STEP} s")


@pytest.mark.parametrize(("what", "late", "seconds", "change"), [
    (PASSWORDS, (), 0, Change.WITHDRAW),
    (PASSWORDS, ("gateway",), 10_000, Change.KEEP),
    (KEYS, (), TOKEN - 1, Change.KEEP),
    (KEYS, (), TOKEN, Change.WITHDRAW),
])  # fmt: skip
def test_taken_back_the_new_values_go_once_nobody_uses_them(what, late, seconds, change):
    rotation = at(what, "RollingBack", "message", message="why")
    assert course(rotation, what, late=late, now=1000 + seconds) == Course(rotation, change)
    failed = course(rotation).rotation
    assert (failed.phase, failed.step, failed.message) == ("Failed", "message", "why")
    assert course(failed).rotation == failed, "it is remembered"
    assert course(failed, asked=what, now=1000) == Course(course(asked=what, now=1000).rotation, Change.BEGIN)


TURNS = [
    (None, (), ()),
    (at(PASSWORDS, "Rolling", "message"), (), ORDER[:2]),
    (at(KEYS, "Publishing", "user"), ORDER[:1], ()),
    (at(KEYS, "Signing", "message"), ORDER, ORDER[:2]),
    (at(KEYS, "Expiring", ""), ORDER, ORDER),
    (at(KEYS, "RollingBack", "message"), ORDER, ()),
    (at(KEYS, "Failed", "message"), (), ()),
    (at(PASSWORDS, "Rolling", "file"), (), ()),
]


@pytest.mark.parametrize(("rotation", "knowing", "using"), TURNS)
def test_who_knows_and_uses_the_new_values(rotation, knowing, using):
    assert turns(rotation, ORDER) == Turns(frozenset(knowing), frozenset(using))


@dataclass(frozen=True)
class Values:
    """A Secret's values: one password, one key that signs tokens and is sent along."""

    password: int = 0
    key: int = 0
    coming: int = 0
    what: RotationKind | None = None

    @property
    def passwords(self):
        return {self.password} | ({self.coming} if self.what is PASSWORDS else set())

    @property
    def keys(self):
        return {self.key} | ({self.coming} if self.what is KEYS else set())


@dataclass
class Pod:
    """Reads what it uses once, at its start; what it accepts again and again."""

    template: tuple
    password: int
    key: int
    accepts: set[int]
    ready: bool = False


@dataclass
class World:
    secret: Values = Values()
    status: Rotation | None = None
    stores: set[int] = field(default_factory=lambda: {0})
    templates: dict[str, tuple] = field(default_factory=dict)
    pods: dict[str, list[Pod]] = field(default_factory=dict)
    tokens: list[tuple[int, int]] = field(default_factory=list)
    now: int = 1000


def template(values: Values, found: Turns, service: str) -> tuple:
    """What a service's pods are to start with: password, key, and all the keys to accept."""
    using = service in found.using and values.what is not None
    password = values.coming if using and values.what is PASSWORDS else values.password
    key = values.coming if using and values.what is KEYS else values.key
    ring = values.keys if values.what is KEYS and (using or service in found.knowing) else {values.key}
    return password, key, max(ring)


class Simulation:
    """The operator looks, crashes between any two writes, and forgets; kubelets and controllers take their time."""

    def __init__(self):
        self.world = World()
        self.numbers = itertools.count(1)
        for name in ORDER:
            self.world.templates[name] = template(self.world.secret, Turns(), name)
            self.world.pods[name] = [Pod(self.world.templates[name], 0, 0, {0}, True) for _ in range(2)]

    def progress(self, found):
        world = self.world
        return {
            name: Progress(
                renewed=len(world.pods[name]) == 2
                and all(pod.ready and pod.template == template(world.secret, found, name) for pod in world.pods[name])
                and world.templates[name] == template(world.secret, found, name)
            )
            for name in ORDER
        }

    def look(self, asked, crash):
        """`crash`: 0 before the Secret is written, 1 before workloads are, 2 within, 3 before the status is."""
        world = self.world
        before = turns(world.status, ORDER)
        coming = world.secret.what
        if coming is None and asked is None and world.status is None:
            return
        found = advance(
            rotation=world.status,
            coming=coming,
            asked=asked,
            order=ORDER,
            progress=self.progress(before) if coming else {},
            step_seconds=STEP,
            token_seconds=TOKEN,
            now=world.now,
        )
        if crash == 0:
            return
        old = world.secret
        match found.change:
            case Change.BEGIN:
                world.secret = Values(old.password, old.key, next(self.numbers), found.rotation.what)
            case Change.COMPLETE if old.what is PASSWORDS:
                world.secret = Values(old.coming, old.key)
            case Change.COMPLETE:
                world.secret = Values(old.password, old.coming)
            case Change.WITHDRAW:
                world.secret = Values(old.password, old.key)
            case Change.KEEP:
                pass
        if crash == 1:
            return
        for index, name in enumerate(ORDER):
            if crash == 2 and index == 1:
                return
            world.templates[name] = template(world.secret, turns(found.rotation, ORDER), name)
        if crash != 3:
            world.status = found.rotation

    def forget(self):
        self.world.status = None

    def kubelet_brings_the_secret_to_the_stores(self):
        self.world.stores = set(self.world.secret.passwords)

    def kubelet_brings_the_keys_to_pods(self, name):
        for pod in self.world.pods[name]:
            pod.accepts = self.accepted(name)

    def accepted(self, name):
        # The file has, besides what its pods began with, whatever is good for now of what the service may know.
        _, key, newest = self.world.templates[name]
        return {key, newest} | (self.world.secret.keys if newest in self.world.secret.keys else set())

    def roll(self, name):
        """A Deployment's controller: one new pod beside the old ones, and one of them ends once it is ready."""
        world, pods = self.world, self.world.pods[name]
        wanted = world.templates[name]
        for pod in pods:
            pod.ready = pod.ready or pod.password in world.stores
        old = [pod for pod in pods if pod.template != wanted]
        if len(pods) > 2:
            leaving = next((pod for pod in old if not pod.ready), None) or (
                old[0] if old and sum(pod.ready for pod in pods) > 2 else None
            )
            if leaving is not None:
                pods.remove(leaving)
        elif old:
            pods.append(Pod(wanted, wanted[0], wanted[1], self.accepted(name)))

    def sign(self, name):
        world = self.world
        world.tokens += [(pod.key, world.now + TOKEN - 60) for pod in world.pods[name] if pod.ready]

    def time_passes(self, seconds):
        self.world.now += seconds
        self.world.tokens = [token for token in self.world.tokens if token[1] > self.world.now]

    def no_password_that_is_used_is_refused(self):
        for name, pods in self.world.pods.items():
            for pod in pods:
                if pod.ready:
                    assert pod.password in self.world.stores, name

    def nobody_refuses_what_another_sends_or_signed(self):
        pods = [pod for pods in self.world.pods.values() for pod in pods if pod.ready]
        sent = {pod.key for pod in pods} | {key for key, _ in self.world.tokens}
        for pod in pods:
            assert sent <= pod.accepts

    def check(self):
        self.no_password_that_is_used_is_refused()
        self.nobody_refuses_what_another_sends_or_signed()

    def disturb(self, random):
        """Something happens, or fails to."""
        crash = random.choice((0, 1, 2, 3, 8, 8, 8, 8))
        moves = [
            *(lambda: self.look(random.choice((None, PASSWORDS, KEYS)), crash) for _ in range(9)),
            *(self.kubelet_brings_the_secret_to_the_stores for _ in range(3)),
            lambda: self.time_passes(random.choice((5, 60, 300))),
            *(lambda name=name: self.roll(name) for name in ORDER for _ in range(5)),
            *(lambda name=name: self.kubelet_brings_the_keys_to_pods(name) for name in ORDER),
            *(lambda name=name: self.sign(name) for name in ORDER),
        ]
        random.choice(moves)()
        if random.random() < 0.003:
            self.forget()

    def settle(self):
        """With nothing in the way."""
        for _ in range(60):
            self.look(None, 8)
            self.kubelet_brings_the_secret_to_the_stores()
            for name in ORDER:
                for _ in range(6):
                    self.roll(name)
            self.time_passes(60)
            self.check()


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_is_interrupted_nothing_that_is_used_is_refused_and_it_ends(random):
    simulation = Simulation()
    for _ in range(300):
        simulation.disturb(random)
        simulation.check()
    simulation.settle()
    assert simulation.world.secret.what is None
    assert simulation.world.status is None or simulation.world.status.phase is RotationPhase.FAILED
    assert len({pod.password for pods in simulation.world.pods.values() for pod in pods}) == 1
