"""`dlcourse grade`: from the words of the command line to a graded class, and back to words."""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from dlcourse.checks import tables
from dlcourse.grading import executors
from dlcourse.grading.batch import Summary, grade_class
from dlcourse.grading.sandbox import Limits, Sandbox, why_not
from dlcourse.settings import Rule, count, positive
from dlcourse.workspace import UserError


def run(args: argparse.Namespace) -> int:
    """0 where every submission has its grade, 1 where some must be tried again."""
    limits = Limits(seconds=wanted(positive, "--seconds", args.seconds))
    safe = not args.unsafe_no_sandbox
    own_exercises(args)
    if args.gradebook:
        from dlcourse.grading.gradebook import connected

        connected(args.gradebook).close()  # to fail now rather than after an hour
    if safe and not args.scheduler and (problem := why_not(Sandbox(limits))):
        raise UserError(f"{problem} --unsafe-no-sandbox grades all the same; whoever handed in can then forge grades.")
    if not safe:
        say("No sandbox: every submission can read your files, change them, and forge its grade. Grades are marked.")
    try:
        summary = graded(args, limits, safe)
    except OSError as error:
        raise UserError(lost(error, args)) from None
    say(told(summary, args))
    return 1 if summary.failed else 0


def own_exercises(args: argparse.Namespace) -> None:
    """Of the lecturer's own file; never of one that was handed in, for it is run as it is."""
    file = args.exercises or Path(tables.OWN)
    handed_in = file.resolve().is_relative_to(args.submissions.resolve())
    if args.exercises and (handed_in or not file.is_file()):
        got = "one of SUBMISSIONS" if handed_in else "none"
        raise UserError(
            f"--exercises must be a file of your own; got {got}: {file}. Name the one that you have written."
        )
    if file.is_file() and not handed_in:
        tables.add_file(file)


def say(words: str) -> None:
    """Where nobody can read it, the grades are still where they belong."""
    try:
        print(words, flush=True)
    except OSError as error:
        with suppress(OSError, ValueError):  # or Python would try again at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        why = error.strerror or type(error).__name__
        raise UserError(f"What there is to say must find a screen or a file; got {why}. It stands in DIR.") from None


def graded(args: argparse.Namespace, limits: Limits, safe: bool) -> Summary:
    summary = grade_class(
        args.submissions, args.out, executor(args), notebooks=args.notebook, seed_file=args.seed_file, limits=limits,
        safe=safe, progress=not args.quiet and sys.stderr is not None, names=args.names or "",
    )  # fmt: skip
    if args.gradebook:
        from dlcourse.grading.gradebook import record

        record(summary, args.gradebook)
    return summary


def lost(error: OSError, args: argparse.Namespace) -> str:
    """Of a disk that is full, or a folder that nobody may read or write."""
    where = f"{error.filename!r}: " if error.filename else ""
    remedy = f"What is graded so far is kept in {args.out}; the same command goes on from there."
    said = f"got {where}{error.strerror or type(error).__name__}"
    return f"Grading must be able to read SUBMISSIONS and to write DIR; {said}. {remedy}"


def executor(args: argparse.Namespace) -> Callable[[], Executor]:
    if args.scheduler:
        return partial(executors.cluster, args.scheduler)
    return partial(executors.processes, None if args.jobs is None else wanted(count, "--jobs", args.jobs))


def wanted(rule: Rule, name: str, value: Any) -> Any:
    if not rule(value):
        raise UserError(f"{name} must {rule.words}; got {value}.")
    return value


def told(summary: Summary, args: argparse.Namespace) -> str:
    unread = len(summary.unread())
    lines = [f"{len(summary.students)} submissions: {summary.fresh} graded now, {unread} could not be read."]
    lines += summary.notes
    for student, why in list(summary.failed.items())[:5]:
        lines.append(f"Not graded: {student}. {why}")
    if summary.failed:
        lines.append(f"{len(summary.failed)} not graded; the same command tries them again.")
    lines.append(f"{args.out / 'grades.csv'}, a page for each student in {args.out / 'feedback'}.")
    lines.append(f"The class as a whole: {args.out / 'summary.html'}.")
    return "\n".join(lines)
