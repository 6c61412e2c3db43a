"""Every rule: against PyTorch, by hand, on arrays and floats, and downhill."""

import copy
import itertools
import math

import numpy as np
import pytest
from concepts import OPTIMIZERS, named

import dlcourse as dl
from dlcourse.optimizers import Optimizer
from dlcourse.settings import SettingError

every_optimizer = pytest.mark.parametrize("row", **named(OPTIMIZERS))


def walk(optimizer, theta, gradients):
    """Every theta on the way; copies, since an array is changed in place."""
    optimizer.start(theta)
    path = []
    for g in gradients:
        theta = optimizer.step(theta, g)
        path.append(copy.copy(theta))
    return path


def cut(step):
    return 0.0625 if step < 10 else 0.0078125


@every_optimizer
def test_optimizer_agrees_with_pytorch(row, oracle):
    """Twenty uneven gradients, the eighth of them zero."""
    answers = oracle["optimizers"]
    settings, path = answers["paths"][row.name]
    ours = walk(row.make(**settings), np.array(answers["start"]), np.array(answers["gradients"]))
    np.testing.assert_allclose(ours, path, rtol=0, atol=1e-12)


def test_sgd_agrees_with_pytorch_when_the_rate_is_cut(oracle):
    answers = oracle["optimizers"]
    ours = walk(dl.SGD(cut), np.array(answers["start"]), np.array(answers["gradients"]))
    np.testing.assert_allclose(ours, answers["sgd_rate_cut"], rtol=0, atol=1e-12)


def by_hand_momentum(theta, v, lr, mu, g):
    v = mu * v - lr * g
    return theta + v, v


def by_hand_nesterov(theta, v, lr, mu, g):
    v = mu * v - lr * g
    return theta + mu * v - lr * g, v


@pytest.mark.parametrize(("make", "rule"), [(dl.Momentum, by_hand_momentum), (dl.Nesterov, by_hand_nesterov)])
def test_velocity_keeps_the_old_rate_when_the_rate_is_cut(make, rule, oracle):
    """The rate is inside v: the recurrence by hand agrees, PyTorch's path leaves ours at the cut and not before."""
    answers = oracle["optimizers"]
    theta, v, expected = np.array(answers["start"]), np.zeros(3), []
    for number, g in enumerate(answers["gradients"]):
        theta, v = rule(theta, v, cut(number), 0.9, np.array(g))
        expected.append(theta)
    ours = walk(make(cut, momentum=0.9), np.array(answers["start"]), np.array(answers["gradients"]))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
    if make is dl.Momentum:
        apart = np.abs(np.array(ours) - answers["momentum_rate_cut"]).max(axis=1)
        assert apart[:10].max() < 1e-12
        assert apart[10] > 0.01


# θ₀ = 1, η = 0.1, μ = 0.5, gradients 1, 2, −1
BY_HAND = {
    "SGD": ({"learning_rate": 0.1}, [0.9, 0.7, 0.8]),
    "Momentum": ({"learning_rate": 0.1, "momentum": 0.5}, [0.9, 0.65, 0.625]),
    "Nesterov": ({"learning_rate": 0.1, "momentum": 0.5}, [0.85, 0.525, 0.6125]),
}


@every_optimizer
def test_optimizer_agrees_with_three_steps_by_hand(row):
    settings, expected = BY_HAND[row.name]
    np.testing.assert_allclose(walk(row.make(**settings), 1.0, [1.0, 2.0, -1.0]), expected, rtol=1e-14)


@every_optimizer
def test_floats_walk_as_arrays_do(row, rng):
    gradients = rng.normal(size=(10, 3))
    arrays = np.array(walk(row.single(), np.ones(3), gradients))
    for entry in range(3):
        floats = walk(row.single(), 1.0, gradients[:, entry].tolist())
        assert all(type(theta) is float for theta in floats)
        np.testing.assert_array_equal(arrays[:, entry], floats)


def test_nesterov_keeps_the_look_ahead_point(rng):
    """The original form takes its gradient at θ + μv; ours keeps that very point."""
    gradient = lambda x: 3 * x - 1  # noqa: E731
    theta, v, ahead, optimizer = 2.0, 0.0, 2.0, dl.Nesterov(0.1, momentum=0.8)
    for _ in range(12):
        v = 0.8 * v - 0.1 * gradient(theta + 0.8 * v)
        theta += v
        ahead = optimizer.step(ahead, gradient(ahead))
        assert ahead == pytest.approx(theta + 0.8 * v, rel=1e-12)


def test_momentum_reaches_the_speed_of_a_constant_gradient():
    optimizer, theta = dl.Momentum(0.1, momentum=0.9), np.zeros(1)
    for _ in range(400):
        optimizer.step(theta, np.ones(1))
    assert optimizer.v[0] == pytest.approx(-0.1 / (1 - 0.9))


@every_optimizer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_step_changes_theta_in_place_and_leaves_the_gradient(row, dtype):
    theta, grad = np.ones((3, 4), dtype), np.full((3, 4), 0.5, dtype)
    window = theta[1:, 2:]
    assert row.single().step(theta, grad) is theta
    assert theta.dtype == dtype
    assert (window < 1).all()
    assert (grad == 0.5).all()


@every_optimizer
def test_columns_are_lanes(row, rng):
    """(3, P) with (3, 1) settings: every row walks as it would alone, bit for bit, in float32 too."""
    gradients = rng.normal(size=(8, 3, 5)).astype("float32")
    start = rng.normal(size=(3, 5)).astype("float32")
    together = np.array(walk(row.columns(), start.copy(), gradients))
    assert together.dtype == "float32"
    for lane in range(3):
        alone = walk(row.single(lane), start[lane].copy(), gradients[:, lane])
        np.testing.assert_array_equal(together[:, lane], alone)


@every_optimizer
def test_a_column_that_does_not_fit_theta_is_refused(row):
    for theta in (np.ones((2, 5)), np.ones(5), 1.0):
        with pytest.raises(SettingError, match=rf"{row.name}.*one row for each lane.*\(3, 1\)"):
            row.columns().step(theta, theta)


@every_optimizer
def test_zero_gradient_does_not_move(row):
    assert walk(row.single(), 1.0, [0.0] * 5) == [1.0] * 5
    assert (np.array(walk(row.single(), np.ones(2), np.zeros((5, 2)))) == 1).all()


@every_optimizer
def test_start_forgets(row, rng):
    gradients = rng.normal(size=(6, 3))
    optimizer = row.make(learning_rate=lambda step: 0.1 / (1 + step))
    first = walk(optimizer, np.ones(3), gradients)
    assert optimizer.steps == 6
    np.testing.assert_array_equal(walk(optimizer, np.ones(3), gradients), first)
    optimizer.start(np.ones(3))
    assert (optimizer.steps, optimizer.lr) == (0, None)


@every_optimizer
def test_step_works_without_start(row):
    theta = row.single().step(np.ones(2), np.ones(2))
    np.testing.assert_array_equal(theta, walk(row.single(), np.ones(2), [np.ones(2)])[0])


@every_optimizer
def test_integer_theta_is_refused(row):
    with pytest.raises(SettingError, match=rf"{row.name}.theta must hold floating-point numbers.*astype\(float\)"):
        row.single().step(np.ones(2, int), np.ones(2))


@every_optimizer
def test_schedule_is_asked_for_the_step_to_come(row):
    asked = []
    optimizer = row.make(learning_rate=lambda step: asked.append(step) or 0.25)
    walk(optimizer, 1.0, [1.0] * 3)
    assert asked == [0, 1, 2]
    assert optimizer.lr == 0.25


@every_optimizer
@pytest.mark.parametrize("rate", [np.float64(0.1), np.float32(0.1), 0.1, 1])
def test_schedule_may_return_any_number_and_keeps_the_dtype(row, rate):
    optimizer = row.make(learning_rate=lambda step: rate)
    theta = optimizer.step(np.ones(3, "float32"), np.ones(3, "float32"))
    assert theta.dtype == "float32"
    assert type(optimizer.lr) is float
    for state in vars(optimizer).values():
        assert getattr(state, "dtype", "float32") == "float32"


@every_optimizer
def test_schedule_may_return_a_column(row):
    theta = row.make(learning_rate=lambda step: np.array([[0.1], [0.2]])).step(np.ones((2, 3)), np.ones((2, 3)))
    assert (theta[0] > theta[1]).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, None, "fast", True, [0.1], np.array([[0.1], [np.nan]])], ids=repr)
@every_optimizer
def test_schedule_that_returns_no_number_is_refused(row, bad):
    theta = np.ones((2, 3))
    with pytest.raises(SettingError, match=rf"(?s){row.name}.learning_rate\(0\) must be.*The schedule returned it"):
        row.make(learning_rate=lambda step: bad).step(theta, theta)
    assert (theta == 1).all()


@every_optimizer
def test_optimizer_reaches_the_bottom_of_a_parabola(row):
    optimizer, theta = row.make(learning_rate=0.05), np.array([5.0, -3.0])
    for _ in range(1000):
        optimizer.step(theta, np.array([1.0, 8.0]) * theta)
    assert np.abs(theta).max() < 1e-6


# Steps and rate at which each rule comes within 0.1 of Rosenbrock's minimum, (1, 1).
ROSENBROCK = {"SGD": (8000, 1e-3), "Momentum": (2000, 3e-4), "Nesterov": (2000, 3e-4)}


@every_optimizer
def test_optimizer_comes_near_the_minimum_of_rosenbrock(row):
    steps, rate = ROSENBROCK[row.name]
    optimizer, x, y = row.make(learning_rate=rate), -0.5, 1.0
    point = np.array([x, y])
    for _ in range(steps):
        x, y = point
        optimizer.step(point, np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]))
    assert np.abs(point - 1).max() < 0.1


def test_momentum_of_zero_is_sgd(rng):
    gradients = rng.normal(size=(5, 3))
    expected = walk(dl.SGD(0.1), np.ones(3), gradients)
    for make in (dl.Momentum, dl.Nesterov):
        np.testing.assert_allclose(walk(make(0.1, momentum=0.0), np.ones(3), gradients), expected, rtol=1e-15)


def test_a_setting_changed_between_steps_acts_at_once():
    optimizer = dl.SGD(0.5)
    theta = optimizer.step(1.0, 1.0)
    optimizer.learning_rate = 0.25
    assert optimizer.step(theta, 1.0) == 0.25


def test_theta_of_any_number_of_axes():
    for shape, row in itertools.product([(3,), (2, 3), (2, 3, 4), ()], OPTIMIZERS):
        theta = np.ones(shape)
        row.single().step(theta, np.ones(shape))
        assert (theta < 1).all()


def test_optimizer_is_an_interface():
    optimizer = Optimizer()
    optimizer.learning_rate = 0.1
    with pytest.raises(NotImplementedError):
        optimizer.step(1.0, 1.0)
