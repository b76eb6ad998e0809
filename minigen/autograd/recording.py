"""Is it remembered how Tensors are made? The switch, `no_grad`, and what it means before functions that pause.

The switch belongs to a thread. A function that pauses - a generator, a coroutine - runs in pieces, and between them
other code of the same thread runs; so `no_grad` before such a function turns the switch for each piece.

Imports: nothing. Read next: ``ops/arithmetic.py``.
"""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import ContextDecorator
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class _Recording(threading.local):
    on = True  # does this thread remember how Tensors are made?
    function: Any = None  # the Function whose `backward` the engine runs in this thread just now
    needs_input_grad: tuple[bool, ...] = ()  # which inputs of it are on the way to a target
    second: Any = None  # the gradient of its second result, if it has one and that counts
    watch: Any = None  # calls `forward` of each Function in the place of the engine: what is asked for an ONNX file
    watch_backward: Any = None  # the same of `backward`: what is measured (``anatomy/watch.py``)


recording = _Recording()


class RecordingMode(ContextDecorator):
    """``with RecordingMode(on):`` sets whether operations are recorded, and puts it back."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __enter__(self) -> None:
        self.before, recording.on = recording.on, self.on

    def __exit__(self, *error: object) -> None:
        recording.on = self.before

    def _recreate_cm(self) -> RecordingMode:  # as a decorator: each call of the function has its own
        return RecordingMode(self.on)

    def __call__(self, function: F) -> F:
        """Before a function: for the whole of each call, and while a generator or coroutine is at work."""
        if isinstance(function, (staticmethod, classmethod)):  # written above @staticmethod
            return cast(F, type(function)(self(function.__func__)))
        pauses = inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction
        wrappers = self._generator, self._coroutine, self._async_generator
        for is_one, wrapper in zip(pauses, wrappers, strict=True):
            if is_one(_body(function)):
                return cast(F, functools.wraps(function)(wrapper(function)))
        return super().__call__(function)

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def generator(*args: Any, **options: Any) -> Generator[Any, Any, Any]:
            return (yield from self._pieces(function(*args, **options)))

        return generator

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def coroutine(*args: Any, **options: Any) -> Any:
            return await self._awaited(function(*args, **options))

        return coroutine

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def generator(*args: Any, **options: Any) -> AsyncGenerator[Any, Any]:
            body = function(*args, **options)
            step, argument = body.asend, None
            while True:
                try:
                    value = await self._awaited(step(argument))
                except StopAsyncIteration:
                    return
                try:
                    step, argument = body.asend, (yield value)
                except GeneratorExit:
                    await self._awaited(body.aclose())
                    raise
                except BaseException as error:
                    step, argument = body.athrow, error

        return generator

    def _awaited(self, body: Any) -> Awaitable[Any]:
        return types.coroutine(self._pieces)(body)

    def _pieces(self, body: Any) -> Generator[Any, Any, Any]:
        """Run `body`, which has `send`, `throw` and `close`, with the switch turned while it works."""
        step, argument = body.send, None
        while True:
            try:
                with RecordingMode(self.on):
                    value = step(argument)
            except StopIteration as stop:
                return stop.value
            try:
                step, argument = body.send, (yield value)
            except GeneratorExit:
                with RecordingMode(self.on):
                    body.close()
                raise
            except BaseException as error:
                step, argument = body.throw, error


def _body(function: Callable[..., Any]) -> Callable[..., Any]:
    """What runs when `function` is called: it may be an object with `__call__`, or made by `functools.partial`."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function).__call__


def no_grad() -> RecordingMode:
    """Inside ``with no_grad():`` operations are not recorded: results have no gradient and keep nothing alive.

    ``@no_grad()`` before a function does the same for the whole of it; before a generator or an async function for what
    runs inside, not for the code that runs while it pauses.
    """
    return RecordingMode(False)


def is_recording() -> bool:
    """Are operations recorded here and now? False inside `no_grad`, and in a backward pass without `create_graph`."""
    return recording.on
