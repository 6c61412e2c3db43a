"""What learners really hand in: right answers in odd forms, honest mistakes, and what they leave behind."""

import math

import numpy as np
import pytest
from test_exercises import CODED_SOLUTIONS

import dlcourse as dl
from dlcourse.checks import checking, exercises, judge
from dlcourse.checks.runner import run

# fmt: off


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch):
    monkeypatch.setattr(checking, "_tries", {})
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


def report(name, function, seed=0):
    exercise = exercises()[name]
    calls = exercise.calls(np.random.default_rng([seed, 8]))
    return judge(exercise, calls, run(function, calls))


# Right answers in other forms


def each_part(value, change):
    return tuple(map(change, value)) if isinstance(value, tuple) else change(value)


def narrow(value):
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype("float32")
    return np.float32(value) if isinstance(value, float) else value


FORMS = {
    "float32 out": lambda f: lambda *args: each_part(f(*args), lambda v: np.asarray(v, "float32")),
    "float32 in": lambda f: lambda *args: f(*map(narrow, args)),
    "lists": lambda f: lambda *args: each_part(f(*args), lambda v: np.asarray(v).tolist()),
    "column order": lambda f: lambda *args: each_part(f(*args), lambda v: np.array(v, order="F")),
    "masked": lambda f: lambda *args: each_part(f(*args), np.ma.array),
    "objects": lambda f: lambda *args: each_part(f(*args), lambda v: np.asarray(v).astype(object)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CODED_SOLUTIONS)
def test_the_form_of_a_right_answer_does_not_matter(name, form):
    for seed in range(12):
        found = report(name, FORMS[form](CODED_SOLUTIONS[name]), seed)
        assert found.passed, f"seed {seed}\n{found}"


def nudged_and_put_back(f, w, h):
    slope = np.zeros_like(w)
    for place in np.ndindex(w.shape):
        w[place] += h
        above = f(w)
        w[place] -= 2 * h
        slope[place] = (above - f(w)) / (2 * h)
        w[place] += h  # but for rounding
    return slope


def by_lot(shape, nonzeros, std, rng):
    w = np.zeros(shape)
    for unit in range(shape[1]):
        w[rng.choice(shape[0], nonzeros, replace=False), unit] = rng.normal(0, std, nonzeros)
    return w


RIGHT = {
    "numeric_gradient": nudged_and_put_back,
    "sparse_init": by_lot,
    "xavier_init": lambda shape, rng: rng.uniform(-1, 1, shape[::-1]).T * math.sqrt(3 / math.prod(shape[:-1])),
    "msra_init": lambda shape, rng: rng.normal(size=shape[::-1]).T * math.sqrt(2 / math.prod(shape[:-1])),
    "dropout": lambda x, rate, rng, training: (
        np.where(rate > rng.random(x.shape[::-1]).T, 0, x / (1 - rate)) if training else x),
    "orthogonal_init": lambda shape, gain, rng: gain * np.linalg.qr(
        rng.normal(size=(max(shape), max(shape))))[0][: shape[0], : shape[1]],
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_that_go_another_way_pass(name):
    """Those that draw draw other numbers than ours: what is compared must not hang on the draw."""
    for seed in range(150):
        found = report(name, RIGHT[name], seed)
        assert found.passed, f"seed {seed}\n{found}"


# Wrong answers


def as_many_as_asked(x, rate, rng, training):
    """Exactly the share `rate` of all numbers: no die for each."""
    gone = rng.permutation(x.size).reshape(x.shape) < int(rate * x.size)
    return np.where(gone, 0, x / (1 - rate)) if training else x


def one_value_for_a_unit(shape, nonzeros, std, rng):
    return (by_lot(shape, nonzeros, std, rng) != 0) * rng.normal(0, std, shape[1])


WRONG = {
    "the bars around the whole": ("gradient_error", lambda a, n, floor: (
        np.abs(a - n) / np.maximum(np.abs(a + n), floor)).max()),
    "one value for a unit": ("sparse_init", one_value_for_a_unit),
    "columns": ("dropout", lambda x, rate, rng, training: (
        x * (rng.random(x.shape[1]) > rate) / (1 - rate) if training else x)),
    "rows": ("dropout", lambda x, rate, rng, training: (
        x * (rng.random((len(x), 1)) > rate) / (1 - rate) if training else x)),
    "counted": ("dropout", as_many_as_asked),
    "twins": ("msra_init", lambda shape, rng: np.broadcast_to(
        rng.normal(0, math.sqrt(2 / math.prod(shape[:-1])), (*shape[:-1], 1)), shape)),
    "one weight for a unit": ("msra_init", lambda shape, rng: np.broadcast_to(
        rng.normal(0, math.sqrt(2 / math.prod(shape[:-1])), shape[-1:]), shape)),
    "cut at two deviations": ("msra_init", lambda shape, rng: (
        rng.normal(size=shape).clip(-2, 2) * math.sqrt(2 / math.prod(shape[:-1])))),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_answers_that_look_right_do_not_pass(case):
    name, function = WRONG[case]
    for seed in range(100):
        assert not report(name, function, seed).passed, seed


@pytest.mark.parametrize("name", CODED_SOLUTIONS)
def test_an_answer_that_does_not_hang_on_its_inputs_is_wrong(name):
    exercise = exercises()[name]
    fixed = exercise.calls(np.random.default_rng(99))[0]
    (constant,) = run(CODED_SOLUTIONS[name], [fixed])
    assert not report(name, lambda *_: constant.value).passed


# What a learner reads


def test_a_mistake_is_named_though_arrays_were_changed_in_place():
    def adadelta_step(theta, s, d, grad, learning_rate, rho, eps):
        s *= rho
        s += (1 - rho) * grad**2
        delta = (np.sqrt(d) + eps) / (np.sqrt(s) + eps) * grad
        return theta - learning_rate * delta, s, rho * d + (1 - rho) * delta**2

    found = dl.check("adadelta_step", adadelta_step)
    assert found.mistake.startswith("ε stands outside the roots.")
    assert "s changed." in repr(found)


def test_where_nothing_came_back_the_inputs_are_shown():
    def dropout(x, rate, rng, training):
        if training:
            return x * (rng.random(x.shape) >= rate) / (1 - rate)

    found = dl.check("dropout", dropout)
    assert "training = False" in found.findings[-1].given


@pytest.mark.parametrize(("answer", "words"), [
    (lambda w, limit: w * limit if np.linalg.norm(w, axis=0) > limit else w, "A question about a whole array"),
    (lambda w, limit: w / np.linalg.norm(w, axis=1), "The shapes of two arrays do not fit"),
])
def test_errors_that_everyone_meets_once_are_explained(answer, words):
    found = dl.check("max_norm", answer)
    assert found.mistake.startswith(words)
    assert "ValueError" in found.findings[-1].detail


def test_what_a_generator_lacks_is_explained():
    assert dl.check("msra_init", lambda shape, rng: rng.randn(*shape)).mistake.startswith("rng is one of NumPy")


def test_one_known_error_is_not_taken_for_another():
    """Two learners' ValueErrors are the same mistake only if they say the same."""
    found = dl.check("layer_norm", lambda x, gamma, beta, eps: np.reshape(x, (7, 7, 7)))
    assert found.mistake == ""


def test_the_same_inputs_are_shown_once():
    def nothing(x, y, w, order, learning_rate, batch_size):
        return w * 0, np.zeros(len(order) * math.ceil(len(x) / batch_size))

    found = report("training_loop", nothing)
    shown = [finding.given for finding in found.findings if not finding.passed]
    assert len(shown) == 2
    assert shown[0]
    assert not shown[1]


def test_measures_of_a_draw_are_numbers_one_can_read():
    found = report("xavier_init", lambda shape, rng: rng.uniform(0, 1, shape))
    means = [finding for finding in found.findings if finding.words.startswith("the mean")]
    assert abs(float(means[0].expected.split()[1].rstrip(","))) < 0.1
    assert not any(word in repr(found) for word in ("True", "False"))


# What is left behind


@pytest.mark.parametrize("name", ["abs", "allclose", "isclose", "all", "where", "asarray", "array_equal"])
def test_patched_numpy_changes_no_verdict(name, monkeypatch):
    before = getattr(np, name)
    monkeypatch.setattr(np, name, before)  # whatever happens, it is put back after the test

    def momentum_step(theta, velocity, grad, learning_rate, momentum):
        setattr(np, name, lambda *args, **kwargs: np.True_)
        return theta, velocity

    found = dl.check("momentum_step", momentum_step)
    assert not found.passed
    assert f"np.{name}" in found.note
    assert getattr(np, name) is before


def test_a_thread_left_behind_changes_no_verdict():
    import threading

    kept = []

    def momentum_step(theta, velocity, grad, learning_rate, momentum):
        velocity = momentum * velocity - learning_rate * grad
        answer = theta + velocity, velocity
        kept.append((threading.Thread(target=lambda: answer[0].fill(7)), answer))
        return answer

    exercise = exercises()["momentum_step"]
    calls = exercise.calls(np.random.default_rng(0))
    answers = run(momentum_step, calls)
    for thread, _ in kept:
        thread.start()
        thread.join()
    assert all((answer[0] == 7).all() for _, answer in kept)
    assert judge(exercise, calls, answers).passed


def test_a_flood_of_words_costs_neither_time_nor_space():
    def momentum_step(theta, velocity, grad, learning_rate, momentum):
        print("x" * 10_000_000)
        return theta, velocity

    assert len(repr(dl.check("momentum_step", momentum_step))) < 5000


def test_a_recursion_without_end_is_an_error_with_its_line():
    def momentum_step(theta, velocity, grad, learning_rate, momentum):
        return momentum_step(theta, velocity, grad, learning_rate, momentum)

    (finding,) = dl.check("momentum_step", momentum_step).findings
    assert "RecursionError" in finding.detail
    assert "return momentum_step(" in finding.detail


OTHER_DRAWS = {  # the known mistakes of draws, with the dice thrown in another order
    "Some places are drawn twice": ("sparse_init", lambda shape, nonzeros, std, rng: twice(shape, nonzeros, std, rng)),
    "Each weight is kept by a coin": ("sparse_init", lambda shape, nonzeros, std, rng: (
        rng.binomial(1, nonzeros / shape[0], shape) * rng.normal(0, std, shape))),
    "They are not divided": ("unitball_init", lambda shape, rng: rng.uniform(size=shape[::-1]).T.reshape(shape)),
    "The variance is 1/n": ("msra_init", lambda shape, rng: (
        rng.normal(size=shape[::-1]).T.reshape(shape) / math.sqrt(math.prod(shape[:-1])))),
}


def twice(shape, nonzeros, std, rng):
    w = np.zeros(shape)
    for unit in range(shape[1]):
        places = rng.integers(0, shape[0], nonzeros)
        w[places, unit] = rng.normal(0, std, nonzeros)
    return w


@pytest.mark.parametrize("sentence", OTHER_DRAWS)
def test_a_mistake_is_named_whatever_the_order_of_the_dice(sentence):
    name, function = OTHER_DRAWS[sentence]
    for seed in range(20):
        assert report(name, function, seed).mistake.startswith(sentence), seed


@pytest.mark.parametrize(("name", "answer", "sentence"), [
    ("numeric_gradient", lambda f, w, h: [
        (f(w + e) - f(w - e)) / (2 * h) for e in h * np.eye(w.size).reshape(-1, *w.shape)], "The slopes come back"),
    ("elastic_net", lambda w, l1, l2: (
        (l1 * np.abs(w) + l2 * w**2).tolist(), (l1 * np.sign(w) + 2 * l2 * w).tolist()), "The penalty is not added up"),
])
def test_a_mistake_of_form_is_named_for_lists_too(name, answer, sentence):
    assert dl.check(name, answer).mistake.startswith(sentence)


class EndlessSequence:
    def __len__(self):
        return 5

    def __getitem__(self, place):
        while True:
            pass


class EndlessArray:
    def __array__(self, *args, **kwargs):
        while True:
            pass


class EndlessWords(Exception):
    def __str__(self):
        while True:
            pass


@pytest.mark.parametrize("value", [EndlessSequence(), EndlessArray()])
def test_a_value_that_takes_for_ever_to_read_is_given_up(value):
    found = dl.check("momentum_step", lambda theta, velocity, grad, learning_rate, momentum: (value, velocity))
    assert "takes too long to read" in found.findings[-1].detail


def test_an_error_that_never_ends_its_sentence_is_given_up():
    def momentum_step(theta, velocity, grad, learning_rate, momentum):
        raise EndlessWords

    assert "EndlessWords" in dl.check("momentum_step", momentum_step).findings[-1].detail
