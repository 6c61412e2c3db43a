"""Projections: PyTorch's renorm, the ball and the sphere, and what must not be touched."""

import json
from pathlib import Path

import numpy as np
import pytest
from concepts import OPTIMIZERS, named, problem, small_network
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import dlcourse as dl
from dlcourse.backend import to_device, to_host
from dlcourse.constraints import Constraint, MaxNorm, UnitNorm
from dlcourse.initializers import Gaussian
from dlcourse.layers.base import Layer
from dlcourse.parameters import Parameters
from dlcourse.settings import SettingError

LOSS = dl.SoftmaxCrossEntropy()
ORACLE = json.loads((Path(__file__).parent / "oracles" / "regularization.json").read_text())


class Holder(Layer):
    """A layer with one weight of any shape, and a bias."""

    def __init__(self, shape):
        self.shape = shape

    def setup(self, input_shape):
        self.declare("W", self.shape, Gaussian(), decays=True)
        self.declare("b", (1, self.shape[-1]), Gaussian())
        return input_shape


def parameters_of(w, lanes=None, dtype="float64"):
    """(parameters, window): W starts as w, b as sevens."""
    layer = Holder(w.shape if lanes is None else w.shape[1:])
    layer.prepare((1,))
    parameters = Parameters([layer], lanes, dtype)
    layer.W[...], layer.b[...] = to_device(w, dtype), 7
    return parameters, layer


def project(constraint, w, **settings):
    parameters, layer = parameters_of(w, **settings)
    constraint.project(parameters)
    assert (to_host(layer.b) == 7).all()
    return to_host(layer.W)


@pytest.mark.parametrize("answer", ORACLE["max_norm"], ids=["dense", "convolution"])
def test_max_norm_agrees_with_pytorchs_renorm(answer):
    projected = project(MaxNorm(answer["limit"]), np.array(answer["w"]))
    np.testing.assert_allclose(projected, answer["projected"], rtol=1e-6)  # renorm adds 1e-7 to the length


SHAPES = st.sampled_from([(1, 1), (7, 1), (1, 5), (33, 4), (3, 3, 2, 5), (2, 9)])
NUMBERS = st.floats(-(2.0**100), 2.0**100, width=32)
WEIGHTS = SHAPES.flatmap(lambda shape: arrays("float32", shape, elements=NUMBERS))


def lengths(w):
    return np.sqrt((w.astype(float) ** 2).sum(axis=tuple(range(w.ndim - 1))))


@given(WEIGHTS, st.floats(0.01, 100))
def test_max_norm_is_the_projection_onto_the_ball(w, limit):
    projected = project(MaxNorm(limit), w, dtype="float32")
    before, after = lengths(w), lengths(projected)
    assert (after <= limit * (1 + 1e-5)).all()
    inside = before <= limit * (1 - 1e-5)
    np.testing.assert_array_equal(projected[..., inside], w[..., inside])  # exactly
    outside = before > limit * (1 + 1e-5)
    np.testing.assert_allclose(after[outside], limit, rtol=1e-5)
    np.testing.assert_allclose(projected[..., outside] / limit, w[..., outside] / before[outside], rtol=1e-4, atol=1e-6)


@given(WEIGHTS)
def test_unit_norm_keeps_the_direction_only(w):
    projected, before = project(UnitNorm(), w, dtype="float32"), lengths(w)
    long = before > 1e-30
    np.testing.assert_allclose(lengths(projected)[long], 1, rtol=1e-5)
    np.testing.assert_allclose(projected[..., long], w[..., long] / before[long], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("constraint", [MaxNorm(1.0), UnitNorm()], ids=repr)
def test_a_column_of_zeros_stays_zero(constraint):
    w = np.array([[0.0, 3.0], [0.0, 4.0]])
    np.testing.assert_allclose(project(constraint, w), [[0, 0.6], [0, 0.8]])


@pytest.mark.parametrize("constraint", [MaxNorm(1.0), UnitNorm()], ids=repr)
def test_a_column_that_is_not_finite_stays_and_spoils_no_other(constraint):
    w = np.array([[np.inf, np.nan, 3.0, 0.6], [1.0, 2.0, 4.0, 0.8]])
    np.testing.assert_array_equal(project(constraint, w)[:, :2], w[:, :2])
    np.testing.assert_allclose(project(constraint, w)[:, 2:], [[0.6, 0.6], [0.8, 0.8]])


def test_huge_weights_do_not_overflow():
    w = np.array([[3e30], [4e30]], "float32")
    np.testing.assert_allclose(project(MaxNorm(5.0), w, dtype="float32"), [[3], [4]], rtol=1e-6)
    np.testing.assert_allclose(project(UnitNorm(), w, dtype="float32"), [[0.6], [0.8]], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (300, 1), (1, 5), (64, 33), (129, 10), (3, 3, 4, 5), (3, 3, 1, 1)])
def test_lanes_are_projected_as_if_alone(shape, dtype, rng):
    w, limits = rng.normal(size=(3, *shape)).astype(dtype), np.array([[0.1], [1.0], [2.0]])
    for make in (lambda lane: MaxNorm(limits if lane is None else limits[lane].item()), lambda lane: UnitNorm()):
        together = project(make(None), w, lanes=3, dtype=dtype)
        assert together.dtype == dtype
        for lane in range(3):
            np.testing.assert_array_equal(together[lane], project(make(lane), w[lane], dtype=dtype))


@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
def test_lanes_of_limits_are_single_runs(optimizer):
    limits = [0.3, 0.8, 2.0]

    def trained(lanes, optimizer, limit):
        network = small_network(lanes=lanes)
        dl.fit(network, LOSS, optimizer, problem(LOSS), epochs=2, batch_size=8, constraints=[MaxNorm(limit)])
        return network.parameters.theta

    together = trained(3, optimizer.columns(), np.array(limits)[:, None])
    for lane, limit in enumerate(limits):
        np.testing.assert_array_equal(together[lane], trained(None, optimizer.single(lane), limit))


@pytest.mark.parametrize(("constraint", "low"), [(MaxNorm(0.5), 0), (UnitNorm(), 1 - 1e-5)], ids=["ball", "sphere"])
def test_weights_obey_after_every_step(constraint, low):
    network = small_network()
    steps = dl.training_steps(
        network, LOSS, dl.Momentum(0.5), problem(LOSS), epochs=2, batch_size=8, constraints=[constraint]
    )
    high = 0.5 if low == 0 else 1.0
    for _ in steps:
        for w in network.parameters.weights():
            assert (lengths(w) <= high * (1 + 1e-5)).all()
            assert (lengths(w) >= low).all()


def test_constraints_leave_frozen_weights_alone():
    network = small_network()
    network.freeze(0)
    before = network.layers[0].W.copy()
    UnitNorm().project(network.parameters)
    np.testing.assert_array_equal(network.layers[0].W, before)
    np.testing.assert_allclose(np.linalg.norm(network.layers[2].W, axis=0), 1, rtol=1e-6)


@pytest.mark.parametrize("lanes", [None, 3])
def test_projections_never_leave_the_device(device, lanes, rng):
    w = rng.normal(size=(4, 5) if lanes is None else (lanes, 4, 5)).astype("float32")
    limit = 1.0 if lanes is None else np.array([[0.5], [1.0], [3.0]])
    for constraint in (MaxNorm(limit), UnitNorm()):
        with dl.using("numpy"):
            ours = project(constraint, w, lanes=lanes, dtype="float32")
        with dl.using("cupy"):
            np.testing.assert_allclose(project(constraint, w, lanes=lanes, dtype="float32"), ours, rtol=1e-5)


@pytest.mark.parametrize("limit", [0, -1, np.nan, np.inf, "3", np.array([[1.0], [0.0]])])
def test_a_limit_that_cannot_be_is_refused(limit):
    with pytest.raises(SettingError, match=r"MaxNorm.limit must be a number above 0"):
        MaxNorm(limit)


def test_limits_must_fit_the_lanes():
    with pytest.raises(SettingError, match=r"MaxNorm.limit must have one row for each lane of theta, whose shape is"):
        MaxNorm(np.ones((2, 1))).project(small_network(lanes=3).parameters)


def test_constraint_is_an_interface():
    with pytest.raises(NotImplementedError):
        Constraint().project(None)
