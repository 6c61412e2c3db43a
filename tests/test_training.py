"""Minibatches → steps → epochs: what fit does is what a loop by hand does, and every mistake gets a sentence."""

import gc
import tracemalloc
import types
import warnings

import numpy as np
import pytest
from concepts import ACTIVATIONS, LOSSES, OPTIMIZERS, named, problem, small_network

import dlcourse as dl
from dlcourse.layers import Dropout
from dlcourse.schedules import ReduceOnPlateau
from dlcourse.settings import SettingError
from dlcourse.training import evaluate, prepare

LOSS = dl.SoftmaxCrossEntropy()


def start(epochs=1, batch_size=8, optimizer=None, network=None, data=None, **settings):
    """The pieces of a small run, as arguments for fit or training_steps."""
    network = network or small_network()
    optimizer = optimizer or dl.Momentum(0.1)
    arguments = network, LOSS, optimizer, data or problem(LOSS)
    return arguments, {"epochs": epochs, "batch_size": batch_size, **settings}


def run(**settings):
    """(theta, history) after a fit."""
    arguments, settings = start(**settings)
    history = dl.fit(*arguments, **settings)
    return arguments[0].parameters.theta, history


def by_hand(network, loss, optimizer, data, epochs, batch_size, seed=0):
    """The loop that a student writes."""
    rng, losses = np.random.default_rng(seed), []
    x, y = data
    optimizer.start(network.parameters.theta)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for first in range(0, len(x), batch_size):
            batch = order[first : first + batch_size]
            losses.append(loss.forward(network.forward(x[batch], training=True), y[batch]))
            network.backward(loss.backward())
            optimizer.step(network.parameters.theta, network.parameters.grad)
    return losses


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("loss", **named(LOSSES))
@pytest.mark.parametrize("activation", **named(ACTIVATIONS))
@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
def test_fit_is_the_loop_by_hand(optimizer, activation, loss, dtype, rtol):
    loss, (fitted, looped) = loss.make(), (small_network(activation.make, dtype=dtype) for _ in range(2))
    data = problem(loss)
    history = dl.fit(fitted, loss, optimizer.single(2), data, epochs=3, batch_size=8)
    losses = by_hand(looped, loss, optimizer.single(2), data, 3, 8)
    np.testing.assert_allclose(history.loss, losses, rtol=rtol)
    np.testing.assert_allclose(fitted.parameters.theta, looped.parameters.theta, rtol=rtol, atol=rtol / 10)
    assert fitted.parameters.theta.dtype == dtype


def test_training_steps_hands_control_back_after_every_step():
    arguments, settings = start(epochs=2, batch_size=20)
    network = arguments[0]
    steps = dl.training_steps(*arguments, **settings)
    assert isinstance(steps, types.GeneratorType)
    before, seen = network.parameters.theta.copy(), []
    for step in steps:
        assert not np.array_equal(network.parameters.theta, before)
        before[...] = network.parameters.theta
        assert step.prediction.shape == step.target.shape
        seen.append((step.number, step.epoch, bool(step.ends_epoch), len(step.prediction), step.learning_rate))
    assert seen == [
        (0, 0, False, 20, 0.1),
        (1, 0, False, 20, 0.1),
        (2, 0, True, 5, 0.1),
        (3, 1, False, 20, 0.1),
        (4, 1, False, 20, 0.1),
        (5, 1, True, 5, 0.1),
    ]


def test_training_may_stop_after_three_steps():
    arguments, settings = start(epochs=5)
    for step in dl.training_steps(*arguments, **settings):
        if step.number == 2:
            break
    network = arguments[0]
    assert np.isfinite(network.parameters.theta).all()
    assert not np.shares_memory(network.predict(np.ones((8, 5))), network.predict(np.ones((8, 5))))
    assert network.backward(np.ones((8, 3), "float32")).shape == (8, 5)  # dx is there again outside training


def test_looking_inside_between_steps_does_not_disturb():
    undisturbed, _ = run(epochs=2)
    arguments, settings = start(epochs=2)
    network, x = arguments[0], np.ones((13, 5))
    for step in dl.training_steps(*arguments, **settings):
        network.predict(x)
        if step.number % 3 == 0:
            LOSS.forward(network.forward(x, training=True), np.zeros(13, int))
            network.backward(LOSS.backward())
        if step.number == 4:
            dl.check_gradient(network, LOSS, x, np.zeros(13, int), entries=2)
    np.testing.assert_array_equal(network.parameters.theta, undisturbed)


def test_validation_does_not_disturb_training():
    plain, history = run(epochs=2)
    validated, watched = run(epochs=2, validation=problem(LOSS, 9, seed=1))
    np.testing.assert_array_equal(plain, validated)
    np.testing.assert_array_equal(history.loss, watched.loss)


def test_fit_is_decided_by_its_seeds():
    theta, history = run(seed=3)
    again, same = run(seed=3)
    np.testing.assert_array_equal(theta, again)
    np.testing.assert_array_equal(history.loss, same.loss)
    other, _ = run(seed=4)
    assert not np.array_equal(theta, other)


def test_the_seed_of_training_throws_the_dice_of_dropout():
    def gone(seed):
        layer = Dropout(0.5)
        network = dl.Network([dl.Dense(50), layer, dl.Dense(3)], (5,))
        next(dl.training_steps(network, LOSS, dl.SGD(0.1), problem(LOSS), epochs=1, batch_size=45, seed=seed))
        return layer.m.copy()

    np.testing.assert_array_equal(gone(1), gone(1))
    assert not np.array_equal(gone(0), gone(1))


def test_fit_twice_goes_on_from_where_it_was():
    arguments, settings = start(epochs=3)
    first, second = dl.fit(*arguments, **settings), dl.fit(*arguments, **settings)
    assert second.train_loss[0] < first.train_loss[0]


def test_fit_shows_every_example_once_an_epoch():
    data = np.arange(45.0)[:, None] * np.ones(5), np.zeros(45, int)
    arguments, settings = start(epochs=2, batch_size=7, data=data, optimizer=dl.SGD(0.0))
    seen = []
    network = arguments[0]
    for _ in dl.training_steps(*arguments, **settings):
        seen.extend(network.layers[0].x[:, 0].tolist())
    assert sorted(seen[:45]) == sorted(seen[45:]) == list(range(45))
    assert seen[:45] != seen[45:]


def test_every_epoch_has_noise_of_its_own():
    draws = []

    def augment(images, rng):
        draws.append(rng.random())
        return images

    run(epochs=3, augment=augment)
    assert len(set(draws)) == len(draws) == 18


@pytest.mark.parametrize("lanes", [None, 2])
def test_history_has_one_loss_a_step_and_one_mean_an_epoch(lanes):
    lead = () if lanes is None else (lanes,)
    _, history = run(epochs=3, validation=problem(LOSS, 9), network=small_network(lanes=lanes))
    assert history.loss.shape == (18, *lead)
    assert history.learning_rate.shape == (18,)
    for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
        assert getattr(history, name).shape == (3, *lead), name
    assert history.divergence is None
    assert repr(history).startswith("History(18 steps, 3 epochs, train_loss=")


def test_history_means_count_every_example_once():
    arguments, settings = start(epochs=1, batch_size=20, validation=problem(LOSS, 9), optimizer=dl.SGD(0.0))
    network, _, _, (x, y) = arguments
    history = dl.fit(*arguments, **settings)
    assert history.train_loss[0] == pytest.approx(float(LOSS.forward(network.predict(x), y)), rel=1e-6)
    assert history.train_accuracy[0] == pytest.approx((network.predict(x).argmax(-1) == y).mean())
    assert history.validation_loss[0] == pytest.approx(
        float(LOSS.forward(network.predict(problem(LOSS, 9)[0]), problem(LOSS, 9)[1])), rel=1e-6
    )


def test_history_without_right_and_wrong_has_no_accuracy():
    loss = dl.MeanSquaredError()
    history = dl.fit(small_network(), loss, dl.SGD(), problem(loss), epochs=1, batch_size=9, validation=problem(loss))
    assert history.train_accuracy.size == history.validation_accuracy.size == 0
    assert history.validation_loss.shape == (1,)


def test_history_keeps_the_rate_of_every_step():
    _, history = run(optimizer=dl.SGD(lambda step: 0.1 / (step + 1)))
    np.testing.assert_allclose(history.learning_rate, 0.1 / np.arange(1, 7))


class Watching(ReduceOnPlateau):
    def observe(self, metric):
        self.seen = [*getattr(self, "seen", []), metric]


def test_a_rate_that_observes_is_shown_the_loss_of_every_epoch():
    rate = Watching(0.1)
    _, history = run(optimizer=dl.SGD(rate), epochs=3, validation=problem(LOSS, 9, seed=1))
    assert rate.seen == history.validation_loss.tolist()
    rate = Watching(0.1)
    _, history = run(optimizer=dl.SGD(rate), epochs=3)
    assert rate.seen == history.train_loss.tolist()


def test_drop_last_leaves_out_the_smaller_batch():
    _, history = run(epochs=2, batch_size=20, drop_last=True)
    assert history.loss.shape == (4,)


@pytest.mark.parametrize("batch_size", [1, 44, 45, np.int64(9)])
def test_fit_takes_any_batch_size_up_to_all(batch_size):
    _, history = run(batch_size=batch_size)
    assert len(history.loss) == -(-45 // batch_size)


def test_training_lowers_the_loss():
    _, history = run(epochs=40, data=(problem(LOSS)[0], (problem(LOSS)[0].sum(axis=1) > 0).astype(int)))
    assert history.train_loss[-1] < history.train_loss[0] / 3
    assert history.train_accuracy[-1] > 0.95


def test_a_deep_linear_network_learns_each_mode_along_its_sigmoid():
    """Saxe, McClelland & Ganguli 2013: mode s of two linear layers grows as s e²ˢᵗ / (e²ˢᵗ − 1 + s/u₀).

    White inputs, both layers aligned with the modes and alike in size; then no mode sees another.
    """
    rng, s, u0 = np.random.default_rng(0), np.array([3.0, 1.5, 0.5]), 1e-3
    V, R, U = (np.linalg.qr(rng.normal(size=(n, 3)))[0] for n in (5, 4, 3))  # inputs, hidden units, outputs
    x = np.sqrt(5) * np.concatenate([np.eye(5), -np.eye(5)])
    network = dl.Network([dl.Dense(4), dl.Dense(3)], (5,), dtype="float64")
    first, second = network.layers
    first.W[...], second.W[...] = np.sqrt(u0) * V @ R.T, np.sqrt(u0) * R @ U.T
    rate, loss, data = 0.003, dl.MeanSquaredError(), (x, x @ (V * s) @ U.T)
    for step in dl.training_steps(network, loss, dl.SGD(rate), data, epochs=4000, batch_size=10):
        t = (step.number + 1) * rate * 2 / 3  # the loss is a mean over three outputs
        expected = s * np.exp(2 * s * t) / (np.exp(2 * s * t) - 1 + s / u0)
        np.testing.assert_allclose(V.T @ first.W @ second.W @ U, np.diag(expected), atol=0.02)
    assert expected.min() > 0.4  # the slowest has been on its way


def test_divergence_is_reported_in_words_and_without_warnings():
    loss = dl.MeanSquaredError()
    data, settings = problem(loss), {"epochs": 5, "batch_size": 8}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = dl.fit(small_network(), loss, dl.SGD(1e4), data, validation=data, **settings)
    bad = ~np.isfinite(history.loss)
    assert history.divergence.step == bad.argmax() > 0
    assert str(history.divergence).startswith(f"Diverged at step {bad.argmax()}: ")


def test_fit_takes_a_dataset_and_lists():
    _, history = run(data=dl.datasets.Dataset(*problem(LOSS)))
    x, y = problem(LOSS)
    _, same = run(data=(x.tolist(), y.tolist()))
    np.testing.assert_array_equal(history.loss, same.loss)


def test_fit_leaves_its_data_alone():
    x, y = problem(LOSS)
    before = x.copy(), y.copy()
    run(data=(x, y))
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


X, Y = problem(LOSS)
HOLE = np.where(np.arange(225).reshape(45, 5) == 77, np.nan, X)
MISTAKES = [
    ({"epochs": 0}, "fit.epochs must be a whole number, 1 or more; got epochs=0"),
    ({"epochs": 1.5}, "fit.epochs must be a whole number"),
    ({"epochs": True}, "fit.epochs must be a whole number"),
    ({"batch_size": 0}, "fit.batch_size must be a whole number, 1 or more; got batch_size=0"),
    ({"batch_size": 46}, "fit.batch_size must be at most the number of examples, 45; got batch_size=46"),
    ({"seed": -1}, "fit.seed must be a whole number, 0 or more; got seed=-1"),
    ({"seed": "x"}, "fit.seed must be a whole number"),
    ({"data": (X[:0], Y[:0])}, "fit.train must hold examples, as many x as y; got train=(0, 0)"),
    ({"data": (X, Y[:-1])}, "fit.train must hold examples, as many x as y; got train=(45, 44)"),
    ({"data": (X[:, :4], Y)}, "Network.x must have the shape (batch, 5); got x=(45, 4)"),
    ({"data": (X[:, None], Y)}, "fit.train must hold one example in each row of x, (batch, 5); got train=(45, 1, 5)"),
    ({"data": (HOLE, Y)}, "Leave out, or mend, example 15."),
    ({"data": (X, Y + 1)}, "SoftmaxCrossEntropy.target must lie in 0 … 2"),
    ({"validation": (X, Y[:3])}, "fit.validation must hold examples, as many x as y; got validation=(45, 3)"),
    ({"validation": (HOLE, Y)}, "fit.validation must hold finite numbers only"),
    ({"epoch": 3}, "fit.epoch must be a setting that exists; got epoch=3. Did you mean epochs?"),
]


@pytest.mark.parametrize(("settings", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_fit_refuses_before_the_first_step(settings, words):
    arguments, settings = start(**settings)
    before = arguments[0].parameters.theta.copy()
    with pytest.raises(SettingError) as refused:
        dl.fit(*arguments, **settings)
    assert words in str(refused.value)
    np.testing.assert_array_equal(arguments[0].parameters.theta, before)


def test_training_steps_refuses_at_once_not_at_the_first_step():
    arguments, settings = start(batch_size=46)
    with pytest.raises(SettingError):
        dl.training_steps(*arguments, **settings)


def test_fit_refuses_squared_error_targets_that_are_no_numbers():
    loss = dl.MeanSquaredError()
    x, y = problem(loss)
    y[3, 1] = np.inf
    with pytest.raises(SettingError, match=r"fit.train must hold finite numbers only"):
        dl.fit(small_network(), loss, dl.SGD(), (x, y), epochs=1, batch_size=5)


@pytest.mark.parametrize("lanes", [None, 2])
def test_progress_shows_a_bar_and_changes_nothing(lanes, capsys):
    quiet, _ = run(epochs=2, network=small_network(lanes=lanes))
    assert capsys.readouterr().err == ""
    shown, _ = run(epochs=2, network=small_network(lanes=lanes), progress=True)
    np.testing.assert_array_equal(quiet, shown)
    assert "2/2" in capsys.readouterr().err


def test_weight_decay_is_told_to_spare_the_biases():
    class Listener(dl.SGD):
        def start(self, theta, decay_mask=None):
            super().start(theta, decay_mask)
            self.heard = decay_mask

    network, optimizer = small_network(), Listener()
    run(network=network, optimizer=optimizer)
    np.testing.assert_array_equal(optimizer.heard, network.parameters.decay_mask)


@pytest.mark.parametrize("lanes", [None, 2])
def test_evaluate_goes_through_the_data_in_parts(lanes):
    network = small_network(lanes=lanes, dtype="float64")
    x, target = prepare(network, LOSS, problem(LOSS), "test")
    for part, whole in zip(evaluate(network, LOSS, x, target, rows=7), evaluate(network, LOSS, x, target), strict=True):
        np.testing.assert_allclose(part, whole, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 8, 9])
def test_evaluation_in_parts_sees_every_example(n):
    network, (x, y) = small_network(), problem(LOSS, n)
    target = LOSS.prepare(y, (3,), "float32")
    value, accuracy = evaluate(network, LOSS, x, target, rows=4)
    assert float(value) == pytest.approx(float(LOSS.forward(network.predict(x), y)))
    assert float(accuracy) == pytest.approx(np.mean(network.predict(x).argmax(axis=1) == y))


def test_memory_does_not_grow_over_repeated_fits():
    arguments, settings = start(epochs=2)

    def used():
        dl.fit(*arguments, **settings)
        gc.collect()  # layers and their parameters know each other
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first = [used() for _ in range(3)][-1]
        last = [used() for _ in range(10)][-1]
    finally:
        tracemalloc.stop()
    assert last - first < 4096


def test_the_history_of_one_lane():
    x, y = np.linspace(-1, 1, 20)[:, None], np.linspace(-3, 1, 20)[:, None]
    rates = [0.1, 1e12, 0.3]

    def history(rate, lanes=None):
        network = dl.Network([dl.Dense(1)], (1,), lanes=lanes)
        more = {"epochs": 5, "batch_size": 5, "validation": (x, y)}
        return dl.fit(network, dl.MeanSquaredError(), dl.Momentum(rate), (x, y), **more)

    together = history(np.array(rates)[:, None], lanes=3)
    for number, rate in enumerate(rates):
        one, alone = together.lane(number), history(rate)
        for name in ("loss", "learning_rate", "train_loss", "validation_loss", "validation_accuracy"):
            np.testing.assert_array_equal(getattr(one, name), getattr(alone, name), err_msg=name)
        assert (one.divergence and one.divergence.step) == (alone.divergence and alone.divergence.step)
    assert together.lane(1).divergence and not together.lane(0).divergence


@pytest.mark.parametrize("rate", [0.1, dl.ExponentialDecay(0.1, 1, 0.5)], ids=["plain", "schedule"])
def test_lanes_share_a_learning_rate_that_is_no_column(rate, rng):
    data = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)

    def history(**network):
        optimizer = dl.SGD(rate)
        start = dl.Network([dl.Dense(2)], (3,), **network)
        return dl.fit(start, dl.SoftmaxCrossEntropy(), optimizer, data, epochs=2, batch_size=5)

    one, alone = history(seed=[4, 5, 6], lanes=3).lane(1), history(seed=5)
    np.testing.assert_array_equal(one.learning_rate, alone.learning_rate, strict=True)
    np.testing.assert_array_equal(one.loss, alone.loss)


@pytest.mark.parametrize(("lanes", "number"), [(None, 0), (2, 2), (2, -1), (2, "0")])
def test_the_history_of_a_lane_that_is_not_there_is_refused(lanes, number):
    network = dl.Network([dl.Dense(1)], (1,), lanes=lanes)
    history = dl.fit(network, dl.MeanSquaredError(), dl.SGD(), (np.ones((4, 1)), np.ones(4)), epochs=1, batch_size=2)
    with pytest.raises(SettingError, match=r"History\.lane\.number must .*; got number="):
        history.lane(number)


def masked(array):
    hidden = np.zeros(np.shape(array), bool)
    hidden.flat[0] = True
    return np.ma.array(array, mask=hidden)


@pytest.mark.parametrize(
    "call",
    [
        lambda network, loss, x, y: dl.fit(network, loss, dl.SGD(0.1), (masked(x), y), epochs=1, batch_size=5),
        lambda network, loss, x, y: dl.fit(network, loss, dl.SGD(0.1), (x, masked(y)), epochs=1, batch_size=5),
        lambda network, loss, x, y: network.predict(masked(x)),
        lambda network, loss, x, y: loss.forward(network.predict(x), masked(y)),
        lambda network, loss, x, y: loss.forward(masked(network.predict(x)), y),
        lambda network, loss, x, y: network.layers[0].forward(masked(x)),
        lambda network, loss, x, y: setattr(network.layers[0], "W", masked(network.layers[0].W)),
        lambda network, loss, x, y: setattr(network.parameters, "theta", masked(network.parameters.theta)),
    ],
)
def test_masked_values_are_refused(call):
    loss = dl.SoftmaxCrossEntropy()
    with pytest.raises(SettingError, match="hold no masked values; got array='1 masked'"):
        call(small_network(), loss, *problem(loss))


def test_a_mask_that_hides_nothing_is_welcome():
    loss = dl.SoftmaxCrossEntropy()
    x, y = problem(loss)
    np.testing.assert_array_equal(small_network().predict(np.ma.array(x)), small_network().predict(x))
    dl.fit(small_network(), loss, dl.SGD(0.1), (np.ma.array(x), np.ma.array(y)), epochs=1, batch_size=5)
