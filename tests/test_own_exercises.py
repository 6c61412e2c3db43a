"""A lecturer's own exercises: the example of docs/instructors.md, in the notebook, from a shell, and in a grade."""

import re
import subprocess
import sys

import nbformat
import pytest
from classes import QUICK, ROOT, needs_sandbox

import dlcourse as dl
from dlcourse.checks import checking, exercises, tables
from dlcourse.grading.grader import grade
from dlcourse.grading.tasks import Task, digest_of
from dlcourse.workspace import MANIFEST, UserError

TEXT = (
    (ROOT / "docs" / "instructors.md").read_text().partition("### Exercises of your own")[2].partition("### Collect")[0]
)
FILE, STUB, CHECK = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
RIGHT = "def half_life(momentum, halvings):\n    return halvings * np.log(0.5) / np.log(momentum)"
MEAN_AGE = "def half_life(momentum, halvings):\n    return halvings / (1 - momentum)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / tables.OWN).write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checking, "_tries", {})
    yield tmp_path
    tables._own.clear()


def function(source):
    space = {"np": __import__("numpy")}
    exec(source, space)
    return space["half_life"]


def book(folder, source):
    cells = [nbformat.v4.new_code_cell(cell) for cell in ("import numpy as np\nimport dlcourse as dl", source, CHECK)]
    path = folder / "memory.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_it_is_found_by_the_check(folder):
    assert dl.check("half_life", function(RIGHT))
    assert dl.check("half_life", function(MEAN_AGE)).mistake.startswith("This is the mean age")
    assert not dl.check("half_life", function(STUB)).begun
    assert "half_life" in exercises() and "momentum_step" in exercises()


def test_it_is_found_below_the_learners_folder_and_nowhere_above(folder, monkeypatch):
    deep = folder / "exercises" / "memory"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert not dl.check("half_life", function(RIGHT))
    (folder / MANIFEST).write_text("{}")
    assert dl.check("half_life", function(RIGHT))


def test_it_is_read_again_when_it_changes_and_forgotten_when_it_goes(folder):
    assert dl.check("half_life", function(RIGHT)).out_of == 2
    (folder / tables.OWN).write_text(FILE.replace("points=2", "points=5"))
    assert dl.check("half_life", function(RIGHT)).out_of == 5
    (folder / tables.OWN).unlink()
    assert not dl.check("half_life", function(RIGHT))
    assert "half_life" not in exercises()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FILE.replace("rng: [", "rng: [(", 1), "SyntaxError"),
        ("x = 1\ny = x / 0", "ZeroDivisionError: division by zero in line 2"),
        ("x = 1", "must hold exercises"),
        (FILE.replace('"half_life"', '"momentum_step"'), "got the course's own momentum_step"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(folder, text, words):
    (folder / tables.OWN).write_text(text)
    report = dl.check("half_life", function(RIGHT))
    assert not report and words in repr(report)
    with pytest.raises(UserError, match=tables.OWN):
        tables.look_in(folder)


def test_it_is_found_from_a_shell(folder):
    path = book(folder, RIGHT)
    done = subprocess.run(
        [sys.executable, "-m", "dlcourse", "check", path], capture_output=True, text=True, timeout=120
    )
    assert "✓ How long a velocity lasts: solved, 2 of 2 points" in done.stdout
    assert done.stdout.endswith("1 of 1 solved\n")


@needs_sandbox()
def test_it_is_graded_and_travels_with_its_task(folder):
    tables.look_in(folder)
    tasks = []
    for source in (RIGHT, MEAN_AGE):
        files = (("memory.ipynb", book(folder, source).read_bytes()),)
        tasks.append(Task("ana", ("half_life",), b"s" * 32, files, digest=digest_of(files), limits=QUICK))
    tables._own.clear()  # another process knows nothing of the file
    (right,), (wrong,) = map(grade, tasks)
    assert right.report.points == 2
    assert wrong.report.points == 0 and wrong.report.mistake.startswith("This is the mean age")


@needs_sandbox()
def test_the_command_grades_it_and_takes_none_that_was_handed_in(folder):
    place = folder / "in" / "ana"
    place.mkdir(parents=True)
    book(place, RIGHT)
    call = [sys.executable, "-m", "dlcourse", "grade", "in", "--out", "out", "--notebook", "memory", "--jobs", "1"]
    done = subprocess.run([*call, "--quiet"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "ana,2,2," in (folder / "out/grades.csv").read_text()
    (folder / "in" / tables.OWN).write_text(FILE)
    done = subprocess.run([*call, "--exercises", f"in/{tables.OWN}"], capture_output=True, text=True, timeout=120)
    assert "got one of SUBMISSIONS" in done.stderr


def test_the_gate_runs_on_it(folder):
    call = [sys.executable, "-m", "dlcourse.checks.gate", tables.OWN, "--draws", "10"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert "mutants of 1 exercises" in done.stdout, done.stderr
