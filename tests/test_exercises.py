"""The notebooks with exercises: masters that solve what they ask, and what learners get, generated from them."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

import dlcourse as dl
from dlcourse.checks import Exercise, exercises, judge
from dlcourse.checks.gate.trial import solution
from dlcourse.checks.runner import Function, Seed, opened, run
from dlcourse.workspace import update

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import exercises as tool  # noqa: E402

TABLE = exercises()
MASTERS = tool.masters()
each_master = pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
each_entry = pytest.mark.parametrize("entry", TABLE.values(), ids=lambda entry: entry.name)


def solution_cell(path, name):
    (cell,) = (c for c in nbformat.read(path, 4).cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)
    return cell


def functions(source, before=()):
    space = {"np": np}
    for cell in (*before, source):
        exec(compile(cell, "an exercise", "exec"), space)
    return space


def master_of(entry):
    return ROOT / "solutions" / entry.notebook / f"{entry.notebook}.ipynb"


def solved(entry):
    """The master's solution, after the functions of the cells before it."""
    *before, source = solution(entry, ROOT / "solutions")
    return functions(source, before)


CODED_SOLUTIONS = {name: solved(entry)[name] for name, entry in TABLE.items() if isinstance(entry, Exercise)}


@each_master
def test_exercises_are_made_from_the_masters(master):
    path = tool.exercise_path(master)
    made = nbformat.writes(tool.student_version(master)) + "\n"
    assert path.read_text() == made, "run: python tools/exercises.py"


def test_there_is_no_exercise_without_a_master():
    made = {path.relative_to(ROOT / "exercises") for path in (ROOT / "exercises").rglob("*.ipynb")}
    assert {path.relative_to(ROOT / "solutions") for path in MASTERS} == {p for p in made if "checkpoint" not in str(p)}


@each_master
def test_no_answer_is_left_in_what_learners_get(master):
    text = tool.exercise_path(master).read_text()
    assert "SOLUTION" not in text
    for cell in nbformat.read(master, 4).cells:
        for answer in re.findall(r"### BEGIN SOLUTION.*\n((?:.*\n)*?) *### END SOLUTION", cell.source + "\n"):
            assert answer.strip().splitlines()[-1].strip() not in text or "return" not in answer


@each_master
def test_a_master_is_valid_and_clean(master):
    notebook = nbformat.read(master, 4)
    nbformat.validate(notebook)
    ids = [cell.metadata.nbgrader.grade_id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert master.stem == master.parent.name
    assert notebook.cells[0].source.startswith("# ")
    (chapter,) = re.findall(r"\]\((\.\./\.\./notebooks/[^)]+)\)", notebook.cells[0].source)
    named = {entry.chapter for entry in TABLE.values() if entry.notebook == master.stem}
    assert named == {Path(chapter).stem}
    for cell in notebook.cells:
        assert not cell.get("outputs")


def test_every_exercise_has_its_cells_and_its_points():
    told = {}
    for master in MASTERS:
        for cell in nbformat.read(master, 4).cells:
            facts = cell.metadata.nbgrader
            if facts.grade:
                name = facts.grade_id.removeprefix("check_")
                told[name] = (master.stem, facts.points)
                assert facts.locked
                assert cell.source == f'dl.check("{name}", {name})'
    assert told == {entry.name: (entry.notebook, entry.points) for entry in TABLE.values()}


@each_entry
def test_the_masters_solution_passes(entry):
    solution = solved(entry)[entry.name]
    for seed in range(3):
        calls = entry.calls(np.random.default_rng([seed, 7]))
        report = judge(entry, calls, run(solution, calls))
        assert report.passed, report


@each_entry
def test_the_stub_is_said_to_be_unwritten(entry):
    stub = functions(solution_cell(tool.exercise_path(master_of(entry)), entry.name).source)[entry.name]
    report = dl.check(entry.name, stub)
    if getattr(entry, "repair", False):  # it is handed out broken, and told its symptom
        assert report.mistake == next(iter(entry.mistakes)) and report.points == 0
        return
    assert not report.begun, report
    assert "NotImplementedError" in repr(report) or "in place of the line" in repr(report)
    assert report.points == 0
    assert not report.hint


@each_entry
def test_the_stub_says_what_goes_in_and_gives_one_worked_number(entry):
    source = solution_cell(tool.exercise_path(master_of(entry)), entry.name).source
    stub, solution = functions(source)[entry.name], solved(entry)
    assert len(inspect.getdoc(stub)) > 40
    if not isinstance(entry, Exercise):
        return
    assert list(inspect.signature(stub).parameters) == entry.parameters
    call, result, names = worked_example(source)
    wanted, got = ast.literal_eval(result), eval(call, {**solution, **names})
    pairs = zip(wanted, got, strict=True) if isinstance(wanted, tuple) else [(wanted, got)]
    for want, have in pairs:
        np.testing.assert_allclose(np.asarray(have, float), np.asarray(want, float), atol=6e-5)


def worked_example(source):
    """The last >>> line of a stub, what it gives, and what the lines before it have named."""
    *before, call = re.findall(r">>> (.+)", source)
    (result,) = re.findall(re.escape(f">>> {call}") + r"\n +(.+)", source)
    names = {}
    exec("\n".join(before), {"np": np}, names)
    return call, result, names


TOO_SMALL_TO_MEASURE = {"unitball_init", "sparse_init", "dropout", "drop_connect"}


@pytest.mark.parametrize("entry", [e for e in TABLE.values() if isinstance(e, Exercise)], ids=lambda entry: entry.name)
def test_the_worked_example_is_among_the_calls_of_every_check(entry):
    if entry.name in TOO_SMALL_TO_MEASURE:
        assert entry.measure
        return
    source = solution_cell(tool.exercise_path(master_of(entry)), entry.name).source
    call, _, names = worked_example(source)
    asked = []
    record = inspect.signature(functions(source)[entry.name])
    space = {"np": np, **names, entry.name: lambda *a, **k: asked.append(record.bind(*a, **k).args) or np.ones((2, 2))}
    eval(call, space)
    (example,) = entry.examples
    for given, kept in zip(*asked, example, strict=True):
        if isinstance(kept, Seed):
            assert given.random() == opened(kept).random()
        elif isinstance(kept, Function):
            np.testing.assert_allclose(given(np.array([0.3, 2.0])), opened(kept)(np.array([0.3, 2.0])))
        else:
            np.testing.assert_array_equal(given, kept)
            assert np.ndim(given) == np.ndim(kept)


def test_there_are_exercises_for_every_chapter():
    by_chapter = {}
    for entry in TABLE.values():
        by_chapter.setdefault(entry.chapter, []).append(entry)
    assert sorted(by_chapter) == [
        "00_start", "01_initialization", "02_momentum", "03_batch_normalization", "04_regularization", "05_decay",
        "06_capstone",
    ]  # fmt: skip
    assert len(TABLE) >= 30
    del by_chapter["06_capstone"]  # the other chapters' exercises are most of its own
    for entries in by_chapter.values():
        assert len(entries) >= 5
        assert sum(not isinstance(entry, Exercise) for entry in entries) == 1  # one to look at


# From a shell


def dlcourse(*args):
    call = [sys.executable, "-m", "dlcourse", *map(str, args)]
    return subprocess.run(call, capture_output=True, text=True, timeout=120)


def test_check_and_progress_from_a_shell(tmp_path):
    path = tmp_path / "mine.ipynb"
    notebook = nbformat.read(ROOT / "solutions" / "adaptive" / "adaptive.ipynb", 4)
    left = next(cell for cell in notebook.cells if cell.metadata.nbgrader.grade_id == "adagrad_and_rmsprop")
    left.source = left.source.replace("walk(rho, 1 - rho)", "walk(rho, 1)")
    notebook.cells.append(nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, path)
    done = dlcourse("check", path)
    assert done.returncode == 1
    assert "✓ One step of AdaDelta: solved, 3 of 3 points" in done.stdout
    assert "→ RMSProp takes the new square in full. An average gives it the weight 1 − ρ." in done.stdout
    assert "stopped: ZeroDivisionError: division by zero" in done.stdout
    count = sum(entry.notebook == "adaptive" for entry in TABLE.values())
    assert done.stdout.endswith(f"{count - 1} of {count} solved\n")
    assert done.stderr == ""

    progress = dlcourse("progress", tmp_path)
    assert progress.returncode == 0
    assert progress.stdout.startswith(f"3 of {len(TABLE)} exercises, 10 of ")
    assert "✓ One step of AdaDelta" in progress.stdout
    assert "· Two memories: AdaGrad and RMSProp" in progress.stdout


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"nbformat": 4}', "\0"])
def test_what_is_no_notebook_gets_one_sentence(tmp_path, content):
    path = tmp_path / "x.ipynb"
    if content is not None:
        path.write_text(content)
    done = dlcourse("check", path)
    assert done.returncode == 1
    assert done.stderr.startswith("dlcourse: NOTEBOOK must be a notebook")
    assert done.stderr.count("\n") == 1


def test_a_notebook_without_checks_is_told_so(tmp_path):
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "x.ipynb")
    assert "NOTEBOOK must hold checks" in dlcourse("check", tmp_path / "x.ipynb").stderr


def test_progress_wants_a_folder(tmp_path):
    assert "FOLDER must be a folder" in dlcourse("progress", tmp_path / "nowhere").stderr


# The way from a chapter to its exercises

CHAPTERS = sorted((ROOT / "notebooks").glob("0[0-6]_*.ipynb"))


def links_of(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    return re.findall(r"\[([^\]]+)\]\(([^)#]+\.ipynb)\)", text)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_links_its_exercises_and_its_words(chapter):
    (cell,) = (c for c in nbformat.read(chapter, 4).cells if "## Exercises\n" in c.source)
    found = dict(re.findall(r"^\* \[([^\]]+)\]\(([^)]+)\): .+", cell.source.partition("## Exercises\n")[2], re.M))
    books = {entry.notebook for entry in TABLE.values() if entry.chapter == chapter.stem}
    assert set(found.values()) == {f"../exercises/{book}/{book}.ipynb" for book in books}
    for name, link in found.items():
        title = nbformat.read((chapter.parent / link).resolve(), 4).cells[0].source.splitlines()[0]
        assert title == f"# Exercises · {name}"
    assert "[terms](terms.ipynb) · 术语表" in cell.source


def test_every_exercise_notebook_is_linked():
    linked = {(path.parent / link).resolve() for path in CHAPTERS for _, link in links_of(path)}
    assert {tool.exercise_path(master) for master in MASTERS} <= linked


def test_links_lead_somewhere_in_a_learners_folder(tmp_path):
    update(tmp_path)
    assert sorted((tmp_path / "exercises").glob("*/*.ipynb"))
    for path in tmp_path.rglob("*.ipynb"):
        for _, link in links_of(path):
            assert (path.parent / link).exists(), f"{path.relative_to(tmp_path)}: {link}"
