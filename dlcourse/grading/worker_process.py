"""A worker seen from outside: it is sent requests and asked for replies, and believed in nothing.

Every wait has an end, every length is looked at before that many bytes are read.
"""

import os
import select
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np

from dlcourse.grading import frames
from dlcourse.grading.sandbox import NoSandbox, Sandbox

HEADER = 1 << 18  # bytes of a reply's header; texts in it are short
START = 30.0  # seconds for Python and NumPy to start on a busy machine


WHY = ". `dlcourse doctor` says what stands in the way."


class Died(Exception):
    """The worker ended, was silent for too long, or talked nonsense. kind: "ended", "time", "flood"."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


class Process:
    """In a `with`: raises NoSandbox where no worker starts."""

    def __init__(self, sandbox: Sandbox, library: bool = False):
        self.sandbox, self.library, self.closing = sandbox, library, ExitStack()
        self.received = 0

    def __enter__(self) -> "Process":
        process = self.closing.enter_context(self.sandbox.start(self.library))
        assert process.stdin and process.stdout
        self.requests, self.replies = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self.requests, False)
        os.set_blocking(self.replies, False)
        try:
            self.receive(time.monotonic() + START)  # it is ready, and no code of the learner's has run yet
        except Died:
            self.closing.close()
            raise NoSandbox(f"Grading must run strangers' code in a sandbox; got none that starts{WHY}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.close()

    def send(self, request: dict[str, Any], until: float) -> None:
        waiting = memoryview(frames.pack(request))
        while waiting:
            wait_for(self.requests, select.POLLOUT, until)
            try:
                waiting = waiting[os.write(self.requests, waiting[: 1 << 16]) :]
            except BlockingIOError:
                continue
            except OSError:
                raise Died("ended") from None

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
            wait_for(self.replies, select.POLLIN, until)
            try:
                part = os.read(self.replies, min(left, 1 << 16))
            except BlockingIOError:
                continue
            if not part:
                raise Died("ended")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def wait_for(descriptor: int, event: int, until: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    left = until - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise Died("time")


def as_bytes(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)
