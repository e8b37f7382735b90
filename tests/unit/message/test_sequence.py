"""Turns: one writer at a time in a conversation, first come first served."""

import asyncio

from chatcluster_message.sequence import Turns


async def test_writers_of_a_conversation_take_turns_in_order() -> None:
    turns = Turns()
    order: list[int] = []
    inside = 0

    async def write(n: int) -> None:
        nonlocal inside
        async with turns.take("c") as turn:
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            order.append(n)
            turn.last = n
            inside -= 1

    await asyncio.gather(*map(write, range(20)))
    assert order == list(range(20))
    async with turns.take("c") as turn:
        assert turn.last == 19


async def test_conversations_do_not_wait_for_each_other() -> None:
    turns = Turns()
    async with turns.take("a"), asyncio.timeout(1), turns.take("b"):
        pass


async def test_another_process_moves_the_number_forward_only() -> None:
    turns = Turns()
    turns.saw("c", 5)
    async with turns.take("c") as turn:
        assert turn.last is None  # not known before it was read here
        turn.last = 7
    turns.saw("c", 6)
    turns.saw("c", 9)
    async with turns.take("c") as turn:
        assert turn.last == 9


async def test_numbers_of_old_conversations_are_forgotten_but_not_while_in_use() -> None:
    turns = Turns(remembered=2)
    async with turns.take("a") as used:
        used.last = 1
        for name in "bcd":
            async with turns.take(name) as turn:
                turn.last = 1
        turns.saw("a", 4)
        assert used.last == 4
    async with turns.take("b") as turn:
        turn.last = turn.last or 0
    async with turns.take("e"):
        pass
    async with turns.take("a") as turn:
        assert turn.last is None
