"""K lanes are K single runs, bit for bit, over a whole training."""

import numpy as np
import pytest
from concepts import ACTIVATIONS, LOSSES, OPTIMIZERS, named, problem, small_network, targets

import dlcourse as dl

PER_LANE = ("loss", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def assert_lanes_are_single_runs(row, loss, build, data, validation=None, seeds=(0, 0, 0), **settings):
    """build(seed, lanes) makes a network; every lane of one run equals a run of its own."""
    settings = {"epochs": 2, "batch_size": 8, **settings}
    seed = seeds[0] if len(set(seeds)) == 1 else seeds
    together = build(seed, 3)
    history = dl.fit(together, loss, row.columns(), data, validation=validation, **settings)
    for lane in range(3):
        alone = build(seeds[lane], None)
        single = dl.fit(alone, loss, row.single(lane), data, validation=validation, **settings)
        np.testing.assert_array_equal(together.parameters.theta[lane], alone.parameters.theta)
        np.testing.assert_array_equal(history.learning_rate[:, lane], single.learning_rate)
        for name in PER_LANE:
            ours, theirs = getattr(history, name), getattr(single, name)
            np.testing.assert_array_equal(ours[:, lane] if ours.size else ours, theirs, err_msg=name)


@pytest.mark.parametrize("loss", **named(LOSSES))
@pytest.mark.parametrize("activation", **named(ACTIVATIONS))
@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
def test_lanes_are_single_runs(optimizer, activation, loss):
    def build(seed, lanes):
        return small_network(activation.make, seed, lanes)

    data = problem(loss.make())  # 45 examples: the last batch holds 5
    assert_lanes_are_single_runs(optimizer, loss.make(), build, data, validation=problem(loss.make(), 11, seed=1))


@pytest.mark.parametrize("loss", **named(LOSSES))
@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
@pytest.mark.parametrize("batch_size", [64, 37, 299])  # 300 examples: the last batch holds 44, 4, 1
def test_lanes_are_single_runs_at_the_size_of_digits(optimizer, loss, batch_size, rng):
    x = rng.normal(size=(300, 64))
    data = x, targets(loss.make(), 10, 300, rng)

    def build(seed, lanes):
        layers = [dl.Dense(33), dl.ReLU(), dl.Dense(16), dl.Tanh(), dl.Dense(10)]
        return dl.Network(layers, (64,), seed=seed, lanes=lanes)

    assert_lanes_are_single_runs(optimizer, loss.make(), build, data, seeds=(4, 9, 2), batch_size=batch_size)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [1, 45])
def test_lanes_are_single_runs_for_batches_of_one_and_of_all(batch_size, drop_last):
    loss = dl.SoftmaxCrossEntropy()
    assert_lanes_are_single_runs(
        OPTIMIZERS[1],
        loss,
        lambda seed, lanes: small_network(dl.Tanh, seed, lanes),
        problem(loss),
        batch_size=batch_size,
        drop_last=drop_last,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lanes_are_single_runs_for_one_output_and_in_float64(dtype, rng):
    data = rng.normal(size=(30, 5)), rng.normal(size=30)

    def build(seed, lanes):
        return dl.Network([dl.Flatten(), dl.Dense(1)], (5,), seed=seed, lanes=lanes, dtype=dtype)

    assert_lanes_are_single_runs(OPTIMIZERS[2], dl.MeanSquaredError(), build, data, seeds=(1, 2, 3))


def test_lanes_with_a_column_inside_a_layer_are_single_runs():
    slopes, loss = [0.0, 0.1, 0.5], dl.SoftmaxCrossEntropy()

    def losses(slope, lanes=None):
        network = small_network(lambda: dl.LeakyReLU(slope), lanes=lanes)
        return dl.fit(network, loss, dl.SGD(0.1), problem(loss), epochs=2, batch_size=8).loss

    together = losses(np.array(slopes)[:, None, None], 3)
    for lane, slope in enumerate(slopes):
        np.testing.assert_array_equal(together[:, lane], losses(slope))


def test_lanes_share_one_start_unless_seeds_differ():
    theta = small_network(seed=5, lanes=2).parameters.theta
    np.testing.assert_array_equal(theta[0], theta[1])
    theta = small_network(seed=(5, 6), lanes=2).parameters.theta
    np.testing.assert_array_equal(theta[1], small_network(seed=6).parameters.theta)
    assert not np.array_equal(theta[0], theta[1])


def test_one_lane_that_diverges_leaves_the_others_alone():
    loss = dl.MeanSquaredError()
    data, rates = problem(loss), np.array([[0.01], [1e6]])
    network = small_network(lanes=2)
    history = dl.fit(network, loss, dl.SGD(rates), data, epochs=3, batch_size=8)
    alone = dl.fit(small_network(), loss, dl.SGD(0.01), data, epochs=3, batch_size=8)
    np.testing.assert_array_equal(history.loss[:, 0], alone.loss)
    assert history.divergence.step[0] == -1
    assert history.divergence.step[1] > 0
