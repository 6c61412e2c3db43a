"""What goes back to the class: one zip of pages, columns that Moodle and Canvas take, a page for whoever teaches."""

import csv
import io
import re
import zipfile

import pytest
from classes import EXPORTS, export

from dlcourse.checks import Finding, Report, exercises
from dlcourse.grading import returns
from dlcourse.grading.batch import Summary
from dlcourse.grading.feedback import page_name
from dlcourse.grading.submissions import roll_in
from dlcourse.grading.tasks import Result

NAMES = ("momentum_step", "nesterov_step")
MISTAKE = "The sign of the step is turned round <b>."


def reported(student, name, passed, mistake="", perhaps=False):
    entry = exercises()[name]
    finding = Finding(passed, "it runs")
    points = entry.points if passed else 0
    report = Report(name, entry.title, (finding,), mistake, points=points, out_of=entry.points, perhaps=perhaps)
    return Result(student, name, "digest", report)


def class_of(roll, failed=()):
    """The first solves all, the second one exercise, all others none, with the same mistake."""
    results = {}
    for number, student in enumerate(roll.students):
        said = {"mistake": MISTAKE} if number > 1 else {}
        results[student] = {
            name: reported(student, name, number == 0 or (number == 1 and place == 0), **said)
            for place, name in enumerate(NAMES)
        }
    return Summary(results, dict.fromkeys(roll.students, ""), NAMES, failed=dict.fromkeys(failed, "why"), roll=roll)


def written(tmp_path, platform, **more):
    summary = class_of(roll_in(export(tmp_path / "in", platform)), **more)
    returns.write(summary, tmp_path / "out")
    return summary, tmp_path / "out"


def rows(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("platform", EXPORTS)
def test_the_zip_holds_every_page_and_the_columns_are_there_for_whom_takes_them(platform, tmp_path):
    summary, out = written(tmp_path, platform)
    with zipfile.ZipFile(out / "feedback.zip") as file:
        found = sorted(file.read(name) for name in file.namelist())
    assert found == sorted((out / "feedback" / page_name(student)).read_bytes() for student in summary.students)
    tables = {path.name for path in out.glob("*.csv")} - {"grades.csv"}
    assert tables == ({f"{platform}.csv"} if platform in ("moodle", "canvas") else set())


def test_moodle_finds_each_student_again(tmp_path):
    summary, out = written(tmp_path, "moodle")
    head, *body = rows((out / "moodle.csv").read_text("utf-8"))
    assert head[:3] == ["Identifier", "Full name", "Grade"]
    numbers = {student: student.rpartition("_")[2] for student in summary.students}
    grades = {row[0]: float(row[2]) for row in body}
    assert grades == {
        f"Participant {number}": sum(r.report.points for r in summary.results[student].values())
        for student, number in numbers.items()
    }
    with zipfile.ZipFile(out / "feedback.zip") as file:
        for name in file.namelist():  # as the export itself has it: name, number, what it is
            assert re.match(r"[^/]+_\d+_assignsubmission_file_[^/]+\.html$", name)


def test_canvas_finds_each_student_again(tmp_path):
    summary, out = written(tmp_path, "canvas")
    head, points, *body = rows((out / "canvas.csv").read_text("utf-8"))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "momentum"]
    assert points[0].strip() == "Points Possible" and float(points[5]) == sum(exercises()[n].points for n in NAMES)
    assert [row[1] for row in body] == [student.rpartition("_")[2] for student in summary.students]


def test_who_is_not_graded_yet_gets_no_zero(tmp_path):
    roll = roll_in(export(tmp_path / "in", "canvas"))
    late = next(iter(roll.students))
    summary = class_of(roll, failed=[late])
    _, _, *body = rows(returns.canvas(summary))
    assert {row[1]: row[5] for row in body}[late.rpartition("_")[2]] == ""
    assert late in returns.overview(summary)


def test_the_overview_counts_what_was_solved_and_which_mistakes(tmp_path):
    summary, out = written(tmp_path, "canvas")
    first, _, *rest = summary.students
    row = returns.exercise_row(summary, list(summary.students), NAMES[1])
    assert (row["solved"], row["begun"], row["of"]) == (1, 2 + len(rest), 2 + len(rest))
    assert row["mistakes"] == [(MISTAKE, len(rest))]
    text = (out / "summary.html").read_text("utf-8")
    assert MISTAKE not in text and "&lt;b&gt;" in text  # words are never markup
    needy = text.partition("Who may need help")[2]
    assert first not in needy and all(student in needy for student in rest)


def test_a_perhaps_is_not_counted_as_a_mistake(tmp_path):
    summary = class_of(roll_in(export(tmp_path / "in", "canvas")))
    student = list(summary.students)[-1]
    summary.results[student][NAMES[0]] = reported(student, NAMES[0], False, MISTAKE, perhaps=True)
    counted = dict(returns.exercise_row(summary, list(summary.students), NAMES[0])["mistakes"])
    assert counted[MISTAKE] == len(summary.students) - 3


def test_the_same_class_gives_the_same_bytes(tmp_path):
    summary, out = written(tmp_path, "moodle")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    returns.write(summary, out)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
