"""What is graded stays graded: one line of JSON for each result, added at the end of a file and never changed.

A crash can tear the last line at most. Each line is signed with the secret of the run. What is no whole result of ours,
torn or changed by hand, is left out when the file is read and named in `skipped`; it is graded again.
"""

import hmac
import json
import math
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any

from dlcourse.checks import Report, exercises
from dlcourse.grading.tasks import Result
from dlcourse.workspace import UserError

Key = tuple[str, str, str]


def key(result: Result) -> Key:
    """A result holds for what was handed in: another file is another result."""
    return result.student, result.exercise, result.digest


def is_sound(part: Any) -> bool:
    """Has every field of a result, of its report and of its findings the type it was declared with?"""
    return all(has_its_type(getattr(part, field.name), field.type) for field in fields(part))


def has_its_type(value: Any, kind: Any) -> bool:
    if isinstance(value, Report | tuple):
        return all(map(is_sound, value if isinstance(value, tuple) else [value]))
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def is_possible(report: Report) -> bool:
    """All of the points for what passed, none for the rest. Of an exercise that is gone nothing is ever asked."""
    known = exercises().get(report.name)
    return known is None or report.points == (known.points if report.passed else 0)


def seal(secret: bytes, facts: Any) -> str:
    """What only who has the secret can write under a line."""
    key = hmac.digest(secret, b"the journal's", "sha256")
    return hmac.digest(key, json.dumps(facts, sort_keys=True).encode(), "sha256").hex()


class Journal:
    """In a `with`; only one process at a time writes it."""

    def __init__(self, path: Path, secret: bytes):
        self.path, self.secret = path, secret
        self.results: dict[Key, Result] = {}
        self.skipped: list[int] = []  # the numbers of lines that are no results

    def __enter__(self) -> "Journal":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path, "ab")
        lock(self.file, self.path)
        content = self.path.read_bytes()
        for number, line in enumerate(content.split(b"\n"), 1):
            if line and not self.read_line(line):
                self.skipped.append(number)
        if content and not content.endswith(b"\n"):
            self.file.write(b"\n")  # so that the next line is whole
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()

    def read_line(self, line: bytes) -> bool:
        """Was it a whole result?"""
        try:
            facts = dict(json.loads(line))
            signed = hmac.compare_digest(str(facts.pop("seal")).encode(), seal(self.secret, facts).encode())
            result = Result.from_facts(facts)
        except (ValueError, TypeError, KeyError, RecursionError):
            return False
        whole = signed and is_sound(result) and result.exercise == result.report.name and is_possible(result.report)
        if whole and self.wants(result):
            self.results[key(result)] = result
        return whole

    def line(self, result: Result) -> bytes:
        facts = result.as_facts()
        return json.dumps({**facts, "seal": seal(self.secret, facts)}).encode() + b"\n"

    def wants(self, result: Result) -> bool:
        before = self.results.get(key(result))
        return before is None or (result.safe and not before.safe)

    def add(self, results: Iterable[Result]) -> None:
        """All of them or, where the machine stops in the middle, some: each line stands for itself.

        What is there stays, but for a grade of no sandbox, which one of a sandbox replaces.
        """
        new = {key(result): result for result in results if self.wants(result)}
        self.file.write(b"".join(map(self.line, new.values())))
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
