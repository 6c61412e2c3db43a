"""A whole class: read what was handed in, grade what is not graded yet, write tables and pages.

Everything lies in one folder:

    grades.csv      a row for each student                    feedback/   a page for each student, feedback.zip: all
    summary.html    what the class solved, and who needs help  moodle.csv, canvas.csv   where the class came from there
    journal.jsonl   every result, one a line, only added to   grading.log  a line for each submission
    secret          what the inputs are drawn from; whoever has it can tell them in advance
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from dlcourse.checks import exercises
from dlcourse.grading import returns
from dlcourse.grading.choice import names_in
from dlcourse.grading.grader import Attempt, in_words
from dlcourse.grading.jobs import run, with_bar
from dlcourse.grading.journal import Journal, Key
from dlcourse.grading.names import readable
from dlcourse.grading.records import Log, private, secret_of
from dlcourse.grading.roll import Roll
from dlcourse.grading.sandbox import Limits, keep_private
from dlcourse.grading.submissions import Submission, read, roll_in
from dlcourse.grading.tasks import Result, Task, digest_of, students_seed
from dlcourse.workspace import UserError


@dataclass
class Class:
    """What was handed in, at a first look: who, and which notebooks; nothing is kept of the files."""

    submissions: Callable[[], Iterator[Submission]]
    roll: Roll
    students: dict[str, str] = field(default_factory=dict)  # and the problem of each, if any
    digests: dict[str, str] = field(default_factory=dict)
    notebooks: Counter[str] = field(default_factory=Counter)

    def look(self) -> "Class":
        table = exercises()
        for submission in self.submissions():
            self.met(submission)
            found = {name for _, content in submission.files for name in names_in(content, tuple(table))}
            self.notebooks.update({table[name].notebook for name in found})
        return self

    def met(self, submission: Submission) -> str:
        """The digest of what was read just now; the class is what was read last."""
        self.students[submission.student] = submission.problem
        self.digests[submission.student] = digest_of(submission.files, submission.problem)
        return self.digests[submission.student]


@dataclass
class Summary:
    """results: by student, by exercise. failed: who could not be graded, and why; the next run tries again.

    roll: who is who, and what is nobody's.
    """

    results: dict[str, dict[str, Result]]
    students: dict[str, str]
    exercises: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)
    fresh: int = 0  # submissions graded in this run
    notes: list[str] = field(default_factory=list)  # what whoever grades should know
    roll: Roll = field(default_factory=Roll)

    def unread(self) -> list[str]:
        """Those of whom nothing could be read."""
        results = self.results
        return [
            student
            for student, problem in self.students.items()
            if problem or (results[student] and not any(result.was_read for result in results[student].values()))
        ]


def grade_class(
    place: Path,
    out: Path,
    executor: Callable[[], Executor],
    *,
    notebooks: Sequence[str] = (),
    seed_file: Path | None = None,
    limits: Limits | None = None,
    safe: bool = True,
    progress: bool = False,
    names: str = "",
) -> Summary:
    """Grade what lies in `place`, and write what is said above into `out`. executor: makes one, again if it breaks.

    names: the scheme by which students are told apart; "" for the one that fits.
    """
    keep_private()
    refuse_inside(place, out)
    with private(out):
        group = Class(lambda: read(place, names), roll_in(place, names)).look()
        if not group.students:
            raise UserError(f"SUBMISSIONS must hold a submission; got nothing in submissions={place}.")
        wanted = assigned(group, notebooks)
        secret = secret_of(seed_file or out / "secret")
        with Journal(out / "journal.jsonl", secret) as journal, Log(out / "grading.log") as log:
            notes = list(noted(group.roll, journal))
            done = {key for key, result in journal.results.items() if result.safe or not safe}
            waiting = {student for student, digest in group.digests.items() if left(wanted, student, digest, done)}
            log.say(f"{len(group.students)} submissions, {len(group.students) - len(waiting)} graded before: {place}")
            log.say(f"Notebooks: {', '.join(sorted({exercises()[name].notebook for name in wanted}))}")
            for note in notes:
                log.say(note)
            failed = dict.fromkeys(waiting, "it went away while the class was graded")

            def tasks() -> Iterator[Task]:
                """From what is read now: files may have changed since the first look."""
                for handed_in in group.submissions():
                    student = handed_in.student
                    if student in waiting:
                        digest = group.met(handed_in)
                        seed, mine = students_seed(secret, student, digest), left(wanted, student, digest, done)
                        work = handed_in.files, handed_in.problem, digest
                        yield Task(student, mine, seed, *work, limits or Limits(), safe)

            for task, tried in with_bar(run(tasks(), executor), len(group.students), len(waiting), progress):
                if isinstance(tried, str):
                    failed[task.student] = tried
                    log.say(f"{task.student}: NOT GRADED, {tried}")
                    continue
                journal.add(tried.results)
                log.say(told(task, tried))
                if not tried.doubts:
                    del failed[task.student]
            found, fresh = collected(journal, group, wanted), len(waiting) - len(failed)
            summary = Summary(found, group.students, wanted, failed, fresh, notes, group.roll)
            for line in shared_tickets(summary):
                log.say(line)
        returns.write(summary, out)
        return summary


def left(names: Sequence[str], student: str, digest: str, done: set[Key]) -> tuple[str, ...]:
    return tuple(name for name in names if (student, name, digest) not in done)


def refuse_inside(place: Path, out: Path) -> None:
    """What is written among the submissions would be taken for somebody's the next time."""
    inner, outer = out.resolve(), place.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner / "feedback"):
        remedy = "Give a folder beside it."
        raise UserError(f"DIR must not be inside SUBMISSIONS, nor SUBMISSIONS in its pages; got out={out}. {remedy}")


def noted(roll: Roll, journal: Journal) -> Iterator[str]:
    if roll.place:
        yield f"Everything lies in the folder {readable(roll.place)}: what is in there was taken for the class."
    if roll.scheme != "plain":
        more = f" {some(roll.odd)} has no such name and was taken as it is." if roll.odd else ""
        yield f"Names were read as {roll.scheme.capitalize()} makes them; --names says otherwise.{more}"
    for student, parts in list(roll.merged().items())[:5]:
        yield f"Taken together as one student's, {student}: {some(parts)}."
    if len(roll.merged()) > 5:
        yield f"So were those of {len(roll.merged()) - 5} more students; see the remarks in grades.csv."
    if roll.leftovers:
        yield f"Taken for nobody's: {some(roll.leftovers)}."
    if roll.hidden:
        yield f"Passed over, because the name is hidden: {some(roll.hidden)}. A student's? Then rename it."
    if journal.skipped:
        lines = ", ".join(map(str, journal.skipped[:5])) + (" …" if len(journal.skipped) > 5 else "")
        yield (
            f"No results of this secret in journal.jsonl, left out and graded again: line {lines}. They were torn or"
            " changed, or the secret is not the one that was there."
        )


def some(names: Sequence[str]) -> str:
    return ", ".join(map(readable, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def assigned(group: Class, notebooks: Sequence[str]) -> tuple[str, ...]:
    """The exercises to grade: of the notebooks named or, without a name, of those that half of the class handed in."""
    table = exercises()
    known = {exercise.notebook for exercise in table.values()}
    if unknown := set(notebooks) - known:
        remedy = f"There are: {', '.join(sorted(known))}."
        raise UserError(f"--notebook must be the name of an exercise notebook; got {sorted(unknown)[0]!r}. {remedy}")
    readable = sum(not problem for problem in group.students.values())
    chosen = set(notebooks) or {name for name, count in group.notebooks.items() if 2 * count >= readable}
    if not chosen:
        remedy = f"Say which were handed out: --notebook {min(known)}."
        raise UserError(f"SUBMISSIONS must hold the same exercises for half of the class; got none. {remedy}")
    return tuple(name for name, exercise in table.items() if exercise.notebook in chosen)


# What was found


def collected(journal: Journal, group: Class, names: Sequence[str]) -> dict[str, dict[str, Result]]:
    found: dict[str, dict[str, Result]] = {}
    for student, digest in group.digests.items():
        keys = {name: (student, name, digest) for name in names}
        found[student] = {name: journal.results[key] for name, key in keys.items() if key in journal.results}
    return found


def told(task: Task, tried: Attempt) -> str:
    results = tried.results
    points, out_of = sum(r.report.points for r in results), sum(r.report.out_of for r in results)
    marks = ["no sandbox"] if not task.safe else []
    marks += [task.problem] if task.problem else []
    marks += [f"to be tried again, {in_words(tried.doubts)}"] if tried.doubts else []
    seconds = max((r.seconds for r in results), default=0.0)
    return f"{task.student}: {points:g} of {out_of:g} points, {seconds:.2f} s" + "".join(f", {mark}" for mark in marks)


def shared_tickets(summary: Summary) -> Iterator[str]:
    """A ticket is one in a million: two students with the same one have looked at the same picture."""
    holders: dict[tuple[str, str], list[str]] = {}
    for student, results in summary.results.items():
        for name, result in results.items():
            words = result.report.findings[0].words if result.report.findings else ""
            if words.startswith("ticket "):
                holders.setdefault((name, words.split(":")[0]), []).append(student)
    for (name, ticket), students in sorted(holders.items()):
        if len(students) > 1:
            yield f"The same {ticket} in {name}: {', '.join(students)}"
