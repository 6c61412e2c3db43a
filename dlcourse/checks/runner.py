"""Calls a learner's function on plain data and survives whatever it does.

Knows nothing of exercises or right answers, and imports the standard library and NumPy only: a sandbox can run this
file, with clock.py, plain.py and faults.py, alone.

Plain data are numbers, texts, arrays, tuples of these, and what stands for something that cannot travel:

    Seed(7)                                     a generator, np.random.default_rng(7)
    Function("lambda w: (w**2).sum()")          a function, from its source
"""

import builtins
import contextlib
import copy
import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlcourse.checks.clock import PATIENCE, Budget, TimeUp, call_within
from dlcourse.checks.faults import Asked, safe, what_went_wrong
from dlcourse.checks.plain import LONGEST, NotPlain, plain, type_name


@dataclass(frozen=True)
class Seed:
    number: int


@dataclass(frozen=True)
class Function:
    """`source` is one expression; it may use np and the constants, plain data all of them."""

    source: str
    constants: dict[str, Any] = field(default_factory=dict)


@dataclass
class Answer:
    """What one call came to: a plain value, or a problem of some kind, in words, with the learner's own line."""

    value: Any = None
    kind: str = ""  # "", "todo", "error", "time", "value"
    problem: str = ""
    changed: tuple[int, ...] = ()  # the places of arguments that came back different
    printed: str = ""
    warned: str = ""


def run(function: Callable[..., Any], calls: Sequence[tuple], seconds: float = 5.0) -> list[Answer]:
    """One answer for each call, up to and including the first one with a problem. `seconds` are for all together."""
    return list(run_each(function, calls, seconds))


def trusted(function: Callable[..., Any], calls: Sequence[tuple]) -> list[Answer]:
    """The same for code of ours, which comes to an end."""
    return run(function, calls, math.inf)


def run_each(function: Callable[..., Any], calls: Sequence[tuple], seconds: float) -> Iterator[Answer]:
    """The same, one after the other: what is answered stays answered if the next call ends Python."""
    budget = Budget(seconds)
    for call in calls:
        answer = run_once(function, call, budget)
        if answer.kind == "time":
            answer.problem = out_of_time(budget, len(calls))
        yield answer
        if answer.kind:
            return


def out_of_time(budget: Budget, calls: int) -> str:
    together = f", all {calls} calls together" if calls > 1 else ""
    if budget.asleep:
        slept = f"{PATIENCE * budget.seconds:g} seconds"
        return f"was not done after {slept} without work{together}. Does it sleep, or wait for something?"
    return f"was still running after {budget.seconds:g} seconds of work{together}. An endless loop?"


def run_once(function: Callable[..., Any], call: tuple, budget: Budget) -> Answer:
    arguments = [opened(a) for a in copy.deepcopy(call)]  # its own copies: what it does to them stays its own affair
    answer, sink, value = Answer(), Sink(), None
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(sink), nobody_asked():
        warnings.simplefilter("always")
        try:
            with contextlib.redirect_stderr(sink):
                value = call_within(budget, function, arguments)
        except TimeUp:
            answer.kind = "time"
        except KeyboardInterrupt:
            answer.kind, answer.problem = "error", "was interrupted."
        except BaseException as error:  # SystemExit too: a learner's exit() must not close the notebook
            answer.kind, answer.problem = what_went_wrong(function, error)
    answer.printed = sink.text
    answer.warned = safe(lambda: str(caught[0].message)) if caught else ""
    if not answer.kind:
        answer.changed = tuple(n for n, (a, b) in enumerate(zip(call, arguments, strict=True)) if differs(a, b))
        try:
            answer.value = call_within(Budget(1.0) if budget.limited else budget, plain, [value])
        except (NotPlain, TimeUp) as error:
            answer.kind, answer.problem = "value", str(error) or "something that takes too long to read"
        except Exception:
            answer.kind, answer.problem = "value", f"an object that is no array, of type {type_name(value)}"
    return answer


@contextlib.contextmanager
def nobody_asked() -> Iterator[None]:
    def refuse(*_: Any) -> str:
        raise Asked

    before, builtins.input = builtins.input, refuse
    try:
        yield
    finally:
        builtins.input = before


def opened(argument: Any) -> Any:
    """What a Seed or a Function stands for; everything else as it is."""
    if isinstance(argument, Seed):
        return np.random.default_rng(argument.number)
    if isinstance(argument, Function):
        return eval(argument.source, {"np": np, **argument.constants})
    return argument


def differs(before: Any, after: Any) -> bool:
    if isinstance(before, np.ndarray):
        return not (isinstance(after, np.ndarray) and before.shape == after.shape and equal(before, after))
    if isinstance(before, list | tuple):
        return len(before) != len(after) or any(differs(b, a) for b, a in zip(before, after, strict=True))
    return isinstance(before, int | float | str) and before is not after and before != after


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Floats up to rounding: a number that was nudged and put back is what it was."""
    floats = a.dtype.kind == "f" and b.dtype.kind == "f"
    return np.allclose(a, b, 1e-12, 1e-12, equal_nan=True) if floats else np.array_equal(a, b)


class Sink(io.TextIOBase):
    """Takes what is printed and keeps the beginning."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if len(self.text) < LONGEST:
            self.text += text[: LONGEST - len(self.text)]
        return len(text)
