"""Which of a student's files answers for which exercise."""

import re
from collections.abc import Sequence
from dataclasses import replace

from dlcourse.checks import exercises
from dlcourse.grading.names import readable
from dlcourse.grading.rebuild import Unreadable, code_cells
from dlcourse.grading.tasks import Task
from dlcourse.grading.verdicts import Verdict, grade_notebook, noted
from dlcourse.grading.worker_process import Clock

CANDIDATES = 4  # files that are asked for one exercise
PARTS = 300_000  # lists, objects and commas of a file that is read as a whole outside the sandbox


def graded_files(task: Task) -> dict[str, Verdict]:
    """By exercise. Of several files that define it the last one counts in which something is written: a stub that an
    upgrade or a platform has put beside an answer takes nothing from it.
    """
    clock, table = Clock(), exercises()
    codes = [code_in(content) for _, content in task.files]
    places = {name: defined_in(codes, name) for name in task.exercises}
    verdicts: dict[str, Verdict] = {}
    for turn in range(CANDIDATES):
        left = [name for name in task.exercises if turn == 0 or (verdicts[name].empty and turn < len(places[name]))]
        for place in sorted({places[name][turn] for name in left}):
            asked = {name: table[name] for name in left if places[name][turn] == place}
            for name, verdict in grade_notebook(task.files[place], asked, task, clock).items():
                if turn == 0 or not verdict.empty:
                    verdicts[name] = replace(verdict, place=place)
    unread = [readable(name) for (name, _), code in zip(task.files, codes, strict=True) if code is None]
    return {name: with_remark(verdict, places[name], task, unread) for name, verdict in verdicts.items()}


def code_in(content: bytes) -> str | None:
    """The learner's own code; None where it cannot be told here, and the worker must know.

    What would take much memory to read is not read, but searched as it is: a notebook of ours has some hundred parts.
    """
    if sum(map(content.count, (b"[", b"{", b","))) > PARTS:
        return None
    try:
        return "\n".join(code_cells(content))
    except Unreadable:
        return None


def defined_in(codes: Sequence[str | None], name: str) -> list[int]:
    """The files that define it, the last one first; where none seems to, the last: a worker says what stands there."""
    return [n for n, code in reversed(list(enumerate(codes))) if code and is_defined(name, code)] or [len(codes) - 1]


def names_in(content: bytes, names: Sequence[str]) -> list[str]:
    """The functions that the code of a notebook seems to define."""
    code = code_in(content) or ""
    return [name for name in names if is_defined(name, code)]


def with_remark(verdict: Verdict, places: Sequence[int], task: Task, unread: Sequence[str]) -> Verdict:
    file, others = readable(task.files[verdict.place][0]), [p for p in places if p != verdict.place]
    said = []
    if others:
        names = ", ".join(readable(task.files[place][0]) for place in others)
        why = "the last in which something is written" if max(others) > verdict.place else "the last of them"
        said = [f"{file} counts, {why}; not {names}"]
        verdict = replace(verdict, report=noted(verdict.report, f"Several files define it: {said[0]}."))
    if unread:
        said.append(f"cannot be read as a notebook: {', '.join(unread)}")
    return replace(verdict, remark="; ".join(said))


def is_defined(name: str, text: str) -> bool:
    """Is there `def name` or `name =`? In the first 200 places, that is: a name may stand there a million times."""
    value, at = re.compile(rf"(?<!\w){name} {{0,9}}(?::[^=\n]{{0,99}})?="), -1
    for _ in range(200):
        at = text.find(name, at + 1)
        if at < 0:
            return False
        whole = not re.match(r"\w", text[at + len(name) : at + len(name) + 1])
        if value.match(text, at) or (whole and re.search(r"def {1,9}$", text[max(0, at - 13) : at])):
            return True
    return False
