"""What penalties do to linear models, each formula against numbers that come by another road."""

from itertools import product

import numpy as np
import pytest
from sklearn.linear_model import Lasso, Ridge

import dlcourse as dl
from dlcourse import shrinkage
from dlcourse.settings import SettingError


@pytest.fixture
def line(rng):
    """Examples of a linear model with noise: x (30, 6), y (30,)."""
    x = rng.normal(size=(30, 6)) * [3, 2, 1, 0.5, 0.1, 0.02]
    return x, x @ rng.normal(size=6) + 0.1 * rng.normal(size=30)


@pytest.mark.parametrize("w, amount", [(1.0, 0.3), (-1.0, 0.3), (0.2, 0.3), (-0.2, 0.3), (0.5, 0.0), (0.0, 1.0)])
def test_soft_threshold_is_the_lowest_point(w, amount):
    v = np.linspace(-2, 2, 40_001)
    cost = (v - w) ** 2 / 2 + amount * np.abs(v)
    assert shrinkage.soft_threshold(w, amount) == pytest.approx(v[cost.argmin()], abs=1e-4)


def test_soft_threshold_solves_the_lasso_of_inputs_that_do_not_mix():
    """Orthonormal columns: every weight is on its own, and the lasso is one soft threshold each."""
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(40, 5)))
    y = q @ [2.0, -1.0, 0.3, 0.05, 0.0]
    lasso = Lasso(alpha=0.2 / 40, fit_intercept=False).fit(q, y)  # its mean squares: 1/(2 · 40) Σ + α Σ|w|
    assert shrinkage.soft_threshold(q.T @ y, 0.2) == pytest.approx(lasso.coef_, abs=1e-4)
    assert (shrinkage.soft_threshold(q.T @ y, 0.2)[3:] == 0).all()


def test_soft_threshold_takes_an_amount_for_each_lane(rng):
    w, amounts = rng.normal(size=(3, 4, 2)), np.array([0.0, 0.3, 1.0])
    every = shrinkage.soft_threshold(w, amounts[:, None, None])
    for number, amount in enumerate(amounts):
        assert (every[number] == shrinkage.soft_threshold(w[number], amount)).all()
    with pytest.raises(SettingError, match=r"soft_threshold\.amount must be a number, 0 or more"):
        shrinkage.soft_threshold(w, -amounts[:, None, None])


@pytest.mark.parametrize("strength", [1e-3, 0.1, 1.0, 100.0])
def test_ridge_is_scikit_learns(line, strength):
    x, y = line
    assert shrinkage.ridge(x, y, strength) == pytest.approx(Ridge(strength, fit_intercept=False).fit(x, y).coef_)


def test_ridge_of_two_outputs_and_without_a_penalty(line):
    x, y = line
    both = shrinkage.ridge(x, np.stack([y, 2 * y], axis=1), 0.3)
    assert both[:, 1] == pytest.approx(2 * shrinkage.ridge(x, y, 0.3))
    assert shrinkage.ridge(x, y, 0.0) == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[0])
    assert np.isfinite(shrinkage.ridge(np.zeros((4, 2)), np.ones(4), 0.0)).all()


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_ridge_factors_are_the_shares_that_are_left(line, strength):
    x, y = line
    _, s, v = np.linalg.svd(x, full_matrices=False)
    share = (v @ shrinkage.ridge(x, y, strength)) / (v @ np.linalg.lstsq(x, y, rcond=None)[0])
    assert shrinkage.ridge_factors(s, strength) == pytest.approx(share)
    assert shrinkage.ridge_factors([0.0, np.sqrt(strength)], strength) == pytest.approx([0.0, 0.5])
    assert shrinkage.ridge_factors([0.0, 2.0], 0.0).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("steps", [1, 7, 200])
def test_stopping_factors_are_where_gradient_descent_is(line, steps):
    x, y = line
    rate, w = 0.5 / np.linalg.norm(x, 2) ** 2, np.zeros(6)
    for _ in range(steps):
        w -= rate * x.T @ (x @ w - y)
    _, s, v = np.linalg.svd(x, full_matrices=False)
    share = (v @ w) / (v @ np.linalg.lstsq(x, y, rcond=None)[0])
    assert shrinkage.stopping_factors(s, rate, steps) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.9])
def test_dropout_penalty_is_the_mean_over_all_masks(line, rate):
    x, y = line
    w, total = np.arange(1.0, 7.0), 0.0
    for mask in product((0, 1), repeat=6):  # one mask for all rows: each row's own has the same mean
        m = np.array(mask)
        chance = np.prod(np.where(m, 1 - rate, rate))
        total += chance * (((x * m / (1 - rate)) @ w - y) ** 2).mean()
    added = total - ((x @ w - y) ** 2).mean()
    assert shrinkage.dropout_penalty(x, w, rate) == pytest.approx(added, abs=1e-9)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: shrinkage.soft_threshold(1.0, -1.0), r"soft_threshold\.amount must be a number, 0 or more"),
        (lambda: shrinkage.ridge_factors(1.0, float("nan")), r"ridge_factors\.strength must be a number, 0 or more"),
        (lambda: shrinkage.stopping_factors(1.0, 0.1, 0), r"stopping_factors\.steps must be a whole number, 1 or more"),
        (lambda: shrinkage.dropout_penalty([[1.0]], [1.0], 1.0), r"dropout_penalty\.rate must be in \[0, 1\)"),
    ],
)
def test_bad_settings_are_refused(call, words):
    with pytest.raises(SettingError, match=words):
        call()


def test_a_dropout_layer_costs_what_the_formula_says(line):
    from dlcourse.labs.regularization import penalties

    x, y = line
    w = np.linspace(-1, 1, 6)
    thrown = penalties.noisy_dropout(x, y, w, 0.3, throws=4000) - ((x @ w - y) ** 2).mean()
    assert thrown == pytest.approx(dl.shrinkage.dropout_penalty(x, w, 0.3), rel=0.03)
