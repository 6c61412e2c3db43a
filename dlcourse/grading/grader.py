"""One submission to its results: fresh calls, answers out of the sandbox, the judge's word. Each task stands alone.

    attempt(Task(student, files, exercises, seed)) -> the results that are beyond doubt, and the next task for the rest
    grade(task) -> one Result for each exercise, after as many attempts as that takes

A task is plain data and may be sent to any process or machine that has dlcourse; it holds one student's files and a
seed made for this student from the secret.

No points are lost by accident: where a cell or an exercise ended Python or took too long, its result is in doubt until
the same happens to it once more, in a fresh worker, alone. What the machine did (a worker killed from outside, a grader
that stood still, a judge that was interrupted) settles nothing, however often it happens: then there is no grade.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dlcourse.checks import exercises, tables
from dlcourse.grading.choice import graded_files
from dlcourse.grading.sandbox import keep_private
from dlcourse.grading.tasks import Result, Task
from dlcourse.grading.verdicts import Verdict, missing


class Undecided(Exception):
    """There is no grade: the message says why."""


@dataclass(frozen=True)
class Attempt:
    """results: what is settled. doubts: why the other exercises are not. again: the task to try for them."""

    results: tuple[Result, ...]
    doubts: Mapping[str, str]
    again: Task


def grade(task: Task) -> list[Result]:
    """A result for each of the task's exercises; raises only where grading itself is at fault."""
    results: dict[str, Result] = {}
    order = task.exercises
    while True:
        tried = attempt(task)
        results.update({result.exercise: result for result in tried.results})
        if not tried.doubts:
            return [results[name] for name in order]
        if task.last:
            raise Undecided(in_words(tried.doubts))
        task = tried.again


def in_words(doubts: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in doubts.items())


def attempt(task: Task) -> Attempt:
    """One try. What is seen to end badly for the first time is left in doubt, and is no surprise the next time."""
    keep_private()
    tables.add(*task.own)
    start, table = time.monotonic(), exercises()
    verdicts = {name: Verdict(missing(table[name], task.problem)) for name in task.exercises}
    if task.files:
        verdicts = graded_files(task)
    seconds = round(time.monotonic() - start, 3)
    results = [
        Result(task.student, name, task.digest, verdict.report, task.safe, seconds, verdict.remark)
        for name, verdict in verdicts.items()
        if not verdict.doubt
    ]
    doubts = {name: verdict.doubt for name, verdict in verdicts.items() if verdict.doubt}
    ends = task.ends.union(*(verdict.ends for verdict in verdicts.values()))
    again = replace(task, exercises=tuple(doubts), ends=ends, tried=task.tried + 1)
    return Attempt(tuple(results), doubts, again)
