"""What the trials of momentum and decay are built from, against plain loops, and on runs twice as long."""

import math

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import surfaces
from dlcourse.trials import decay, momentum, nets


def steps_by_hand(rate, mu, kappa, angle, goal):
    """Momentum on (x² + κy²)/2: the step from which on the distance stays at the goal or below."""
    x, v = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))]), np.zeros(2)
    last = 0
    for t in range(1, 4000):
        v = mu * v - rate * x * [1.0, kappa]
        x = x + v
        if np.hypot(*x) > goal:
            last = t
    return last + 1


@pytest.mark.parametrize("momenta", [[0.0], [0.0, 0.3, 0.6]])
def test_the_fewest_steps_are_those_of_the_best_rate_and_momentum(momenta):
    kappa, angle, goal = 8.0, 70.0, 1e-3
    found = momentum.fewest_steps(dl.Momentum, kappa, angle, goal, momenta)
    rates = 1.5 / kappa * 1.1 ** np.arange(-10.0, 11.0)
    assert found == min(steps_by_hand(rate, mu, kappa, angle, goal) for rate in rates for mu in momenta)


@pytest.mark.parametrize("height", [0.1, 1.0, 4.0])
def test_a_place_is_as_high_as_told(height):
    well = surfaces.DoubleWell(1.3, 0.2)
    x = momentum.place_at(well, height)
    assert x < -1 and well.value(x, 0.0) - well.value(-1.0, 0.0) == pytest.approx(height * well.climb)


def test_the_largest_rate_is_where_the_deep_floor_is_lost():
    well = surfaces.DoubleWell(0.7, 0.3)
    for mu in (0.0, 0.8):
        for share, kept in ((0.98, True), (1.02, False)):
            rate = share * momentum.largest_rate(well, mu)
            way = surfaces.descend(well, dl.Momentum(rate, mu), start=(1.001, 0.0), steps=2000)
            assert (abs(way[-1, 0] - 1) < 0.001) == kept


def test_who_ends_deep_is_there_after_twice_the_steps():
    rng = np.random.default_rng(0)
    for _ in range(6):
        well = surfaces.DoubleWell(rng.uniform(0.5, 3), rng.uniform(0.05, 0.6))
        mus = rng.uniform(0, 0.985, 40)
        rates = rng.uniform(0.02, 0.95, 40) * [momentum.largest_rate(well, mu) for mu in mus]
        start = momentum.place_at(well, rng.uniform(0.5, 8))
        with np.errstate(all="ignore"):
            once, twice = (momentum.ends_deep(well, rates, mus, start, steps) for steps in (1500, 3000))
        np.testing.assert_array_equal(once, twice)


def test_a_lane_of_a_schedule_trains_as_it_would_alone():
    task = "moons", 16, 64, 40, 7
    lanes = decay.ends(decay.cosine, [0.1, 0.4], *task, momentum=0.9)
    assert lanes.shape == (2, 4)
    network = dl.Network([dl.Dense(16), dl.ReLU(), dl.Dense(10)], input_shape=(2,), seed=7 + 2)
    train = nets.split("moons", 256, 7).train
    dl.fit(
        network,
        dl.SoftmaxCrossEntropy(),
        dl.Momentum(dl.CosineDecay(0.4, 40), 0.9),
        train,
        epochs=10,
        batch_size=64,
        seed=7,
    )
    alone = float(dl.SoftmaxCrossEntropy().forward(network.predict(train.x), train.y))
    assert lanes[1, 2] == pytest.approx(alone, rel=1e-5)


def test_a_schedule_that_looks_sees_its_own_lane():
    """What it saw last is the loss that its own lane ended with."""
    seen = []

    class Looking(dl.ReduceOnPlateau):
        def observe(self, metric):
            seen.append(metric)
            super().observe(metric)

    ends = decay.ends(lambda rate, steps: Looking(rate, 0.1, 0), [0.1, 1.0], "digits", 0, 64, 16, 3)
    looks = np.array(seen).reshape(-1, 2, 4)
    np.testing.assert_allclose(looks[-1], ends)
    assert len(looks) == 4


def test_percent_lower_counts_no_number_as_bad_and_is_bounded():
    one, other = np.array([0.5, np.nan, 1.0, 9.0]), np.array([1.0, 1.0, np.nan, 1.0])
    np.testing.assert_allclose(decay.percent_lower(one, other), [50.0, -300.0, 100.0, -300.0])
