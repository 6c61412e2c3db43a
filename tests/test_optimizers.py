"""Every rule: against PyTorch, by hand, on arrays and floats, in lanes, downhill, and where the rules part company."""

import copy
import itertools
import json
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from concepts import OPTIMIZERS, named

import dlcourse as dl
from dlcourse.columns import Column
from dlcourse.optimizers import SGDW, AdaDelta, AdaGrad, Adam, AdamW, AMSGrad, Nadam, Optimizer, RMSProp
from dlcourse.settings import SettingError

ORACLE = json.loads((Path(__file__).parent / "oracles" / "optimizers.json").read_text())
START, GRADIENTS = np.array(ORACLE["start"]), np.array(ORACLE["gradients"])
BEFORE, AFTER = ORACLE["rates"]

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
    return BEFORE if step < 10 else AFTER


def rule(name):
    return next(row.make for row in OPTIMIZERS if row.name == name)


# Against PyTorch: twenty uneven gradients, one of them zero; every setting far from its default.


@pytest.mark.parametrize("name", ORACLE["constant"])
def test_optimizer_agrees_with_pytorch(name):
    settings, path = ORACLE["constant"][name]
    ours = walk(rule(name)(BEFORE, **settings), START.copy(), GRADIENTS)
    np.testing.assert_allclose(ours, path, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in ORACLE["cut"] if name not in ("Momentum", "Nesterov")])
def test_optimizer_agrees_with_pytorch_when_the_rate_is_cut(name):
    settings, path = ORACLE["cut"][name]
    ours = walk(rule(name)(cut, **settings), START.copy(), GRADIENTS)
    np.testing.assert_allclose(ours, path, rtol=0, atol=1e-12)


def by_hand_momentum(theta, v, lr, g):
    v = 0.9 * v - lr * g
    return theta + v, v


def by_hand_nesterov(theta, v, lr, g):
    v = 0.9 * v - lr * g
    return theta + 0.9 * v - lr * g, v


def by_hand_sgdw(theta, v, lr, g):
    v = 0.9 * v - lr * g
    return (1 - lr * 0.3) * theta + v, v


@pytest.mark.parametrize(
    ("optimizer", "step"),
    [
        (dl.Momentum(cut, momentum=0.9), by_hand_momentum),
        (dl.Nesterov(cut, momentum=0.9), by_hand_nesterov),
        (SGDW(cut, momentum=0.9, weight_decay=0.3), by_hand_sgdw),
    ],
    ids=["Momentum", "Nesterov", "SGDW"],
)
def test_velocity_keeps_the_old_rate_when_the_rate_is_cut(optimizer, step):
    """The rate is inside v: the recurrence by hand agrees, PyTorch's path leaves ours at the cut and not before."""
    theta, v, expected = START, np.zeros(3), []
    for number, g in enumerate(GRADIENTS):
        theta, v = step(theta, v, cut(number), g)
        expected.append(theta)
    ours = walk(optimizer, START.copy(), GRADIENTS)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
    if type(optimizer) is not SGDW:
        apart = np.abs(np.array(ours) - ORACLE["cut"][type(optimizer).__name__][1]).max(axis=1)
        assert apart[:10].max() < 1e-12
        assert apart[10] > 0.01


# θ₀ = 1, η = 0.1, every share ½, λ = 1, ε next to nothing; gradients 1, 2, −1
TINY = {"eps": 1e-15}
BETAS = {"beta1": 0.5, "beta2": 0.5, **TINY}
D1 = 1 / 1.5  # AdaDelta's Δ², with ε = 1: 1/1.5, then (1 + D1/2)/3.25 · 4, then …
D2 = (1 + D1 / 2) / 3.25 * 4
D3 = (1 + D1 / 4 + D2 / 2) / 2.625
BY_HAND = {
    "SGD": ({}, [-0.1, -0.2, 0.1]),
    "Momentum": ({"momentum": 0.5}, [-0.1, -0.25, -0.025]),
    "Nesterov": ({"momentum": 0.5}, [-0.15, -0.325, 0.0875]),
    "AdaGrad": (TINY, [-0.1, -0.2 / 5**0.5, 0.1 / 6**0.5]),
    "RMSProp": ({"rho": 0.5, **TINY}, [-0.1 / 0.5**0.5, -0.2 / 1.5, 0.1 / 1.625**0.5]),
    "AdaDelta": ({"rho": 0.5, "eps": 1.0}, [-0.1 * D1**0.5, -0.1 * D2**0.5, 0.1 * D3**0.5]),
    "Adam": (BETAS, [-0.1, -0.5 / 3**1.5, -0.1 / 7 / (13 / 7) ** 0.5]),
    "AMSGrad": (BETAS, [-0.1, -0.5 / 3**1.5, -0.1 / 7 / (18 / 7) ** 0.5]),
    "Nadam": (  # ψ = 0, so μ = ¼ throughout
        {**BETAS, "momentum_decay": 0.0},
        [-0.1 - 0.0125 / (15 / 16), -(0.16 + 0.02 / 0.63) / 3**0.5, (4.8 / 63 - 0.8 / 255) / (13 / 7) ** 0.5],
    ),
    "SGDW": ({"momentum": 0.5, "weight_decay": 1.0}, [-0.1 - 0.1, -0.08 - 0.25, -0.047 - 0.025]),
    "AdamW": (
        {**BETAS, "weight_decay": 1.0},
        [-0.1 - 0.1, -0.08 - 0.5 / 3**1.5, -0.072 + 0.05 / 3**1.5 - 0.1 / 7 / (13 / 7) ** 0.5],
    ),
}


@every_optimizer
def test_optimizer_agrees_with_three_steps_by_hand(row):
    settings, moves = BY_HAND[row.name]
    path = walk(row.make(0.1, **settings), 1.0, [1.0, 2.0, -1.0])
    np.testing.assert_allclose(np.diff([1.0, *path]), moves, rtol=1e-12)


@every_optimizer
def test_floats_walk_as_arrays_do(row, rng):
    gradients = rng.normal(size=(10, 3))
    for lane in range(3):
        arrays = np.array(walk(row.single(lane), np.ones(3), gradients))
        for entry in range(3):
            floats = walk(row.single(lane), 1.0, gradients[:, entry].tolist())
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


def test_a_power_of_a_column_is_pythons_power():
    column = Column([[0.9], [0.999], [0.7], [0.96]])
    for t in range(1, 2000):
        assert (column**t).ravel().tolist() == [b**t for b in (0.9, 0.999, 0.7, 0.96)]


@every_optimizer
def test_a_column_that_does_not_fit_theta_is_refused(row):
    for theta in (np.ones((2, 5)), np.ones(5), 1.0):
        with pytest.raises(SettingError, match=rf"{row.name}.*one row for each lane.*\(3, 1\)"):
            row.columns().step(theta, theta)


@every_optimizer
def test_zero_gradient_does_not_move(row):
    optimizer = without_decay(row.single())
    assert walk(optimizer, 1.0, [0.0] * 5) == [1.0] * 5
    for dtype in ("float32", "float64"):
        assert (np.array(walk(optimizer, np.ones(2, dtype), np.zeros((5, 2), dtype))) == 1).all()


@every_optimizer
def test_a_coordinate_without_gradient_stays_beside_one_with(row):
    theta = np.ones(2)
    walk(without_decay(row.single()), theta, [np.array([0.0, g]) for g in (1.0, -2.0, 1e-30, 1e30)])
    assert theta[0] == 1 and math.isfinite(theta[1]) and theta[1] != 1


def without_decay(optimizer):
    if hasattr(optimizer, "weight_decay"):
        optimizer.weight_decay = 0.0
    return optimizer


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
    for dtype in ("int64", "float16"):  # in float16 an ε of 1e-8 is 0, and a zero gradient 0/0
        with pytest.raises(SettingError, match=rf"{row.name}.theta must hold floating-point numbers.*astype\(float\)"):
            row.single().step(np.ones(2, dtype), np.ones(2))


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


def cooling(rate, factor):
    """RMSProp and AdaDelta step about as far as their rate near the bottom too: it must fall for them to settle."""
    return lambda step: rate * factor**step


DOWN_A_PARABOLA = {"AdaGrad": 1.0, "RMSProp": cooling(0.3, 0.985), "AdaDelta": cooling(30.0, 0.99)}


@every_optimizer
def test_optimizer_reaches_the_bottom_of_a_parabola(row):
    optimizer, theta = row.make(DOWN_A_PARABOLA.get(row.name, 0.05)), np.array([5.0, -3.0])
    for _ in range(1000):
        optimizer.step(theta, np.array([1.0, 8.0]) * theta)
    assert np.abs(theta).max() < 1e-6


# Steps and rate at which each rule comes within 0.1 of Rosenbrock's minimum, (1, 1); without decay, which pulls to 0.
ROSENBROCK = {
    "SGD": (8000, 1e-3),
    "Momentum": (2000, 3e-4),
    "Nesterov": (2000, 3e-4),
    "SGDW": (8000, 1e-3),
    "AdaGrad": (4000, 0.5),
    "RMSProp": (8000, 2e-3),
    "AdaDelta": (8000, cooling(2.0, 0.999)),
}


@every_optimizer
def test_optimizer_comes_near_the_minimum_of_rosenbrock(row):
    steps, rate = ROSENBROCK.get(row.name, (4000, 0.02))
    path = dl.surfaces.descend(dl.surfaces.rosenbrock, without_decay(row.make(rate)), start=(-0.5, 1.0), steps=steps)
    assert np.abs(path[-1] - 1).max() < 0.1


def test_momentum_of_zero_is_sgd(rng):
    gradients = rng.normal(size=(5, 3))
    expected = walk(dl.SGD(0.1), np.ones(3), gradients)
    for make in (dl.Momentum, dl.Nesterov, lambda rate, momentum: SGDW(rate, momentum, weight_decay=0.0)):
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


@every_optimizer
def test_a_single_column_is_enough_to_be_refused_for_a_single_run(row):
    for name, values in row.settings.items():
        with pytest.raises(SettingError, match="one row for each lane"):
            row.make(**{name: np.array(values)[:, None]}).start(1.0)


@every_optimizer
def test_float32_and_float64_walk_the_same_way(row, rng):
    gradients, start = rng.normal(size=(30, 4)), rng.normal(size=4)
    wide = walk(row.single(1), start.copy(), gradients)
    narrow = walk(row.single(1), start.astype("float32"), gradients.astype("float32"))
    np.testing.assert_allclose(narrow, wide, atol=2e-5)


@every_optimizer
def test_memory_is_made_by_start_and_lives_where_theta_does(row):
    optimizer, theta = row.single(), np.ones((2, 3), "float32")
    optimizer.start(theta)
    for value in vars(optimizer).values():
        if isinstance(value, np.ndarray):
            assert value.shape == theta.shape and value.dtype == theta.dtype
            assert value is theta or not value.any()


@every_optimizer
def test_a_step_needs_little_memory_beside_theta(row):
    """A few arrays of theta's size, for what stands between the lines of the formula."""
    optimizer, theta = row.single(), np.ones(10_000)
    optimizer.start(theta)
    tracemalloc.start()
    optimizer.step(theta, theta / 2)
    peak = tracemalloc.get_traced_memory()[1] - theta.nbytes  # without the gradient made here
    tracemalloc.stop()
    assert peak < 8.1 * theta.nbytes


SETTINGS = [(row, name) for row in OPTIMIZERS for name in row.settings if name != "learning_rate"]


@pytest.mark.parametrize(("row", "name"), SETTINGS, ids=[f"{row.name}.{name}" for row, name in SETTINGS])
def test_bad_setting_is_refused_when_made_and_when_assigned(row, name):
    optimizer = row.single()
    bad = [-0.1, math.nan, math.inf, None, "0.9", True, np.array([[0.5], [math.nan]])]
    bad += [1.0, 1.5] if name in ("momentum", "rho", "beta1", "beta2") else []
    bad += [0.0] if name == "eps" else []
    for value in bad:
        with pytest.raises(SettingError, match=rf"{row.name}.{name} must "):
            row.make(**{name: value})
        with pytest.raises(SettingError, match=rf"{row.name}.{name} must "):
            setattr(optimizer, name, value)
    assert getattr(optimizer, name) == row.settings[name][0]


def test_start_makes_a_watching_rate_forget():
    class Watch:
        seen = 3

        def __call__(self, step):
            return 0.1

        def reset(self):
            self.seen = 0

    optimizer = dl.SGD(Watch())
    optimizer.start(1.0)
    assert optimizer.learning_rate.seen == 0


def test_optimizer_is_an_interface():
    optimizer = Optimizer()
    optimizer.learning_rate = 0.1
    with pytest.raises(NotImplementedError):
        optimizer.step(1.0, 1.0)


# What sets the rules apart.


def test_the_first_step_of_adam_is_the_rate_however_large_the_gradient():
    """t = 1 in the first update: m̂ = g and v̂ = g² exactly."""
    for make, g in itertools.product((Adam, AMSGrad, AdamW), (1e-3, 1.0, 1e6)):
        optimizer = without_decay(make(0.1, eps=1e-30))
        assert optimizer.step(1.0, g) == pytest.approx(0.9, rel=1e-12)


def test_adam_has_the_epsilon_of_the_paper():
    """Not ε̂, which Keras and TensorFlow have: the two paths part by 0.01."""
    m = v = 0.0
    papers, hats = [1.0], [1.0]
    for t, g in enumerate(GRADIENTS[:, 0], 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        m_hat, correction = m / (1 - 0.9**t), 1 - 0.999**t
        papers.append(papers[-1] - 0.1 * m_hat / (math.sqrt(v / correction) + 0.0137))
        hats.append(hats[-1] - 0.1 * m_hat * math.sqrt(correction) / (math.sqrt(v) + 0.0137))
    ours = walk(Adam(0.1, eps=0.0137), 1.0, GRADIENTS[:, 0].tolist())
    np.testing.assert_allclose(ours, papers[1:], rtol=1e-12)
    assert np.abs(np.subtract(papers, hats)).max() > 0.01


def test_rmsprop_has_epsilon_outside_the_root():
    s, outside, inside = 0.0, 1.0, 1.0
    optimizer, theta = RMSProp(0.1, rho=0.9, eps=0.042), 1.0
    for g in GRADIENTS[:, 0].tolist():
        s = 0.9 * s + 0.1 * g * g
        outside, inside = outside - 0.1 * g / (math.sqrt(s) + 0.042), inside - 0.1 * g / math.sqrt(s + 0.042)
        theta = optimizer.step(theta, g)
        assert theta == pytest.approx(outside, rel=1e-12)
    assert abs(outside - inside) > 0.01


@pytest.mark.parametrize("make", [RMSProp, AdaDelta, Adam, AMSGrad, Nadam, AdaGrad])
def test_no_root_of_a_negative_number(make, rng):
    """Averages of squares stay averages of squares after a gradient 10⁸ times the others, in float32 too."""
    optimizer, theta = make(0.01), np.ones(5, "float32")
    with np.errstate(invalid="raise", divide="raise"):
        for step in range(200):
            optimizer.step(theta, (rng.normal(size=5) * (1e8 if step == 20 else 1)).astype("float32"))
    assert np.isfinite(theta).all()


def test_amsgrad_keeps_the_largest_v_and_adam_does_not():
    gradients = [10.0, *[0.1] * 200]
    adam, amsgrad = Adam(0.1, beta2=0.9), AMSGrad(0.1, beta2=0.9)
    for optimizer in (adam, amsgrad):
        walk(optimizer, 1.0, gradients)
    assert amsgrad.v == pytest.approx(adam.v) and adam.v < 0.02
    assert amsgrad.v_max == pytest.approx(0.1 * 100)


def test_nadam_has_the_momentum_decay_of_the_paper():
    """μₜ = β₁(1 − ½ · 0.96^(ψt)): half of β₁ first, all of it in the end. Keras has ψ = 1."""
    assert Nadam().momentum_decay == 0.004
    assert Nadam(momentum_decay=0.0).mu(7) == pytest.approx(0.45)
    assert Nadam(momentum_decay=1.0).mu(1) == pytest.approx(0.9 * (1 - 0.48))
    assert Nadam().mu(10**6) == pytest.approx(0.9)
    paths = [walk(Nadam(0.1, momentum_decay=psi), 1.0, [1.0, 2.0, -1.0]) for psi in (0.0, 0.004, 1.0)]
    assert len({path[-1] for path in paths}) == 3


def test_adadelta_moves_by_epsilon_alone_at_first():
    assert 1 - AdaDelta().step(1.0, 5.0) == pytest.approx(math.sqrt(1e-6 / (0.1 * 25 + 1e-6)) * 5)


@pytest.mark.parametrize("make", [SGDW, AdamW])
def test_decay_is_multiplied_by_the_rate(make):
    """Without a gradient only the decay is left: θ ← (1 − ηλ)θ."""
    for rate in (0.1, 0.05):
        path = walk(make(rate, weight_decay=0.2), 1.0, [0.0] * 3)
        np.testing.assert_allclose(path, (1 - rate * 0.2) ** np.arange(1, 4), rtol=1e-14)


@pytest.mark.parametrize("lanes", [(), (2,)])
@pytest.mark.parametrize("make", [SGDW, AdamW])
def test_decay_spares_what_the_mask_spares(make, lanes):
    theta, mask = np.ones((*lanes, 3)), np.array([1.0, 0.0, 1.0])
    optimizer = make(0.1, weight_decay=0.5)
    optimizer.start(theta, mask)
    optimizer.step(theta, np.zeros_like(theta))
    np.testing.assert_allclose(theta, np.broadcast_to([0.95, 1.0, 0.95], theta.shape))


def test_decay_is_the_penalty_for_sgd_and_not_for_adam(rng):
    """L2(λ/2) adds λθ to the gradient. SGDW(λ) walks the same path, AdamW(λ) another one than Adam."""
    lam, curvature = 0.3, np.array([1.0, 10.0, 100.0])

    def end(optimizer, penalty):
        theta = np.ones(3)
        for g in [curvature] * 50:
            optimizer.step(theta, g * (theta - 2.0) + penalty * theta)
        return theta

    np.testing.assert_allclose(end(dl.SGD(0.01), lam), end(SGDW(0.01, weight_decay=lam), 0.0), rtol=1e-13)
    assert np.abs(end(Adam(0.05), lam) - end(AdamW(0.05, weight_decay=lam), 0.0)).max() > 0.01
    momentum, decoupled = end(dl.Momentum(0.01, 0.5), lam), end(SGDW(0.01, 0.5, weight_decay=lam), 0.0)
    assert np.abs(momentum - decoupled).max() > 1e-3


def test_adam_fails_where_amsgrad_does_not():
    """Reddi, Kale & Kumar 2018: gradients 3, −1, −1, again and again, on [−1, 1]. The best point is −1.

    Adam forgets the large gradient before the next one comes, and goes to the worst point.
    """
    ends = {}
    for make in (Adam, AMSGrad):
        optimizer, theta = make(lambda step: 0.5 / math.sqrt(step + 1), beta1=0.0, beta2=0.1), 0.0
        for step in range(6000):
            theta = min(1.0, max(-1.0, optimizer.step(theta, 3.0 if step % 3 == 0 else -1.0)))
        ends[make] = theta
    assert ends[Adam] > 0.95
    assert ends[AMSGrad] < -0.95


def test_adagrad_fits_the_noise_where_gradient_descent_does_not(rng):
    """Wilson et al. 2017, arXiv:1705.08292: both fit all examples, AdaGrad gives every new one the same label.

    Feature 0 is the label, 1 and 2 are always on, and each example has features all its own: one if its label is +1,
    five if it is −1.
    """
    y = np.where(np.arange(40) < 26, 1.0, -1.0)
    x = np.zeros((40, 3 + 5 * 40))
    x[:, 0], x[:, 1:3] = y, 1.0
    for i in range(40):
        x[i, 3 + 5 * i : 3 + 5 * i + (1 if y[i] > 0 else 5)] = 1.0
    new = np.array([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])  # a + and a −, whose own features were never seen
    verdicts = {}
    for optimizer in (dl.SGD(0.3), AdaGrad(0.1)):
        w = np.zeros(x.shape[1])
        for _ in range(1500):
            optimizer.step(w, x.T @ (x @ w - y) / len(y))
        assert (np.sign(x @ w) == y).all()
        verdicts[type(optimizer)] = np.sign(new @ w[:3]).tolist()
    assert verdicts == {dl.SGD: [1.0, -1.0], AdaGrad: [1.0, 1.0]}
