"""Early stopping: when, and back to where."""

import numpy as np
import pytest
from concepts import problem, small_network

import dlcourse as dl
from dlcourse.backend import to_host
from dlcourse.layers.normalization import BatchNorm
from dlcourse.settings import SettingError
from dlcourse.stopping import EarlyStopping

LOSS = dl.SoftmaxCrossEntropy()
DATA, VALIDATION = problem(LOSS), problem(LOSS, 30, seed=1)


def watched(losses, lanes=None, **settings):
    """(epochs until it stopped, network, stop) where epoch e leaves theta at e + 1."""
    network, stop = small_network(lanes=lanes), EarlyStopping(**settings)
    stop.start()
    for epoch, loss in enumerate(losses):
        network.parameters.theta[...] = epoch + 1
        if stop.observe(np.array(loss, "float32"), network):
            break
    stop.finish(network)
    return epoch + 1, network.parameters.theta, stop


@pytest.mark.parametrize(
    ("losses", "settings", "epochs", "best"),
    [
        ([3, 2, 1, 2, 2, 2, 2], {"patience": 2}, 5, 2),
        ([3, 2, 1, 2, 2, 2, 2], {"patience": 1}, 4, 2),
        ([3, 2, 2, 2, 1, 2, 2], {"patience": 2}, 4, 1),  # as good is not better
        ([3, 2, 2, 1, 2, 2, 2], {"patience": 2}, 6, 3),  # a better one starts the count anew
        ([3, 2, 1, 0], {"patience": 2}, 4, 3),
        ([3, 2.9, 2.8, 2.7, 2.6], {"patience": 2, "min_delta": 0.5}, 3, 0),
        ([3, 2.9, 2.4, 2.4, 2.4], {"patience": 2, "min_delta": 0.5}, 5, 2),  # measured against the best
        ([np.nan, 3, np.nan, np.nan], {"patience": 2}, 4, 1),
        ([np.nan, np.nan, 1], {"patience": 2}, 2, -1),
        ([np.inf, np.inf, 1], {"patience": 2}, 2, -1),
        ([1, 2, 3], {"patience": 9}, 3, 0),
        ([-1, -2, -np.inf, 0], {"patience": 1}, 4, 2),
    ],
)
def test_it_stops_after_patience_and_goes_back_to_the_best(losses, settings, epochs, best):
    stopped, theta, stop = watched(losses, **settings)
    assert stopped == epochs
    assert stop.best_epoch == best
    assert stop.epoch == epochs - 1
    assert (theta == (best + 1 if best >= 0 else epochs)).all()
    assert stop.best == (np.float32(losses[best]) if best >= 0 else np.inf)
    _, theta, _ = watched(losses, restore_best=False, **settings)
    assert (theta == epochs).all()


def test_each_lane_goes_back_to_its_own_best_and_the_last_one_ends_it():
    losses = [[3, 3, np.nan], [2, 4, np.nan], [9, 2, np.nan], [9, 1, np.nan], [1, 5, 0], [1, 5, 0], [1, 5, 0]]
    epochs, theta, stop = watched(losses, lanes=3, patience=2)
    assert epochs == 6
    assert stop.best_epoch.tolist() == [1, 3, -1]  # what the first lane finds later no longer counts
    assert theta[:, 0].tolist() == [2, 4, 6]
    np.testing.assert_array_equal(theta, theta[:, :1] * np.ones_like(theta))


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_fit_stops_and_ends_at_the_best_epoch(rate):
    network, stop = small_network(), EarlyStopping(3)
    history = dl.fit(network, LOSS, dl.Momentum(rate), DATA, epochs=100, batch_size=9, validation=VALIDATION, stop=stop)
    best = int(np.nanargmin(history.validation_loss))
    assert len(history.validation_loss) == best + 1 + 3 < 100
    assert stop.best_epoch == best
    reached = float(LOSS.forward(network.predict(VALIDATION[0]), VALIDATION[1]))
    assert reached == pytest.approx(history.validation_loss[best], rel=1e-6)


def test_without_validation_it_watches_the_training_loss():
    stop = EarlyStopping(1, min_delta=0.1)
    history = dl.fit(small_network(), LOSS, dl.SGD(0.1), DATA, epochs=50, batch_size=9, stop=stop)
    assert len(history.train_loss) < 50
    assert stop.best == history.train_loss[stop.best_epoch]


def test_it_goes_back_also_if_it_did_not_stop():
    network, stop = small_network(), EarlyStopping(100)
    history = dl.fit(network, LOSS, dl.Momentum(0.5), DATA, epochs=12, batch_size=9, validation=VALIDATION, stop=stop)
    assert 0 <= stop.best_epoch < 11
    reached = float(LOSS.forward(network.predict(VALIDATION[0]), VALIDATION[1]))
    assert reached == pytest.approx(history.validation_loss.min(), rel=1e-6)


def test_every_fit_starts_anew():
    stop, lengths = EarlyStopping(2), []
    for _ in range(2):
        network = small_network()
        lengths.append(
            len(
                dl.fit(
                    network, LOSS, dl.Momentum(0.5), DATA, epochs=60, batch_size=9, validation=VALIDATION, stop=stop
                ).train_loss
            )
        )
    assert lengths[0] == lengths[1] > 2


def test_lanes_are_single_runs():
    rates = [0.5, 0.1, 1.0]

    def run(lanes, rate):
        network, stop = small_network(lanes=lanes), EarlyStopping(2)
        history = dl.fit(
            network, LOSS, dl.Momentum(rate), DATA, epochs=60, batch_size=9, validation=VALIDATION, stop=stop
        )
        return network.parameters.theta, stop, len(history.train_loss)

    together, stop, epochs = run(3, np.array(rates)[:, None])
    single = [run(None, rate) for rate in rates]
    assert epochs == max(each[2] for each in single)
    assert len({each[2] for each in single}) > 1
    for lane, (theta, alone, _) in enumerate(single):
        np.testing.assert_array_equal(together[lane], theta)
        assert stop.best_epoch[lane] == alone.best_epoch
        assert stop.best[lane] == alone.best


@pytest.mark.parametrize("lanes", [None, 2])
def test_running_statistics_go_back_too(lanes):
    network = dl.Network([dl.Dense(4), BatchNorm(), dl.Dense(3)], (5,), lanes=lanes)
    norm, stop = network.layers[1], EarlyStopping(1)
    stop.start()
    for epoch in range(3):
        norm.running_mean[...], norm.running_var[...] = epoch, epoch + 10
        loss = [0, 1, 0.5][epoch] if lanes is None else [[0, 1], [1, 0], [2, 2]][epoch]
        stop.observe(np.array(loss), network)
    stop.finish(network)
    best = np.zeros(4) if lanes is None else np.array([[[0.0]], [[1.0]]]) * np.ones((1, 4))
    np.testing.assert_array_equal(norm.running_mean.reshape(best.shape), best)
    np.testing.assert_array_equal(norm.running_var.reshape(best.shape), best + 10)


def test_a_run_that_diverges_at_once_still_ends():
    loss = dl.MeanSquaredError()
    history = dl.fit(small_network(), loss, dl.SGD(1e30), problem(loss), epochs=50, batch_size=9, stop=EarlyStopping(3))
    assert len(history.train_loss) < 10
    assert history.divergence is not None


@pytest.mark.parametrize("lanes", [None, 2])
def test_stopping_never_leaves_the_device(device, lanes):
    def run():
        network, stop = small_network(lanes=lanes), EarlyStopping(2)
        dl.fit(network, LOSS, dl.Momentum(0.5), DATA, epochs=20, batch_size=9, validation=VALIDATION, stop=stop)
        return to_host(network.parameters.theta), stop.best_epoch

    theta, best = run()
    dl.use("cupy")
    there, found = run()
    np.testing.assert_array_equal(found, best)
    np.testing.assert_allclose(there, theta, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"patience": 0}, "EarlyStopping.patience must be a whole number, 1 or more; got patience=0"),
        ({"patience": 1.5}, "EarlyStopping.patience must be a whole number"),
        ({"patience": 1, "min_delta": -1}, "EarlyStopping.min_delta must be a number, 0 or more"),
        ({"patience": 1, "min_delta": np.nan}, "EarlyStopping.min_delta must be a number, 0 or more"),
        ({"patience": 1, "restore_best": "yes"}, "EarlyStopping.restore_best must be True or False"),
        ({"patience": 1, "mode": "max"}, "EarlyStopping.mode must be a setting that exists"),
    ],
)
def test_what_cannot_be_is_refused_in_words(settings, words):
    with pytest.raises(SettingError) as refused:
        EarlyStopping(**settings)
    assert words in str(refused.value)
    assert repr(EarlyStopping(3)) == "EarlyStopping(patience=3, min_delta=0.0, restore_best=True)"
