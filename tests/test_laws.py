"""Draws are told from draws of another law, and right ones are never refused: against SciPy's exact probabilities."""

import math

import numpy as np
import pytest
from scipy import stats

from dlcourse.checks import laws
from dlcourse.checks.laws import dice, follow, normal, truncated, uniform

ROOT3 = math.sqrt(3)


def kept_normal(rng, size, at):
    draws = rng.normal(size=3 * size)
    return draws[np.abs(draws) < at][:size]


# name: a draw of mean 0 and deviation 1 (but for the truncated), how many it takes, the law it pretends to follow
OTHERS = {
    "Laplace as normal": (lambda rng, n: rng.laplace(0, math.sqrt(0.5), n), 8000, normal(1.0)),
    "uniform as normal": (lambda rng, n: rng.uniform(-ROOT3, ROOT3, n), 2000, normal(1.0)),
    "truncated as normal": (lambda rng, n: kept_normal(rng, n, 2) / 0.8796, 8000, normal(1.0)),
    "two points as normal": (lambda rng, n: rng.choice([-1.0, 1.0], n), 300, normal(1.0)),
    "three points as uniform": (lambda rng, n: rng.choice([-1, 0, 1], n) * 1.5**0.5, 300, uniform(-ROOT3, ROOT3)),
    "normal as uniform": (lambda rng, n: rng.normal(size=n), 300, uniform(-ROOT3, ROOT3)),
    "triangle as uniform": (lambda rng, n: (rng.random(n) - rng.random(n)) * 6**0.5, 300, uniform(-ROOT3, ROOT3)),
    "a shuffled row": (lambda rng, n: rng.permutation(np.linspace(-ROOT3, ROOT3, n)), 1000, uniform(-ROOT3, ROOT3)),
    "clipped, not thrown again": (lambda rng, n: np.clip(rng.normal(size=n), -2, 2), 1000, truncated(1.0)),
    "normal as truncated": (lambda rng, n: rng.normal(size=n), 1000, truncated(1.0)),
}  # fmt: skip

SAME = {
    "normal": (lambda rng, n: rng.normal(0.5, 3.0, n), normal(3.0, 0.5)),
    "uniform": (lambda rng, n: rng.uniform(-2, 5, n), uniform(-2, 5)),
    "truncated": (lambda rng, n: 0.1 * kept_normal(rng, n, 2), truncated(0.1)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_law_of_the_same_mean_and_deviation_is_noticed(name):
    draw, number, law = OTHERS[name]
    rng = np.random.default_rng(1)
    assert not any(follow([(draw(rng, number), law)]) for _ in range(50))


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_the_law_itself_is_not_refused(name, kind):
    draw, law = SAME[name]
    rng = np.random.default_rng(2)
    for number in [3, 40, 700, 8000] * 50:
        assert follow([(draw(rng, number).astype(kind), law)])


def test_draws_of_several_laws_are_pooled(rng):
    scales = [0.1, 1.0, 10.0]
    assert follow((rng.normal(0, s, (50, 60)), normal(s)) for s in scales)
    assert not follow((rng.laplace(0, s * math.sqrt(0.5), (50, 60)), normal(s)) for s in scales)
    assert not follow([])


@pytest.mark.parametrize("number", [30, 1000, 7200, 30_000])
def test_right_draws_are_refused_less_often_than_once_in_a_billion(number):
    """The exact probability that a binomial number leaves what is allowed, added up over all levels."""
    counts, limit = np.arange(number + 1), math.log(2 * len(laws.LEVELS) / laws.RISK)
    risk = 0.0
    for level in laws.LEVELS:
        far = number * laws.divergence(counts / number, np.full(number + 1, level)) > limit
        risk += stats.binom.pmf(counts[far], number, level).sum()
    assert 0 < risk < laws.RISK


@pytest.mark.parametrize("degrees", [30, 64, 200])
def test_what_is_called_too_even_comes_by_chance_less_often_than_once_in_a_billion(degrees):
    expected = np.full(degrees, 1000.0)
    shares = [s for s in np.linspace(0.01, 1, 400) if laws.too_even(expected + np.sqrt(1000 * s), expected)]
    assert shares
    assert stats.chi2.cdf(max(shares) * degrees, degrees) < laws.RISK


def test_quantiles_are_those_of_scipy():
    levels = [0.0, 0.003, 0.2, 0.5, 0.8, 0.999, 1.0]
    for law, theirs in (
        (normal(2.0, 1.0), stats.norm(1, 2)),
        (truncated(0.5), stats.truncnorm(-2, 2, scale=0.5)),
        (uniform(-1, 3), stats.uniform(-1, 4)),
    ):
        np.testing.assert_allclose([law(p) for p in levels], theirs.ppf(levels), atol=1e-12)


# Dice

PLACES = np.arange(8000).reshape(100, 80)
PATTERNS = {
    "shifted from row to row": lambda rng, r: np.less((PLACES // 80 * 3 + PLACES % 80) % 20, 20 * r),
    "the golden section": lambda rng, r: np.less(PLACES * 0.618034 % 1, r),
    "one row for all": lambda rng, r: np.broadcast_to(rng.random(80) < r, (100, 80)),
    "one column for all": lambda rng, r: np.broadcast_to(rng.random((100, 1)) < r, (100, 80)),
    "the same number in each row": lambda rng, r: rng.permuted(np.tile(np.arange(80) < 80 * r, (100, 1)), axis=1),
    "the same number in each column": lambda rng, r: rng.permuted(np.tile(np.arange(100) < 100 * r, (80, 1)), axis=1).T,
    "half of it twice": lambda rng, r: np.tile(rng.random((50, 80)) < r, (2, 1)),
    "another rate": lambda rng, r: rng.random((100, 80)) < 1 - r,
}  # fmt: skip


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("rate", [0.15, 0.3, 0.8])
def test_a_pattern_is_no_throw_of_dice(name, rate):
    rng = np.random.default_rng(3)
    assert not any(dice(PATTERNS[name](rng, rate), rate) for _ in range(10))


def test_thrown_dice_are_taken():
    rng = np.random.default_rng(4)
    for rate in [0.1, 0.15, 0.3, 0.5, 0.8] * 10:
        assert dice(rng.random((100, 80)) < rate, rate)
        assert dice(rng.random((60, 70)) < rate, rate)
