"""The gate is itself tried: it makes the mutants that people make, and lets none through that a check cannot see."""

import numpy as np
import pytest

from dlcourse.checks import Exercise, exercises
from dlcourse.checks.gate.program import program_of, program_of_function
from dlcourse.checks.gate.sources import changed_sources
from dlcourse.checks.gate.trial import MASTERS, means, mutants_of, try_exercise

CODED = [entry for entry in exercises().values() if isinstance(entry, Exercise)]


@pytest.mark.parametrize("exercise", CODED, ids=lambda exercise: exercise.name)
def test_no_mutant_passes_twice(exercise):
    """Few draws for each, in CI; before a release 1000: `python -m dlcourse.checks.gate --draws 1000`."""
    result = try_exercise(exercise, draws=2)
    assert result.mutants > 30
    assert result.passed, result


def words(source, entry="f"):
    return {mutant.words for mutant in changed_sources(program_of(source, entry))}


def test_what_is_made_of_a_line():
    made = words("def f(x, eps):\n    return x / (np.sqrt(x.var(axis=0)) + eps)")
    for wanted in (
        "axis=0 → axis=1",  # axes changed
        "axis=0 → axis=None",
        "x.var(axis=0) → x.std(axis=0)",
        "np.sqrt(x.var(axis=0)) + eps → np.sqrt(x.var(axis=0) + eps)",  # ε moved
        "np.sqrt(x.var(axis=0)) + eps → np.sqrt(x.var(axis=0))",
        "x / (np.sqrt(x.var(axis=0)) + eps) → x / np.sqrt(x.var(axis=0)) + eps",  # brackets lost
        "x / (np.sqrt(x.var(axis=0)) + eps) → x * (np.sqrt(x.var(axis=0)) + eps)",
        "eps → x",
    ):
        assert wanted in made


def test_what_is_made_of_a_rule_with_memory():
    made = words("def f(theta, v, g, lr):\n    v = 0.9 * v - lr * g\n    return theta + v, v")
    for wanted in (
        "v → _old_v",  # the old velocity
        "theta + v changes places with v",  # outputs exchanged
        "0.9 * v - lr * g → 0.9 * v + lr * g",
        "v = 0.9 * v - lr * g → v[:] = 0.9 * v - lr * g",  # its input changed
        "v = 0.9 * v - lr * g is left out",
        "0.9 → 1.8",
    ):
        assert wanted in made, made


def test_comparisons_slices_ranges_and_laws():
    made = words("def f(x, n, rng):\n    return [rng.normal(0, 1, n) for i in range(n) if i < 3] + x[1:]")
    assert {"i < 3 → i <= 3", "range(n) → range(n - 1)", "1: → :", "1: → 1 + 1:"} <= made
    assert any("'Laplace'" in one for one in made)


def test_a_mutant_is_what_its_words_say_and_leaves_the_program_as_it_was():
    program = program_of("def f(a, b):\n    while a > b:\n        a = a - b\n    return a", "f")
    by_words = {mutant.words: mutant.function for mutant in changed_sources(program)}
    assert program.built()(7, 3) == 1
    assert by_words["a > b → a >= b"](6, 3) == 0
    assert by_words["a - b → a"] is not by_words["a - b → b"]
    with pytest.raises(Exception):  # noqa: B017 - it has lost its way, and says so instead of going on for ever
        by_words["a - b → a"](7, 3)


def test_a_function_of_a_file_is_read_with_those_it_calls():
    program = program_of_function(double_sum)
    assert program.built()(np.arange(3.0)) == 6
    made = {mutant.words: mutant.function for mutant in changed_sources(program)}
    assert made["2 * x → x"](np.arange(3.0)) == 3  # in the helper


def double(x):
    return 2 * x


def double_sum(x):
    return double(x).sum()


def weak(**more):
    """A check that asks for one thing only: always the same rate, never a falling value."""
    return Exercise(
        name="weak", chapter="", notebook="none", title="", hints=(), mistakes={},
        draw=lambda rng: [(rng.uniform(1, 2, 3), 0.5)], reference=lambda x, rate: rate * x.sum(), **more,
    )  # fmt: skip


def test_a_check_with_one_value_of_an_argument_lets_mutants_through():
    result = try_exercise(weak(), draws=3)
    assert "rate is always 0.5" in result.taken
    assert "rate squared" not in result.taken
    assert not result.passed


def test_only_what_is_equal_may_be_listed_as_equal():
    result = try_exercise(
        weak(equal={"rate is always 0.5": "…", "rate twice": "…", "nothing of the kind": "…"}), draws=3
    )
    assert result.equal == ["rate is always 0.5"]
    assert set(result.stale) == {"rate twice", "nothing of the kind"}


def test_words_of_equal_mutants_may_leave_something_open():
    assert means("a…c", "a b c")
    assert not means("a", "a b")
    assert not means("a.c", "abc")


@pytest.mark.parametrize("exercise", CODED[::6], ids=lambda exercise: exercise.name)
def test_mutants_of_the_course_come_from_the_masters(exercise):
    names = [mutant.words for mutant in mutants_of(exercise, MASTERS)]
    assert len(set(names)) == len(names)
    assert any("→" in name for name in names)
