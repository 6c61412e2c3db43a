"""With the real nbgrader: its gradebook from `dlcourse grade`, and its own autograde with our sandbox in it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from classes import ATTACKS, POINTS, QUICK, ROOT, code_of, hand_in, needs_sandbox

from dlcourse.grading.batch import grade_class
from dlcourse.workspace import UserError

pytest.importorskip("nbgrader", reason="needs the extra [instructor]")
pytestmark = needs_sandbox()
ONE_LINE = "from dlcourse.grading import nbgrader_plugin\nnbgrader_plugin.use(c)"
MASTER = ROOT / "solutions/momentum/momentum.ipynb"
HOSTILE = ["patch every comparison of NumPy", "break the runner from within", "leave without a word"]


def nbgrader(folder, *words):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "nbgrader", *words]
    home = {"HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder), "IPYTHONDIR": str(folder)}
    environment = {**os.environ, **home, "PATH": path, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def with_solution(release, source):
    """What a learner hands in: the notebook handed out, with something in the place of the stub of momentum_step."""
    made = nbformat.read(release, 4)
    (cell,) = (c for c in made.cells if c.metadata.nbgrader.grade_id == "momentum_step")
    cell.source = source
    return nbformat.writes(made)


def damaged(source):
    """The right solutions, in notebooks that stop stock nbgrader for the whole class, or cost their points there."""
    made = json.loads(source)
    stripped, doubled, old, colab = (json.loads(source) for _ in range(4))
    for cell in stripped["cells"]:
        cell["metadata"] = {}
    doubled["cells"] += made["cells"][-2:]
    old["cells"][3]["metadata"]["nbgrader"] = {"grade_id": "momentum_step"}
    colab["nbformat_minor"] = 0
    for cell in colab["cells"]:
        del cell["id"]  # they came with 4.5
    return {"stripped": stripped, "doubled": doubled, "old": old, "colab": colab}


def pretended(source):
    """A wrong first exercise, with metadata and cells changed so that it should not count, or others count more."""
    made = json.loads(source)
    stub = next(c for c in made["cells"] if c["metadata"]["nbgrader"]["grade_id"] == "momentum_step")
    stub["source"] = "def momentum_step(*a):\n    return 0, 0\n"

    def with_changes(names, **change):
        copy = json.loads(json.dumps(made))
        cells = {c["metadata"]["nbgrader"]["grade_id"]: c for c in copy["cells"]}
        for name in names:
            facts = cells[name]["metadata"]["nbgrader"]
            of_cell = {key: change[key] for key in change.keys() & {"cell_type", "source", "attachments"}}
            facts |= {key: value for key, value in change.items() if key not in of_cell}
            cells[name] |= of_cell
            if cells[name]["cell_type"] != "code":
                for key in ("outputs", "execution_count"):
                    cells[name].pop(key, None)
        return copy

    first, second = "check_momentum_step", "check_nesterov_step"
    swapped = with_changes([first], grade_id="x")
    for cell in swapped["cells"]:
        facts = cell["metadata"]["nbgrader"]
        facts["grade_id"] = {"x": second, second: first}.get(facts["grade_id"], facts["grade_id"])
    return {
        "no points": with_changes([first], points=0),
        "many points": with_changes([second], points=1e9),
        "points of no number": with_changes([second], points="nine"),
        "swapped": swapped,
        "unlocked": with_changes([first], locked=False, solution=True, source="2"),
        "free text": with_changes([first], locked=False, solution=True, grade=True, checksum="x"),
        "ungraded": with_changes([first], grade=False),
        "a task": with_changes([first], task=True, grade=False, points=2),
        "markdown": with_changes([first], cell_type="markdown"),
        "raw": with_changes([first], cell_type="raw", attachments={}),
        "solution in words": with_changes(["momentum_step"], cell_type="markdown"),
        "everything is graded": with_changes(["intro", "imports", "momentum_step"], grade=True, points=50),
        "another check": with_changes([first], source='dl.check("nesterov_step", nesterov_step)'),
    }


def scores(folder):
    nbgrader(folder, "export")
    with open(folder / "grades.csv", newline="") as file:
        return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Assigned, handed in by an honest student, an idle one and hostile ones, autograded, fed back."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "nbgrader_config.py").write_text(f"c = get_config()\n{ONE_LINE}\nc.SandboxExecute.seconds = 1.0\n")
    shutil.copytree(MASTER.parent, folder / "source/momentum")
    nbgrader(folder, "generate_assignment", "momentum")
    release = folder / "release/momentum/momentum.ipynb"
    handed_in = {"ana": MASTER.read_text(), "bob": release.read_text()}
    handed_in |= {student: json.dumps(made) for student, made in damaged(MASTER.read_text()).items()}
    handed_in |= {student: json.dumps(made) for student, made in pretended(MASTER.read_text()).items()}
    handed_in |= {f"eve{n}": with_solution(release, code_of(ATTACKS[name])) for n, name in enumerate(HOSTILE)}
    for student, text in handed_in.items():
        place = folder / f"submitted/{student}/momentum"
        place.mkdir(parents=True)
        (place / "momentum.ipynb").write_text(text)
    nbgrader(folder, "autograde", "momentum")
    nbgrader(folder, "generate_feedback", "momentum")
    return folder


def test_nbgraders_round_trip_gives_each_what_they_deserve(course):
    whole = dict.fromkeys(("ana", "stripped", "doubled", "old", "colab"), POINTS)
    without_the_first = dict.fromkeys(pretended(MASTER.read_text()), POINTS - 2)
    nothing = dict.fromkeys(("bob", *(f"eve{n}" for n in range(len(HOSTILE)))), 0)
    assert scores(course) == {**whole, **without_the_first, **nothing}


def test_what_a_notebook_says_of_its_points_changes_no_maximum_and_leaves_nothing_to_grade_by_hand(course):
    with open(course / "grades.csv", newline="") as file:
        assert {row["max_score"] for row in csv.DictReader(file)} == {f"{POINTS}.0"}
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        assert not [each.student.id for each in book.find_assignment("momentum").submissions if each.needs_manual_grade]


def test_its_feedback_says_what_our_check_says_and_nothing_that_was_expected(course):
    text = (course / "feedback/bob/momentum/momentum.html").read_text()
    assert "One step of momentum: not yet, 0 of 2 points" in text
    text = (course / "feedback/eve0/momentum/momentum.html").read_text()
    assert "expected  " not in text and "given  " not in text


def test_nothing_of_a_submission_ran_in_a_kernel(course):
    for student in ("ana", "eve0"):
        made = nbformat.read(course / f"autograded/{student}/momentum/momentum.ipynb", 4)
        assert all(cell.execution_count is None for cell in made.cells if cell.cell_type == "code")


def test_a_cell_that_is_not_ours_gets_no_points():
    from dlcourse.grading.nbgrader_plugin import foreign, outputs

    cell = nbformat.v4.new_code_cell("assert True", metadata={"nbgrader": {"grade_id": "mine", "points": 3}})
    assert [output.output_type for output in outputs(foreign(cell))] == ["display_data", "error"]


def test_grades_go_into_the_gradebook_and_scores_by_hand_stay(tmp_path):
    from nbgrader.api import Gradebook

    from dlcourse.grading.gradebook import record

    url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    for student in ("ana", "Zoë Ω_12"):
        place = hand_in(tmp_path / "in", student)
        place.write_text(MASTER.read_text())
    summary = grade_class(tmp_path / "in", tmp_path / "out", lambda: ThreadPoolExecutor(2), limits=QUICK)
    for _ in range(2):  # a second time changes nothing
        record(summary, url)
        with Gradebook(url) as book:
            submissions = book.find_assignment("momentum").submissions
            assert {s.student.id: (s.score, s.max_score) for s in submissions} == dict.fromkeys(
                ("ana", "Zoë Ω_12"), (POINTS, POINTS)
            )
    with Gradebook(url) as book:
        book.find_grade("check_momentum_step", "momentum", "momentum", "ana").manual_score = 1
        book.db.commit()
    record(summary, url)
    with Gradebook(url) as book:
        assert book.find_submission("momentum", "ana").score == POINTS - 1  # one of two by hand


def test_a_database_that_does_not_open_is_said_to_be_one(tmp_path):
    from dlcourse.grading.gradebook import connected

    with pytest.raises(UserError, match="--gradebook must be a database that opens"):
        connected("sqlite:////nowhere/at/all.db")
    assert json.dumps(os.listdir(tmp_path)) == "[]"
