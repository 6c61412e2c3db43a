"""What is graded stays graded: one line of JSON for each result, added at the end of a file and never changed.

A crash can tear the last line at most; it is left out when the file is read, and that result is graded again.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from dlcourse.grading.grader import Result
from dlcourse.workspace import UserError

Key = tuple[str, str, str]


def key(result: Result) -> Key:
    """A result holds for what was handed in: another file is another result."""
    return result.student, result.exercise, result.digest


class Journal:
    """In a `with`; only one process at a time writes it."""

    def __init__(self, path: Path):
        self.path = path
        self.results: dict[Key, Result] = {}

    def __enter__(self) -> "Journal":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path, "ab")
        lock(self.file, self.path)
        content = self.path.read_bytes()
        for line in content.split(b"\n"):
            self.read_line(line)
        if content and not content.endswith(b"\n"):
            self.file.write(b"\n")  # so that the next line is whole
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()

    def read_line(self, line: bytes) -> None:
        try:
            result = Result.from_facts(json.loads(line))
        except (ValueError, TypeError, KeyError):
            return  # torn, or empty
        if self.wants(result):
            self.results[key(result)] = result

    def wants(self, result: Result) -> bool:
        before = self.results.get(key(result))
        return before is None or (result.safe and not before.safe)

    def add(self, results: Iterable[Result]) -> None:
        """All of them or, where the machine stops in the middle, some: each line stands for itself.

        What is there stays, but for a grade of no sandbox, which one of a sandbox replaces.
        """
        new = {key(result): result for result in results if self.wants(result)}
        self.file.write(b"".join(json.dumps(result.as_facts()).encode() + b"\n" for result in new.values()))
        self.file.flush()
        os.fsync(self.file.fileno())
        self.results.update(new)


def lock(file: Any, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not here; nor is there a sandbox
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        message = f"DIR must not be in use by another grading; got out={path.parent}. Wait for it, or give another DIR."
        raise UserError(message) from None
