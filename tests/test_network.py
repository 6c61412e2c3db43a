"""Layers in a row: shapes, passes, and what does not fit."""

import pickle

import numpy as np
import pytest
from concepts import ACTIVATIONS, LAYERS, named, small_network

import dlcourse as dl
from dlcourse.layers.base import Layer
from dlcourse.settings import SettingError


@pytest.mark.parametrize("row", **named(LAYERS))
@pytest.mark.parametrize("loss", [dl.SoftmaxCrossEntropy(), dl.MeanSquaredError()], ids=repr)
def test_gradient_inside_a_network_agrees_with_finite_differences(row, loss, rng):
    layers = [row.single(), dl.Flatten(), dl.Dense(6), dl.Tanh(), dl.Dense(3)]
    network = dl.Network(layers, row.input_shape, lanes=2, seed=[0, 1])
    y = rng.integers(0, 3, 4)
    target = y if isinstance(loss, dl.SoftmaxCrossEntropy) else np.eye(3)[y]
    report = dl.check_gradient(network, loss, rng.normal(size=(4, *row.input_shape)), target)
    assert report, report
    assert all(check.compared for check in report.checks)


@pytest.mark.parametrize("lanes", [None, 3])
def test_forward_is_the_layers_in_a_row(lanes, rng):
    network, x = small_network(lanes=lanes, dtype="float64"), rng.normal(size=(4, 5))
    first, _, last = network.layers
    expected = np.maximum(x @ first.W + first.b, 0) @ last.W + last.b
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-12)
    np.testing.assert_array_equal(network.predict(x), network.forward(x, training=True))
    assert network.output_shape == (3,)


@pytest.mark.parametrize("row", **named(ACTIVATIONS))
def test_two_predictions_do_not_share_memory(row, rng):
    network = dl.Network([dl.Dense(5), row.make()], (5,))
    first = network.predict(rng.normal(size=(4, 5)))
    before = first.copy()
    assert not np.shares_memory(first, network.predict(rng.normal(size=(4, 5))))
    np.testing.assert_array_equal(first, before)


def test_batches_of_any_size_give_the_same_answers(rng):
    network, x = small_network(dtype="float64"), rng.normal(size=(9, 5))
    whole = network.predict(x)
    for size in (1, 2, 8):
        parts = np.concatenate([network.predict(x[i : i + size]) for i in range(0, 9, size)])
        np.testing.assert_allclose(parts, whole, rtol=1e-12)
    assert network.predict(x[:0]).shape == (0, 3)


def test_numbers_of_any_kind_become_the_networks():
    network = small_network()
    for x in ([[1, 2, 3, 4, 5]], np.ones((1, 5), int), np.ones((1, 5), "float64"), np.ones((1, 5), bool)):
        assert network.predict(x).dtype == "float32"


def test_backward_fills_every_window_and_returns_dx(rng):
    network = small_network()
    network.parameters.grad[...] = np.nan
    network.forward(rng.normal(size=(4, 5)), training=True)
    assert network.backward(np.ones((4, 3), "float32")).shape == (4, 5)
    assert np.isfinite(network.parameters.grad).all()


def test_reset_goes_back_to_the_start():
    network = small_network(seed=3)
    start = network.parameters.theta.copy()
    network.parameters.theta += 1
    network.reset()
    np.testing.assert_array_equal(network.parameters.theta, start)
    assert not np.array_equal(start, small_network(seed=4).parameters.theta)


MISTAKES = [
    (lambda: dl.Network([], (5,)), "Network.layers must hold one layer or more; got layers=[]"),
    (lambda: dl.Network([dl.ReLU], (5,)), "Network.layers must hold layers only; got layers=<class"),
    (lambda: dl.Network([dl.Dense(3), "relu"], (5,)), "With brackets: ReLU(), not ReLU."),
    (
        lambda: dl.Network([dl.Dense(3)], 5),
        "Network.input_shape must be a tuple of whole numbers above 0; got input_shape=5",
    ),
    (lambda: dl.Network([dl.Dense(3)], ()), "Network.input_shape must be a tuple"),
    (lambda: dl.Network([dl.Dense(3)], (0,)), "Network.input_shape must be a tuple"),
    (lambda: dl.Network([dl.Dense(3)], (5.0,)), "Network.input_shape must be a tuple"),
    (lambda: dl.Network([dl.Dense(3)], None), "Network.input_shape must be a tuple"),
    (lambda: dl.Network([dl.Dense(3)], (5,), lanes=0), "Network.lanes must be a whole number, 1 or more; got lanes=0"),
    (lambda: dl.Network([dl.Dense(3)], (5,), dtype="int32"), "must be float32 or float64; got dtype='int32'"),
    (lambda: dl.Network([dl.Dense(3)], (5,), sed=1), "Network.sed must be a setting that exists; got sed=1. Did you"),
    (
        lambda: dl.Network([dl.Tanh(), dl.Dense(3)], (5, 2)),
        "layer 1, Dense(units=3, weight_init=MSRA(fan='in', distribution='normal'), bias_init=Zeros()), does not fit: "
        "Dense.input_shape must have one axis, (features,); got input_shape=(5, 2). Put Flatten() before Dense.",
    ),
    (lambda: small_network().predict(np.ones((2, 4))), "Network.x must have the shape (batch, 5); got x=(2, 4)"),
    (lambda: small_network().predict(np.ones(5)), "Network.x must have the shape (batch, 5); got x=(5,)"),
    (lambda: small_network().predict(1.0), "Network.x must have the shape (batch, 5); got x=()"),
]


@pytest.mark.parametrize(("call", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_what_does_not_fit_is_refused_in_words(call, words):
    with pytest.raises(SettingError) as refused:
        call()
    assert words in str(refused.value)


def test_a_layer_may_stand_in_one_place_only():
    twice = dl.Dense(5)
    with pytest.raises(SettingError, match="hold each layer once"):
        dl.Network([twice, dl.ReLU(), twice], (5,))


def test_summary_has_a_line_for_each_layer():
    network = dl.Network([dl.Flatten(), dl.Dense(10), dl.ReLU(), dl.Dense(2)], (4, 3, 1))
    assert [line.split() for line in network.summary().splitlines()] == [
        ["input", "4", "×", "3", "×", "1"],
        ["Flatten", "12"],
        ["Dense", "10", "130"],
        ["ReLU", "10"],
        ["Dense", "2", "22"],
        ["total", "152"],
    ]


@pytest.mark.parametrize("options", [{}, {"seed": [1, 2], "lanes": 2}, {"dtype": "float64", "seed": 4}])
def test_network_prints_as_the_call_that_makes_it(options):
    network = dl.Network([dl.Dense(4, weight_init=dl.Xavier("out")), dl.LeakyReLU(0.1)], (3,), **options)
    again = eval(repr(network), vars(dl).copy())
    assert repr(again) == repr(network)
    np.testing.assert_array_equal(again.parameters.theta, network.parameters.theta)


def test_a_lane_is_a_network_of_its_own(rng):
    def layers(rate):
        return [dl.Dense(6), dl.BatchNorm(), dl.Dropout(rate), dl.Residual(dl.Dense(6), dl.ReLU()), dl.Dense(2)]

    rates = np.array([0.0, 0.2, 0.5])
    data = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    together = dl.Network(layers(rates[:, None, None]), (3,), seed=[4, 5, 6], lanes=3)
    dl.fit(together, dl.SoftmaxCrossEntropy(), dl.Adam(0.01), data, epochs=3, batch_size=10)
    for number, rate in enumerate(rates):
        one = together.lane(number)
        alone = dl.Network(layers(float(rate)), (3,), seed=4 + number)
        assert repr(one) == repr(alone)
        dl.fit(alone, dl.SoftmaxCrossEntropy(), dl.Adam(0.01), data, epochs=3, batch_size=10)
        np.testing.assert_array_equal(one.predict(data[0]), together.predict(data[0])[number])
        np.testing.assert_array_equal(one.predict(data[0]), alone.predict(data[0]))
        one.parameters.theta[:] = 0
        assert together.parameters.theta[number].any()


@pytest.mark.parametrize(("lanes", "number"), [(None, 0), (2, 2), (2, -1), (2, "0")])
def test_a_lane_that_is_not_there_is_refused(lanes, number):
    with pytest.raises(dl.SettingError, match=r"Network\.lane\.number must .*; got number="):
        dl.Network([dl.Dense(2)], (3,), lanes=lanes).lane(number)


@pytest.mark.parametrize("seed", [np.array([4, 5]), range(4, 6), (4, 5)], ids=["array", "range", "tuple"])
def test_a_lane_has_its_own_of_many_seeds(seed):
    one = dl.Network([dl.Dense(2)], (3,), seed=seed, lanes=2).lane(1)
    assert repr(one) == repr(dl.Network([dl.Dense(2)], (3,), seed=5))
    assert dl.Network([dl.Dense(2)], (3,), seed=np.array([7]), lanes=2).lane(1).seed == 7


# Layers of a reader's own


class Scale(Layer):
    def __init__(self, factor=1.0):
        self.factor, self.x = factor, None

    def forward(self, x, training=False):
        self.x = x
        return self.factor * x

    def backward(self, dy):
        return self.factor * dy


class Shift(Layer):
    def __init__(self, amount):
        self.amount = amount

    def forward(self, x, training=False):
        return x + self.amount

    def backward(self, dy):
        return dy


class Twice(dl.Residual):
    """2 (x + f(x))."""

    def __init__(self, first, factor):
        super().__init__(first, dl.ReLU())
        self.first, self.factor = first, factor

    def forward(self, x, training=False):
        return self.factor * super().forward(x, training)

    def backward(self, dy):
        return super().backward(self.factor * dy)


@pytest.mark.parametrize("make", [lambda: Scale(3.0), lambda: Shift(3.0), lambda: Twice(dl.Dense(4), 3.0)])
def test_a_lane_has_the_layers_that_readers_write(make, rng):
    x = rng.normal(size=(5, 3))
    together = dl.Network([dl.Dense(4), make(), dl.Dense(2)], (3,), seed=[4, 5], lanes=2)
    expected = together.predict(x)[1]
    one = together.lane(1)
    assert type(one.layers[1]) is type(together.layers[1])
    np.testing.assert_array_equal(one.predict(x), expected)
    np.testing.assert_array_equal(together.predict(x)[1], expected)  # and it is what it was


def test_a_lane_knows_its_inner_layers_by_every_name():
    together = dl.Network([Twice(dl.Dense(3), 2.0)], (3,), lanes=2)
    block = together.lane(0).layers[0]
    assert block.first is block.children[0] and block.first is not together.layers[0].first


def test_a_setting_that_was_changed_later_goes_along():
    layers = [dl.Dense(4), dl.Dropout(0.1), Scale(2.0), dl.Dense(2)]
    together = dl.Network(layers, (3,), lanes=2)
    layers[1].rate, layers[2].factor = 0.4, 5.0
    _, dropout, scale, _ = together.lane(0).layers
    assert (dropout.rate, scale.factor) == (0.4, 5.0)


def test_a_lane_leaves_the_last_batch_behind(rng):
    layers = [dl.Dense(8), Scale(2.0), Twice(dl.Dense(8), 2.0), dl.BatchNorm(), dl.Dropout(0.1), dl.Dense(2)]
    together = dl.Network(layers, (3,), lanes=2)
    together.forward(rng.normal(size=(10_000, 3)), training=True)
    assert len(pickle.dumps(together.lane(0))) < 20_000
