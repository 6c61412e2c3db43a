"""The check is itself checked: right answers pass, and every known mistake is called by its name."""

import inspect

import numpy as np
import pytest

import dlcourse as dl
from dlcourse.checks import Exercise, Question, exercises, judge
from dlcourse.checks.runner import run

TABLE = exercises()
CODED = [entry for entry in TABLE.values() if isinstance(entry, Exercise)]
QUESTIONS = [entry for entry in TABLE.values() if isinstance(entry, Question)]

each = pytest.mark.parametrize("exercise", CODED, ids=lambda exercise: exercise.name)


def report(exercise, function, seed=0):
    calls = exercise.calls(np.random.default_rng([seed, 6]))
    return judge(exercise, calls, run(function, calls))


@each
def test_the_table_says_enough(exercise):
    assert len(exercise.mistakes) >= (3 if exercise.repair else 6)
    assert len(exercise.hints) == 3
    assert exercise.variants
    for function in [*exercise.mistakes.values(), *exercise.variants]:
        assert len(inspect.signature(function).parameters) == len(exercise.parameters)


@each
def test_right_answers_pass(exercise):
    for number, function in enumerate((exercise.reference, *exercise.variants)):
        found = report(exercise, function, number)
        assert found.passed, found
        assert found.points == found.out_of == exercise.points


@each
def test_every_mistake_is_called_by_its_name(exercise):
    for number, (sentence, function) in enumerate(exercise.mistakes.items()):
        found = report(exercise, function, number)
        assert not found.passed, sentence
        assert found.points == 0
        assert found.mistake == sentence and not found.perhaps, f"{sentence}\n\n{found}"


@each
def test_two_hundred_seeds_bring_no_false_verdict(exercise):
    wrong = list(exercise.mistakes.items())
    for seed in range(200):
        assert report(exercise, exercise.reference, seed), f"seed {seed}"
    for seed in range(200, 240):
        sentence, function = wrong[seed % len(wrong)]
        assert report(exercise, function, seed).mistake == sentence, f"seed {seed}: {sentence}"


# What is asked for is what the library does


def test_group_norm_of_the_exercise_is_the_layers():
    exercise = TABLE["group_norm_forward"]
    for x, gamma, beta, groups, eps in exercise.draw(np.random.default_rng(0)):
        layer = dl.layers.GroupNorm(groups, eps)
        network = dl.Network([layer], x.shape[1:], dtype="float64")
        layer.gamma[:], layer.beta[:] = gamma, beta
        np.testing.assert_allclose(exercise.reference(x, gamma, beta, groups, eps), network.forward(x), atol=1e-12)


def test_angd_of_the_exercise_is_the_optimizers():
    exercise = TABLE["angd_step"]
    for theta, A, grad, scores, learning_rate, fisher_rate in exercise.calls(np.random.default_rng(0)):
        right = exercise.reference(theta, A, grad, scores, learning_rate, fisher_rate)
        rule = dl.optimizers.ANGD(learning_rate, fisher_rate)
        rule.start(theta)
        rule.A = A
        for ours, its in zip(right, (rule.step(theta, grad, scores), rule.A), strict=True):
            np.testing.assert_allclose(ours, its, atol=1e-10)


def test_a_natural_gradient_without_damping_is_told_so_whether_or_not_the_solver_notices():
    def bare(theta, grad, scores, learning_rate, damping):
        return theta - learning_rate * np.linalg.solve(scores.T @ scores / len(scores), grad)

    for seed in range(40):
        found = report(TABLE["natural_gradient_step"], bare, seed)
        failed = [finding.words for finding in found.findings if not finding.passed]
        assert "no inverse" in found.mistake or any("damping" in words for words in failed), found
