"""Questions asked together are answered together, and never with what was read before they were asked."""

import asyncio
from collections.abc import Sequence

import pytest

from chatcluster_common.batching import Batched


class Store:
    """Answers a key with the number of the call, once it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.go = asyncio.Event()
        self.failing = False

    async def fetch(self, keys: Sequence[str]) -> dict[str, int]:
        self.calls.append(list(keys))
        number = len(self.calls)
        await self.go.wait()
        if self.failing:
            raise OSError
        return dict.fromkeys(keys, number)


async def test_what_is_asked_during_a_call_waits_for_the_next() -> None:
    store = Store()
    batched = Batched(store.fetch, most=3)
    first = asyncio.create_task(batched.get("a"))
    while not store.calls:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(batched.get(key)) for key in ("a", "b", "b", "c", "d")]
    await asyncio.sleep(0)
    store.go.set()
    assert await first == 1
    assert await asyncio.gather(*rest) == [2, 2, 2, 2, 3]
    assert store.calls == [["a"], ["a", "b", "c"], ["d"]]


async def test_a_failure_is_everybodys_and_the_next_call_begins_anew() -> None:
    store = Store()
    store.go.set()
    store.failing = True
    batched = Batched(store.fetch)
    answers = await asyncio.gather(batched.get("a"), batched.get("b"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [OSError, OSError]
    store.failing = False
    assert await batched.get("a") == 2


async def test_who_gives_up_does_not_take_the_others_along() -> None:
    store = Store()
    batched = Batched(store.fetch)
    patient, impatient = asyncio.create_task(batched.get("a")), asyncio.create_task(batched.get("a"))
    while not store.calls:
        await asyncio.sleep(0)
    impatient.cancel()
    store.go.set()
    assert await patient == 1
    with pytest.raises(asyncio.CancelledError):
        await impatient
