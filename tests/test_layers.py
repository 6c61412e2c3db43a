"""Every layer: its formula against PyTorch or by hand, its backward against finite differences."""

import numpy as np
import pytest
from concepts import ACTIVATIONS, LAYERS, named

import dlcourse as dl
from dlcourse.layers import Layer
from dlcourse.settings import SettingError


def build(row, lanes=None, dtype="float64"):
    layer = row.single()
    layer.build(row.input_shape, seed=3, lanes=lanes, dtype=dtype)
    return layer


def slope_errors(layer, x, rng, h=1e-6, training=True):
    """The worst difference between backward and finite differences of f = Σ u · forward(x), u random."""
    theta, grad = layer.parameters.theta, layer.parameters.grad

    def forward():
        layer.reseed(np.random.SeedSequence(1))  # the dice fall as they did
        return layer.forward(x, training)

    u = rng.normal(size=forward().shape)  # all ones would hide mistakes
    grad[...] = np.nan  # whatever backward does not write stays NaN

    def slopes(variable):
        numeric = np.empty_like(variable)
        for place in np.ndindex(variable.shape):
            before = variable[place]
            ends = []
            for moved in (before + h, before - h):
                variable[place] = moved
                ends.append((u * forward()).sum())
            variable[place] = before
            numeric[place] = (ends[0] - ends[1]) / (2 * h)
        return numeric

    forward()
    dx = layer.backward(u)
    pairs = [(dx.sum(axis=0) if dx.ndim > x.ndim else dx, slopes(x)), (grad, slopes(theta))]
    return [np.abs(ours - numeric).max(initial=0.0) for ours, numeric in pairs]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("lanes", [None, 2])
@pytest.mark.parametrize("row", **named(LAYERS))
def test_backward_agrees_with_finite_differences(row, lanes, batch, training, rng):
    layer, x = build(row, lanes), rng.normal(size=(max(batch, row.least), *row.input_shape))
    layer.parameters.theta += rng.normal(0, 0.3, layer.parameters.theta.shape)  # no gain of 1, no shift of 0
    for state in layer.state().values():
        state += rng.uniform(0.1, 1, state.shape)
    for error in slope_errors(layer, x, rng, training=training):
        assert error < 1e-7  # false for NaN too


class FlippedReLU(dl.ReLU):
    def backward(self, dy):
        return -super().backward(dy)


class HalfTanh(dl.Tanh):
    def backward(self, dy):
        return super().backward(dy) / 2


class ForgetfulSigmoid(dl.Sigmoid):
    def backward(self, dy):
        return dy * self.y  # (1 − y) left out


class NoBias(dl.Dense):
    def backward(self, dy):
        self.dW = self.x.mT @ dy
        return dy @ self.W.mT


class TransposedDense(dl.Dense):
    def backward(self, dy):
        super().backward(dy)
        return dy @ self.W


class AddingDense(dl.Dense):
    def backward(self, dy):
        self.dW += self.x.mT @ dy
        self.db += dy.sum(axis=-2, keepdims=True)
        return dy @ self.W.mT


WRONG = [FlippedReLU, HalfTanh, ForgetfulSigmoid] + [
    lambda kind=kind: kind(5, weight_init=dl.Gaussian(std=1.0)) for kind in (NoBias, TransposedDense, AddingDense)
]


@pytest.mark.parametrize("make", WRONG)
def test_a_wrong_backward_fails_the_check(make, rng):
    layer = make()
    layer.build((5,), dtype="float64")
    assert not all(error < 1e-7 for error in slope_errors(layer, rng.normal(size=(4, 5)), rng))


@pytest.mark.parametrize("row", **named(ACTIVATIONS))
def test_activation_agrees_with_pytorch(row, oracle):
    answer = oracle["activations"][row.name]
    x = np.array(answer["x"])[:, None]
    layer = row.make()
    layer.build((1,), dtype="float64")
    np.testing.assert_allclose(layer.forward(x)[:, 0], answer["y"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(layer.backward(np.ones_like(x))[:, 0], answer["dx"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("row", **named(ACTIVATIONS))
def test_activation_is_finite_at_the_largest_float32(row):
    layer = build(row, dtype="float32")
    x = np.array([[-3e38, -1e30, 0, 1e30, 3e38]], "float32")
    with np.errstate(over="ignore"):  # e^−x² may overflow on its way to 0
        assert np.isfinite(layer.forward(x)).all()
        assert np.isfinite(layer.backward(np.ones_like(x))).all()


def test_gelu_is_exact_not_the_tanh_approximation():
    layer = dl.GELU()
    y = layer.forward(np.array([[1.0, 3.0]]))
    np.testing.assert_allclose(y, [[0.8413447460685429, 3 * 0.9986501019683699]], rtol=1e-14)  # x Φ(x)


def test_relu_lets_the_gradient_pass_above_zero_only():
    layer, x = dl.ReLU(), np.float32([[-1, -0.0, 0, 1e-45, 0.3, 1, 7, np.inf]])
    layer.build((8,))
    np.testing.assert_array_equal(layer.forward(x), np.float32([[0, 0, 0, 1e-45, 0.3, 1, 7, np.inf]]))
    np.testing.assert_array_equal(layer.backward(np.full_like(x, 3)), [[0, 0, 0, 3, 3, 3, 3, 3]])


def test_leaky_relu_has_its_slope_at_zero():
    layer = dl.LeakyReLU(0.25)
    layer.build((3,))
    layer.forward(np.float32([[-1, 0, 1]]))
    np.testing.assert_array_equal(layer.backward(np.float32([[1, 1, 1]])), [[0.25, 0.25, 1]])


def test_dense_agrees_with_a_calculation_by_hand():
    layer = dl.Dense(2)
    assert layer.build((3,), dtype="float64") == (2,)
    layer.W[...] = [[1, 2], [3, 4], [5, 6]]
    layer.b[...] = [10, 20]
    y = layer.forward(np.array([[1.0, 0, -1], [0, 2, 0]]))
    np.testing.assert_array_equal(y, [[6, 16], [16, 28]])
    dx = layer.backward(np.array([[1.0, 0], [1, -1]]))
    np.testing.assert_array_equal(dx, [[1, 3, 5], [-1, -1, -1]])
    np.testing.assert_array_equal(layer.dW, [[1, 0], [2, -2], [-1, 0]])
    np.testing.assert_array_equal(layer.db, [[2, -1]])


def test_flatten_keeps_the_numbers_in_order(rng):
    layer = dl.Flatten()
    assert layer.build((2, 3, 4)) == (24,)
    x = rng.normal(size=(5, 2, 3, 4))
    np.testing.assert_array_equal(layer.forward(x), x.reshape(5, 24))
    np.testing.assert_array_equal(layer.backward(layer.forward(x)), x)


@pytest.mark.parametrize("row", **named(LAYERS))
def test_output_has_the_declared_shape_and_dtype(row):
    for dtype in ("float32", "float64"):
        layer = build(row, dtype=dtype)
        y = layer.forward(np.ones((6, *row.input_shape), dtype))
        assert (y.shape, y.dtype) == ((6, *layer.output_shape), dtype)
        assert layer.backward(y).dtype == dtype


@pytest.mark.parametrize("row", [row for row in LAYERS if row.name[:4] not in ("Flat", "Drop")], ids=lambda r: r.name)
def test_forward_outside_training_makes_a_new_array(row, rng):
    layer, x = build(row), rng.normal(size=(2, *row.input_shape))
    first = layer.forward(x)
    before = first.copy()
    assert not np.shares_memory(first, layer.forward(x + 1))
    assert not np.shares_memory(first, x)
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("row", **named(LAYERS))
def test_backward_overwrites_what_an_earlier_one_left(row, rng):
    layer, x = build(row), rng.normal(size=(3, *row.input_shape))
    dy = rng.normal(size=layer.forward(x).shape)
    first = layer.backward(dy).copy(), layer.parameters.grad.copy()
    layer.forward(x)
    second = layer.backward(dy), layer.parameters.grad
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("row", **named(LAYERS))
def test_layer_takes_an_empty_batch(row):
    layer = build(row)
    y = layer.forward(np.ones((0, *row.input_shape)))
    assert y.shape == (0, *layer.output_shape)
    assert layer.backward(y).shape == (0, *row.input_shape)


def test_dense_refuses_images():
    with pytest.raises(SettingError, match=r"Dense.input_shape must have one axis.*\(4, 4, 1\).*Flatten\(\)"):
        dl.Dense(3).build((4, 4, 1))


def test_build_forgets_earlier_windows_and_memory():
    layer = dl.Dense(3)
    layer.build((4,))
    layer.build((2,))
    assert layer.W.shape == (2, 3)
    assert layer.forward(np.ones((5, 2))).shape == (5, 3)
    assert layer.parameters.size == 9


def test_layer_is_an_interface():
    for call in (lambda: Layer().forward(None), lambda: Layer().backward(None)):
        with pytest.raises(NotImplementedError):
            call()
