"""Convolutions and pooling: against PyTorch, against their own symmetries, in training."""

import json
from pathlib import Path

import numpy as np
import pytest
from concepts import OPTIMIZERS
from test_backend import assert_same_on_both
from test_lanes import assert_lanes_are_single_runs

import dlcourse as dl
from dlcourse.backend import to_host
from dlcourse.layers import AveragePool2D, BatchNorm, Conv1D, Conv2D, GlobalAveragePool2D, MaxPool2D
from dlcourse.settings import SettingError

ORACLES = json.loads((Path(__file__).parent / "oracles" / "layers.json").read_text())
CASES = [(Conv1D, case) for case in ORACLES["Conv1D"]] + [(Conv2D, case) for case in ORACLES["Conv2D"]]
IDS = ["-".join(str(case[n]) for n in ("kernel_size", "padding", "stride")) for _, case in CASES]
POOLS = [
    (MaxPool2D(2), "MaxPool2D"),
    (AveragePool2D(2), "AveragePool2D"),
    (GlobalAveragePool2D(), "GlobalAveragePool2D"),
]


def made(kind, case):
    layer = kind(2, case["kernel_size"], padding=case["padding"], stride=case["stride"])
    layer.build(np.shape(case["x"])[1:], dtype="float64")
    layer.W[...], layer.b[...] = case["W"], case["b"]
    return layer


def assert_as_pytorch(layer, case):
    y = layer.forward(np.array(case["x"]), training=True)
    dx = layer.backward(np.array(case["dy"]))
    for name, ours in {"y": y, "dx": dx, "dW": layer.dW, "db": layer.db[0]}.items():
        np.testing.assert_allclose(ours, case[name], rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("kind", "case"), CASES, ids=IDS)
def test_convolution_agrees_with_pytorch(kind, case):
    layer = made(kind, case)
    assert layer.output_shape == np.shape(case["y"])[1:]
    assert_as_pytorch(layer, case)


class Flipped(Conv2D):
    """A convolution as mathematicians have it."""

    def forward(self, x, training=False):
        self.W[...] = self.W[::-1, ::-1].copy()
        return super().forward(x, training)


class NotTurned(Conv2D):
    """dx with the kernel as it is."""

    def turn(self, dy):
        self.W[...] = self.W[::-1, ::-1].copy()
        dx = super().turn(dy)
        self.W[...] = self.W[::-1, ::-1].copy()
        return dx


class OddZeroFirst(Conv2D):
    def zeros(self, n, k):
        return super().zeros(n, k)[::-1]


class NoOnes(Conv2D):
    """The bias forgotten."""

    def forward(self, x, training=False):
        return super().forward(x, training) - self.b


@pytest.mark.parametrize(("wrong", "case"), [(Flipped, 0), (NotTurned, 0), (OddZeroFirst, 1), (NoOnes, 0)])
def test_a_wrong_convolution_fails_against_pytorch(wrong, case):
    case = ORACLES["Conv2D"][case]
    with pytest.raises(AssertionError):
        assert_as_pytorch(made(wrong, case), case)


WAYS = [(1, 0), (1, "same"), (2, 0), (2, 1), (2, "same"), (3, 0), (3, 1), (3, 2), (3, "same"), ((3, 2), 1)]


@pytest.mark.parametrize(("kernel_size", "padding"), WAYS)
def test_both_ways_to_dx_agree(kernel_size, padding, rng):
    layer = Conv2D(3, kernel_size, padding=padding)
    layer.build((5, 4, 2), lanes=2, dtype="float64")
    layer.forward(rng.normal(size=(3, 5, 4, 2)))
    dy = rng.normal(size=(2, 3, *layer.output_shape))
    np.testing.assert_allclose(layer.turn(dy), layer.scatter(dy.reshape(2, -1, 3)), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("stride", [1, 2])
def test_backward_is_the_adjoint_of_forward(stride, rng):
    """⟨conv(x), dy⟩ = ⟨x, dx⟩"""
    layer = Conv2D(3, 3, stride=stride)
    layer.build((6, 5, 2), dtype="float64")
    x = rng.normal(size=(2, 6, 5, 2))
    y = layer.forward(x)
    dy = rng.normal(size=y.shape)
    np.testing.assert_allclose((y * dy).sum(), (x * layer.backward(dy)).sum(), rtol=1e-12)


def test_a_shifted_image_gives_a_shifted_answer(rng):
    layer = Conv2D(3, 3, padding=0)
    layer.build((8, 8, 2), dtype="float64")
    x = rng.normal(size=(1, 8, 8, 2))
    y, shifted = layer.forward(x), layer.forward(np.roll(x, 1, axis=1))
    np.testing.assert_allclose(shifted[:, 1:], y[:, :-1], rtol=1e-12)


def test_a_kernel_of_one_pixel_is_a_dense_layer_on_channels(rng):
    layer, dense, x = Conv2D(3, 1), dl.Dense(3), rng.normal(size=(2, 4, 5, 6))
    layer.build((4, 5, 6), dtype="float64")
    dense.build((6,), dtype="float64")
    dense.W[...] = layer.W[0, 0]
    np.testing.assert_allclose(layer.forward(x), dense.forward(x.reshape(-1, 6)).reshape(2, 4, 5, 3), rtol=1e-12)


@pytest.mark.parametrize(("size", "kernel_size", "padding", "stride", "out"), [
    (8, 3, "same", 1, 8), (8, 2, "same", 1, 8), (8, 3, "same", 2, 4), (7, 3, "same", 2, 4), (7, 2, "same", 3, 3),
    (8, 3, 0, 1, 6), (8, 3, 1, 1, 8), (8, 3, 0, 2, 3), (8, 1, 0, 3, 3), (3, 3, 0, 1, 1),
])  # fmt: skip
def test_convolution_has_the_size_that_keras_and_pytorch_give_it(size, kernel_size, padding, stride, out):
    assert Conv2D(5, kernel_size, padding, stride).build((size, size, 2)) == (out, out, 5)
    assert Conv1D(5, kernel_size, padding, stride).build((size, 2)) == (out, 5)


@pytest.mark.parametrize(("layer", "name"), POOLS, ids=lambda v: v if isinstance(v, str) else "")
def test_pooling_agrees_with_pytorch(layer, name):
    case = {key: np.array(value) for key, value in ORACLES[name].items()}
    layer.build(case["x"].shape[1:], dtype="float64")
    np.testing.assert_allclose(layer.forward(case["x"], training=True), case["y"], rtol=1e-14)
    np.testing.assert_allclose(layer.backward(case["dy"]), case["dx"], rtol=1e-14)


def test_the_largest_of_equal_values_passes_the_gradient_on_once():
    layer = MaxPool2D(2)
    layer.build((2, 2, 1), dtype="float64")
    layer.forward(np.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(layer.backward(np.full((1, 1, 1, 1), 5.0)).ravel(), [5, 0, 0, 0])


def test_pooling_by_1_changes_nothing(rng):
    x = rng.normal(size=(2, 3, 4, 2))
    for layer in (MaxPool2D(1), AveragePool2D(1)):
        layer.build((3, 4, 2))
        np.testing.assert_array_equal(layer.forward(x), x)
        np.testing.assert_array_equal(layer.backward(x), x)


# In training.


def images(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 6, 5, 2)), rng.integers(0, 3, n)


def build(seed=0, lanes=None):
    layers = [Conv2D(4, 3), dl.ReLU(), MaxPool2D(2), Conv2D(5, 2, stride=2), BatchNorm(), dl.Tanh(), AveragePool2D(1)]
    return dl.Network([*layers, GlobalAveragePool2D(), dl.Dense(3)], (6, 5, 2), seed=seed, lanes=lanes)


def build_flat(seed=0, lanes=None):
    layers = [AveragePool2D(2), Conv2D(3, 3, padding=0, stride=2), dl.ReLU(), Conv2D(4, 1), dl.Flatten(), dl.Dense(3)]
    return dl.Network(layers, (7, 6, 2), seed=seed, lanes=lanes)


@pytest.mark.parametrize("seeds", [(0, 0, 0), (3, 1, 2)])
def test_lanes_are_single_runs(seeds):
    loss = dl.SoftmaxCrossEntropy()
    assert_lanes_are_single_runs(OPTIMIZERS[1], loss, build, images(), validation=images(11, 1), seeds=seeds)


def test_lanes_are_single_runs_when_a_row_is_as_wide_as_an_image(rng):
    data, loss = (rng.normal(size=(30, 8, 8, 1)), rng.integers(0, 3, 30)), dl.SoftmaxCrossEntropy()

    def network(seed, lanes):
        layers = [Conv2D(10, 1), dl.ReLU(), dl.Flatten(), dl.Dense(600), BatchNorm(), dl.ReLU(), dl.Dense(3)]
        return dl.Network(layers, (8, 8, 1), seed=seed, lanes=lanes)

    assert_lanes_are_single_runs(OPTIMIZERS[1], loss, network, data, seeds=(4, 9, 2))


def test_lanes_are_single_runs_of_signals(rng):
    data, loss = (rng.normal(size=(30, 9, 2)), rng.integers(0, 3, 30)), dl.SoftmaxCrossEntropy()

    def network(seed, lanes):
        layers = [Conv1D(4, 3), dl.ReLU(), Conv1D(3, 3, stride=2), dl.Flatten(), dl.Dense(3)]
        return dl.Network(layers, (9, 2), seed=seed, lanes=lanes)

    assert_lanes_are_single_runs(OPTIMIZERS[1], loss, network, data, seeds=(4, 9, 2))


@pytest.mark.parametrize("lanes", [None, 2])
def test_images_of_any_batch_size_give_the_same_answers(lanes):
    network, (x, _) = build(lanes=lanes), images()
    whole = network.predict(x)
    np.testing.assert_allclose(network.predict(x[:7]), whole[..., :7, :], rtol=1e-4, atol=1e-6)
    assert network.predict(x[:0]).shape[-2:] == (0, 3)


@pytest.mark.parametrize("make", [build, build_flat])
@pytest.mark.parametrize("lanes", [None, 2])
def test_gradient_of_a_whole_network_of_images(make, lanes, rng):
    network = make(lanes=lanes)
    x = rng.normal(size=(6, *network.input_shape))
    report = dl.check_gradient(network, dl.SoftmaxCrossEntropy(), x, rng.integers(0, 3, 6))
    assert report, report


def test_a_network_of_images_learns_digits():
    train, test = dl.datasets.digits()
    network = dl.Network([Conv2D(8, 3), dl.ReLU(), MaxPool2D(2), dl.Flatten(), dl.Dense(10)], (8, 8, 1))
    data = [(d.x.reshape(-1, 8, 8, 1), d.y) for d in (train, test)]
    options = {"epochs": 4, "batch_size": 32, "validation": data[1]}
    history = dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Momentum(0.05), data[0], **options)
    assert history.validation_accuracy[-1] > 0.95


@pytest.mark.parametrize("lanes", [None, 2])
def test_images_never_leave_the_device(device, lanes):
    def run():
        network, loss = build(lanes=lanes), dl.SoftmaxCrossEntropy()
        history = dl.fit(network, loss, dl.SGD(0.1), images(), epochs=2, batch_size=9, validation=images(11, 1))
        return [history.loss, history.validation_loss, *map(to_host, network.state().values())]

    assert_same_on_both(run, rtol=1e-3)


MISTAKES = [
    (lambda: Conv2D(0, 3), "Conv2D.filters must be a whole number, 1 or more; got filters=0"),
    (lambda: Conv2D(3, 0), "Conv2D.kernel_size must be a whole number, 1 or more, or one for each axis"),
    (lambda: Conv2D(3, (3, 3, 3)).build((8, 8, 1)), "Conv2D.kernel_size must be one number, or two"),
    (lambda: Conv1D(3, (3, 3)).build((8, 1)), "Conv1D.kernel_size must be one number; got"),
    (lambda: Conv2D(3, ()), "Conv2D.kernel_size must be a whole number"),
    (lambda: Conv2D(3, 3, padding="valid"), "Conv2D.padding must be .same. or a whole number, 0 or more; got padding="),
    (lambda: Conv2D(3, 3, padding=-1), "Conv2D.padding must be"),
    (lambda: Conv2D(3, 3, stride=0), "Conv2D.stride must be a whole number, 1 or more"),
    (lambda: Conv2D(3, 3).build((8, 8)), r"the axes \(height, width, channels\); got input_shape=\(8, 8\). A grey"),
    (lambda: Conv1D(3, 3).build((8,)), r"Conv1D.input_shape must have the axes \(length, channels\)"),
    (lambda: Conv2D(3, 5, padding=0).build((4, 8, 1)), "Conv2D.kernel_size must fit into the image, 4 × 8"),
    (lambda: MaxPool2D(3).build((2, 8, 1)), "MaxPool2D.size must fit into an image of 2 × 8; got size=3"),
    (lambda: AveragePool2D(0), "AveragePool2D.size must be a whole number, 1 or more"),
    (lambda: GlobalAveragePool2D().build((64,)), "GlobalAveragePool2D.input_shape must have the axes"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_what_cannot_be_is_refused_in_words(call, words):
    with pytest.raises(SettingError, match=words):
        call()
