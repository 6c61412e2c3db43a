"""Dropout and DropConnect: the arithmetic, the dice, and what dropout does to linear regression."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from concepts import OPTIMIZERS, problem
from test_backend import assert_same_on_both
from test_lanes import assert_lanes_are_single_runs

import dlcourse as dl
from dlcourse.backend import to_host
from dlcourse.layers import DropConnectDense, Dropout
from dlcourse.settings import SettingError

ORACLES = json.loads((Path(__file__).parent / "oracles" / "layers.json").read_text())
RATES = [0.0, 0.3, 1.0]
COLUMN = np.array(RATES)[:, None, None]


def made(layer, shape=(5,), **options):
    layer.build(shape, **{"dtype": "float64", **options})
    return layer


@pytest.mark.parametrize("case", ORACLES["Dropout"], ids=lambda case: str(case["rate"]))
def test_dropout_scales_and_drops_as_pytorch_does(case):
    y = made(Dropout(case["rate"]), (10000,)).forward(np.ones((1, 10000)), training=True)
    np.testing.assert_allclose(y.max(), case["factor"], rtol=1e-12)
    assert set(np.unique(y)) <= {0.0, y.max()}
    assert abs((y != 0).mean() - (1 - case["rate"])) < 4 * np.sqrt(0.25 / 10000)
    assert abs(case["share"] - (1 - case["rate"])) < 4 * np.sqrt(0.25 / 10000)


def assert_mean_stays(layer):
    y = made(layer, (20000,)).forward(np.full((1, 20000), 3.0), training=True)
    assert abs(y.mean() - 3) < 5 * y.std() / np.sqrt(y.size)


class NotScaled(Dropout):
    def forward(self, x, training=False):
        return super().forward(x, training) * (1 - self.rate)


class KeepProbability(Dropout):
    """rate read as the share that stays."""

    def uniform(self, shape):
        return 1 - super().uniform(shape)

    def forward(self, x, training=False):
        self.rate = 1 - self.rate
        y = super().forward(x, training)
        self.rate = 1 - self.rate
        return y * self.rate / (1 - self.rate)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_mean(rate):
    assert_mean_stays(Dropout(rate))


@pytest.mark.parametrize("wrong", [NotScaled, KeepProbability])
def test_a_wrong_dropout_moves_the_mean(wrong):
    with pytest.raises(AssertionError):
        assert_mean_stays(wrong(0.2))


def test_gradient_goes_where_the_signal_went(rng):
    layer, x, dy = made(Dropout(0.5)), rng.normal(size=(6, 5)), rng.normal(size=(6, 5))
    y = layer.forward(x, training=True)
    np.testing.assert_array_equal(layer.backward(dy), np.where(y == 0, 0, 2 * dy))


def test_prediction_is_untouched(rng):
    layer, x = made(Dropout(0.9)), rng.normal(size=(6, 5))
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)


@pytest.mark.parametrize("layer", [Dropout(1.0), DropConnectDense(3, 1.0)], ids=lambda layer: type(layer).__name__)
def test_rate_1_gives_zeros_not_nan(layer, rng):  # trap 13
    x = rng.normal(size=(6, 5))
    y = made(layer).forward(x, training=True)
    assert not y.any()
    assert not layer.backward(np.ones_like(y)).any()


def test_rate_zero_leaves_nothing_out_whatever_the_dice():
    layer = Dropout(0.0)
    layer.build((4,))
    layer.rng = SimpleNamespace(random=lambda shape, dtype: np.zeros(shape, dtype))
    np.testing.assert_array_equal(layer.forward(np.ones((3, 4), "float32"), training=True), np.ones((3, 4)))


@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_what_is_dropped_is_0_even_where_it_was_infinite(rate):  # trap 13: 0 · ∞
    x = np.full((40, 5), np.inf)
    x[20:] = np.nan
    layer = made(Dropout(rate))
    y = layer.forward(x, training=True)
    assert (y == 0).mean() > 0.3
    assert set(np.unique(y[:20])) <= {0.0, np.inf}
    assert not np.isnan(layer.backward(np.full_like(x, np.inf))).any()


def test_every_batch_throws_anew_and_the_same_seed_throws_the_same():
    layer, x = made(Dropout(0.5)), np.ones((8, 5))
    first, second = layer.forward(x, training=True), layer.forward(x, training=True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(made(Dropout(0.5)).forward(x, training=True), first)
    assert not np.array_equal(made(Dropout(0.5), seed=1).forward(x, training=True), first)
    layer.reseed(np.random.SeedSequence(0))
    np.testing.assert_array_equal(layer.forward(x, training=True), first)


def test_precision_does_not_change_the_mask():
    double, single = made(Dropout(0.3)), made(Dropout(0.3), dtype="float32")
    for _ in range(3):
        ours = double.forward(np.ones((50, 5)), training=True), single.forward(np.ones((50, 5), "f"), training=True)
        np.testing.assert_array_equal(ours[0] == 0, ours[1] == 0)
        assert ours[1].dtype == "float32"


def test_lanes_share_the_dice_and_a_higher_rate_drops_more():
    layer, x = made(Dropout(np.array([[[0.2]], [[0.6]]])), lanes=2), np.ones((30, 5))
    low, high = layer.forward(x, training=True)
    assert (high[low == 0] == 0).all()
    assert (low != 0).sum() > (high != 0).sum() > 0


# Dropout on the inputs of a linear regression is ridge regression, in expectation (Srivastava et al. 2014, section 9).


def test_dropout_on_linear_regression_is_ridge(rng):
    """E Σ (t − (m·x)w/(1 − p))² = Σ (t − xw)² + p/(1 − p) Σ_j w_j² Σ_i x_ij²"""
    p, copies = 0.3, 40000
    x, t = rng.normal(size=(6, 5)), rng.normal(size=(6, 1))
    network = dl.Network([Dropout(p), dl.Dense(1, bias_init=dl.Zeros())], (5,), dtype="float64")
    loss, dense = dl.MeanSquaredError(), network.layers[1]
    value = loss.forward(network.forward(np.tile(x, (copies, 1)), training=True), np.tile(t, (copies, 1)))
    network.backward(loss.backward())
    W = dense.W
    penalty = p / (1 - p) * (x * x).mean(axis=0)[:, None]
    expected = ((t - x @ W) ** 2).mean() + (penalty * W * W).sum()
    gradient = 2 * x.T @ (x @ W - t) / 6 + 2 * penalty * W
    np.testing.assert_allclose(value, expected, rtol=0.02)
    np.testing.assert_allclose(dense.dW, gradient, atol=0.02 * np.abs(gradient).max())
    assert np.abs(gradient - 2 * x.T @ (x @ W - t) / 6).max() > 0.2 * np.abs(gradient).max()  # the penalty matters


# DropConnect.


def test_drop_connect_drops_weights_once_a_batch(rng):
    layer, x = made(DropConnectDense(4, 0.4, bias_init=dl.Constant(0.5))), rng.normal(size=(7, 5))
    y = layer.forward(x, training=True)
    thin = layer.W_thin
    assert set(np.unique(thin == 0)) == {False, True}
    np.testing.assert_allclose(thin[thin != 0], layer.W[thin != 0] / 0.6)
    np.testing.assert_allclose(y, x @ thin + 0.5)
    dy = rng.normal(size=(7, 4))
    np.testing.assert_allclose(layer.backward(dy), dy @ thin.T)
    np.testing.assert_allclose(layer.dW, np.where(thin == 0, 0, x.T @ dy / 0.6))
    np.testing.assert_allclose(layer.db, dy.sum(axis=0, keepdims=True))


def test_drop_connect_predicts_with_all_weights(rng):
    layer, x, dy = made(DropConnectDense(4, 0.4)), rng.normal(size=(7, 5)), rng.normal(size=(7, 4))
    layer.forward(x, training=True)
    np.testing.assert_allclose(layer.forward(x), x @ layer.W)
    np.testing.assert_allclose(layer.backward(dy), dy @ layer.W.T)
    np.testing.assert_allclose(layer.dW, x.T @ dy)


def test_drop_connect_keeps_the_mean(rng):
    layer, x = made(DropConnectDense(3, 0.5)), rng.normal(size=(1, 5))
    outputs = np.array([layer.forward(x, training=True)[0] for _ in range(4000)])
    assert (np.abs(outputs.mean(axis=0) - (x @ layer.W)[0]) < 5 * outputs.std(axis=0) / np.sqrt(4000)).all()


# In training.


def dropped(seed=0, lanes=None, rate=0.3):
    layers = [Dropout(rate), dl.Dense(8), dl.Tanh(), Dropout(rate), DropConnectDense(6, rate), dl.ReLU(), dl.Dense(3)]
    return dl.Network(layers, (5,), seed=seed, lanes=lanes)


def history(seed=0, **options):
    loss = dl.SoftmaxCrossEntropy()
    return dl.fit(dropped(**options), loss, dl.SGD(0.1), problem(loss), epochs=2, batch_size=9, seed=seed)


def test_a_training_can_be_repeated_and_its_seed_decides():
    np.testing.assert_array_equal(history().loss, history().loss)
    assert not np.array_equal(history().loss, history(seed=1).loss)


def test_layers_throw_dice_of_their_own():
    network = dl.Network([Dropout(0.5), Dropout(0.5)], (50,))
    network.forward(np.ones((4, 50)), training=True)
    assert not np.array_equal(network.layers[0].m, network.layers[1].m)


def test_frozen_dropout_drops_nothing():
    network = dl.Network([Dropout(0.5)], (50,))
    network.freeze(0)
    assert (network.forward(np.ones((4, 50)), training=True) == 1).all()


@pytest.mark.parametrize("seeds", [(0, 0, 0), (3, 1, 2)])
def test_lanes_are_single_runs(seeds):
    loss = dl.SoftmaxCrossEntropy()
    assert_lanes_are_single_runs(OPTIMIZERS[1], loss, dropped, problem(loss), validation=problem(loss), seeds=seeds)


def test_a_column_of_rates_is_single_runs():
    together = history(rate=COLUMN, lanes=3).loss
    for lane, rate in enumerate(RATES):
        np.testing.assert_array_equal(together[:, lane], history(rate=rate).loss)


def test_a_column_of_rates_on_images_is_single_runs(rng):
    loss, data = dl.SoftmaxCrossEntropy(), (rng.normal(size=(20, 4, 3, 2)), rng.integers(0, 3, 20))

    def run(rate, lanes=None):
        network = dl.Network([Dropout(rate), dl.Flatten(), dl.Dense(3)], (4, 3, 2), lanes=lanes)
        return dl.fit(network, loss, dl.SGD(0.1), data, epochs=2, batch_size=8).loss

    together = run(COLUMN, 3)
    for lane, rate in enumerate(RATES):
        np.testing.assert_array_equal(together[:, lane], run(rate))


@pytest.mark.parametrize(("rate", "lanes"), [(0.3, None), (0.3, 3), (COLUMN, 3)], ids=["one", "lanes", "column"])
def test_dropout_never_leaves_the_device(device, rate, lanes):
    """And drops the same on both."""

    def run():
        network, loss = dropped(rate=rate, lanes=lanes), dl.SoftmaxCrossEntropy()
        found = dl.fit(network, loss, dl.SGD(0.1), problem(loss), epochs=2, batch_size=9)
        return found.loss, to_host(network.parameters.theta)

    assert_same_on_both(run)


@pytest.mark.parametrize("rate", [-0.1, 1.5, np.nan, "half", None, True, np.full((3, 1, 1), 1.5)], ids=repr)
@pytest.mark.parametrize("make", [Dropout, lambda rate: DropConnectDense(3, rate)])
def test_a_rate_that_is_no_share_is_refused(make, rate):
    with pytest.raises(SettingError, match=r"rate must be a share in \[0, 1\], or a \(lanes, 1, 1\) column"):
        make(rate)


def test_a_column_for_other_lanes_is_refused():
    with pytest.raises(SettingError, match=r"Dropout.rate must have one value for each of lanes=2"):
        dl.Network([Dropout(COLUMN), dl.Dense(3)], (5,), lanes=2)
