"""The labs of 05_decay: true findings at every corner of the controls; the law of noise by another route."""

import itertools
import math
import re

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import theory
from dlcourse.labs.controls import Choice, Slider
from dlcourse.labs.decay import cycles, schedules, walkers, weight_decay
from dlcourse.settings import SettingError

LABS = {
    "rattle": walkers.rattle,
    "law": walkers.law,
    "robbins_monro": walkers.robbins_monro,
    "falling": schedules.falling,
    "landing": schedules.landing,
    "restarts": cycles.restarts,
    "noise": cycles.noise,
    "plateau": cycles.plateau,
    "rising": cycles.rising,
    "range_test": cycles.range_test,
    "weight_decay": weight_decay.weight_decay,
    "recipe": weight_decay.recipe,
}


def corners(lab, how_many=4):
    """The start, and corners of the controls drawn at random: all choices, the ends of the sliders."""
    ends = {}
    for name, control in lab.controls.items():
        match control:
            case Choice():
                ends[name] = list(control.options)
            case Slider():
                ends[name] = [control.low, control.high]
    every = [dict(zip(ends, values, strict=True)) for values in itertools.product(*ends.values())]
    rng = np.random.default_rng(0)
    return [lab.settings(), *(every[i] for i in rng.permutation(len(every))[:how_many])]


def state_of(lab, settings):
    (*_, state) = lab.states(settings)
    return state


@pytest.mark.parametrize("name", LABS)
def test_findings_are_sentences_at_every_corner(name):
    lab = LABS[name]()
    for settings in corners(lab):
        finding = lab.describe(state_of(lab, settings), settings)
        assert finding[0].isupper() or finding[0] in "ηp" or finding.startswith("momentum")
        assert finding.endswith(".") and not re.search(r"\b(nan|inf)\b|none", finding, re.IGNORECASE), finding


@pytest.mark.parametrize("name", ["law", "falling", "range_test", "recipe"])
def test_a_frame_does_not_depend_on_those_before(name):
    lab, fresh = LABS[name](), LABS[name]()
    settings = corners(lab, 1)[-1]
    lab.last_frame()
    assert lab.last_frame(**settings).png == fresh.last_frame(**settings).png


# The law of noise


@pytest.mark.parametrize("rate", [0.1, 0.7, 1.5])
@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
def test_rattle_is_the_fixed_point_of_the_covariance(rate, mu):
    """θ and v as one linear system, whose covariance solves S = A S Aᵀ + B: another route to the formula."""
    curvature, noise = 1.3, 0.7
    a = np.array([[1.0 - rate * curvature, mu], [-rate * curvature, mu]])  # acts on (θ, v)
    b = (rate * noise) ** 2 * np.ones((2, 2))
    covariance = np.linalg.solve(np.eye(4) - np.kron(a, a), b.ravel()).reshape(2, 2)
    assert theory.rattle(rate, curvature, noise, mu) == pytest.approx(covariance[0, 0])


def test_mean_squares_settle_at_the_rattle_and_start_where_told():
    squares = theory.mean_squares([0.3] * 200, 1.3, 0.7, start=4.0)
    assert squares[0] == 4.0 and len(squares) == 201
    assert squares[-1] == pytest.approx(theory.rattle(0.3, 1.3, 0.7))


def test_mean_squares_are_what_walkers_do():
    rates = walkers.power_law(1.0, 0.7, 50)
    exact = theory.mean_squares(rates, 1.0, 1.0, start=9.0)
    seen = walkers.crowd(rates, 0.0, 3.0, seed=0, walkers=40_000)
    np.testing.assert_allclose(seen, exact, rtol=0.05)


def test_best_decay_is_best_at_every_step_and_falls_like_one_over_t():
    curvature, noise, start = 1.3, 0.7, 4.0
    first, k = theory.best_decay(curvature, noise, start)
    best = dl.InverseTimeDecay(first, decay_steps=1, decay_rate=k)
    squares = theory.mean_squares(map(best, range(100)), curvature, noise, start)
    delay = noise**2 / (curvature**2 * start)
    np.testing.assert_allclose(squares, [noise**2 / (curvature**2 * (t + delay)) for t in range(101)])
    rng = np.random.default_rng(0)
    for scale in (0.01, 0.1, 1.0):  # any other rates end higher
        other = [best(t) * math.exp(scale * rng.normal()) for t in range(100)]
        assert theory.mean_squares(other, curvature, noise, start)[-1] > squares[-1]


def test_no_rattle_above_the_edge():
    with pytest.raises(SettingError, match=r"rattle\.learning_rate must stay below 2\(1 \+ μ\)/λ"):
        theory.rattle(2.0, 1.0, 1.0)
    assert theory.rattle(2.0, 1.0, 1.0, momentum=0.5) > 0


# Training beside a schedule


def test_the_rates_of_a_lab_are_those_of_its_schedule():
    cosine = dl.CosineDecay(0.5, 300)
    runs = schedules.train([schedules.constant(0.5), cosine])
    assert runs.rates.shape == (schedules.STEPS, 2)
    assert (runs.rates[:, 0] == 0.5).all()
    np.testing.assert_array_equal(runs.rates[:, 1], [cosine(step) for step in range(schedules.STEPS)])


def test_a_lane_is_what_fit_makes_of_the_schedule_alone():
    cosine = dl.CosineDecay(0.5, 600)
    runs = schedules.train([schedules.constant(0.5), cosine], seed=3)
    digits, test = dl.datasets.digits()
    network = dl.Network([dl.Dense(10)], input_shape=(64,), seed=3)
    loss = dl.SoftmaxCrossEntropy()
    history = dl.fit(network, loss, dl.SGD(cosine), digits, epochs=2, batch_size=4, seed=3, validation=test)
    assert runs.right[1] == pytest.approx(history.validation_accuracy[-1])
    assert runs.losses[-1, 1] == pytest.approx(float(loss.forward(network.predict(digits.x), digits.y)))


def test_plateau_sees_the_loss_of_its_own_lane():
    runs = schedules.train([dl.ReduceOnPlateau(2.0, 0.3, 4), dl.ReduceOnPlateau(0.01, 0.3, 4)], asked=16)
    again = dl.ReduceOnPlateau(2.0, 0.3, 4)
    for loss in runs.losses[1::2, 0].tolist():  # every second look
        again.observe(loss)
    assert runs.rates[-1, 0] == again(0) < 2.0 and runs.rates[-1, 1] == 0.01


def test_the_loss_of_a_finding_is_the_last_point_of_its_curve_and_the_same_in_every_lab():
    said = set()
    for make in (schedules.falling, schedules.landing, cycles.restarts, cycles.noise, cycles.plateau):
        lab = make()
        settings = lab.settings(learning_rate=2.0)
        runs = state_of(lab, settings)
        finding = lab.describe(runs, settings)
        said.add(re.search(r"constant [^;]*", finding)[0])
        assert f"{runs.losses[-1, 0]:.3f} nats" in finding and runs.steps[-1] == schedules.STEPS
    assert len(said) == 1


def runs_that_end(losses):
    losses = np.array(losses)[:, None]
    return schedules.Runs([None], np.ones((len(losses), 1)), np.arange(len(losses)), losses, np.array([0.9]))


def test_a_finding_says_how_far_the_loss_swings_and_what_lies_outside_the_frame():
    steady = schedules.outcome(runs_that_end([0.2] * 16), ["it"])
    assert steady == "Loss after the last step: it 0.200 nats, 90.0% of new digits read."
    assert "0.300 nats (lately 0.200 to 0.300)" in schedules.outcome(runs_that_end([0.2] * 15 + [0.3]), ["it"])
    assert "0.010 nats, below the frame" in schedules.outcome(runs_that_end([0.01] * 16), ["it"])
    assert "9.000 nats, above the frame" in schedules.outcome(runs_that_end([9.0] * 16), ["it"])
    assert "it no number" in schedules.outcome(runs_that_end([np.nan] * 16), ["it"])


def test_too_much_is_farther_away_than_the_start():
    lab, points = walkers.rattle(), np.tile([[3.0, 3.0]], (100, 1))
    calm = np.linspace([3.0, 3.0], walkers.SURFACE.minima[0], 100)
    settings = lab.settings()
    assert "too much" in lab.describe((1, points * np.linspace(1, 9, 100)[:, None], calm), settings)
    assert "too much" not in lab.describe((1, calm, calm), settings)


# Weights that shrink


@pytest.mark.parametrize("rule", weight_decay.RULES)
def test_only_plain_descent_makes_twins_of_l2_and_decay(rule):
    weights, _ = weight_decay.twins(rule, 0.1, weight_decay.HALF, seed=1, epochs=1)
    assert np.allclose(*weights, atol=1e-5) == (rule == "SGD")


def test_under_momentum_l2_is_nearly_a_decay_of_another_strength_and_under_adam_it_is_not():
    """Momentum counts the penalty 1/(1 − μ) times."""
    apart = {}
    for rule in ("momentum", "Adam"):
        for strength in weight_decay.STRENGTHS:
            weights, _ = weight_decay.twins(rule, 0.3, strength, seed=1, epochs=4)
            apart[rule, strength] = weight_decay.difference(weights)
    assert apart["momentum", weight_decay.LESS] < 0.1 * apart["momentum", weight_decay.HALF]
    assert min(apart["Adam", strength] for strength in weight_decay.STRENGTHS) > 0.3


def test_the_same_run_is_so_when_it_goes_on_twice_as_long():
    for epochs in (2, 4):
        weights, _ = weight_decay.twins("SGD", 0.1, weight_decay.HALF, seed=2, epochs=epochs)
        assert weight_decay.difference(weights) < weight_decay.ROUNDING


def test_readings_are_what_the_library_does():
    """Against L2, SGDW and a hand-written loop over one weight."""
    rng = np.random.default_rng(0)
    theta, grads = rng.normal(size=5), rng.normal(size=(20, 5))
    fixed, slope = weight_decay.readings(0.98)
    rule = weight_decay.Shrinking(0.1, fixed, slope)
    lanes = np.tile(theta, (4, 1))
    plain, factor, penalty, decoupled = theta.copy(), theta.copy(), theta.copy(), theta.copy()
    sgd, l2, sgdw = dl.SGD(0.1), dl.SGD(0.1), dl.SGDW(0.1, 0.0, 0.02)
    for g in grads:
        rule.step(lanes, np.tile(g, (4, 1)))
        sgd.step(plain, g)
        factor = 0.98 * factor - 0.1 * g
        l2.step(penalty, g + 2 * 0.02 * penalty)
        sgdw.step(decoupled, g)
    np.testing.assert_allclose(lanes, [plain, factor, penalty, decoupled])
