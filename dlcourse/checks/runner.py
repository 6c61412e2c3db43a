"""Calls a learner's function on plain data and survives whatever it does.

Knows nothing of exercises or right answers, and imports the standard library and NumPy only: a sandbox can run this
file alone. Plain data are numbers, texts, arrays, tuples of these, and what stands for something that cannot travel:

    Seed(7)                                     a generator, np.random.default_rng(7)
    Function("lambda w: (w**2).sum()")          a function, from its source
"""

import contextlib
import copy
import ctypes
import io
import linecache
import random
import signal
import sys
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LARGEST = 10_000_000  # entries of an answer
LONGEST = 500  # characters of what a learner's code printed, or of one of its messages


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


class NotPlain(Exception):
    """A value that is no plain data; the message says what it is instead."""


class TimeUp(BaseException):
    """Raised inside the learner's code. Not an Exception, so that an ordinary `except` lets it through."""


def run(function: Callable[..., Any], calls: Sequence[tuple], seconds: float = 5.0) -> list[Answer]:
    """One answer for each call, up to and including the first one with a problem. `seconds` are for all together."""
    return list(run_each(function, calls, seconds))


def run_each(function: Callable[..., Any], calls: Sequence[tuple], seconds: float) -> Iterator[Answer]:
    """The same, one after the other: what is answered stays answered if the next call ends Python."""
    until = time.monotonic() + seconds
    for call in calls:
        answer = run_once(function, call, until - time.monotonic(), seconds)
        yield answer
        if answer.kind:
            return


def run_once(function: Callable[..., Any], call: tuple, left: float, seconds: float) -> Answer:
    arguments = [opened(a) for a in copy.deepcopy(call)]  # its own copies: what it does to them stays its own affair
    answer, sink, value = Answer(), Sink(), None
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(sink):
        warnings.simplefilter("always")
        try:
            with contextlib.redirect_stderr(sink):
                value = call_within(max(left, 0.01), function, arguments)
        except TimeUp:
            answer.kind, answer.problem = "time", f"was still running after {seconds:g} seconds. An endless loop?"
        except NotImplementedError as error:
            answer.kind, answer.problem = "todo", message(error)
        except KeyboardInterrupt:
            answer.kind, answer.problem = "error", "was interrupted."
        except BaseException as error:  # SystemExit too: a learner's exit() must not close the notebook
            answer.kind, answer.problem = "error", explain(error)
    answer.printed = sink.text
    answer.warned = safe(lambda: str(caught[0].message)) if caught else ""
    if not answer.kind:
        answer.changed = tuple(n for n, (a, b) in enumerate(zip(call, arguments, strict=True)) if differs(a, b))
        try:
            answer.value = call_within(1.0, plain, [value])
        except (NotPlain, TimeUp) as error:
            answer.kind, answer.problem = "value", str(error) or "something that takes too long to read"
        except Exception:
            answer.kind, answer.problem = "value", f"an object that is no array, of type {type_name(value)}"
    return answer


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


# Values


def plain(value: Any, depth: int = 0) -> Any:
    """Arrays (numbers too: 0-d), texts and tuples of these; raises NotPlain for anything else."""
    kind = type(value)
    if kind is str:
        return value[:LONGEST]
    if kind in (tuple, list):
        if depth > 3 or len(value) > LARGEST:
            raise NotPlain("a very large or very deep list")
        if kind is list and len(value) > 64:
            return as_array(value)
        return tuple(plain(v, depth + 1) for v in value)
    if hasattr(kind, "__cuda_array_interface__") and hasattr(kind, "get"):  # an array on a GPU
        value = value.get()
    return as_array(value)


def as_array(value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        array = np.ndarray.view(value, np.ndarray) if type(value) is not np.ndarray else value
    elif value is None or isinstance(value, str | bytes | dict | set | type | types.FunctionType | types.ModuleType):
        raise NotPlain(kind_of(value))
    else:
        try:
            array = np.asarray(value)
        except Exception:
            raise NotPlain(kind_of(value)) from None
    if array.size > LARGEST:
        raise NotPlain(f"an array of shape {array.shape}, far too large")
    if array.dtype == object and isinstance(value, list | np.ndarray):
        with contextlib.suppress(Exception):
            array = array.astype(float)
    if array.dtype.kind not in "biuf":
        raise NotPlain(kind_of(value) if array.dtype == object else f"an array of {array.dtype}")
    return np.array(array)


def kind_of(value: Any) -> str:
    """What it is, in words, for a value that may lie or raise when asked."""
    if value is None:
        return "nothing (None). Does the function end with `return`?"
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return "a function. Was it meant to be called?"
    if isinstance(value, types.GeneratorType):
        return "a generator. Use return, not yield, or put list(...) around it"
    if isinstance(value, type):
        return f"the class {type_name(value, of=value)}. Was it meant to be called?"
    known = {"str": "a text", "dict": "a dictionary", "set": "a set"}
    return known.get(type_name(value), f"an object of type {type_name(value)}, not numbers")


def type_name(value: Any, of: Any = None) -> str:
    return str(type.__getattribute__(of or type(value), "__name__"))[:60]


def safe(text: Callable[[], str]) -> str:
    """Words from the learner's own objects, which may raise, or never end, while they are asked."""
    try:
        found = call_within(1.0, text, [])
        return found[:LONGEST] if type(found) is str else ""
    except (Exception, TimeUp):
        return ""


def message(error: BaseException) -> str:
    return safe(lambda: str(error))


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


# The learner's own line

NOT_THE_LEARNERS = tuple({sys.prefix, sys.base_prefix, np.__path__[0], __file__})


def explain(error: BaseException) -> str:
    """The error and the line of the learner's code it came from: `NameError: … In step, line 3: v = mu * w`."""
    said = message(error).strip()
    words = type_name(error) + (f": {said}" if said else "")
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(f.f_code, n) for f, n in frames if not f.f_code.co_filename.startswith(NOT_THE_LEARNERS)]
    own = [pair for pair in own if not pair[0].co_filename.startswith("<frozen")]
    if not own:
        return words + "."
    code, number = own[-1]
    line = linecache.getline(code.co_filename, number).strip()
    return f"{words}\nIn {code.co_name}, line {number}" + (f": {line[:200]}" if line else "")


# The time limit


def call_within(seconds: float, function: Callable[..., Any], arguments: list[Any]) -> Any:
    """function(*arguments); raises TimeUp in it after so many seconds, and again if it caught that and went on."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return call_beside(seconds, function, arguments)
    clock = Clock()
    with clock.set(seconds):
        try:
            value = function(*arguments)
        finally:
            clock.running = False
    if clock.struck:
        raise TimeUp
    return value


class Clock:
    """The timer of the operating system, which interrupts even a sleep. It strikes until it is heard."""

    def __init__(self) -> None:
        self.running, self.struck = True, 0

    @contextlib.contextmanager
    def set(self, seconds: float) -> Iterator[None]:
        started, before, tracer = time.monotonic(), signal.signal(signal.SIGALRM, self.strike), sys.gettrace()
        left, every = signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            self.running = False
            sys.settrace(tracer)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if left:  # somebody else's timer goes on, as if nobody had touched it
                signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 0.001), every)

    def strike(self, _: int, frame: types.FrameType | None) -> None:
        if self.running:
            self.struck += 1
            signal.setitimer(signal.ITIMER_REAL, 0.05 if self.struck < 5 else random.uniform(2e-5, 1e-3))
            if self.struck > 1:
                self.follow(frame)
            raise TimeUp

    def follow(self, frame: types.FrameType | None) -> None:
        """Code that catches everything and goes on is struck again at its next line, which is where it catches."""

        def trace(_: types.FrameType, event: str, __: Any) -> Any:
            if self.running and event == "line":
                raise TimeUp
            return trace

        sys.settrace(trace)
        while frame and frame.f_code is not call_within.__code__:
            frame.f_trace = trace
            frame = frame.f_back


def call_beside(seconds: float, function: Callable[..., Any], arguments: list[Any]) -> Any:
    """The same without such a timer, or beside the main thread: in a thread that is left to itself when time is up."""
    came: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            came.append(function(*arguments))
        except BaseException as error:
            failed.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    strikes = 0
    while worker.is_alive() and strikes < 20:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident or 0), ctypes.py_object(TimeUp))
        worker.join(0.01)
        strikes += 1
    if failed and not strikes:
        raise failed[0]
    if strikes or not came:
        raise TimeUp
    return came[0]
