"""A worker seen from outside: it is sent requests and asked for replies, and believed in nothing.

Every wait has an end, every length is looked at before that many bytes are read. How a worker comes to its end is read
from its status, which no learner's code can forge (see seccomp): so what others did to it is never laid to its charge.
"""

import math
import os
import select
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from dlcourse.grading import frames, memory
from dlcourse.grading.sandbox import NoSandbox, Sandbox

HEADER = 1 << 18  # bytes of a reply's header; texts in it are short
START = 30.0  # seconds for Python and NumPy to start on a busy machine
SLICE = 0.2  # seconds of one look at a worker
GAP = 1.0  # a look that takes so much longer was no look: this process stood still
LAST = 1.0  # seconds to read what has arrived when time is up
STARVED = 2.0  # times what a notebook may take: so long it may wait for cores
OTHERS = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM}  # nobody sends them to oneself


WHY = ". `dlcourse doctor` says what stands in the way."


class Died(Exception):
    """The worker is of no use any more. kind, by its own doing: "ended", "time" is up, "flood" of what is no answer;
    by the machine's: "killed" from outside, "stopped" for a while, by others or with us, "starved" of a core.
    """

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


class Clock:
    """Time as a learner has it. It stands still while this process does (Ctrl-Z, a paused machine) and while a worker
    that wants to run waits for a core.
    """

    def __init__(self) -> None:
        self.started = self.looked = time.monotonic()
        self.lost = self.starved = 0.0
        self.stops = 0

    def now(self) -> float:
        return time.monotonic() - self.started - self.lost

    def begin(self) -> None:
        """What has passed since the last look was somebody else's time: the judge's, say."""
        now = time.monotonic()
        self.lost += now - self.looked
        self.looked = now

    def look(self, expected: float) -> bool:
        """Was this process there all the time since the last look, which should have taken no longer than expected?"""
        now = time.monotonic()
        missing, self.looked = now - self.looked - expected, now
        if missing > GAP:
            self.lost += missing
            self.stops += 1
        return missing <= GAP

    def waited(self, seconds: float) -> None:
        self.lost += seconds
        self.starved += seconds


class Process:
    """In a `with`: raises NoSandbox where no worker starts."""

    def __init__(self, sandbox: Sandbox, library: bool = False, clock: Clock | None = None):
        self.sandbox, self.library, self.closing = sandbox, library, ExitStack()
        self.clock = clock or Clock()
        self.received = 0

    def __enter__(self) -> "Process":
        self.process, self.group = self.closing.enter_context(self.sandbox.start(self.library))
        assert self.process.stdin and self.process.stdout
        self.requests, self.replies = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self.requests, False)
        os.set_blocking(self.replies, False)
        self.clock.begin()
        self.pid = self.process.pid
        self.delay, self.most = 0.0, math.inf
        try:
            self.receive(self.clock.now() + START)  # it is ready, and no code of the learner's has run yet
        except Died:
            self.closing.close()
            raise NoSandbox(f"Grading must run strangers' code in a sandbox; got none that starts{WHY}") from None
        self.pid = innermost(self.process.pid)
        self.delay, self.most = waits(self.pid), self.clock.starved + STARVED * self.sandbox.limits.total
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.close()

    def send(self, request: dict[str, Any], until: float) -> None:
        waiting = memoryview(frames.pack(request))
        self.clock.begin()
        while waiting:
            self.wait_for(self.requests, select.POLLOUT, until)
            try:
                waiting = waiting[os.write(self.requests, waiting[: 1 << 16]) :]
            except BlockingIOError:
                continue
            except OSError:
                raise Died(self.end()) from None

    def receive(self, until: float) -> dict[str, Any]:
        header, data = frames.LENGTHS.unpack(self.read(frames.LENGTHS.size, until))
        self.received += header + data
        limits = self.sandbox.limits
        if header > HEADER or data > limits.answer or self.received > limits.answers:
            raise Died("flood")
        try:
            reply = frames.unpack(self.read(header, until), self.read(data, until))
        except frames.Nonsense:
            raise Died("flood") from None
        if not isinstance(reply, dict):
            raise Died("flood")
        return reply

    def read(self, size: int, until: float) -> bytes:
        parts, left = [], size
        while left:
            self.wait_for(self.replies, select.POLLIN, until)
            try:
                part = os.read(self.replies, min(left, 1 << 16))
            except BlockingIOError:
                continue
            if not part:
                raise Died(self.end())
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def wait_for(self, descriptor: int, event: int, until: float) -> None:
        """Until `until` on the clock of the learner; what has arrived by then is still read."""
        poll = select.poll()
        poll.register(descriptor, event)
        self.clock.look(SLICE)
        while True:
            left = until - self.clock.now()
            patience = min(max(left, 0.0), SLICE)
            ready = left > -LAST and poll.poll(patience * 1000)
            self.charge(self.clock.look(patience))
            if ready:
                return
            if left <= 0:
                raise Died("stopped" if is_stopped(self.pid) else "time")
            if self.clock.starved > self.most:
                raise Died("starved")

    def charge(self, present: bool) -> None:
        """What the worker waited for a core since the last look; while we were away, all of it is counted already."""
        before, self.delay = self.delay, waits(self.pid)
        if present:
            self.clock.waited(max(self.delay - before, 0.0))

    def end(self) -> str:
        """It has closed the conversation: by itself, or has somebody ended it?"""
        try:
            status = self.process.wait(LAST)
        except subprocess.TimeoutExpired:
            return "ended"
        by_signal = -status if status < 0 else status - 128
        outside = by_signal > 0 if self.sandbox.safe and status < 0 else by_signal in OTHERS
        return "killed" if outside and not memory.killed(self.group) else "ended"


def innermost(pid: int) -> int:
    """The process that runs the learner's code: bubblewrap's only child's only child."""
    with suppress(OSError, ValueError):
        while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            pid = int(children[0])
    return pid


def waits(pid: int) -> float:
    """Seconds that a process was ready to run and had no core; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


def is_stopped(pid: int) -> bool:
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    return False


def as_bytes(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)
