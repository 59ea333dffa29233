"""Effects of a flow: files that a driver reads or writes for it, besides sending its requests: its state, its modules.

A flow does no I/O. It yields an `Effect`, and the driver (client.py) performs it: a blocking one in line, an async one
on a thread or awaited. The contract of a driver:

* The result of `Effect.perform` is sent into the flow; an error that it raises is thrown into the flow.
* An interruption of the driver (`KeyboardInterrupt`, a cancelled task) is thrown into the flow too. The flow yields no
  `Request` from then on, but effects that save its state and release its lock; these are performed.
* An effect is never abandoned: if the task is cancelled meanwhile, the effect is finished and its result sent; the
  cancellation is thrown into the flow at its next request or sleep.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from asyncio import CancelledError
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
Y = TypeVar("Y")


class Effect:
    """Work on stored data that a flow needs; subclasses name their arguments as members."""

    is_async = False
    """True if `perform` may return an awaitable of the result; only an async driver can perform such an effect."""

    def perform(self) -> Any:
        """Do the work and return its result."""
        raise NotImplementedError


class FileAccess(Effect):
    """A function that reads or writes files, and what it returns."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def perform(self) -> Any:
        return self.function()


EffectFlow = Generator[Effect, Any, T]
"""A flow that reads or writes stored data and sends nothing."""


def import_flow(module: str) -> EffectFlow[Any]:
    """Import a module that not every caller needs, and return it: finding and reading its file is an effect."""
    if {"_strptime", module} <= sys.modules.keys():
        return import_module(module)  # reads no file, but waits while another thread still imports it
    return (yield FileAccess(partial(_import, module)))


def _import(module: str) -> Any:
    # `datetime.strptime` imports it at its first call, which may follow on an event loop.
    import_module("_strptime")
    return import_module(module)


def resume(flow: Generator[Y, Any, Any], outcome: Any) -> Y:
    """Pass the outcome of the last request or effect, a result or an error, into a flow; return what it yields next."""
    try:
        return flow.throw(outcome) if isinstance(outcome, BaseException) else flow.send(outcome)
    finally:
        # An error that is raised again would refer to itself by its traceback, and with it to the response it is about.
        del outcome


def perform_in_line(effect: Effect) -> Any:
    """Perform an effect on the calling thread; raises `ConfigError` if it can only be awaited."""
    if effect.is_async:
        raise ConfigError("this account's state is in an async store; use an async client, and its awaitable methods")
    return effect.perform()


def run_effects(flow: EffectFlow[T]) -> T:
    """Run a flow without requests on the calling thread and return its result."""
    outcome: Any = None
    try:
        while True:
            effect = resume(flow, outcome)
            try:
                outcome = perform_in_line(effect)
            except BaseException as error:  # noqa: BLE001 - the flow decides, see above
                outcome = error
    except StopIteration as done:
        result: T = done.value
        return result


async def run_effects_async(flow: EffectFlow[T]) -> T:
    """Run a flow without requests, its effects off the event loop, and return its result."""
    outcome: Any = None
    interruption: CancelledError | None = None
    try:
        while True:
            effect = resume(flow, outcome)
            outcome, cancelled = await finish_effect(effect)
            interruption = interruption or cancelled
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        if interruption is not None:
            raise interruption


async def finish_effect(effect: Effect) -> tuple[Any, CancelledError | None]:
    """Perform an effect on a thread, or await it; return its result or error, and a cancellation meanwhile."""
    from asyncio import CancelledError, ensure_future, get_running_loop, wait  # noqa: PLC0415 - async drivers only

    if effect.is_async:
        try:
            found = effect.perform()
        except Exception as error:  # noqa: BLE001 - the flow decides, see above
            return error, None
        if not hasattr(found, "__await__"):
            return found, None  # without a task: an account's state in memory is read several times per poll
        future = ensure_future(found)
    else:
        future = get_running_loop().run_in_executor(None, effect.perform)
    cancelled = None
    while not future.done():
        try:
            await wait((future,))
        except CancelledError as error:
            cancelled = error
    if future.cancelled():  # by the end of its event loop
        return CancelledError(), cancelled
    return future.exception() or future.result(), cancelled


async def run_on_thread(function: Callable[[], T]) -> T:
    """Return the result of a function that reads or writes files, called on a thread and never abandoned."""
    outcome, cancelled = await finish_effect(FileAccess(function))
    if cancelled is not None:
        raise cancelled
    if isinstance(outcome, BaseException):
        raise outcome
    result: T = outcome
    return result


async def run_steps_on_threads(flow: Generator[Any, Any, T], perform: Callable[[Any], Awaitable[Any]]) -> T:
    """Run a flow whose steps read or write files: each step on a thread, what it yields awaited by `perform`.

    Errors of `perform` and cancellations are thrown into the flow, which can so release its locks.
    """
    outcome: Any = None
    while True:
        (is_done, value), cancelled = await finish_effect(FileAccess(partial(_advance, flow, outcome)))
        if is_done:
            if isinstance(value, BaseException):
                raise value
            if cancelled is not None:
                raise cancelled
            result: T = value
            return result
        if cancelled is not None:
            outcome = cancelled
            continue
        try:
            outcome = await perform(value)
        except BaseException as error:  # noqa: BLE001 - raised by the flow, which releases its locks
            outcome = error


def _advance(flow: Generator[Any, Any, Any], outcome: Any) -> tuple[bool, Any]:
    """Return whether a flow has ended, and what it yields, returns or raises: a future can carry no StopIteration."""
    try:
        return False, resume(flow, outcome)
    except StopIteration as done:
        return True, done.value
    except BaseException as error:  # noqa: BLE001 - raised by the driver
        return True, error
