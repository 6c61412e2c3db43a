import math

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import theory


def slowest_error(alpha, mu, curvatures, steps):
    w, v = np.ones(len(curvatures)), np.zeros(len(curvatures))
    errors = []
    for _ in range(steps):
        v = mu * v - alpha * curvatures * w
        w = w + v
        errors.append(np.linalg.norm(w) / math.sqrt(len(w)))
    return np.array(errors)


@pytest.mark.parametrize(("kappa", "plain", "heavy"), [(10, 61, 24), (100, 611, 85), (1000, 6104, 288)])
def test_published_numbers_of_steps(kappa, plain, heavy):
    """Fifty curvatures from 1 to kappa; steps until the error is a millionth of what it was (Goh 2017)."""
    curvatures = np.linspace(1.0, kappa, 50)
    for (alpha, mu), steps in (
        ((theory.best_gradient_descent(1.0, kappa), 0.0), plain),
        (theory.best_momentum(1.0, kappa), heavy),
    ):
        errors = slowest_error(alpha, mu, curvatures, steps)
        assert errors[-1] <= 1e-6 < errors[-2]


@pytest.mark.parametrize(("kappa", "plain", "heavy"), [(10, 0.818, 0.519), (100, 0.980, 0.818), (1000, 0.998, 0.939)])
def test_rates(kappa, plain, heavy):
    assert theory.gradient_descent_rate(kappa) == pytest.approx(plain, abs=5e-4)
    assert theory.momentum_rate(kappa) == pytest.approx(heavy, abs=5e-4)
    errors = slowest_error(theory.best_gradient_descent(1.0, kappa), 0.0, np.array([1.0, kappa]), 50)
    assert errors[-1] / errors[-2] == pytest.approx(theory.gradient_descent_rate(kappa))


@pytest.mark.parametrize("kappa", [1.0, 10.0, 400.0])
def test_best_settings_reach_the_best_rates_at_both_ends(kappa):
    alpha, mu = theory.best_momentum(2.0, 2.0 * kappa)
    plain = theory.best_gradient_descent(2.0, 2.0 * kappa)
    for curvature in (2.0, 2.0 * kappa):
        # near a double root half of the digits are lost
        assert theory.error_factor(alpha, mu, curvature) == pytest.approx(theory.momentum_rate(kappa), abs=1e-6)
        assert theory.error_factor(plain, 0.0, curvature) == pytest.approx(theory.gradient_descent_rate(kappa))


def test_rate_where_the_roots_are_complex_is_the_root_of_the_momentum():
    """The published text says 2√β; the eigenvalues of its own matrix have size √β."""
    assert theory.error_factor(0.5, 0.81, 1.0) == pytest.approx(0.9)
    matrix = np.array([[0.81, 1.0], [-0.5 * 0.81, 1.0 - 0.5]])
    assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(0.9)


def grows(rule, alpha, mu, curvature=3.0, steps=20_000):
    optimizer, w = rule(alpha, momentum=mu), 1.0
    for _ in range(steps):
        w = optimizer.step(w, curvature * w)
        if abs(w) > 1e3:
            return True
    assert abs(w) < 1e-3
    return False


@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("rule", [dl.Momentum, dl.Nesterov])
def test_stability_flips_at_the_limit(rule, mu):
    plain = rule is dl.Momentum
    limit = theory.stability_limit if plain else theory.nesterov_stability_limit
    factor = theory.error_factor if plain else theory.nesterov_error_factor
    alpha = limit(mu, curvature=3.0)
    assert not grows(rule, 0.999 * alpha, mu)
    assert grows(rule, 1.001 * alpha, mu)
    assert factor(0.999 * alpha, mu, 3.0) < 1 < factor(1.001 * alpha, mu, 3.0)
    assert factor(alpha, mu, 3.0) == pytest.approx(1.0)


@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("alpha", [0.01, 0.2, 0.6])
def test_nesterov_error_factor_is_its_matrixs(alpha, mu):
    s = 1.0 - alpha
    matrix = np.array([[(1 + mu) * s, -mu * s], [1.0, 0.0]])
    largest = np.abs(np.linalg.eigvals(matrix)).max()
    assert theory.nesterov_error_factor(alpha, mu, 1.0) == pytest.approx(largest)


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, "2", None, True])
def test_theory_refuses_bad_numbers(bad):
    for call in (
        lambda: theory.stability_limit(0.9, bad),
        lambda: theory.nesterov_stability_limit(0.9, bad),
        lambda: theory.error_factor(bad, 0.9, 1.0),
        lambda: theory.nesterov_error_factor(bad, 0.9, 1.0),
        lambda: theory.best_momentum(bad, 1.0),
        lambda: theory.best_gradient_descent(1.0, bad),
        lambda: theory.gradient_descent_rate(bad),
        lambda: theory.momentum_rate(bad),
    ):
        with pytest.raises(ValueError, match=r"\w+\.\w+ must be a number"):
            call()
    with pytest.raises(ValueError, match=r"stability_limit\.momentum must be in \[0, 1\)"):
        theory.stability_limit(1.0, 1.0)
    with pytest.raises(ValueError, match=r"best_momentum\.largest must be a number, 2.0 or more"):
        theory.best_momentum(2.0, 1.0)
