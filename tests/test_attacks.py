"""A class full of attacks, on code (attacks/code.toml) and with files (attacks/files.py), and a few honest students.

No undeserved point, nobody else touched, no leak, the batch goes on, and nothing is left behind.
"""

import csv
import os
from pathlib import Path

import pytest
from attacks.files import FILES
from classes import (
    ATTACKS,
    FLOODS,
    QUICK,
    RIGHT,
    code_of,
    grade_as_user,
    hand_in,
    needs_sandbox,
    ordinary,
    peak_of_grading,
    shared_folder,
    shown,
    workers,
)

from dlcourse.grading import executors
from dlcourse.grading.batch import grade_class

pytestmark = needs_sandbox()
CANARY = "CANARY-" + "7h15-15-53cr37"
HONEST = [f"honest {n}" for n in range(4)]


MODES = ["as it is", "as an ordinary user"]


@pytest.fixture(scope="module", params=MODES)
def graded(request):
    """Graded once, two at a time. CANARY lies where it must not be found: beside, in the environment, next door."""
    if request.param == MODES[1] and not ordinary():
        pytest.skip("the tests run as an ordinary user, or cannot become one")
    with shared_folder() as shared:
        yield class_graded(shared, request.param == MODES[1])


def class_graded(shared, by_user):
    folder, out = shared / "class", shared / "out"
    folder.mkdir()
    (shared / "solutions.txt").write_text(CANARY)
    for name, attack in ATTACKS.items():
        hand_in(folder, name, code_of(attack))
    for name, (make, _) in FILES.items():
        make(folder / name)
    for name in HONEST:
        hand_in(folder, name, f"# {CANARY}", RIGHT)
    os.environ["DLCOURSE_TEST_CANARY"] = CANARY
    before = set(workers())
    try:
        if by_user:
            grade_as_user(folder, out)
        summary = grade_class(folder, out, lambda: executors.processes(2), notebooks=["momentum"], limits=QUICK)
        assert not (by_user and summary.fresh)  # all had been graded by the other
    finally:
        del os.environ["DLCOURSE_TEST_CANARY"]
    return summary, out, set(workers()) - before


def pages(out):
    return {path.name: path.read_text() for path in (out / "feedback").iterdir()}


def report(graded, name):
    return graded[0].results[shown(name)]["momentum_step"].report


@pytest.mark.parametrize("name", ATTACKS)
def test_code_gains_what_it_deserves_and_finds_nothing(graded, name):
    got = report(graded, name)
    assert got.points == ATTACKS[name].get("deserves", 0), got
    assert "FOUND" not in repr(got)
    assert ATTACKS[name].get("finds", "") in repr(got)
    assert len(repr(got)) < 10_000


@pytest.mark.parametrize("name", FILES)
def test_a_file_gains_nothing_and_its_student_reads_why(graded, name):
    results = graded[0].results[shown(name)]
    assert {result.report.points for result in results.values()} == {0}
    assert FILES[name][1] in repr(report(graded, name))


@pytest.mark.parametrize("name", HONEST)
def test_honest_students_get_their_points_among_all_this(graded, name):
    assert report(graded, name).points == 2


def test_everybody_has_a_grade_and_a_page(graded):
    summary, out, _ = graded
    expected = {shown(name) for name in (*ATTACKS, *FILES, *HONEST)}
    assert summary.students.keys() == summary.results.keys() == expected
    assert not summary.failed
    assert len(pages(out)) == len(expected)
    with open(out / "grades.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(expected)
    assert {row["points"] for row in rows if row["student"] in HONEST} == {"2"}
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


def test_no_page_tells_a_secret_or_runs_a_script(graded):
    _, out, _ = graded
    for text in (*pages(out).values(), (out / "grades.csv").read_text(), (out / "journal.jsonl").read_text()):
        assert CANARY not in text
    for text in pages(out).values():
        assert "<script" not in text and "<img" not in text
        assert "expected  " not in text and "given  " not in text


def test_nothing_is_left_behind(graded):
    assert graded[2] == set()
    assert not list(Path("/tmp").glob("dlcourse_pwned*"))


def test_the_grader_stays_small(tmp_path):
    """What floods it is turned away at the door: a few answers at their limit are the most."""
    hand_in(tmp_path / "calm", "honest", RIGHT)
    for name in FLOODS:
        hand_in(tmp_path / "flooded", name, code_of(ATTACKS[name]))
    calm, flooded = (peak_of_grading(tmp_path / kind, tmp_path / f"out {kind}") for kind in ("calm", "flooded"))
    assert flooded - calm < 100
