"""Normalization: against PyTorch, against its own claims, and at the edges where libraries have gone wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from concepts import OPTIMIZERS, problem
from test_backend import assert_same_on_both
from test_lanes import assert_lanes_are_single_runs
from test_layers import slope_errors

import dlcourse as dl
from dlcourse.backend import to_host
from dlcourse.layers import BatchNorm, Conv2D, GroupNorm, LayerNorm, WeightNormDense
from dlcourse.settings import SettingError

ORACLES = json.loads((Path(__file__).parent / "oracles" / "layers.json").read_text())
CASES = [(BatchNorm, case) for case in ORACLES["BatchNorm"]]
CASES += [(LayerNorm, case) for case in ORACLES["LayerNorm"]]
CASES += [(GroupNorm, case) for case in ORACLES["GroupNorm"]]
IDS = [f"{kind.__name__}-{np.shape(case['x'])}-{case.get('groups', '')}" for kind, case in CASES]


def made(kind, case):
    layer = kind(case["groups"]) if "groups" in case else kind()
    layer.build(np.shape(case["x"])[1:], dtype="float64")
    layer.gamma[...], layer.beta[...] = case["gamma"], case["beta"]
    return layer


def assert_passes(layer, case, expected, training):
    y = layer.forward(np.array(case["x"]), training)
    dx = layer.backward(np.array(case["dy"]))
    ours = {"y": y, "dx": dx, "dgamma": layer.dgamma[0], "dbeta": layer.dbeta[0]}
    for name, theirs in expected.items():
        np.testing.assert_allclose(ours[name], theirs, rtol=1e-12, atol=1e-13, err_msg=name)


def assert_as_pytorch(layer, case):
    assert_passes(layer, case, case["training"], training=True)
    if "afterwards" in case:
        layer.forward(np.array(case["second"]), training=True)
        np.testing.assert_allclose(layer.running_mean[0], case["running_mean"], rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(layer.running_var[0], case["running_var"], rtol=1e-14)
        assert_passes(layer, case, case["afterwards"], training=False)


@pytest.mark.parametrize(("kind", "case"), CASES, ids=IDS)
def test_norm_agrees_with_pytorch(kind, case):
    assert_as_pytorch(made(kind, case), case)


class NoMeans(BatchNorm):
    """dx as if μ and σ did not depend on x."""

    def backward(self, dy):
        super().backward(dy)
        return dy * self.gamma / self.sigma


class NoMeanOfProduct(BatchNorm):
    def backward(self, dy):
        super().backward(dy)
        return (dy - dy.mean(axis=0)) * self.gamma / self.sigma


class Unbiased(BatchNorm):
    """x divided by the unbiased deviation."""

    def measure(self, x):
        mean, variance = super().measure(x)
        return mean, variance * len(x) / (len(x) - 1)


class BiasedMemory(BatchNorm):
    def measure(self, x):
        before = self.running_var.copy()
        mean, variance = super().measure(x)
        self.running_var = self.decay * before + (1 - self.decay) * variance
        return mean, variance


class EpsOutside(BatchNorm):
    def forward(self, x, training=False):
        eps, self.eps = self.eps, 1e-300
        super().forward(x, training)
        self.eps, self.x_hat = eps, self.x_hat * self.sigma / (self.sigma + eps)
        return self.x_hat * self.gamma + self.beta


class OtherMomentum(BatchNorm):
    """decay read as PyTorch's momentum."""

    def measure(self, x):
        self.decay = 0.1
        return super().measure(x)


@pytest.mark.parametrize("wrong", [NoMeans, NoMeanOfProduct, Unbiased, BiasedMemory, EpsOutside, OtherMomentum])
def test_a_wrong_batch_norm_fails_against_pytorch(wrong):
    case = ORACLES["BatchNorm"][0]
    with pytest.raises(AssertionError):
        assert_as_pytorch(made(wrong, case), case)


@pytest.mark.parametrize("wrong", [NoMeans, NoMeanOfProduct])
def test_a_wrong_backward_fails_the_gradient_check(wrong, rng):
    layer = wrong()
    layer.build((5,), dtype="float64")
    assert max(slope_errors(layer, rng.normal(size=(4, 5)), rng)) > 1e-3


def test_an_upstream_gradient_of_ones_would_hide_a_broken_batch_norm(rng):
    layer = BatchNorm()
    layer.build((5,), dtype="float64")
    layer.forward(rng.normal(size=(4, 5)), training=True)
    assert np.abs(layer.backward(np.ones((4, 5)))).max() < 1e-14  # so 0 would pass


@pytest.mark.parametrize("shape", [(40, 5), (6, 3, 2, 5)])
def test_batch_norm_output_has_mean_0_and_variance_1(shape, rng):
    layer = BatchNorm()
    layer.build(shape[1:], dtype="float64")
    y = layer.forward(5 + 3 * rng.exponential(size=shape), training=True).reshape(-1, 5)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(y.var(axis=0), 1, rtol=1e-5)
    np.testing.assert_array_equal(layer.x_hat.reshape(-1, 5), y)


def test_batch_norm_is_the_identity_where_gamma_and_beta_undo_it(rng):
    x = rng.normal(2, 0.03, (50, 4))  # a variance of 9e-4, near ε: the two roots differ
    layer = BatchNorm()
    layer.build((4,), dtype="float64")
    layer.gamma[...], layer.beta[...] = np.sqrt(x.var(axis=0) + layer.eps), x.mean(axis=0)
    assert np.abs(layer.forward(x, training=True) - x).max() < 2e-15
    layer.gamma[...] = x.std(axis=0)  # without ε it is not
    assert np.abs(layer.forward(x, training=True) - x).max() > 1e-4
    assert (layer.running_mean != 0).all()  # and the running statistics move all the same


def test_the_scale_of_weights_before_batch_norm_does_not_matter(rng):
    """Ioffe & Szegedy 2015, section 3.3: BN(aWx) = BN(Wx), and larger weights get smaller gradients."""
    network = dl.Network([dl.Dense(6), BatchNorm(eps=1e-12), dl.Tanh(), dl.Dense(3)], (5,), dtype="float64")
    loss, dense, (x, y) = dl.SoftmaxCrossEntropy(), network.layers[0], problem(dl.SoftmaxCrossEntropy())

    def measure(a):
        dense.W[...] = a * W
        value = loss.forward(network.forward(x, training=True), y)
        network.backward(loss.backward())
        return value, dense.dW.copy()

    W = dense.W.copy()
    value, gradient = measure(1.0)
    for a in (0.1, 8.0):
        scaled, scaled_gradient = measure(a)
        np.testing.assert_allclose(scaled, value, rtol=1e-9)
        np.testing.assert_allclose(scaled_gradient, gradient / a, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose((scaled_gradient * W).sum(axis=0), 0, atol=1e-9)  # at right angles, unit by unit


# Edges. The numbers are those of the table of known traps in other libraries.


def test_one_value_for_a_channel_is_refused_in_training_and_fine_afterwards():  # 1
    layer = BatchNorm()
    layer.build((5,))
    x = np.ones((1, 5), "float32")
    with pytest.raises(SettingError, match=r"BatchNorm.x must hold 2 values or more for each channel.*\(1, 5\).*drop_"):
        layer.forward(x, training=True)
    assert layer.forward(x).shape == (1, 5)
    layer.build((2, 1, 5))  # one image with two positions has a variance
    assert np.isfinite(layer.forward(np.ones((1, 2, 1, 5), "float32"), training=True)).all()


def test_a_last_batch_of_one_is_refused_in_words_by_fit():  # 1
    network, loss = dl.Network([dl.Dense(4), BatchNorm(), dl.Dense(3)], (5,)), dl.SoftmaxCrossEntropy()
    with pytest.raises(SettingError, match="drop_last=True"):
        dl.fit(network, loss, dl.SGD(), problem(loss, n=9), epochs=1, batch_size=4)
    history = dl.fit(network, loss, dl.SGD(), problem(loss, n=9), epochs=1, batch_size=4, drop_last=True)
    assert np.isfinite(history.loss).all()


@pytest.mark.parametrize("shape", [(5,), (2, 3, 5)])
@pytest.mark.parametrize("lanes", [None, 2])
def test_an_empty_batch_leaves_the_running_statistics(shape, lanes):  # 2
    layer = BatchNorm()
    layer.build(shape, lanes=lanes)
    layer.parameters.grad[...] = np.nan
    y = layer.forward(np.ones((0, *shape), "float32"), training=True)
    assert layer.backward(y).shape[-len(shape) - 1 :] == (0, *shape)
    assert not layer.parameters.grad.any()
    assert (layer.running_mean == 0).all()
    assert (layer.running_var == 1).all()


def test_running_variance_is_unbiased_and_counts_every_position():  # 3
    layer = BatchNorm(decay=0.75)
    layer.build((2, 1, 1), dtype="float64")
    layer.forward(np.array([1.0, 2, 3, 6]).reshape(2, 2, 1, 1), training=True)  # mean 3, squares 14: n is 4, not 2
    np.testing.assert_allclose(layer.running_mean, 0.25 * 3)
    np.testing.assert_allclose(layer.running_var, 0.75 * 1 + 0.25 * 14 / 3)


@pytest.mark.parametrize("offset", [40000, 3e6])
def test_variance_survives_a_large_mean_in_float32(offset):  # 4
    x = offset + np.arange(4, dtype="float32")[:, None]
    layer = BatchNorm()
    layer.build((1,))
    expected = np.array([-1.5, -0.5, 0.5, 1.5])[:, None] / np.sqrt(1.25)
    np.testing.assert_allclose(layer.forward(x, training=True), expected, rtol=1e-5)
    row = LayerNorm()
    row.build((4,))
    np.testing.assert_allclose(row.forward(x.T), expected.T, rtol=1e-5)


@pytest.mark.parametrize("value", [100.0, 0.1, -3.3e7, 1e-20])
@pytest.mark.parametrize("n", [2, 37, 64])
def test_equal_values_give_exactly_beta(value, n, rng):  # 5
    layer = BatchNorm()
    layer.build((2,))
    layer.beta[...] = [0.0, 0.7]
    x = np.full((n, 2), value, "float32")
    np.testing.assert_array_equal(layer.forward(x, training=True), np.tile(layer.beta, (n, 1)))
    assert np.isfinite(layer.backward(rng.normal(size=(n, 2)).astype("float32"))).all()
    for rows in (LayerNorm(), GroupNorm(1)):
        rows.build((n,))
        np.testing.assert_array_equal(rows.forward(np.full((3, n), value, "float32")), np.zeros((3, n)))


def test_squares_that_overflow_give_beta_and_are_not_remembered():  # 6
    x = np.array([[1e30, 1.0], [-1e30, 2.0], [3e30, 4.0]], "float32")
    layer = BatchNorm()
    layer.build((2,))
    with np.errstate(over="ignore"):
        y = layer.forward(x, training=True)
    assert (y[:, 0] == 0).all()
    assert np.isfinite(layer.backward(np.ones_like(x))).all()
    np.testing.assert_array_equal(layer.running_mean[0, 0], 0)  # the channel that overflowed
    np.testing.assert_allclose(layer.running_mean[0, 1], 0.1 * 7 / 3, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 2])
def test_what_is_not_finite_is_never_remembered(bad, place):
    x = np.arange(12, dtype="float32").reshape(6, 2)
    x[place, 0] = bad
    layer = BatchNorm()
    layer.build((2,))
    with np.errstate(invalid="ignore"):
        layer.forward(x, training=True)
    assert (layer.running_mean[0, 0], layer.running_var[0, 0]) == (0, 1)
    assert layer.running_mean[0, 1] != 0


def test_a_unit_without_direction_gets_no_gradient_and_stays(rng):  # 12
    layer = WeightNormDense(3)
    layer.build((4,), dtype="float64")
    layer.v[:, 1] = 0
    layer.g[...] = 2
    y = layer.forward(rng.normal(size=(5, 4)), training=True)
    dx = layer.backward(rng.normal(size=(5, 3)))
    np.testing.assert_array_equal(y[:, 1], 0)
    np.testing.assert_array_equal(layer.dv[:, 1], 0)
    for array in (y, dx, layer.parameters.grad):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm, lambda: GroupNorm(1)])
def test_whole_numbers_are_normalized_as_floats_are(kind, rng):  # 24
    layer, x = kind(), rng.integers(-9, 9, (3, 4))
    layer.build((4,), dtype="float64")
    np.testing.assert_array_equal(layer.forward(x, training=True), layer.forward(x.astype(float), training=True))


def test_layer_norm_of_one_channel_is_beta(rng):
    layer = LayerNorm()
    layer.build((1,))
    layer.beta[...] = 0.5
    np.testing.assert_array_equal(layer.forward(rng.normal(size=(4, 1)).astype("float32")), np.full((4, 1), 0.5))


def test_group_norm_of_one_group_is_layer_norm_and_of_single_channels_instance_norm(rng):
    x = rng.normal(size=(3, 4, 5, 6))
    one, each, rows = GroupNorm(1), GroupNorm(6), LayerNorm()
    for layer, shape in ((one, (4, 5, 6)), (each, (4, 5, 6)), (rows, (120,))):
        layer.build(shape, dtype="float64")
    np.testing.assert_allclose(one.forward(x).reshape(3, -1), rows.forward(x.reshape(3, -1)), rtol=1e-10)
    mean, variance = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(each.forward(x), (x - mean) / np.sqrt(variance + 1e-5), rtol=1e-10)


def test_group_norm_of_groups_far_apart_that_are_all_alike_is_exactly_beta():
    layer = GroupNorm(2)
    layer.build((6,))
    layer.beta[...] = np.arange(6)
    x = np.float32([[0.1] * 3 + [40000.3] * 3, [-7.7] * 3 + [1e9 / 3] * 3])
    np.testing.assert_array_equal(layer.forward(x), np.tile(np.arange(6.0), (2, 1)))


def test_weight_norm_agrees_with_pytorch():
    case = {name: np.array(value) for name, value in ORACLES["WeightNormDense"].items()}
    layer = WeightNormDense(2)
    layer.build((3,), dtype="float64")
    layer.v[...] = case["v"]
    layer.reset()
    np.testing.assert_allclose(layer.g[0], case["start"])  # ‖v‖, so that W = v
    np.testing.assert_allclose(layer.forward(case["x"]), case["x"] @ case["v"], atol=1e-14)
    layer.g[...], layer.b[...] = case["g"], case["b"]
    np.testing.assert_allclose(layer.forward(case["x"]), case["y"], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layer.backward(case["dy"]), case["dx"], rtol=1e-12, atol=1e-14)
    for name in ("dv", "dg", "db"):
        np.testing.assert_allclose(getattr(layer, name).reshape(case[name].shape), case[name], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose((layer.dv * layer.v).sum(axis=0), 0, atol=1e-13)  # at right angles


def test_weight_norm_starts_at_the_drawn_weights_in_every_lane():
    network = dl.Network([WeightNormDense(3)], (4,), seed=[0, 1], lanes=2)
    layer = network.layers[0]
    np.testing.assert_allclose(layer.g, np.linalg.norm(layer.v, axis=-2, keepdims=True), rtol=1e-6)
    assert not np.array_equal(layer.g[0], layer.g[1])


def test_weight_norm_decays_its_directions_only():
    layer = WeightNormDense(4)
    layer.build((5,))
    np.testing.assert_array_equal(layer.parameters.decay_mask, [1] * 20 + [0] * 8)


# Memory.


def normalized(seed=0, lanes=None, decay=0.9):
    layers = [BatchNorm(decay), dl.Dense(8), BatchNorm(decay), dl.ReLU(), WeightNormDense(6), LayerNorm(), GroupNorm(2)]
    return dl.Network([*layers, dl.Tanh(), dl.Dense(3)], (5,), seed=seed, lanes=lanes)


def convolved(seed=0, lanes=None):
    layers = [Conv2D(4, 3), BatchNorm(), dl.ReLU(), GroupNorm(2), LayerNorm(), dl.Flatten(), dl.Dense(3)]
    return dl.Network(layers, (5, 1, 1), seed=seed, lanes=lanes)


def test_reset_forgets_and_another_look_at_theta_does_not():
    network, loss = normalized(), dl.SoftmaxCrossEntropy()
    dl.fit(network, loss, dl.SGD(0.1), problem(loss), epochs=1, batch_size=15)
    before = {name: array.copy() for name, array in network.state().items()}
    assert set(before) == {"theta"} | {f"{n}.running_{what}" for n in (0, 2) for what in ("mean", "var")}
    assert dl.check_gradient(network, loss, *problem(loss))
    for name, array in network.state().items():
        np.testing.assert_array_equal(array, before[name])
        assert array.dtype == "float32"
    network.reset()
    for layer in (network.layers[0], network.layers[2]):
        assert (layer.running_mean == 0).all()
        assert (layer.running_var == 1).all()


def test_frozen_batch_norm_computes_as_after_training_and_remembers_nothing():
    network, loss = normalized(), dl.SoftmaxCrossEntropy()
    dl.fit(network, loss, dl.SGD(0.1), problem(loss), epochs=1, batch_size=15)
    layer = network.layers[2]
    network.freeze(layer)
    before = layer.running_mean.copy(), layer.gamma.copy()
    dl.fit(network, loss, dl.SGD(0.1), problem(loss), epochs=1, batch_size=15)
    np.testing.assert_array_equal(layer.running_mean, before[0])
    np.testing.assert_array_equal(layer.gamma, before[1])
    assert not layer.from_batch


def test_prediction_after_training_does_not_depend_on_the_batch(rng):
    network, loss = normalized(), dl.SoftmaxCrossEntropy()
    data = problem(loss)
    dl.fit(network, loss, dl.SGD(0.1), data, epochs=3, batch_size=15)
    whole = network.predict(data[0])
    np.testing.assert_allclose(network.predict(data[0][:1]), whole[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [normalized, convolved])
@pytest.mark.parametrize("seeds", [(0, 0, 0), (3, 1, 2)])
def test_lanes_are_single_runs(build, seeds):
    loss = dl.SoftmaxCrossEntropy()
    x, y = problem(loss)
    data = (x, y) if build is normalized else (x[:, :, None, None], y)
    assert_lanes_are_single_runs(OPTIMIZERS[1], loss, build, data, validation=data, seeds=seeds)


def test_a_column_of_decays_is_single_runs():
    decays, loss = [0.9, 0.5, 0.0], dl.SoftmaxCrossEntropy()

    def state(decay, lanes=None):
        network = normalized(lanes=lanes, decay=decay)
        dl.fit(network, loss, dl.SGD(0.1), problem(loss), epochs=2, batch_size=9)
        return network.state()

    together = state(np.array(decays)[:, None, None], 3)
    for lane, decay in enumerate(decays):
        for name, array in state(decay).items():
            np.testing.assert_array_equal(together[name][lane], array)


@pytest.mark.parametrize("lanes", [None, 2])
@pytest.mark.parametrize("build", [normalized, convolved])
def test_norms_never_leave_the_device(device, build, lanes):
    loss = dl.SoftmaxCrossEntropy()
    x, y = problem(loss)
    x = x if build is normalized else x[:, :, None, None]

    def run():
        network = build(lanes=lanes)
        history = dl.fit(network, loss, dl.SGD(0.1), (x, y), epochs=2, batch_size=9, validation=(x, y))
        return [history.loss, history.validation_loss, *map(to_host, network.state().values())]

    assert_same_on_both(run, rtol=1e-3)


MISTAKES = [
    (lambda: BatchNorm(decay=1.0), r"BatchNorm.decay must be in \[0, 1\); got decay=1.0"),
    (lambda: BatchNorm(momentum=0.1), "BatchNorm.momentum must be a setting that exists"),
    (lambda: BatchNorm(eps=0.0), "BatchNorm.eps must be a number above 0; got eps=0.0"),
    (lambda: LayerNorm(eps=np.array([[[1e-5]]])), "LayerNorm.eps must be a number above 0"),
    (lambda: GroupNorm(0), "GroupNorm.groups must be a whole number, 1 or more"),
    (lambda: GroupNorm(4).build((6,)), "GroupNorm.groups must divide the number of channels, 6; got groups=4"),
    (lambda: GroupNorm(6).build((6,)), "GroupNorm.groups must leave 2 values or more to each group; got groups=6"),
    (lambda: WeightNormDense(3).build((4, 4, 1)), "WeightNormDense.input_shape must have one axis"),
    (lambda: BatchNorm(np.full((3, 1, 1), 0.9)).build((5,), lanes=2), "BatchNorm.decay must have one value for each"),
    (lambda: BatchNorm(np.full((3, 1), 0.9)).build((5,), lanes=3), r"A column inside a layer is \(lanes, 1, 1\)"),
]


@pytest.mark.parametrize(("call", "words"), MISTAKES, ids=[words[:30] for _, words in MISTAKES])
def test_what_cannot_be_is_refused_in_words(call, words):
    with pytest.raises(SettingError, match=words):
        call()


def test_norms_print_as_the_call_that_makes_them():
    assert repr([BatchNorm(), LayerNorm(), GroupNorm(2)]) == (
        "[BatchNorm(decay=0.9, eps=1e-05), LayerNorm(eps=1e-05), GroupNorm(groups=2, eps=1e-05)]"
    )
