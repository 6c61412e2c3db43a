"""A way round: sums, and layers inside a layer that are reached by all that reaches layers."""

import numpy as np
import pytest
from concepts import OPTIMIZERS, problem
from test_backend import assert_same_on_both
from test_lanes import assert_lanes_are_single_runs

import dlcourse as dl
from dlcourse.backend import to_host
from dlcourse.layers import BatchNorm, Dropout, Residual, WeightNormDense
from dlcourse.settings import SettingError


def block():
    return Residual(dl.Dense(6), BatchNorm(), dl.ReLU(), Dropout(0.3), WeightNormDense(6))


def build(seed=0, lanes=None, dtype="float32"):
    layers = [dl.Dense(6), block(), Residual(dl.Tanh(), block()), dl.Dense(3)]
    return dl.Network(layers, (5,), seed=seed, lanes=lanes, dtype=dtype)


def test_residual_adds_what_came_in(rng):
    layer, x, dy = Residual(dl.Dense(5), dl.Tanh(), dl.Dense(5)), rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    layer.build((5,), dtype="float64")
    first, _, last = layer.layers
    inner = np.tanh(x @ first.W + first.b)
    np.testing.assert_allclose(layer.forward(x), x + inner @ last.W + last.b)
    through = (dy @ last.W.T * (1 - inner**2)) @ first.W.T
    np.testing.assert_allclose(layer.backward(dy), dy + through)


def test_parameters_inside_are_named_after_their_place():
    layer = block()
    layer.build((6,))
    names = ["0.W", "0.b", "1.gamma", "1.beta", "4.v", "4.g", "4.b"]
    assert list(layer.windows) == names
    assert layer.parameters.size == sum(w.stop - w.start for w in layer.windows.values()) == 42 + 12 + 48
    np.testing.assert_array_equal(layer.parameters.theta[:36], layer.layers[0].W.ravel())
    assert list(layer.state()) == ["1.running_mean", "1.running_var"]


def test_summary_has_a_line_for_each_layer_inside():
    lines = [line.split() for line in build().summary().splitlines()]
    assert lines[2:8] == [
        ["Residual", "6"], ["Dense", "6", "42"], ["BatchNorm", "6", "12"], ["ReLU", "6"], ["Dropout", "6"],
        ["WeightNormDense", "6", "48"],
    ]  # fmt: skip
    assert sum(int(line[2]) for line in lines[1:-1] if len(line) > 2) == int(lines[-1][1]) == build().parameters.size
    assert "\n  Dense" in build().summary()


@pytest.mark.parametrize("lanes", [None, 2])
def test_gradient_reaches_every_layer_inside(lanes):
    network, loss = build(lanes=lanes), dl.SoftmaxCrossEntropy()
    report = dl.check_gradient(network, loss, *problem(loss, n=8))
    assert report, report
    assert len(report.checks) == 2 + 7 + 7 + 2 + 1


def test_reset_and_reseed_reach_the_layers_inside():
    network, loss = build(), dl.SoftmaxCrossEntropy()
    start = {name: array.copy() for name, array in network.state().items()}
    first = dl.fit(network, loss, dl.SGD(0.1), problem(loss), epochs=1, batch_size=15).loss
    assert (network.layers[1].layers[1].running_mean != 0).all()
    network.reset()
    for name, array in network.state().items():
        np.testing.assert_array_equal(array, start[name])
    np.testing.assert_array_equal(
        dl.fit(network, loss, dl.SGD(0.1), problem(loss), epochs=1, batch_size=15).loss, first
    )
    dice = [network.layers[1].layers[3], network.layers[2].layers[1].layers[3]]
    assert not np.array_equal(dice[0].m, dice[1].m)


def test_freezing_a_residual_freezes_all_inside():
    network, loss = build(), dl.SoftmaxCrossEntropy()
    network.freeze(1)
    before = [array.copy() for array in (network.layers[1].layers[0].W, *network.layers[1].state().values())]
    dl.fit(network, loss, dl.Momentum(0.1), problem(loss), epochs=1, batch_size=15)
    after = network.layers[1].layers[0].W, *network.layers[1].state().values()
    for ours, theirs in zip(before, after, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_each_dropout_inside_throws_its_own_dice():
    layer = Residual(Dropout(0.5), Dropout(0.5))
    layer.build((200,))
    layer.forward(np.ones((1, 200), "float32"), training=True)
    assert not np.array_equal(layer.layers[0].m, layer.layers[1].m)


@pytest.mark.parametrize("seeds", [(0, 0, 0), (3, 1, 2)])
def test_lanes_are_single_runs(seeds):
    loss = dl.SoftmaxCrossEntropy()
    assert_lanes_are_single_runs(OPTIMIZERS[1], loss, build, problem(loss), validation=problem(loss), seeds=seeds)


def test_lanes_are_single_runs_when_the_way_round_comes_first():
    loss = dl.SoftmaxCrossEntropy()

    def network(seed, lanes):
        return dl.Network([Residual(dl.Dense(5), dl.Tanh()), dl.Dense(3)], (5,), seed=seed, lanes=lanes)

    assert_lanes_are_single_runs(OPTIMIZERS[0], loss, network, problem(loss), seeds=(3, 1, 2))


@pytest.mark.parametrize("lanes", [None, 2])
def test_residuals_never_leave_the_device(device, lanes):
    def run():
        network, loss = build(lanes=lanes), dl.SoftmaxCrossEntropy()
        history = dl.fit(network, loss, dl.SGD(0.1), problem(loss), epochs=2, batch_size=9)
        return [history.loss, *map(to_host, network.state().values())]

    assert_same_on_both(run, rtol=1e-3)


def test_a_saved_network_keeps_what_is_inside(tmp_path):
    network, loss = build(), dl.SoftmaxCrossEntropy()
    x, y = problem(loss)
    dl.fit(network, loss, dl.SGD(0.1), (x, y), epochs=1, batch_size=15)
    network.save(tmp_path / "network.npz")
    again = dl.Network.load(tmp_path / "network.npz")
    np.testing.assert_array_equal(again.predict(x), network.predict(x))
    assert repr(again) == repr(network)


MISTAKES = [
    (lambda: Residual(), r"Residual.layers must be one layer or more; got layers=\(\)"),
    (lambda: Residual([dl.Dense(3)]), "no list"),
    (lambda: Residual(dl.ReLU), "Residual.layers must be one layer or more"),
    (lambda: Residual(dl.Dense(4)).build((5,)), r"give back the shape they get, \(5,\).*got layers=\(4,\)"),
    (lambda: Residual(dl.Dense(4)).build((5, 2)), "layer 0 inside, Dense.*does not fit: Dense.input_shape must"),
    (lambda: dl.Network([Residual(same := dl.Dense(5)), same], (5,)), "hold each layer once"),
]


@pytest.mark.parametrize(("call", "words"), MISTAKES, ids=[words[:30] for _, words in MISTAKES])
def test_what_does_not_fit_is_refused_in_words(call, words):
    with pytest.raises(SettingError, match=words):
        call()


def test_residual_prints_as_the_call_that_makes_it():
    assert repr(Residual(dl.ReLU(), Dropout(0.5))) == "Residual(ReLU(), Dropout(rate=0.5))"
