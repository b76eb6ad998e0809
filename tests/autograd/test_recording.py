"""`no_grad`: as a block, and before functions of every kind, of which some pause.

Read next: ``test_engine.py``.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen.autograd import is_recording

X = mg.Tensor(np.ones(2), requires_grad=True)


def test_a_generator_records_nothing_and_its_caller_does() -> None:
    @mg.no_grad()
    def stream(n: int) -> Iterator[mg.Tensor]:
        """Doc."""
        for _ in range(n):
            yield X * 2

    assert stream.__name__ == "stream" and stream.__doc__ == "Doc."
    for y in stream(2):
        assert not y.requires_grad and is_recording() and (X * 2).requires_grad
    first, second = stream(3), stream(3)  # two of them in turn
    assert [y.requires_grad for pair in zip(first, second) for y in pair] == [False] * 6
    with mg.no_grad():
        paused = stream(2)
        next(paused)
    assert not next(paused).requires_grad and is_recording()


def test_what_is_sent_thrown_and_returned_passes_through() -> None:
    seen: list[Any] = []

    @mg.no_grad()
    def talk() -> Generator[int, Any, str]:
        try:
            seen.append((yield 1))
            try:
                yield 2
            except KeyError:
                seen.append(is_recording())
            yield 3
        finally:
            seen.append(is_recording())
        return "done"

    one = talk()
    assert next(one) == 1 and one.send("a") == 2 and one.throw(KeyError()) == 3 and is_recording()
    with pytest.raises(StopIteration) as stop:
        next(one)
    assert stop.value.value == "done" and seen == ["a", False, False]
    two = talk()
    next(two)
    two.close()
    assert seen == ["a", False, False, False] and is_recording()
    three = talk()
    next(three)
    with pytest.raises(ValueError, match="mine"):
        three.throw(ValueError("mine"))
    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        four = talk()
        next(four)
        four.throw(StopIteration())
    assert is_recording()


def test_async_functions_and_generators_record_nothing_while_others_do() -> None:
    log: list[bool] = []

    @mg.no_grad()
    async def quiet(n: int) -> int:
        for _ in range(n):
            log.append(is_recording())
            await asyncio.sleep(0)
        return n

    @mg.no_grad()
    async def stream(n: int) -> AsyncIterator[mg.Tensor]:
        try:
            for _ in range(n):
                await asyncio.sleep(0)
                yield X * 2
        finally:
            log.append(is_recording())

    async def loud(n: int) -> list[bool]:
        found = []
        for _ in range(n):
            found.append(is_recording())
            await asyncio.sleep(0)
        return found

    async def everything() -> None:
        n, found = await asyncio.gather(quiet(3), loud(3))
        assert n == 3 and log == [False] * 3 and found == [True] * 3
        assert [(y.requires_grad, is_recording()) async for y in stream(2)] == [(False, True)] * 2
        partly: Any = stream(5)
        await anext(partly)
        await partly.aclose()
        assert log[3:] == [False, False] and is_recording()
        broken: Any = stream(5)
        await anext(broken)
        with pytest.raises(ValueError, match="mine"):
            await broken.athrow(ValueError("mine"))

    asyncio.run(everything())
    assert is_recording()


def test_before_other_things_that_pause() -> None:
    """Objects that are called, what functools made of them, and methods below @staticmethod and @classmethod."""

    class Stream:
        def __call__(self) -> Iterator[bool]:
            yield is_recording()

        @mg.no_grad()
        @staticmethod
        def of_none() -> Iterator[bool]:
            yield is_recording()

        @mg.no_grad()
        @classmethod
        def of_class(cls) -> Iterator[tuple[type, bool]]:
            yield cls, is_recording()

    for stream in (Stream(), functools.partial(Stream.__call__, Stream()), functools.partial(Stream())):
        assert list(mg.no_grad()(stream)()) == [False]
    assert list(Stream.of_none()) == list(Stream().of_none()) == [False]
    assert list(Stream.of_class()) == [(Stream, False)]
    assert isinstance(mg.no_grad()(Stream)(), Stream)
    assert is_recording()
