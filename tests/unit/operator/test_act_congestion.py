"""The window of writes: never more inside than it is wide, nobody forgotten, and its width follows the answers."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.act.congestion import FIRST, LEAST, MOST, Window
from chatcluster_operator.kube import ApiError


async def call(window: Window, error: Exception | None = None) -> None:
    async with window.turn():
        await asyncio.sleep(0)
        if error:
            raise error


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 30))


@pytest.mark.parametrize(
    ("error", "narrower"),
    [
        (TimeoutError(), True),
        (ApiError(504, "Timeout", "too late"), True),
        (ApiError(429, "TooManyRequests", "busy"), True),
        (ApiError(503, "ServiceUnavailable", "busy"), True),
        (ApiError(409, "Conflict", "somebody else was first"), False),
        (ApiError(422, "Invalid", "not so"), False),
    ],
)
def test_only_what_says_that_the_server_is_overloaded_narrows_it(error: Exception, narrower: bool) -> None:
    async def scenario() -> None:
        window = Window()
        with pytest.raises(type(error)):
            await call(window, error)
        assert window.width == (FIRST / 2 if narrower else FIRST)

    run(scenario)


def test_answers_in_time_widen_it_up_to_a_bound() -> None:
    async def scenario() -> None:
        window = Window()
        for _ in range(3000):
            await call(window)
        assert window.width == MOST

    run(scenario)


def test_those_that_were_late_together_narrow_it_once() -> None:
    async def scenario() -> None:
        window = Window()
        late = asyncio.Event()

        async def one() -> None:
            async with window.turn():
                await late.wait()
                raise TimeoutError

        tasks = [asyncio.create_task(one()) for _ in range(10)]
        await asyncio.sleep(0)
        late.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert window.width == FIRST / 2

    run(scenario)


@given(
    endings=st.lists(st.sampled_from(["well", "late", "refused", "cancelled"]), min_size=1, max_size=120),
    width=st.floats(LEAST, MOST),
)
def test_everybody_has_a_turn_and_never_more_than_its_width_at_once(endings: list[str], width: float) -> None:
    async def scenario() -> None:
        window = Window(width)
        inside = served = 0

        async def one(ending: str) -> None:
            nonlocal inside, served
            async with window.turn():
                inside += 1
                # It may have been narrowed since some of those inside came in, never widened beyond its bound.
                assert inside <= MOST
                try:
                    await asyncio.sleep(0)
                    served += 1
                    if ending == "late":
                        raise TimeoutError
                    if ending == "refused":
                        raise ApiError(409, "Conflict", "")
                finally:
                    inside -= 1

        tasks = [asyncio.create_task(one(ending)) for ending in endings]
        await asyncio.sleep(0)
        for task, ending in zip(tasks, endings, strict=True):
            if ending == "cancelled":
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert inside == 0
        assert served >= sum(ending != "cancelled" for ending in endings)
        # Nobody holds a place for ever: as many as it is wide fit in at once.
        await asyncio.gather(*(call(window) for _ in range(int(window.width))))

    run(scenario)
