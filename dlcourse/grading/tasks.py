"""What is to be graded and what came of it: plain data, which may be sent to any process or machine."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dlcourse.checks import Finding, Report, exercises, tables
from dlcourse.grading.sandbox import Limits

ATTEMPTS = 5  # at a submission: the first, one that confirms, and some for what others do to it
PATIENCE = 120.0  # seconds beyond what a submission may take, for a machine that is busy
HANDED_IN = "it was handed in"

End = tuple[str, int | str]  # a file, and the cell or exercise in it that ended Python or took too long


@dataclass(frozen=True)
class Task:
    """exercises: the names to grade. files: the notebooks handed in, name and content. problem: why there are none.

    ends: the cells and exercises of a file that came to a bad end in an attempt before. tried: how often. own: the file
    with the lecturer's own exercises, and its text.
    """

    student: str
    exercises: tuple[str, ...]
    seed: bytes
    files: tuple[tuple[str, bytes], ...] = ()
    problem: str = ""
    digest: str = ""
    limits: Limits = field(default_factory=Limits)
    safe: bool = True
    ends: frozenset[End] = frozenset()
    tried: int = 0
    own: tuple[str, str] = field(default_factory=tables.own)

    @property
    def last(self) -> bool:
        return self.tried >= ATTEMPTS - 1


@dataclass(frozen=True)
class Result:
    """One exercise of one student. digest: of what was handed in. seconds: of the whole submission.

    remark: which of several files counts, or which could not be read.
    """

    student: str
    exercise: str
    digest: str
    report: Report
    safe: bool = True
    seconds: float = 0.0
    remark: str = ""

    @property
    def was_read(self) -> bool:
        return not any(finding.words == HANDED_IN for finding in self.report.findings)

    def as_facts(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Result":
        report = dict(facts["report"])
        report["findings"] = tuple(Finding(**finding) for finding in report["findings"])
        return cls(**{**facts, "report": Report(**report)})


def students_seed(secret: bytes, student: str, digest: str) -> bytes:
    """What a task carries: it tells nothing of the secret or of anybody else's inputs.

    It hangs on what was handed in, too: whoever learns the inputs of one attempt meets others in the next.
    """
    return hmac.digest(secret, as_utf8(student) + b"\0" + digest.encode(), "sha256")


def draws(seed: bytes, exercise: str) -> np.random.Generator:
    own = hmac.digest(seed, exercise.encode(), "sha256")
    return np.random.default_rng(np.frombuffer(own, np.uint32))


def digest_of(files: Sequence[tuple[str, bytes]], problem: str = "") -> str:
    found = hashlib.sha256(as_utf8(problem))
    for name, content in files:
        found.update(hashlib.sha256(as_utf8(name)).digest() + hashlib.sha256(content).digest())
    return found.hexdigest()[:32]


def as_utf8(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # a file's name may be any bytes


def allowed(task: Task) -> float:
    """Seconds for everything together: who spreads one notebook over many files has no more of them for it."""
    return task.limits.total * len({exercises()[name].notebook for name in task.exercises})


def longest(task: Task) -> float:
    """Seconds after which no result is to be expected any more, starts of workers and the judge's work included."""
    return 4 * allowed(task) + PATIENCE
