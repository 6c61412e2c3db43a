"""Do wrong answers get their name? tests/wrong_answers.txt holds some hundred, written as students write, not as our
tables do, each with a word that a true name must contain. `python tests/test_names.py` prints what has none."""

import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from dlcourse.checks import exercises, judge
from dlcourse.checks.runner import run

CORPUS = Path(__file__).with_name("wrong_answers.txt")


def corpus():
    """(name, expected, body, function) of every wrong answer."""
    found, signature = [], ""
    for line in CORPUS.read_text().splitlines():
        if " | " in line and not line.startswith("#"):
            expected, body = line.split(" | ", 1)
            source = f"def {signature}:\n" + textwrap.indent(body.replace("¶", "\n"), "    ")
            space = {"np": np}
            exec(source, space)
            name = signature.partition("(")[0]
            found.append((name, [word.strip() for word in expected.split("/")], body, space[name]))
        elif "(" in line and not line.startswith("#"):
            signature = line.strip()
    return found


def verdict(name, expected, function, seed=0):
    """passed, named, false or unnamed, and what it was called."""
    exercise = exercises()[name]
    calls = exercise.calls(np.random.default_rng([seed, 8]))
    report = judge(exercise, calls, run(function, calls))
    told = report.mistake
    if report.passed:
        return "passed", ""
    if not told:
        failed = next(f for f in report.findings if not f.passed)
        return "unnamed", f"{failed.words}: {failed.detail}"
    true = any(word.lower() in told.lower() for word in expected)
    return ("named" if true else "false"), told


WRONG = corpus()


@pytest.mark.parametrize("name", dict.fromkeys(name for name, *_ in WRONG))
def test_wrong_answers_are_refused_and_no_name_is_false(name):
    for which, expected, body, function in WRONG:
        if which == name:
            found, told = verdict(name, expected, function)
            assert found in ("named", "unnamed"), f"{found}: {body}\n{told}"


def test_three_quarters_get_a_name():
    found = [verdict(name, expected, function)[0] for name, expected, _, function in WRONG]
    assert len(found) >= 700
    assert found.count("named") >= 0.78 * len(found)


def test_the_corpus_speaks_of_many_exercises_and_never_twice():
    coded = {name for name, entry in exercises().items() if hasattr(entry, "reference")}
    assert len(coded & {name for name, *_ in WRONG}) >= 76
    bodies = [(name, re.sub(r"\s", "", body)) for name, _, body, _ in WRONG]
    assert len(set(bodies)) == len(bodies)


if __name__ == "__main__":
    counts = {}
    for name, expected, body, function in WRONG:
        found, told = verdict(name, expected, function, int(sys.argv[1]) if sys.argv[1:] else 0)
        counts[found] = counts.get(found, 0) + 1
        if found != "named":
            print(f"{found:8} {name}: {body}\n         {expected}: {told}")
    print(counts)
