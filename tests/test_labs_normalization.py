"""The labs of 03_batch_normalization: findings at all corners of their controls, and theory by another route."""

import itertools
import math
import re

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import theory
from dlcourse.labs.controls import Choice
from dlcourse.labs.normalization import batches, inside, kinds, networks, units

LABS = [
    networks.twins,
    networks.ten_decades,
    kinds.placement,
    kinds.relatives,
    units.one_unit,
    units.on_rays,
    inside.through_layers,
    inside.gradient_flow,
    batches.train_predict,
    batches.shift,
]
HEAVY = {networks.ten_decades, kinds.placement, kinds.relatives}


def corners(lab):
    """The ends of every control, in all combinations; a long choice by its ends, a seed by its start."""
    ends = [
        [c.options[0], c.options[-1]] if isinstance(c, Choice) else [c.low, c.high]
        for name, c in lab.controls.items()
        if name != "seed"
    ]
    names = [name for name in lab.controls if name != "seed"]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*ends)]


@pytest.mark.parametrize("make", LABS, ids=lambda make: make.__name__)
def test_findings_at_the_corners(make):
    lab = make()
    for given in corners(lab)[:: 3 if make in HEAVY else 1]:
        settings = lab.settings(**given)
        for state in lab.states(settings):  # noqa: B007 - the last one counts
            pass
        with np.errstate(all="ignore"):
            finding = lab.describe(state, settings)
        assert not re.search(r"\b(nan|inf)\b|e\+\d{3}", finding, re.IGNORECASE), (given, finding)
        assert re.match(r"[A-Z0-9]", finding) and finding.endswith("."), (given, finding)


def test_lanes_of_a_net_are_single_nets():
    scales = np.array([0.1, 1.0, 3.0])
    for kind in networks.NAMES:
        many = networks.build(kind, depth=2, scale=scales, lanes=3)
        for lane, scale in enumerate(scales):
            one = networks.build(kind, depth=2, scale=np.float32(scale))
            np.testing.assert_array_equal(many.parameters.theta[lane], one.parameters.theta)


def test_scale_multiplies_what_the_hidden_layers_compute_with():
    x = dl.datasets.digits()[0].x[:8]
    for kind in ("without", "weight"):
        base, loud = (networks.build(kind, depth=1, scale=scale) for scale in (1.0, 4.0))
        np.testing.assert_allclose(4 * base.predict(x), loud.predict(x), rtol=1e-5, atol=1e-6)


def test_the_loss_on_rays_is_the_librarys():
    """Loss and gradient of the unit, by a network with the library's layers, in double precision."""
    x, labels = units.cloud()
    w = np.array([0.3, -0.8])
    norm = dl.BatchNorm(eps=1e-300)
    net = dl.Network([dl.Dense(1), norm], input_shape=(2,), dtype="float64")
    net.layers[0].W[...], norm.gamma[...] = w[:, None], 2.0
    margin = labels[:, None] * net.forward(x, training=True)
    net.backward(-labels[:, None] / (1 + np.exp(margin)) / len(x))
    loss, gradient = units.unit_loss(w, x, labels)
    assert loss == pytest.approx(np.log1p(np.exp(-margin)).mean())
    np.testing.assert_allclose(gradient, net.layers[0].dW[:, 0], rtol=1e-10)
    assert units.Rays().f(w[0], w[1]) == pytest.approx(loss)
    assert abs(gradient @ w) < 1e-15 and loss == pytest.approx(units.unit_loss(9 * w, x, labels)[0])


def test_a_step_on_rays_obeys_pythagoras():
    _, _, points = units.spiral(1.0, 1.0, 0.0, 8, seed=0)
    steps = np.diff(points, axis=0)
    np.testing.assert_allclose((points[1:] ** 2).sum(1), (points[:-1] ** 2).sum(1) + (steps**2).sum(1))


@pytest.mark.parametrize(("eta", "decay"), [(1.0, 0.05), (0.3, 0.01), (5.0, 0.001)])
def test_the_mean_turn_is_the_theorems_up_to_the_change_of_length(eta, decay):
    """cos(angle) = (1 − ηλ) ‖w‖/‖w′‖ in every step, so over n steps only the first and the last length are left."""
    points = units.spiral(eta, 1.0, decay, 8, seed=1)[2]
    first, last = np.linalg.norm(points[[0, -1]], axis=1)
    cosine = (1 - eta * decay) * (first / last) ** (1 / units.WALK)
    assert units.mean_turn(points) == pytest.approx(math.degrees(math.acos(cosine)), rel=1e-6)


@pytest.mark.parametrize(
    ("eta", "decay", "length", "there"),
    [(1.0, 0.05, 0.2, True), (1.0, 0.05, 4.0, True), (0.01, 0.05, 1.0, False), (1.0, 0.001, 4.0, False)],
)
def test_a_length_that_rests_still_rests_when_the_run_goes_on(eta, decay, length, there, monkeypatch):
    short = units.spiral(eta, length, decay, 8, seed=0)
    assert units.rests(*short) == there
    monkeypatch.setattr(units, "WALK", 8 * units.WALK)
    logs = np.log(np.linalg.norm(units.spiral(eta, length, decay, 8, seed=0)[2], axis=1))
    moved = abs(logs[200:400].mean() - logs[1600:].mean())
    assert moved < 0.25 if there else moved > 0.25


@pytest.mark.parametrize(("eta", "decay"), [(0.1, 0.1), (1.0, 0.01), (0.5, 1.0)])
def test_resting_turn_is_where_a_constant_push_comes_to_rest(eta, decay):
    """A gradient of size 1/‖w‖, always at right angles: after many steps the angle is the formula's."""
    w = np.array([3.0, 0.0])
    for _ in range(4000):
        before = w
        w = (1 - eta * decay) * w - eta * np.array([-w[1], w[0]]) / (w @ w)
    cosine = (w @ before) / np.linalg.norm(w) / np.linalg.norm(before)
    assert math.acos(cosine) == pytest.approx(theory.resting_turn(eta, decay), rel=1e-6)


def test_growth_of_the_gradient_is_a_ratio_of_two_moments():
    """The variance of max(0, z), z standard normal, by numbers: half of a square comes back, this much went on."""
    z = np.linspace(-10, 10, 200_001)
    weight = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    signal = np.maximum(z, 0)
    variance = (signal**2 * weight).sum() - (signal * weight).sum() ** 2
    assert theory.relu_batch_norm_growth() == pytest.approx(math.sqrt(0.5 / variance), rel=1e-6)


@pytest.mark.parametrize("bad", [0, -1.0, 10.0, math.nan, "0.1", None])
def test_resting_turn_refuses_bad_numbers(bad):
    with pytest.raises(ValueError, match=r"resting_turn\.weight_decay must be above 0 and below"):
        theory.resting_turn(0.1, bad)


def test_jolts_leave_prediction_alone_and_pass_the_gradient():
    jolt = batches.Jolt(1.0, watch=True)
    net = dl.Network([dl.Dense(6), jolt], input_shape=(3,), dtype="float64")
    x = np.random.default_rng(0).normal(size=(5, 3))
    plain = net.predict(x)
    np.testing.assert_array_equal(plain, net.layers[0].forward(x))
    shaken = net.forward(x, training=True)
    assert (np.abs(shaken - plain) > 0.05).any() and len(jolt.seen) == 1
    np.testing.assert_allclose(np.diff(shaken, axis=0), np.diff(plain, axis=0) * jolt.factor)
    np.testing.assert_array_equal(jolt.backward(np.ones((5, 6))), np.ones((5, 6)) * jolt.factor)


def test_jolts_bring_no_gain_and_no_shift_along():
    jolt = batches.Jolt(1.0)
    jolt.reset()
    shift = np.mean([jolt.forward(np.zeros((2, 500)), training=True).mean() for _ in range(40)])
    factor = np.mean([(jolt.forward(np.ones((2, 500)), training=True), jolt.factor)[1].mean() for _ in range(40)])
    assert abs(shift) < 0.02 and abs(factor - 1) < 0.02


def test_only_the_jolted_nets_are_shaken():
    x = dl.datasets.digits()[0].x[:64]
    for norm in batches.NETS:
        net = batches.jolted_net(norm, "tanh", 1.0)
        same = np.array_equal(net.forward(x, training=True).copy(), net.forward(x, training=True))
        assert same == (norm in ("without", "batch"))


def test_a_loss_above_the_picture_is_said_to_be():
    assert batches.nats(0.5) == "0.50 nats" and batches.nats(31.0) == "more than 30 nats"


def test_smooth_is_a_running_mean():
    np.testing.assert_allclose(batches.smooth([1.0, 3.0, 8.0], width=2), [1.0, 2.0, 5.5])


def test_a_batch_mean_is_what_the_running_mean_was_moved_by():
    *_, (_, _, _, means) = batches.two_modes(64, 0.5, 1e-3, seed=0)
    batch, running = np.array(means).T
    np.testing.assert_allclose(np.diff(running), 0.5 * (batch[1:] - running[:-1]), atol=1e-6)
    assert np.std(batch) > 1.5 * np.std(running[10:])
