"""`dlcourse grade`: from the words of the command line to a graded class, and back to words."""

import argparse
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from dlcourse.grading import executors
from dlcourse.grading.batch import Summary, grade_class
from dlcourse.grading.sandbox import Limits, Sandbox, why_not
from dlcourse.settings import Rule, count, positive
from dlcourse.workspace import UserError


def run(args: argparse.Namespace) -> int:
    """0 where every submission has its grade, 1 where some must be tried again."""
    limits = Limits(seconds=wanted(positive, "--seconds", args.seconds))
    safe = not args.unsafe_no_sandbox
    if args.gradebook:
        from dlcourse.grading.gradebook import connected

        connected(args.gradebook).close()  # to fail now rather than after an hour
    if safe and not args.scheduler and (problem := why_not(Sandbox(limits))):
        raise UserError(f"{problem} --unsafe-no-sandbox grades all the same; whoever handed in can then forge grades.")
    if not safe:
        print("No sandbox: every submission can read your files, change them, and forge its grade. Grades are marked.")
    summary = grade_class(
        args.submissions, args.out, executor(args), notebooks=args.notebook, seed_file=args.seed_file, limits=limits,
        safe=safe, progress=not args.quiet, names=args.names or "",
    )  # fmt: skip
    if args.gradebook:
        from dlcourse.grading.gradebook import record

        record(summary, args.gradebook)
    print(told(summary, args))
    return 1 if summary.failed else 0


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
    lines.append(f"{args.out / 'grades.csv'}, and a page for each student in {args.out / 'feedback'}.")
    return "\n".join(lines)
