"""`dlcourse grade`: every way to hand in, what counts in a notebook, resuming, and what comes out."""

import contextlib
import csv
import functools
import itertools
import json
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import zipfile
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from itertools import product
from pathlib import Path

import nbformat
import numpy as np
import pytest
from classes import QUICK, RIGHT, ROOT, WRONG, hand_in, needs_sandbox, notebook, workers
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.checks import exercises
from dlcourse.checks.runner import Function, Seed
from dlcourse.grading import feedback, frames, seccomp
from dlcourse.grading.answers import Died, believed
from dlcourse.grading.batch import grade_class
from dlcourse.grading.choice import names_in
from dlcourse.grading.grader import grade
from dlcourse.grading.journal import Journal, seal
from dlcourse.grading.records import secret_of
from dlcourse.grading.sandbox import FILES, Limits, Sandbox, other_packages, shown_places
from dlcourse.grading.submissions import read
from dlcourse.grading.tasks import Task, digest_of, draws, students_seed
from dlcourse.workspace import UserError

sandboxed = needs_sandbox()
threads = functools.partial(ThreadPoolExecutor, 2)
MOMENTUM = sum(entry.notebook == "momentum" for entry in exercises().values())
POINTS = sum(entry.points for entry in exercises().values() if entry.notebook == "momentum")


def graded(*files, exercises=("momentum_step",), **more):
    """The reports of one student, by exercise."""
    files = tuple((f"{n}.ipynb", content) for n, content in enumerate(files))
    task = Task("ana", exercises, b"s" * 32, files, digest=digest_of(files), limits=QUICK, **more)
    return {result.exercise: result.report for result in grade(task)}


def grade_folder(folder, out, **more):
    return grade_class(folder, out, threads, **{"notebooks": ["momentum"], "limits": QUICK, **more})


def points(summary):
    return {name: sum(r.report.points for r in results.values()) for name, results in summary.results.items()}


# Frames

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)


@given(plain)
@settings(max_examples=50, deadline=None)
def test_plain_data_travels_as_it_is(value):
    packed = frames.pack(value)
    header, data = frames.LENGTHS.unpack(packed[:16])
    back = frames.unpack(packed[16 : 16 + header], packed[16 + header :])
    assert back == value and type(back) is type(value)
    assert len(packed) == 16 + header + data


@pytest.mark.parametrize("kind", ["b1", "i1", "u2", "<i4", ">i4", "<u8", "f2", "<f4", ">f8", "g"])
def test_arrays_of_every_kind_travel(kind, rng):
    array = (rng.normal(size=(3, 0, 2)[: rng.integers(1, 4)]) * 10).astype(kind)
    for each in (array, np.array(1).astype(kind), array[::-1].T):
        packed = frames.pack((each, Seed(3), Function("w * a", {"a": each})))
        (back, seed, function) = frames.unpack(*split(packed), {"Seed": Seed, "Function": Function})
        np.testing.assert_array_equal(back, each)
        assert back.dtype.kind == each.dtype.kind and back.shape == each.shape
        assert seed == Seed(3) and function.source == "w * a"


def split(packed):
    header, _ = frames.LENGTHS.unpack(packed[:16])
    return packed[16 : 16 + header], packed[16 + header :]


@given(
    st.binary(max_size=200) | st.text().map(str.encode) | plain.map(lambda v: json.dumps(v).encode()),
    st.binary(max_size=50),
)
@settings(max_examples=200, deadline=None)
def test_nonsense_is_called_so_and_nothing_else_happens(header, data):
    with contextlib.suppress(frames.Nonsense):
        frames.unpack(header, data)


def test_a_reply_can_make_no_object():
    with pytest.raises(frames.Nonsense):
        frames.unpack(*split(frames.pack(Seed(1))))


# The filter for system calls, by an interpreter of its own few instructions


def verdict_of(program, architecture, number, *arguments):
    lines = list(struct.iter_unpack("<HBBI", program))
    seen = {0: number, 4: architecture} | {16 + 8 * place: value for place, value in enumerate(arguments)}
    asks = {0x15: lambda a, b: a == b, 0x35: lambda a, b: a >= b, 0x45: lambda a, b: a & b}
    place = register = 0
    while True:
        code, yes, no, value = lines[place]
        if code == 0x20:
            register = seen[value]
        elif code == 0x06:
            return value & 0x7FFF0000 or value
        else:
            place += yes if asks[code](register, value) else no
        place += 1


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_the_filter_refuses_its_list_and_lets_the_rest_through(machine):
    architecture, calls = seccomp.MACHINES[machine]
    program = seccomp.program(machine)
    for number in range(512):
        expected = 0x50000 if number in calls.values() else 0x7FFF0000
        assert verdict_of(program, architecture, number, 0, 1, 0) == expected or number in seccomp.LIMITS[machine]
    assert verdict_of(program, architecture ^ 1, 1) == verdict_of(program, architecture, 0x40000001) == 0x80000000


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_the_filter_looks_at_arguments_where_a_call_does_many_things(machine):
    import fcntl

    def allows(number, *arguments):
        return verdict_of(seccomp.program(machine), seccomp.MACHINES[machine][0], number, *arguments) == 0x7FFF0000

    harmless = {fcntl.F_DUPFD, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_SETFL, fcntl.F_DUPFD_CLOEXEC}
    assert {command for command in range(2000) if allows(seccomp.FCNTL[machine], 3, command)} == harmless
    for number in seccomp.ENDS[machine]:
        assert [status for status in range(512) if allows(number, status)] == [*range(128), *range(256, 384)]
    (one, other) = seccomp.LIMITS[machine]
    assert not allows(one, 0, 5) and not allows(other, 7, 0)  # RLIMIT_CPU
    assert allows(one, 9, 0) and allows(other, 0, 9)


# Handing in


def names(place):
    return {submission.student: [name for name, _ in submission.files] for submission in read(place)}


LAYOUTS = {
    "one folder each": ({"ana/momentum.ipynb": "ana", "bob/momentum.ipynb": "bob"}, {"ana", "bob"}),
    "one file each": ({"ana.ipynb": "ana", "bob.IPYNB": "bob"}, {"ana", "bob"}),
    "Moodle, folders": (
        {"Ana María López_12345_assignsubmission_file_/my work (1).ipynb": "ana",
         "李 雷_777_assignsubmission_file_/m.ipynb": "bob"}, {"Ana María López_12345", "李 雷_777"}),
    "Moodle, files": (
        {"Ana López_12345_assignsubmission_file_momentum.ipynb": "ana",
         "Ana López_99_assignsubmission_file_momentum.ipynb": "another of this name"},
        {"Ana López_12345", "Ana López_99"}),
    "Canvas": (
        {"lopezana_4711_1234_momentum.ipynb": "ana", "lopezana_4711_1235_adam.ipynb": "the same",
         "leibob_LATE_4712_1236_momentum.ipynb": "bob", "leibob_4799_1237_momentum.ipynb": "another of this name"},
        {"lopezana_4711", "leibob_4712", "leibob_4799"}),
    "nbgrader": ({"ana/momentum/momentum.ipynb": "ana", "bob/momentum/momentum.ipynb": "bob"}, {"ana", "bob"}),
    "with debris": (
        {"ana/a.ipynb": "ana", "ana/.ipynb_checkpoints/a-checkpoint.ipynb": "old", ".DS_Store": "", "ana/notes.txt": "",
         "__MACOSX/ana/._a.ipynb": ""}, {"ana"}),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["folder", "folder with a folder around", "zip", "zip with a folder around"])
def test_every_way_to_hand_in(layout, kind, tmp_path):
    files, students = LAYOUTS[layout]
    place = tmp_path / "in"
    around = "export 2026/" if "around" in kind else ""
    if around and len(students) == 1:
        pytest.skip("a folder around a class of one cannot be told from the folder of one")
    for name in files:
        (place / around / name).parent.mkdir(parents=True, exist_ok=True)
        (place / around / name).write_bytes(notebook(RIGHT))
    if "zip" in kind:
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
            for name in files:
                archive.writestr(around + name, notebook(RIGHT))
        place = tmp_path / "in.zip"
    found = names(place)
    assert found.keys() == students
    assert all(found.values())
    assert sum(map(len, found.values())) == sum(name.lower().endswith("ipynb") and "._" not in name and
                                                "checkpoint" not in name for name in files)  # fmt: skip


@pytest.mark.parametrize("files", [["ana/momentum.ipynb", "ana/adam.ipynb"],
                                   ["ana/momentum/momentum.ipynb", "ana/adam/adam.ipynb"]])  # fmt: skip
@pytest.mark.parametrize("zipped", [False, True])
def test_the_notebooks_of_a_class_of_one_are_not_taken_for_students(files, zipped, tmp_path):
    place = tmp_path / "in"
    for name in files:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(notebook(RIGHT))
    if zipped:
        place = Path(shutil.make_archive(str(tmp_path / "in"), "zip", place))
    found = names(place)
    assert found.keys() == {"ana"} and len(found["ana"]) == 2


def test_a_folder_around_the_class_is_named(tmp_path):
    for student in ("ana", "bob"):
        hand_in(tmp_path / "in/export", student, RIGHT)
    summary = grade_folder(tmp_path / "in", tmp_path / "out", safe=False)
    assert summary.students.keys() == {"ana", "bob"}
    assert summary.notes == ["Everything lies in the folder export/: what is in there was taken for the class."]


def test_a_link_around_everything_is_no_class(tmp_path):
    hand_in(tmp_path / "elsewhere", "ana", RIGHT)
    hand_in(tmp_path / "elsewhere", "bob", RIGHT)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/class").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "in") == {"class": []}


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_passed_over_is_said_unless_it_is_debris(zipped, tmp_path):
    place = tmp_path / "in"
    for name in ("ana", "bob", ".anna", ".git", "__MACOSX", ".ipynb_checkpoints"):
        (place / name).mkdir(parents=True)
        (place / name / "momentum.ipynb").write_bytes(b"{}")
    if zipped:
        place = Path(shutil.make_archive(str(tmp_path / "in"), "zip", place))
    assert names(place).keys() == {"ana", "bob"}
    summary = grade_folder(place, tmp_path / "out", safe=False)
    assert summary.notes == ["Passed over, because the name is hidden: .anna. A student's? Then rename it."]
    assert ".anna" in (tmp_path / "out/grading.log").read_text()


NAMESAKES = {
    "control characters": ("ana\x01", "ana\x02"),
    "one of them with none": ("ana?", "ana\x02"),
    "long names": ("a" * 120 + "x", "a" * 120 + "y"),
    "two ways to write one letter": ("Zo\u00eb", "Zoe\u0308"),
    "capitals": ("ana", "Ana"),
    "spaces": ("ana", " ana", "ana\u00a0"),
    "a name like Moodle's": ("Ana_1_assignsubmission_file_", "Ana_1_assignsubmission_file_x_7_assignsubmission_file_"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMESAKES)
def test_names_that_look_alike_stay_students_of_their_own(kind, tmp_path):
    for name in NAMESAKES[kind]:
        hand_in(tmp_path, name, RIGHT)
    found = names(tmp_path)
    assert len(found) == len(NAMESAKES[kind]) and all(len(files) == 1 for files in found.values())
    assert len({feedback.page_name(student).lower() for student in found}) == len(found)


def test_a_students_own_zip_is_opened(tmp_path):
    with zipfile.ZipFile(tmp_path / "ana.zip", "w") as archive:
        archive.writestr("deep/er/momentum.ipynb", notebook(RIGHT))
    assert names(tmp_path) == {"ana": ["ana.zip/deep/er/momentum.ipynb"]}


def test_what_is_no_submissions_is_said_so(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    for place in (tmp_path / "nowhere", tmp_path / "x.txt"):
        with pytest.raises(UserError, match="SUBMISSIONS must be a folder or a zip"):
            list(read(place))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="SUBMISSIONS must hold a submission"):
        grade_folder(tmp_path / "empty", tmp_path / "out")


# What counts in a notebook


@sandboxed
@pytest.mark.parametrize("master", sorted(ROOT.glob("solutions/*/*.ipynb")), ids=lambda path: path.stem)
def test_a_master_gets_all_points_and_its_exercise_none(master):
    table = {name: entry for name, entry in exercises().items() if entry.notebook == master.stem}
    full = graded(master.read_bytes(), exercises=tuple(table))
    assert {name: report.points for name, report in full.items()} == {n: e.points for n, e in table.items()}
    stub = ROOT / "exercises" / master.relative_to(ROOT / "solutions")
    assert {report.points for report in graded(stub.read_bytes(), exercises=tuple(table)).values()} == {0}


@sandboxed
def test_metadata_are_not_needed():
    made = nbformat.read(ROOT / "solutions/momentum/momentum.ipynb", 4)
    for cell in made.cells:
        cell.metadata = {}
    table = tuple(name for name, entry in exercises().items() if entry.notebook == "momentum")
    assert all(graded(nbformat.writes(made).encode(), exercises=table).values())


HELPED = "def push(v, g, lr, mu):\n    return mu * v - lr * g"
USES_HELP = "def momentum_step(theta, v, g, lr, mu):\n    v = push(v, g, lr, mu)\n    return theta + v, v"


@sandboxed
@pytest.mark.parametrize(
    "cells",
    [
        [HELPED, USES_HELP],
        ["import numpy\nfrom math import *", RIGHT],
        ["%matplotlib inline\n!ls\nimport matplotlib.pyplot as plt\nimport dlcourse as dl", RIGHT],
        ["from scipy.special import expit\nplt.plot([1])", RIGHT],
        [f"import matplotlib.pyplot as plt\nplt.plot([1])\n{RIGHT}\nplt.show()"],
        [f"{RIGHT}\ndl.check('momentum_step', momentum_step)"],
        ["this is no Python", RIGHT],
        ["1 / 0", RIGHT],
        [WRONG, RIGHT],
        ["momentum_step = None", f"m = 1\n{RIGHT}".replace("momentum_step", "mine"), "momentum_step = mine"],
        ["momentum_step = lambda th, v, g, lr, mu: (th + mu * v - lr * g, mu * v - lr * g)"],
        [RIGHT + "\nif __name__ == '__main__':\n    print(input('number? '))"],
    ],
    ids=str,
)  # fmt: skip
def test_the_learners_own_cells_count(cells):
    report = graded(notebook(*cells))["momentum_step"]
    assert report.points == 2, report


@sandboxed
def test_of_several_definitions_the_last_one_counts_and_that_is_said():
    report = graded(notebook(RIGHT, WRONG))["momentum_step"]
    assert report.points == 0
    assert "2 cells define it; the last one counts." in report.note
    report = graded(notebook(WRONG), notebook(RIGHT), notebook("# momentum_step is in another file"))["momentum_step"]
    assert report.points == 2
    assert "Several files define it: 1.ipynb counts, the last of them; not 0.ipynb." in report.note


@sandboxed
def test_an_exercise_that_dies_costs_itself_only():
    dies = "def nesterov_step(*a):\n    import os\n    os._exit(1)"
    also = "def largest_rate(*a):\n    while True:\n        pass"
    reports = graded(notebook(dies, RIGHT, also), exercises=("nesterov_step", "momentum_step", "largest_rate"))
    assert [report.points for report in reports.values()] == [0, 2, 0]
    assert "ended Python" in repr(reports["nesterov_step"])
    assert "endless loop" in repr(reports["largest_rate"])


@sandboxed
def test_what_was_answered_before_the_end_stays_answered():
    from dlcourse.grading.answers import ask

    source = "import os\nn = 0\ndef f(x):\n    global n\n    n += 1\n    return x if n < 3 else os._exit(1)"
    answers = ask(notebook(source), {"f": [(1.0,), (2.0,), (3.0,), (4.0,)]}, Sandbox(QUICK)).answers["f"]
    assert [answer.value for answer in answers[:2]] == [1.0, 2.0]
    assert answers[2].kind == "error" and len(answers) == 3


@sandboxed
def test_the_error_names_the_learners_line():
    report = graded(notebook("def momentum_step(theta, *rest):\n    velocity = 1\n    return tehta"))["momentum_step"]
    assert "NameError" in repr(report) and "line 3: return tehta" in repr(report)
    report = graded(notebook("x = 1", "def momentum_step(theta, *rest)\n    return theta"))["momentum_step"]
    assert "SyntaxError" in repr(report) and "line 1" in repr(report)


@sandboxed
def test_a_known_mistake_is_named():
    wrong = "def momentum_step(theta, v, g, lr, mu):\n    v = mu * v + lr * g\n    return theta + v, v"
    assert graded(notebook(wrong))["momentum_step"].mistake


# Inputs


def test_inputs_hang_on_secret_student_file_and_exercise():
    def drawn(secret, student, digest, name):
        return draws(students_seed(secret, student, digest), name).normal()

    cases = list(product((b"1", b"2"), ("ana", "bob"), ("first", "second"), ("a", "b")))
    kinds = [drawn(*case) for case in cases]
    assert len(set(kinds)) == 16
    assert drawn(*cases[0]) == kinds[0]


@pytest.mark.parametrize(
    ("text", "defined"),
    [
        ("def step(w):", True),
        ("def  step (w):", True),
        ("step = other", True),
        ("step: Rule = other", True),
        ("step(w)", False),
        ("my_step = 1", False),
        ("def stepper(w):", False),
        ("undef step", True),  # the worker will know better
    ],
)
def test_where_a_function_seems_to_be_defined(text, defined):
    assert names_in(notebook(f"x\n{text}\n"), ["step"]) == ["step"] * defined


def test_a_name_that_stands_there_a_million_times_is_soon_given_up():
    assert names_in(notebook("step : " * 1_000_000), ["step"]) == []
    assert names_in(notebook("step " * 190 + "\nstep = 1"), ["step"]) == ["step"]
    assert names_in(notebook("step " * 210 + "\nstep = 1"), ["step"]) == []  # the worker looks into it all the same


def test_a_table_has_no_formula_wherever_its_columns_part():
    for name in ("=1", "x;=HYPERLINK(A1)", "＝cmd", "@x", "-1", "+1"):
        row = feedback.cell(name)
        assert ";" not in row and not row.startswith(("=", "＝", "@", "-", "+"))


def test_a_page_has_a_name_that_every_file_system_takes():
    names = {feedback.page_name("\U0001d41a" * 60 + end) for end in "ab"}
    assert len(names) == 2 and all(len(name.encode()) < 200 for name in names)


@pytest.mark.parametrize("kind", [np.zeros(2), ("error",), 3, None, "other"])
def test_a_reply_of_no_form_is_not_believed(kind):
    with pytest.raises(Died):
        believed({"kind": kind})


def test_the_secret_is_made_once_and_for_one_pair_of_eyes(tmp_path):
    made = secret_of(tmp_path / "deep" / "secret")
    assert secret_of(tmp_path / "deep" / "secret") == made and len(made) == 64
    assert stat.S_IMODE((tmp_path / "deep" / "secret").stat().st_mode) == 0o600
    (tmp_path / "short").write_text("1234")
    with pytest.raises(UserError, match="--seed-file must hold 16 characters"):
        secret_of(tmp_path / "short")


# A class


@pytest.fixture
def three(tmp_path):
    folder = tmp_path / "in"
    hand_in(folder, "ana", RIGHT)
    hand_in(folder, "bob", WRONG)
    hand_in(folder, "Zoë Ω", RIGHT)
    return folder


@sandboxed
def test_a_second_run_has_nothing_to_do_and_a_new_file_is_graded_anew(three, tmp_path):
    first = grade_folder(three, tmp_path / "out")
    assert (first.fresh, points(first)) == (3, {"Zoë Ω": 2, "ana": 2, "bob": 0})
    table = (tmp_path / "out/grades.csv").read_bytes()
    second = grade_folder(three, tmp_path / "out")
    assert (second.fresh, points(second)) == (0, points(first))
    assert (tmp_path / "out/grades.csv").read_bytes() == table
    hand_in(three, "bob", RIGHT)
    third = grade_folder(three, tmp_path / "out")
    assert (third.fresh, points(third)["bob"]) == (1, 2)


def test_a_torn_line_is_left_out_and_the_next_one_is_whole(tmp_path):
    task = Task("ana", ("momentum_step", "nesterov_step"), b"s", problem="nothing")
    one, two = grade(task)
    with Journal(tmp_path / "j", b"s") as journal:
        journal.add([one, one])
    with open(tmp_path / "j", "ab") as file:
        file.write(json.dumps(two.as_facts()).encode()[:200])
    with Journal(tmp_path / "j", b"s") as journal:
        assert list(journal.results.values()) == [one]
        journal.add([one, two])
    with Journal(tmp_path / "j", b"s") as journal:
        assert list(journal.results.values()) == [one, two]
        with pytest.raises(UserError, match="must not be in use"), Journal(tmp_path / "j", b"s"):
            pass
    assert (tmp_path / "j").read_bytes().count(b"\n") == 3


def changed(facts, **more):
    """Signed, as whoever has the secret could: what is wrong with it is something else."""
    facts = {**facts, **more}
    return json.dumps({**facts, "seal": seal(b"s", facts)}).encode()


def test_lines_that_are_no_results_are_named_and_earn_nothing(tmp_path):
    task = Task("ana", ("momentum_step",), b"s", problem="nothing")
    (one,) = grade(task)
    facts = one.as_facts()
    report = facts["report"]
    passed = {**report, "points": 2, "findings": [{**report["findings"][0], "passed": True}]}
    lines = [
        b"nonsense", b"[]", b"3", b"null", b"{}", b"[" * 100_000, b"\xff\xfe", b'{"student": 1}',
        changed(facts, student=["ana"]), changed(facts, student=None), changed(facts, digest={}),
        changed(facts, safe="yes"), changed(facts, seconds="long"), changed(facts, more=1), changed(facts, report=[]),
        changed(facts, report={}), changed(facts, report={**report, "findings": 3}),
        changed(facts, report={**report, "findings": [{"passed": 1, "words": "x"}]}),
        changed(facts, report={**report, "findings": [{"passed": True, "words": None}]}),
        changed(facts, report={**report, "points": 2}), changed(facts, report={**passed, "points": 1e9}),
        changed(facts, report={**passed, "points": float("nan")}), changed(facts, report={**passed, "points": "2"}),
        changed(facts, report={**passed, "points": True}), changed(facts, report={**passed, "name": "nesterov_step"}),
        changed(facts, exercise="nesterov_step"), changed(facts, exercise=[]),
    ]  # fmt: skip
    (tmp_path / "j").write_bytes(b"\n".join([*lines, changed(facts), b""]))
    with Journal(tmp_path / "j", b"s") as journal:
        assert journal.skipped == list(range(1, len(lines) + 1))
        assert list(journal.results.values()) == [one]


def test_a_batch_names_the_lines_it_cannot_use(tmp_path):
    (tmp_path / "in/ana").mkdir(parents=True)
    grade_folder(tmp_path / "in", tmp_path / "out")
    with open(tmp_path / "out/journal.jsonl", "ab") as file:
        file.write(b'{"student": [1]}\n\n{"torn')
    summary = grade_folder(tmp_path / "in", tmp_path / "out")
    (note,) = summary.notes
    assert note.startswith(
        f"No results of this secret in journal.jsonl, left out and graded again: line {MOMENTUM + 1}, {MOMENTUM + 3}."
    )
    assert summary.fresh == 0


def test_a_secret_that_went_away_is_missed(tmp_path):
    (tmp_path / "in/ana").mkdir(parents=True)
    assert grade_folder(tmp_path / "in", tmp_path / "out").notes == []
    assert grade_folder(tmp_path / "in", tmp_path / "out").notes == []
    (tmp_path / "out/secret").unlink()
    summary = grade_folder(tmp_path / "in", tmp_path / "out")
    assert "or the secret is not the one that was there" in summary.notes[0] and summary.fresh == 1


@pytest.mark.parametrize("out", ["in", "in/grades", "in/deep/er", "in/../in/x"])
def test_grades_are_not_written_among_the_submissions(out, three, tmp_path):
    with pytest.raises(UserError, match="DIR must not be inside SUBMISSIONS"):
        grade_folder(three, tmp_path / out)
    assert {path.name for path in three.iterdir()} == {"ana", "bob", "Zoë Ω"}


def test_submissions_may_lie_in_the_folder_of_the_grades_but_not_among_its_pages(tmp_path):
    (tmp_path / "grades/in/ana").mkdir(parents=True)
    for _ in range(2):
        assert grade_folder(tmp_path / "grades/in", tmp_path / "grades").students.keys() == {"ana"}
    with pytest.raises(UserError, match="nor SUBMISSIONS in its pages"):
        grade_folder(tmp_path / "grades/feedback", tmp_path / "grades")


def second_look(monkeypatch, change):
    """Between the first look at a class and its grading, something happens to the files."""
    from dlcourse.grading import batch

    looks = []

    def read_and_change(place, scheme):
        looks.append(place)
        if len(looks) == 2:
            change()
        return read(place, scheme)

    monkeypatch.setattr(batch, "read", read_and_change)


@sandboxed
def test_a_grade_is_one_of_the_bytes_that_were_graded(three, tmp_path, monkeypatch):
    second_look(monkeypatch, lambda: hand_in(three, "bob", RIGHT))
    first = grade_folder(three, tmp_path / "out")
    monkeypatch.undo()
    again = grade_folder(three, tmp_path / "out")
    assert points(first)["bob"] == points(again)["bob"] == 2
    assert again.fresh == 0


def test_who_goes_away_or_comes_while_the_class_is_graded_has_no_grade_yet(tmp_path, monkeypatch):
    for student in ("ana", "bob"):
        (tmp_path / "in" / student).mkdir(parents=True)

    def change():
        (tmp_path / "in/ana").rmdir()
        (tmp_path / "in/eve").mkdir()

    second_look(monkeypatch, change)
    summary = grade_folder(tmp_path / "in", tmp_path / "out")
    assert summary.failed == {"ana": "it went away while the class was graded"}
    assert summary.students.keys() == {"ana", "bob"} and len(summary.results["bob"]) == MOMENTUM


class Wedged(ThreadPoolExecutor):
    """Takes everything and never answers."""

    def submit(self, function, task):
        return Future()


@pytest.mark.parametrize("times", [1, 9])
def test_a_process_that_does_not_answer_holds_nobody_for_ever(times, tmp_path, monkeypatch):
    from dlcourse.grading import tasks

    monkeypatch.setattr(tasks, "PATIENCE", 0.0)
    for student in ("ana", "bob"):
        (tmp_path / "in" / student).mkdir(parents=True)
    pools = []

    def pool():
        pools.append(Wedged(1) if len(pools) < times else ThreadPoolExecutor(1))
        return pools[-1]

    summary = grade_class(tmp_path / "in", tmp_path / "out", pool, notebooks=["momentum"], limits=Limits(total=0.05))
    assert summary.failed == ({} if times == 1 else dict.fromkeys(("ana", "bob"), "its process does not answer"))
    assert len(pools) == (2 if times == 1 else 6)


@sandboxed
def test_one_notebook_over_many_files_has_no_more_time_for_it():
    from dlcourse.grading.answers import ask
    from dlcourse.grading.tasks import allowed

    one, many = (Task("ana", ("momentum_step", "nesterov_step"), b"s", files) for files in ((), (("a", b""),) * 9))
    assert allowed(one) == allowed(many) == one.limits.total
    assert allowed(Task("ana", ("momentum_step", "adam_step"), b"s")) == 2 * one.limits.total
    (answer,) = ask(notebook(RIGHT), {"momentum_step": []}, Sandbox(QUICK), until=0.0).answers["momentum_step"]
    assert answer.kind == "time"


@sandboxed
def test_a_grader_that_is_killed_twice_loses_nothing(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    for n in range(16):
        hand_in(folder, f"student {n}", RIGHT if n % 4 else WRONG)
    command = [sys.executable, "-m", "dlcourse", "grade", str(folder), "--out", str(out), "--quiet", "--jobs", "2",
               "--notebook", "momentum"]  # fmt: skip
    for until in (5, 30):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while process.poll() is None and lines(out) < until:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with open(out / "journal.jsonl", "ab") as file:
            file.write(b'{"student": "torn')
    before = lines(out)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert before < lines(out)
    with open(out / "grades.csv", newline="") as file:
        rows = {row["student"]: row["points"] for row in csv.DictReader(file)}
    assert rows == {f"student {n}": "2" if n % 4 else "0" for n in range(16)}
    keys = [(r["student"], r["exercise"]) for r in whole_lines(out)]
    assert len(keys) == len(set(keys)) == 16 * MOMENTUM


def lines(out):
    path = out / "journal.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def whole_lines(out):
    for line in (out / "journal.jsonl").read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


@sandboxed
def test_a_process_of_the_pool_that_is_killed_costs_nobody_a_grade(three, tmp_path):
    from dlcourse.grading import executors

    pools = []

    def pool():
        pools.append(executors.processes(1))
        if len(pools) == 1:
            pools[0].submit(os.getpid).result()
            (process,) = pools[0]._processes.values()
            process.kill()
        return pools[-1]

    summary = grade_class(three, tmp_path / "out", pool, notebooks=["momentum"], limits=QUICK)
    assert len(pools) > 1 and not summary.failed
    assert points(summary) == {"Zoë Ω": 2, "ana": 2, "bob": 0}


def test_a_submission_that_kills_every_process_costs_nobody_else_a_grade(tmp_path):
    class Fragile(ThreadPoolExecutor):
        broken = False

        def submit(self, function, task):
            if self.broken:
                raise BrokenExecutor("killed")
            return super().submit(self.call, function, task)

        def call(self, function, task):
            self.broken |= task.student == "m poison"
            if self.broken:
                raise BrokenExecutor("killed")
            return function(task)

    for student in (*"abc", "m poison", *"xyz"):
        (tmp_path / "in" / student).mkdir(parents=True)  # refused at once, without a sandbox
    summary = grade_class(tmp_path / "in", tmp_path / "out", lambda: Fragile(2), notebooks=["momentum"])
    assert summary.failed.keys() == {"m poison"}
    assert all(len(summary.results[student]) == MOMENTUM for student in "abcxyz")
    assert lines(tmp_path / "out") == 6 * MOMENTUM


@sandboxed
def test_the_notebooks_of_half_the_class_are_what_was_handed_out(three, tmp_path):
    hand_in(three, "eve", "def adam_step(*a): return 1", "def adadelta_step(*a): return 1", name="momentum.ipynb")
    summary = grade_folder(three, tmp_path / "out", notebooks=())
    assert {exercises()[name].notebook for name in summary.exercises} == {"momentum"}
    with pytest.raises(UserError, match="--notebook must be the name of an exercise notebook"):
        grade_folder(three, tmp_path / "out", notebooks=["momentun"])


@sandboxed
def test_a_shared_ticket_is_noted(tmp_path):
    answer = 'def which_had_momentum():\n    return 1234, "A"'
    for student in ("ana", "bob"):
        hand_in(tmp_path / "in", student, answer)
    hand_in(tmp_path / "in", "eve", answer.replace("1234", "77"))
    grade_folder(tmp_path / "in", tmp_path / "out")
    assert "The same ticket 1234 in which_had_momentum: ana, bob\n" in (tmp_path / "out/grading.log").read_text()


@sandboxed
def test_pages_are_self_contained_and_readable(three, tmp_path):
    from html.parser import HTMLParser

    grade_folder(three, tmp_path / "out")
    (page,) = (tmp_path / "out/feedback").glob("bob-*.html")
    text = page.read_text()
    seen = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, dict(attrs)))

    Parser().feed(text)
    tags = [tag for tag, _ in seen]
    assert ("html", {"lang": "en"}) in seen and tags.count("h1") == tags.count("main") == tags.count("title") == 1
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert not any(name in attrs for _, attrs in seen for name in ("src", "href"))
    assert "✗ One step of momentum: not yet, 0 of 2 points" in text
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


# No sandbox


def test_without_bubblewrap_nothing_is_graded(three, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    command = [sys.executable, "-m", "dlcourse", "grade", str(three), "--out", str(tmp_path / "out"), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "got no program bwrap. Install" in done.stderr and "--unsafe-no-sandbox" in done.stderr
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="bwrap"):
        Sandbox().command()


def test_a_sandbox_that_fails_in_the_middle_gives_no_grades(three, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/false")
    summary = grade_folder(three, tmp_path / "out")
    assert summary.failed.keys() == {"ana", "bob", "Zoë Ω"}
    assert "NoSandbox" in summary.failed["ana"]
    assert lines(tmp_path / "out") == 0
    rows = (tmp_path / "out/grades.csv").read_text().splitlines()
    assert rows[2].startswith(f"ana,,{POINTS},") and "not graded" in rows[2]


def test_without_a_sandbox_every_grade_is_marked_until_one_replaces_it(three, tmp_path):
    summary = grade_folder(three, tmp_path / "out", safe=False)
    assert points(summary) == {"Zoë Ω": 2, "ana": 2, "bob": 0}
    assert (tmp_path / "out/grades.csv").read_text().count("WITHOUT a sandbox") == 3
    assert all("WITHOUT a sandbox" in page.read_text() for page in (tmp_path / "out/feedback").iterdir())
    if not sandboxed.args[0]:
        again = grade_folder(three, tmp_path / "out")
        assert again.fresh == 3
        assert "WITHOUT" not in (tmp_path / "out/grades.csv").read_text()
        assert grade_folder(three, tmp_path / "out", safe=False).fresh == 0


def test_no_installed_package_comes_along_with_python(tmp_path):
    (tmp_path / "lib/python3.11/site-packages/dlcourse").mkdir(parents=True)
    place = str(tmp_path / "lib")
    assert other_packages({place: "/python/lib"}) == {
        f"{place}/python3.11/site-packages": "/python/lib/python3.11/site-packages"
    }
    assert not any(Path(np.__path__[0]).is_relative_to(p) for p in shown_places()) or other_packages(shown_places())


@sandboxed
def test_an_exercise_may_have_the_library_but_never_the_answers():
    from dlcourse.grading.answers import ask

    ours = sorted(name.removeprefix("checks/") for name in FILES if name.startswith("checks/"))
    assert not {"tables.py", "judge.py", "exercise.py", "adam.py"} & set(ours)
    source = (
        "import dlcourse as dl\ndef f():\n    import os\n    from dlcourse.optimizers import Momentum\n"
        "    found = os.listdir(os.path.dirname(dl.__file__) + '/checks')\n"
        f"    assert sorted(found) == {ours}, found\n"
        "    return Momentum(0.5, 0.0).step(np.ones(2), np.ones(2))"
    )
    (answer,) = ask(notebook(source), {"f": [()]}, Sandbox(QUICK), library=True).answers["f"]
    np.testing.assert_allclose(answer.value, [0.5, 0.5], err_msg=answer.problem)
    (answer,) = ask(notebook(source), {"f": [()]}, Sandbox(QUICK)).answers["f"]
    assert answer.kind == "error"


def test_the_doctor_says_whether_the_sandbox_works(tmp_path, monkeypatch):
    from dlcourse import doctor

    (finding,) = doctor.sandbox()
    assert (finding.mark == "✓") is not sandboxed.args[0]
    for program, words in (
        ("exit 1", "does not start"),
        (None, "bubblewrap not found"),
    ):
        (tmp_path / "bwrap").unlink(missing_ok=True)
        if program:
            (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{program}\n")
            (tmp_path / "bwrap").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(doctor, "PATIENCE", 3)
        (finding,) = doctor.sandbox()
        assert finding.mark == "–" and words in finding.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", "0"], "--jobs must be a whole number, 1 or more; got 0."),
        (["--seconds", "-1"], "--seconds must be a number above 0"),
        (["--scheduler", "nowhere"], "--scheduler must be the address of a Dask scheduler"),
        (["--jobs", "2", "--scheduler", "tcp://x:1"], "not allowed with argument"),
        (["--gradebook", "sqlite:////nowhere/at/all.db"], "--gradebook must be a database that opens"),
    ],
)
def test_the_command_line_says_what_it_cannot_use(words, said, three, tmp_path):
    command = [sys.executable, "-m", "dlcourse", "grade", str(three), "--out", str(tmp_path / "out"), *words]
    done = subprocess.run([*command, "--unsafe-no-sandbox"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@sandboxed
def test_no_worker_is_left():
    assert workers() == []
