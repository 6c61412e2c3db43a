"""Whatever copies, pickles, assigns or shares: theta, windows and memories stay together, or it is refused in words."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from concepts import LAYERS, LOSSES, OPTIMIZERS, named, problem, small_network

import dlcourse as dl
from dlcourse.settings import SettingError

LOSS = dl.SoftmaxCrossEntropy()
COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "twice": lambda thing: copy.deepcopy(pickle.loads(pickle.dumps(thing))),
}
every_copy = pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)


def built(lanes=None, seed=0):
    """All that can come loose: weights in two parts, running statistics, dice, layers inside layers."""
    inside = dl.Residual(dl.Dense(6), dl.BatchNorm(), dl.ReLU(), dl.Dropout(0.2), dl.Dense(6))
    layers = [dl.WeightNormDense(6), inside, dl.DropConnectDense(5, 0.1), dl.Tanh(), dl.Dense(3)]
    return dl.Network(layers, (5,), seed=seed, lanes=lanes)


def train(network, optimizer=None, **settings):
    settings = {"epochs": 2, "batch_size": 9, **settings}
    return dl.fit(network, LOSS, optimizer or dl.Momentum(0.1), problem(LOSS), **settings)


def assert_same(one, other):
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, other.state()[name], err_msg=name)


@every_copy
@pytest.mark.parametrize("lanes", [None, 2])
def test_a_copy_trains_as_the_original_would(make_copy, lanes):
    network = built(lanes)
    train(network)
    twin = make_copy(network)
    ours, theirs = train(network), train(twin)
    assert ours.loss[-1].max() < ours.loss[0].min()
    np.testing.assert_array_equal(ours.loss, theirs.loss)
    assert_same(network, twin)


@every_copy
def test_a_copy_and_its_original_go_separate_ways(make_copy):
    network = built()
    before = {name: array.copy() for name, array in network.state().items()}
    twin = make_copy(network)
    train(twin)
    for name, array in network.state().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    twin.layers[-1].W = 0
    assert network.layers[-1].W.any()


@every_copy
def test_a_copy_in_the_middle_of_training_goes_on(make_copy):
    network = built()
    run = dl.training_steps(network, LOSS, dl.Momentum(0.1), problem(LOSS), epochs=2, batch_size=9)
    for _, _ in zip(run, range(3), strict=False):
        pass
    twin = make_copy(network)
    history = train(twin)
    assert history.loss[-1] < history.loss[0]
    assert_same(twin, make_copy(twin))


@every_copy
def test_a_saved_copy_is_the_copy(make_copy, tmp_path):
    twin = make_copy(built(seed=3))
    train(twin)
    twin.save(tmp_path / "twin.npz")
    assert_same(dl.Network.load(tmp_path / "twin.npz"), twin)


@every_copy
@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("row", **named(OPTIMIZERS))
def test_network_and_optimizer_copied_together_go_on_bit_for_bit(row, lanes, make_copy):
    network, optimizer = small_network(lanes=lanes), row.columns() if lanes else row.single()
    train(network, optimizer)
    twin, second = make_copy((network, optimizer))
    ours, theirs = train(network, optimizer, resume=True), train(twin, second, resume=True)
    np.testing.assert_array_equal(ours.loss, theirs.loss)
    np.testing.assert_array_equal(network.parameters.theta, twin.parameters.theta)


@every_copy
@pytest.mark.parametrize("row", **named(LAYERS))
def test_every_layer_keeps_its_windows_in_a_copy(row, make_copy, rng):
    layer = row.single()
    layer.build(row.input_shape)
    twin = make_copy(layer)
    twin.parameters.theta += 1
    for name in twin.windows if not twin.children else ():
        np.testing.assert_array_equal(getattr(twin, name), getattr(layer, name) + np.float32(1))
    x = rng.normal(size=(4, *row.input_shape)).astype("float32")
    twin.backward(twin.forward(x, training=True))
    assert not layer.parameters.grad.any()


def trained_elsewhere(network):
    history = train(network)
    return network, history.loss


@pytest.mark.parametrize("lanes", [None, 2])
def test_a_process_pool_sends_networks_there_and_back(lanes):
    networks = [built(lanes, seed) for seed in (1, 2)]
    with ProcessPoolExecutor(2) as pool:
        for network, (back, losses) in zip(networks, pool.map(trained_elsewhere, networks), strict=True):
            np.testing.assert_array_equal(train(network).loss, losses)
            assert_same(network, back)


@pytest.mark.parametrize("lanes", [None, 2])
def test_what_is_assigned_to_a_window_is_written_into_theta(lanes, rng):
    network = small_network(lanes=lanes)
    layer, theta = network.layers[0], network.parameters.theta
    W = rng.normal(size=layer.W.shape).astype("float32")
    layer.W, layer.b, layer.dW, layer.db = W, [0.5] * 7, 2.0, np.float64(3)
    np.testing.assert_array_equal(theta[..., :35].reshape(layer.W.shape), W)
    assert (theta[..., 35:42] == 0.5).all()
    assert (network.parameters.grad[..., :42] == np.array([2] * 35 + [3] * 7)).all()
    W[...] = 0
    assert layer.W.any()
    layer.W += 1
    np.testing.assert_array_equal(theta[..., :35].reshape(layer.W.shape), layer.W)


def test_what_is_assigned_to_theta_grad_or_a_running_mean_is_copied():
    one, other = built(seed=1), built(seed=2)
    one.parameters.theta = other.parameters.theta
    one.parameters.grad = other.parameters.grad
    one.layers[1].layers[1].running_mean = other.layers[1].layers[1].running_mean
    np.testing.assert_array_equal(one.layers[-1].W, other.layers[-1].W)
    before = {name: array.copy() for name, array in other.state().items()}
    losses = train(one).loss
    assert losses[-1] < losses[0]
    for name, array in other.state().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


@pytest.mark.parametrize("name", ["theta", "grad"])
def test_a_vector_of_another_shape_is_refused(name):
    network = small_network()
    with pytest.raises(SettingError, match=rf"Parameters.{name} must have the shape \(66,\); got {name}=\(65,\)"):
        setattr(network.parameters, name, np.zeros(65))


@pytest.mark.parametrize(
    ("name", "shape"), [("W", (7, 5)), ("W", (2, 5, 7)), ("dW", (5,)), ("b", (8,)), ("db", (7, 1))]
)
def test_an_array_that_does_not_fit_its_window_is_refused(name, shape):
    layer = small_network().layers[0]
    with pytest.raises(SettingError, match=rf"Dense.{name} must have the shape \({5 if 'W' in name else 1}, 7\)"):
        setattr(layer, name, np.zeros(shape))


def test_a_layer_without_a_network_has_no_weights():
    with pytest.raises(AttributeError):
        dl.Dense(3).W  # noqa: B018
    small_network()  # Dense knows its windows now
    with pytest.raises(AttributeError, match="Dense has no dW before it is part of a network"):
        dl.Dense(3).dW  # noqa: B018


def shared():
    return [dl.Dense(7), dl.ReLU(), dl.Dense(3)]


@pytest.mark.parametrize(
    "reuse",
    [
        lambda layers: layers,
        lambda layers: [dl.Dense(5), *layers[1:]],
        lambda layers: [dl.Dense(7), dl.Residual(layers[1]), dl.Dense(3)],
        lambda layers: copy.copy(layers),
    ],
    ids=["all", "some", "inside", "copy of the list"],
)
def test_layers_of_one_network_in_another_are_refused(reuse):
    layers = shared()
    dl.Network(layers, (4,), seed=1)
    with pytest.raises(SettingError, match=r"Network.layers must be new: a layer has one place in one network.*anew"):
        dl.Network(reuse(layers), (4,), seed=2)


def test_layers_inside_a_residual_have_one_place_too():
    inside = dl.Dense(4)
    dl.Network([dl.Residual(inside)], (4,))
    with pytest.raises(SettingError, match="one place in one network"):
        dl.Network([inside], (4,))


def test_layers_that_did_not_fit_can_be_used_again():
    layers = [dl.Dense(7), dl.BatchNorm(), dl.MaxPool2D(2)]
    with pytest.raises(SettingError, match="does not fit"):
        dl.Network(layers, (4,))
    dl.Network(layers[:2], (4,))


def test_a_layer_that_stood_alone_may_join_a_network():
    layer = dl.Dense(3)
    layer.build((4,))
    network = dl.Network([layer], (4,), seed=5)
    assert np.shares_memory(layer.W, network.parameters.theta)


@pytest.mark.parametrize("kind", ["int64", "uint8", "bool", "float16", "float64"])
@pytest.mark.parametrize("row", **named(LOSSES))
def test_what_scores_are_counted_in_does_not_change_a_loss(row, kind, rng):
    scores, loss = rng.integers(0, 2, (6, 3)).astype(kind), row.make()
    target = rng.normal(size=(6, 3)) if isinstance(loss, dl.MeanSquaredError) else rng.integers(0, 3, 6)
    values = [loss.forward(prediction, target) for prediction in (scores, scores.astype(float))]
    assert values[0] == pytest.approx(values[1], rel=1e-2 if kind == "float16" else 1e-12)
    assert loss.backward().dtype.kind == "f"


@pytest.mark.parametrize("kind", ["int64", "uint8"])
@pytest.mark.parametrize("row", **named(LAYERS))
def test_what_inputs_are_counted_in_does_not_change_a_layer(row, kind, rng):
    x, layer = rng.integers(0, 200, (4, *row.input_shape)).astype(kind), row.single()
    layer.build(row.input_shape, dtype="float64")
    passes = []
    for each in (x, x.astype(float)):
        layer.reseed(np.random.SeedSequence(1))
        y = layer.forward(each, training=True)
        passes.append((y, layer.backward(np.linspace(0.1, 1, y.size).reshape(y.shape))))
    for ours, theirs in zip(*passes, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
