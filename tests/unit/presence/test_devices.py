"""Which devices rest, and what the store is told of them."""

from chatcluster_presence.devices import Devices, Mark, Write

IDLE_AFTER = 300.0


def devices() -> Devices:
    return Devices(idle_after=IDLE_AFTER, grace=2)


def marks(written: dict[str, Write]) -> dict[str, Mark]:
    return {socket: write.mark for socket, write in written.items()}


def test_a_device_in_use_writes_nothing() -> None:
    here = devices()
    here.opened("s", "ann", now=0)
    for now in range(0, 2000, 200):
        here.used("s", now)
        here.rest(now)
    assert here.take(2000, 10) == {}


def test_a_device_rests_once_and_wakes_once() -> None:
    here = devices()
    here.opened("s", "ann", now=0)
    here.rest(IDLE_AFTER - 1)
    assert here.take(IDLE_AFTER, 10) == {}
    here.rest(IDLE_AFTER)
    assert marks(here.take(IDLE_AFTER, 10)) == {"s": Mark.IDLE}
    here.rest(IDLE_AFTER * 2)
    assert here.take(IDLE_AFTER * 2, 10) == {}
    here.used("s", IDLE_AFTER * 2)
    here.used("s", IDLE_AFTER * 2 + 1)
    assert marks(here.take(IDLE_AFTER * 3, 10)) == {"s": Mark.USED}


def test_a_device_put_aside_rests_at_once() -> None:
    here = devices()
    here.opened("s", "ann", now=0)
    here.used("s", 1, active=False)
    here.used("s", 2, active=False)
    assert marks(here.take(2, 10)) == {"s": Mark.IDLE}
    here.used("s", 3)
    assert marks(here.take(3, 10)) == {"s": Mark.USED}


def test_who_goes_is_gone_after_a_moment() -> None:
    here = devices()
    here.opened("s", "ann", now=0)
    here.opened("t", "ann", now=0)
    here.used("s", 1, active=False)
    here.closed("s", 1)
    here.closed("s", 1)
    assert set(here.of("ann")) == {"t"}
    assert here.take(2, 10) == {}
    assert marks(here.take(3, 10)) == {"s": Mark.GONE}
    here.closed("t", 3)
    assert not here.of("ann")


def test_what_could_not_be_written_is_kept_unless_something_newer_is_known() -> None:
    here = devices()
    here.opened("s", "ann", now=0)
    here.opened("t", "bob", now=0)
    for socket in ("s", "t"):
        here.used(socket, 1, active=False)
    taken = here.take(1, 10)
    here.closed("t", 1)
    here.give_back(taken)
    assert marks(here.take(9, 10)) == {"s": Mark.IDLE, "t": Mark.GONE}


def test_at_most_so_much_is_taken() -> None:
    here = devices()
    for n in range(5):
        here.opened(str(n), "ann", now=0)
    here.again(1)
    assert [len(here.take(1, 2)) for _ in range(4)] == [2, 2, 1, 0]


def test_a_socket_that_is_not_open_is_nobodys() -> None:
    here = devices()
    here.used("s", 1)
    here.closed("s", 1)
    assert here.get("s") is None
    assert here.take(9, 9) == {}
