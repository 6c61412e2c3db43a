"""What goes back to the class: all pages in one zip, the points in the form that the platform takes, and for whoever
teaches a page that says what was solved, which mistakes are common and who needs help.
"""

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlcourse.checks import exercises
from dlcourse.grading.feedback import as_csv, out_of, page, page_name, points_of, table, template
from dlcourse.grading.names import readable
from dlcourse.grading.platforms import MOODLE
from dlcourse.workspace import write_whole

if TYPE_CHECKING:
    from dlcourse.grading.batch import Summary

COMMON = 3  # mistakes named for each exercise
HELP = 0.5  # of the points: who has less needs help


def write(summary: "Summary", out: Path) -> None:
    """Each whole or not at all, and the table last: where it is, all the rest is."""
    for student in summary.students:
        write_whole(out / "feedback" / page_name(student), page(summary, student).encode("utf-8", "replace"))
    for name, content in files(summary, out / "feedback").items():
        write_whole(out / name, content)
    write_whole(out / "grades.csv", table(summary).encode())


def files(summary: "Summary", folder: Path) -> dict[str, bytes]:
    """By name, whatever is made of the class as a whole."""
    made = {"summary.html": overview(summary).encode("utf-8", "replace"), "feedback.zip": pages(summary, folder)}
    if columns := {"moodle": moodle, "canvas": canvas}.get(summary.roll.scheme):
        made[f"{summary.roll.scheme}.csv"] = columns(summary).encode("utf-8", "replace")
    return made


def pages(summary: "Summary", folder: Path) -> bytes:
    """Those in `folder`; the same pages give the same bytes. For Moodle each has a name by which it finds students."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for student in summary.students:
            entry = zipfile.ZipInfo(name_in_zip(summary, student))  # of 1980: the time of day is no part of it
            file.writestr(entry, (folder / page_name(student)).read_bytes(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def name_in_zip(summary: "Summary", student: str) -> str:
    """Moodle: Full name_number_assignsubmission_file_PAGE, as it was handed in."""
    who = summary.roll.who.get(student)
    if summary.roll.scheme == "moodle" and who and who.number:
        (first, *_) = summary.roll.students[student]
        if match := MOODLE.match(first):
            return f"{readable(match['student'])}_{who.number}_assignsubmission_file_{page_name(student)}"
    return page_name(student)


# Points, as platforms take them


def moodle(summary: "Summary") -> str:
    """The grading worksheet: Moodle finds students by `Identifier` and reads `Grade` and `Feedback comments`."""
    rows: list[list[Any]] = [["Identifier", "Full name", "Grade", "Maximum Grade", "Feedback comments"]]
    for student, number, name in numbered(summary):
        wrong = [report.title for report in reports(summary, student) if not report.passed]
        comment = f"Not solved yet: {', '.join(wrong)}." if wrong else "All solved."
        rows.append([f"Participant {number}", name, points_of(summary, student), out_of(summary), comment])
    return as_csv(rows)


def canvas(summary: "Summary") -> str:
    """A gradebook import: Canvas finds students by `ID`. The last column is named as the assignment is there."""
    notebooks = dict.fromkeys(exercises()[name].notebook for name in summary.exercises)
    rows: list[list[Any]] = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", " ".join(notebooks)]]
    rows.append(["    Points Possible", "", "", "", "", out_of(summary)])
    for student, number, name in numbered(summary):
        rows.append([name, number, "", "", "", points_of(summary, student)])
    return as_csv(rows)


def numbered(summary: "Summary") -> Iterator[tuple[str, str, str]]:
    """Student, the platform's number and the name without it; who has none is found by no platform."""
    for student in summary.students:
        who = summary.roll.who.get(student)
        if who and who.number:
            yield student, who.number, readable(who.student.removesuffix(f"_{who.number}"))


# For whoever teaches


def overview(summary: "Summary") -> str:
    """summary.html: names of exercises, mistakes as the course names them, students; nothing that a student wrote."""
    graded = [student for student in summary.students if student not in summary.failed]
    rows = [row for name in summary.exercises if (row := exercise_row(summary, graded, name))]
    shares = {student: (points_of(summary, student) or 0.0) / (out_of(summary) or 1.0) for student in graded}
    need_help = sorted((share, student) for student, share in shares.items() if share < HELP)
    return template("summary.html").render(
        students=len(summary.students),
        failed=sorted(summary.failed),
        unread=sorted(summary.unread()),
        exercises=rows,
        mean=sum(shares.values()) / len(shares) if shares else 0.0,
        out_of=out_of(summary),
        need_help=[
            (student, page_name(student), points_of(summary, student), unsolved(summary, student))
            for _, student in need_help
        ],
    )


def exercise_row(summary: "Summary", students: list[str], name: str) -> dict[str, Any]:
    found = [summary.results[student][name] for student in students if name in summary.results[student]]
    mistakes = Counter(r.report.mistake for r in found if r.report.mistake and not r.report.perhaps)
    return {
        "title": exercises()[name].title,
        "notebook": exercises()[name].notebook,
        "solved": sum(r.report.passed for r in found),
        "begun": sum(r.was_read and r.report.begun for r in found),
        "of": len(found),
        "mistakes": mistakes.most_common(COMMON),
    }


def unsolved(summary: "Summary", student: str) -> list[str]:
    return [report.title for report in reports(summary, student) if not report.passed]


def reports(summary: "Summary", student: str) -> list[Any]:
    return [result.report for result in summary.results[student].values()]
