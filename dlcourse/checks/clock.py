"""The time a call may take: processor time of its own thread, so that a busy machine takes nothing from anybody.

    call_within(Budget(5.0), function, arguments)       raises TimeUp in the function when its budget is spent

Where there is a timer of the operating system (the main thread, on Linux and macOS), it interrupts even a sleep, and
costs nothing: seconds asleep are counted there, too. Elsewhere, in a browser, on Windows, beside the main thread, every
jump and every line is watched instead: that needs neither threads nor signals, ends loops that are written in Python,
and makes them slower. What it cannot end is a call that never comes back from C, like time.sleep(1e9).
The standard library only: the sandbox runs this file alone.
"""

import contextlib
import itertools
import math
import opcode
import random
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

resource: ModuleType | None
try:
    import resource
except ImportError:  # Windows, a browser
    resource = None

PATIENCE = 1  # seconds asleep for each of processor time
SLOWER = 5  # so much longer may a function take that is watched line by line
EVERY = 64  # lines between two looks at the time
TICK = 0.25  # seconds between two looks of the timer


def thread_clock() -> Callable[[], float]:
    try:
        time.thread_time()
    except (AttributeError, OSError):  # a browser has one thread and one clock
        return time.process_time
    return time.thread_time


processor_time = thread_clock()


class TimeUp(BaseException):
    """Raised inside the learner's code. Not an Exception, so that an ordinary `except` lets it through."""


def naps() -> int:
    """How often this thread has waited for something, a sleep or a lock; to be kept waiting by others is no nap."""
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nvcsw if resource else 0


@dataclass
class Budget:
    """Seconds of processor time, for several calls together. Only what happens in `spend` counts."""

    seconds: float
    used: float = 0.0
    slept: float = 0.0  # seconds of the clock
    slower: int = 1

    @contextlib.contextmanager
    def spend(self) -> Iterator[None]:
        self.seen = processor_time(), time.monotonic(), naps()
        try:
            yield
        finally:
            self.look()

    def look(self) -> None:
        before, self.seen = self.seen, (processor_time(), time.monotonic(), naps())
        work, wait, napped = (now - then for now, then in zip(self.seen, before, strict=True))
        self.used += work
        self.slept += max(wait - work, 0.0) if napped else 0.0

    @property
    def limited(self) -> bool:
        return math.isfinite(self.seconds)

    @property
    def left(self) -> float:
        return self.slower * self.seconds - self.used

    @property
    def asleep(self) -> bool:
        """Is it sleep that has used it up?"""
        return self.slept >= PATIENCE * self.seconds

    @property
    def spent(self) -> bool:
        return self.left <= 0 or self.asleep


def call_within(budget: Budget, function: Callable[..., Any], arguments: list[Any]) -> Any:
    """function(*arguments); raises TimeUp in it when the budget is spent, and again if it caught that and went on."""
    if not budget.limited:
        return function(*arguments)
    watch: Watch = Timer(budget) if has_timer() else Monitor(budget) if hasattr(sys, "monitoring") else Tracer(budget)
    with budget.spend(), watch.watching():
        try:
            value = function(*arguments)
        finally:
            watch.running = False
    if watch.struck:
        raise TimeUp
    return value


def has_timer() -> bool:
    here = threading.current_thread() is threading.main_thread() and sys.platform != "emscripten"
    return here and hasattr(signal, "setitimer")


class Watch:
    """Strikes when the budget is spent, until it is heard."""

    def watching(self) -> contextlib.AbstractContextManager[None]:
        raise NotImplementedError

    def __init__(self, budget: Budget):
        self.budget, self.running, self.struck = budget, True, 0

    def over(self) -> bool:
        self.budget.look()
        return self.budget.spent


class Timer(Watch):
    """The timer of the operating system. It knows the clock, so it is set again until the budget is spent."""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        started, before, tracer = time.monotonic(), signal.signal(signal.SIGALRM, self.strike), sys.gettrace()
        left, every = signal.setitimer(signal.ITIMER_REAL, self.tick)
        try:
            yield
        finally:
            self.running = False
            sys.settrace(tracer)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if left:  # somebody else's timer goes on, as if nobody had touched it
                signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 0.001), every)

    @property
    def tick(self) -> float:
        return min(max(self.budget.left, 0.005), TICK)

    def strike(self, _: int, frame: types.FrameType | None) -> None:
        if not self.running:
            return
        if not self.struck and not self.over():
            signal.setitimer(signal.ITIMER_REAL, self.tick)
            return
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


SELF_JUMP = bytes([opcode.opmap["JUMP_BACKWARD"], 1])


class Tracer(Watch):
    """Python 3.11 calls back at every line. A tracer that raises is switched off; a profiler switches it on again."""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        before, profiler, self.lines, self.budget.slower = sys.gettrace(), sys.getprofile(), 0, SLOWER
        sys.settrace(self.trace)
        try:
            yield
        finally:
            self.running = False
            sys.settrace(before)
            sys.setprofile(profiler)

    def trace(self, frame: types.FrameType, event: str, _: Any) -> Any:
        self.lines += 1
        if event == "call" and SELF_JUMP in frame.f_code.co_code:
            frame.f_trace_opcodes = True  # `while True: pass` is one instruction, and never comes to a new line
        if self.running and (self.struck or (self.lines % EVERY == 0 and self.over())):
            self.struck += 1
            sys.setprofile(self.again)
            raise TimeUp
        return self.trace

    def again(self, frame: types.FrameType | None, *_: Any) -> None:
        """Something was called or came back: the code has caught TimeUp, or is on its way out."""
        if self.running:
            sys.settrace(self.trace)
            while frame and frame.f_code is not call_within.__code__:
                frame.f_trace = self.trace
                frame = frame.f_back


class Monitor(Watch):
    """From Python 3.12: calls back where code starts or jumps back, and, once it has struck, at every line."""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        watch: Any = vars(sys)["monitoring"]
        events, self.budget.slower = watch.events, SLOWER
        tool = next((n for n in range(6) if watch.get_tool(n) is None), None)
        if tool is None:  # six others are watching already: it is not for us to interfere
            yield
            return
        watch.use_tool_id(tool, "dlcourse")
        for event in (events.PY_START, events.PY_RESUME, events.JUMP, events.LINE):
            watch.register_callback(tool, event, self.callback(watch, tool))
        watch.set_events(tool, events.PY_START | events.PY_RESUME | events.JUMP)
        try:
            yield
        finally:
            self.running = False
            watch.set_events(tool, 0)
            watch.free_tool_id(tool)

    def callback(self, watch: Any, tool: int) -> Callable[..., None]:
        places, thread = itertools.count(1).__next__, threading.get_ident()

        def reached(*_: Any) -> None:  # a million times a second: so no more than this, most of the time
            if (self.struck or places() % EVERY == 0) and self.running and threading.get_ident() == thread:
                if not self.struck and not self.over():
                    return
                self.struck += 1
                if self.struck == 2:
                    watch.set_events(tool, watch.events.LINE)
                raise TimeUp

        return reached
