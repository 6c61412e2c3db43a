"""Hostile code in a solution cell: no undeserved point, no leak, nothing left behind. Corpus: attacks/code.toml."""

import json
import os
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from dlcourse.grading.grader import Task, digest_of, grade
from dlcourse.grading.sandbox import Limits, Sandbox, why_not

HERE = Path(__file__).parent
CORPUS = tomllib.loads((HERE / "attacks" / "code.toml").read_text())
ATTACKS = {attack["name"]: attack for attack in CORPUS["attack"]}
QUICK = Limits(seconds=0.5, cells=1.0, total=6.0, grace=0.3)
CANARY = "CANARY-" + "7h15-15-53cr37"

problem = why_not(Sandbox())
if problem and os.environ.get("CI"):
    pytest.fail(f"CI must test the sandbox: {problem}", pytrace=False)
pytestmark = pytest.mark.skipif(bool(problem), reason=problem)


def code_of(attack):
    lines = attack["code"].replace('"FOUND', '"FO" "UND')  # a report shows the line, which must not look like a find
    for word, text in (("HELP", CORPUS["help"]["code"]), ("WRONG", CORPUS["help"]["wrong"])):
        lines = lines.replace(f"    {word}", word).replace(word, text)
    return lines.strip()


def notebook(*sources):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    return nbformat.writes(made).encode()


def task(name, *files, exercises=("momentum_step",)):
    return Task(name, exercises, b"s" * 32, files, digest=digest_of(files), limits=QUICK)


def workers():
    """The processes on this machine that run under an id that only workers have."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            if folder.stat().st_uid >= 1_700_000_000 or b"/grading/dlcourse/grading/worker.py" in command:
                found.append((folder.name, command))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The whole corpus, graded once, two at a time; CANARY lies about where it should not be found."""
    beside = tmp_path_factory.mktemp("beside") / "solutions.txt"
    beside.write_text(CANARY)
    os.environ["DLCOURSE_TEST_CANARY"] = CANARY
    tasks = [task(name, ("momentum.ipynb", notebook(code_of(attack)))) for name, attack in ATTACKS.items()]
    try:
        with ThreadPoolExecutor(2) as executor:
            return {graded[0].student: graded[0] for graded in executor.map(grade, tasks)}
    finally:
        del os.environ["DLCOURSE_TEST_CANARY"]


@pytest.mark.parametrize("name", ATTACKS)
def test_it_gains_what_it_deserves_and_learns_nothing(results, name):
    report = results[name].report
    assert report.points == ATTACKS[name].get("deserves", 0), report
    text = json.dumps(results[name].as_facts())
    assert CANARY not in text
    assert "FOUND" not in text
    assert ATTACKS[name].get("finds", "") in repr(report)
    assert len(text) < 10_000
    text.encode()


def test_nothing_is_left_behind(results):
    assert workers() == []
    assert not list(Path("/tmp").glob("dlcourse_pwned"))


def test_what_comes_after_an_attack_is_graded_as_ever(results):
    honest = code_of(ATTACKS["right answer beside loud printing"])
    assert grade(task("honest", ("m.ipynb", notebook(honest))))[0].report.points == 2
