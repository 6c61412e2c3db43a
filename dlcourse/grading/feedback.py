"""What comes back: a page for each student and the table of grades. They hold nothing that the check expected."""

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlcourse.checks import exercises
from dlcourse.grading.names import FORMULA, readable
from dlcourse.grading.tasks import Result

if TYPE_CHECKING:
    from dlcourse.grading.batch import Summary


def table(summary: "Summary") -> str:
    rows: list[list[Any]] = [["student", "points", "out of", "page", "remarks", *summary.exercises]]
    for student in summary.students:
        results = summary.results[student]
        points = [results[name].report.points if name in results else None for name in summary.exercises]
        row = [
            student,
            points_of(summary, student),
            out_of(summary),
            page_name(student),
            "; ".join(remarks(summary, student)),
            *points,
        ]
        rows.append(row)
    for name in summary.roll.leftovers:
        rows.append(["", "", "", "", f"taken for nobody's: {name}", *("" for _ in summary.exercises)])
    return as_csv(rows)


def points_of(summary: "Summary", student: str) -> float | None:
    """None for who is not graded: no zero, and an empty cell changes nothing where a table is taken back."""
    if student in summary.failed:
        return None
    return sum(result.report.points for result in summary.results[student].values())


def as_csv(rows: list[list[Any]]) -> str:
    made = io.StringIO(newline="")
    csv.writer(made).writerows([cell(value) for value in row] for row in rows)
    return made.getvalue()


def cell(value: Any) -> str:
    """As a text that no spreadsheet takes for a formula, wherever commas or semicolons part its columns."""
    text = "" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)
    text = text.replace(";", ",")
    return f"'{text}" if text.startswith(FORMULA) else text


def out_of(summary: "Summary") -> float:
    return sum(exercises()[name].points for name in summary.exercises)


def remarks(summary: "Summary", student: str) -> Iterator[str]:
    if student in summary.failed:
        yield f"not graded: {summary.failed[student]}"
    if summary.students[student]:
        yield summary.students[student]
    elif student in summary.unread():
        yield next(iter(summary.results[student].values())).report.findings[0].detail
    if parts := summary.roll.merged().get(student):
        yield f"handed in as {', '.join(map(readable, parts))}"
    yield from dict.fromkeys(result.remark for result in summary.results[student].values() if result.remark)
    if any(not result.safe for result in summary.results[student].values()):
        yield "graded WITHOUT a sandbox: this grade can be forged"


def page_name(student: str) -> str:
    """A file's name for any student's: no two alike, none that leads elsewhere, letters that every system writes."""
    letters = unicodedata.normalize("NFKD", student).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^\w. -]", "_", letters)[:120].strip(". ")
    return f"{plain or 'student'}-{hashlib.sha256(student.encode('utf-8', 'replace')).hexdigest()[:8]}.html"


def page(summary: "Summary", student: str) -> str:
    table = exercises()
    results = summary.results[student]
    notebooks: dict[str, list[Result]] = {}
    for name, result in results.items():
        notebooks.setdefault(table[name].notebook, []).append(result)
    points = sum(result.report.points for result in results.values())
    whole, said = out_of(summary), list(remarks(summary, student))
    return template("feedback.html").render(
        student=student, points=points, out_of=whole, notebooks=notebooks, remarks=said
    )


@cache
def template(name: str) -> Any:
    """A page that lies beside this file; all begin as base.html does."""
    from jinja2 import Environment, FileSystemLoader

    files = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=files, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(name)
