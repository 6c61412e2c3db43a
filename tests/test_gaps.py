"""What a mutation check found untested: each block names the family that it belongs to."""

from types import SimpleNamespace

import numpy as np
import pytest
from concepts import problem, small_network
from test_saving import LOSS, changed, saved, set_in, train

import dlcourse as dl
from dlcourse import schedules
from dlcourse.constraints import UnitNorm
from dlcourse.curvature import largest_curvature
from dlcourse.diagnostics import activation_statistics, learning_rate_range_test, moments, steepest
from dlcourse.divergence import where_it_shows
from dlcourse.ensembles import snapshot_ensemble
from dlcourse.initializers import lsuv
from dlcourse.layers import BatchNorm, Dropout, Flatten, GroupNorm, LeakyReLU, MaxPool2D, Residual, WeightNormDense
from dlcourse.losses import Hinge
from dlcourse.optimizers.base import power
from dlcourse.saving import load_optimizer
from dlcourse.settings import SettingError
from dlcourse.training import evaluate


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.npz"


# normalization
def test_group_norm_of_groups_far_apart_that_are_all_alike_is_exactly_beta():
    layer = GroupNorm(2)
    layer.build((6,))
    layer.beta[...] = np.arange(6)
    x = np.float32([[0.1] * 3 + [40000.3] * 3, [-7.7] * 3 + [1e9 / 3] * 3])
    np.testing.assert_array_equal(layer.forward(x), np.tile(np.arange(6.0), (2, 1)))


# convolution
def test_max_pool_forgets_the_step_before_in_training(rng):
    layer = MaxPool2D(2)
    layer.build((5, 4, 2))
    layer.reserve(3, (), (), "float32")
    for _ in range(3):
        x, dy = rng.normal(size=(3, 5, 4, 2)).astype("float32"), rng.normal(size=(3, 2, 2, 2)).astype("float32")
        fresh = MaxPool2D(2)
        fresh.build((5, 4, 2))
        fresh.forward(x)
        layer.forward(x, training=True)
        np.testing.assert_array_equal(layer.backward(dy), fresh.backward(dy))


# residual
def test_each_dropout_inside_throws_its_own_dice():
    layer = Residual(Dropout(0.5), Dropout(0.5))
    layer.build((200,))
    layer.forward(np.ones((1, 200), "float32"), training=True)
    assert not np.array_equal(layer.layers[0].gone, layer.layers[1].gone)


# layers
def test_leaky_relu_has_its_slope_at_zero():
    layer = LeakyReLU(0.25)
    layer.build((3,))
    layer.forward(np.float32([[-1, 0, 1]]))
    np.testing.assert_array_equal(layer.backward(np.float32([[1, 1, 1]])), [[0.25, 0.25, 1]])


# ensembles
def test_a_cycle_without_the_last_batch_still_ends_at_its_lowest_rate():
    seen = []

    class Watch(dl.SGD):
        def step(self, theta, grad):
            theta = super().step(theta, grad)
            seen.append(self.lr)
            return theta

    settings = {"cycles": 2, "epochs_per_cycle": 3, "batch_size": 20, "drop_last": True}
    snapshot_ensemble(small_network(), LOSS, Watch(0.2), problem(LOSS), **settings)
    assert len(seen) == 12
    assert seen[0] == seen[6] == 0.2
    assert seen == pytest.approx([0.1 * (1 + np.cos(np.pi * (s % 6) / 6)) for s in range(12)])


# saving
def test_a_single_window_that_is_frozen_stays_frozen(path):
    network = small_network()
    network.parameters.freeze([network.layers[0].windows["b"]])
    again = saved(network, path)
    assert [window.frozen for window in again.parameters.windows] == [False, True, False, False]
    before = again.parameters.theta.copy()
    train(again, dl.SGD(0.1))
    np.testing.assert_array_equal(again.parameters.theta[35:42], before[35:42])
    assert not np.array_equal(again.parameters.theta[:35], before[:35])


def test_a_rate_that_was_cut_comes_back_cut(path):
    network = small_network()
    optimizer = dl.Momentum(schedules.ReduceOnPlateau(0.3, factor=0.5, patience=0, threshold=1.0))  # never content
    train(network, optimizer, 3)
    assert optimizer.learning_rate(0) == 0.3 / 4
    resumed = load_optimizer(path, saved(network, path, optimizer))
    assert resumed.learning_rate(0) == 0.3 / 4
    assert resumed.learning_rate.best == optimizer.learning_rate.best


@pytest.mark.parametrize("name", ["__dict__", "__doc__", "__module__"])
def test_what_python_keeps_in_an_object_is_no_memory(name, path):
    network, optimizer = small_network(), dl.Momentum(0.1)
    train(network, optimizer)
    network.save(path, optimizer)
    changed(path, set_in("optimizer", "memory", name, value={"kind": "dict", "items": {}}))
    with pytest.raises(SettingError, match=f"{name} is no memory"):
        load_optimizer(path, dl.Network.load(path))


# training
def test_every_epoch_has_noise_of_its_own():
    draws = []

    def augment(images, rng):
        draws.append(rng.random())
        return images

    train(small_network(), dl.SGD(0.1), 3, augment=augment)
    assert len(set(draws)) == len(draws) == 18


def test_the_seed_of_training_throws_the_dice_of_dropout():
    def gone(seed):
        layer = Dropout(0.5)
        network = dl.Network([dl.Dense(50), layer, dl.Dense(3)], (5,))
        next(dl.training_steps(network, LOSS, dl.SGD(0.1), problem(LOSS), epochs=1, batch_size=45, seed=seed))
        return layer.gone.copy()

    np.testing.assert_array_equal(gone(1), gone(1))
    assert not np.array_equal(gone(0), gone(1))


@pytest.mark.parametrize("n", [1, 8, 9])
def test_evaluation_in_parts_sees_every_example(n):
    network, (x, y) = small_network(), problem(LOSS, n)
    target = LOSS.prepare(y, (3,), "float32")
    value, accuracy = evaluate(network, LOSS, x, target, rows=4)
    assert float(value) == pytest.approx(float(LOSS.forward(network.predict(x), y)))
    assert float(accuracy) == pytest.approx(np.mean(network.predict(x).argmax(axis=1) == y))


def test_what_is_frozen_takes_no_share_of_the_clipped_norm():
    def moved(scale):
        network = small_network(dtype="float64")
        network.freeze(2)
        before = network.parameters.theta.copy()
        settings = {"epochs": 1, "batch_size": 45, "clip_norm": scale}
        step = next(dl.training_steps(network, LOSS, dl.SGD(1.0), problem(LOSS), **settings))
        assert step.number == 0
        return network.parameters.theta - before

    free = moved(1e9)
    limit = float(np.linalg.norm(free)) / 2
    assert np.linalg.norm(moved(limit)) == pytest.approx(limit, rel=1e-9)


class Watching(schedules.ReduceOnPlateau):
    def observe(self, metric):
        self.seen = [*getattr(self, "seen", []), metric]


def test_a_rate_that_observes_is_shown_the_loss_of_every_epoch():
    rate = Watching(0.1)
    history = train(small_network(), dl.SGD(rate), 3, validation=problem(LOSS, 9, seed=1))
    assert rate.seen == history.validation_loss.tolist()
    rate = Watching(0.1)
    assert train(small_network(), dl.SGD(rate), 3).train_loss.tolist() == rate.seen


# parameters
def test_freezing_takes_weights_out_of_the_decay_mask():
    network = small_network()
    assert network.parameters.decay_mask.sum() == 56
    network.freeze(0)
    np.testing.assert_array_equal(network.parameters.decay_mask, [0] * 42 + [1] * 21 + [0] * 3)


def test_constraints_leave_frozen_weights_alone():
    network = small_network()
    network.freeze(0)
    before = network.layers[0].W.copy()
    UnitNorm().project(network.parameters)
    np.testing.assert_array_equal(network.layers[0].W, before)
    np.testing.assert_allclose(np.linalg.norm(network.layers[2].W, axis=0), 1, rtol=1e-6)


def test_weight_norm_decays_its_directions_only():
    layer = WeightNormDense(4)
    layer.build((5,))
    np.testing.assert_array_equal(layer.parameters.decay_mask, [1] * 20 + [0] * 8)


# optimizers
def test_a_power_of_a_column_is_pythons_power():
    column = np.array([[0.9], [0.999], [0.7], [0.96]])
    for t in range(1, 2000):
        assert power(column, t).ravel().tolist() == [b**t for b in (0.9, 0.999, 0.7, 0.96)]


# diagnostics
def test_a_wrong_gradient_of_a_loss_without_curvature_is_no_kink():
    class Wrong(dl.Dense):
        def backward(self, dy):
            dx = super().backward(dy)
            self.dW *= 1.01
            return dx

    network = dl.Network([Wrong(3)], (5,))
    report = dl.check_gradient(network, Hinge(), *problem(Hinge(), n=8))
    assert not report, report
    assert [check.kinks for check in report.checks] == [0, 0, 0]


def test_check_gradient_leaves_running_statistics_alone():
    network = dl.Network([dl.Dense(4), BatchNorm(), dl.Dense(3)], (5,))
    before = {name: array.copy() for name, array in network.state().items()}
    assert dl.check_gradient(network, LOSS, *problem(LOSS, n=9))
    for name, array in network.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_check_gradient_throws_the_same_dice_again():
    network = dl.Network([dl.Dense(8), dl.Tanh(), Dropout(0.5), dl.Dense(3)], (5,))
    report = dl.check_gradient(network, LOSS, *problem(LOSS, n=9))
    assert report, report
    assert not any(check.kinks for check in report.checks)  # other dice would look like kinks


def test_check_gradient_adds_up_the_lanes_of_dx():
    report = dl.check_gradient(small_network(dl.Tanh, seed=[0, 1, 2], lanes=3), LOSS, *problem(LOSS, n=9))
    assert report, report


def test_range_test_ends_at_four_times_the_best():
    train, _ = dl.datasets.digits()
    network = dl.Network([dl.Dense(16), dl.ReLU(), dl.Dense(10)], input_shape=(64,))
    found = learning_rate_range_test(network, LOSS, dl.Momentum(), train, low=1e-4, high=1e3, steps=120)
    best = np.minimum.accumulate(found.losses)
    assert (found.losses[:-1] < 4 * best[:-1]).all()
    assert not found.losses[-1] < 4 * best[-1]


def test_the_steepest_place_is_where_the_loss_falls():
    rates, losses = np.arange(100.0), 1 / (1 + np.exp(np.arange(100) - 50.5))
    assert steepest(rates, losses) == 50


def test_only_zeros_count_as_zeros():
    assert moments(np.array([[-1.0, 0.0, 2.0, 3.0]]), None)[2] == 0.25


def test_statistics_before_the_first_lane_mix_no_examples(rng):
    network = dl.Network([Flatten(), dl.Dense(3)], (2, 2, 1), lanes=2)
    x = rng.normal(size=(6, 2, 2, 1)) + np.arange(6)[:, None, None, None]
    first, second = activation_statistics(network, x)
    np.testing.assert_allclose(first.mean, [x.mean()], rtol=1e-6)
    assert second.mean.shape == (2,)


# divergence
def test_the_first_layer_without_numbers_is_named():
    network = dl.Network([dl.Dense(4), dl.Tanh(), dl.Dense(1)], input_shape=(2,))
    network.layers[2].W[...] = np.nan
    network.reserve(3)
    network.run(np.ones((3, 2), "float32"), training=True)
    assert where_it_shows(network) == "the output of layer 2, Dense"
    network.layers[0].W[...] = np.inf
    network.run(np.ones((3, 2), "float32"), training=True)
    assert where_it_shows(network) == "the output of layer 0, Dense"


def test_the_story_leaves_theta_where_the_run_ended():
    network = dl.Network([dl.Dense(1)], input_shape=(5,))
    x = problem(LOSS)[0]
    history = dl.fit(network, dl.MeanSquaredError(), dl.SGD(50.0), (x, x[:, :1]), epochs=400, batch_size=45)
    assert history.divergence.bound
    assert not np.isfinite(network.parameters.theta).all()


def test_the_curvature_is_that_of_prediction():
    network = dl.Network([dl.Dense(6), BatchNorm(), Dropout(0.5), dl.Dense(3)], (5,), dtype="float64")
    plain = dl.Network([dl.Dense(6), BatchNorm(), dl.Dense(3)], (5,), dtype="float64")
    plain.load_state(dict(zip(plain.state(), network.state().values(), strict=True)))
    x, y = problem(LOSS)
    assert largest_curvature(network, LOSS, x, y) == largest_curvature(plain, LOSS, x, y)
    assert (network.layers[1].running_mean == 0).all()


# initializers
def test_lsuv_starts_from_a_rotation(rng):
    network = dl.Network([dl.Dense(4), dl.ReLU(), dl.Dense(3)], (5,), dtype="float64")
    lsuv(network, rng.normal(size=(100, 5)))
    for layer in (network.layers[0], network.layers[2]):
        gram = layer.W.T @ layer.W
        np.testing.assert_allclose(gram / gram[0, 0], np.eye(layer.units), atol=1e-12)


# losses, dropout: at the edge of the dice
def test_a_draw_beyond_what_rounding_left_is_the_last_class():
    loss = dl.SoftmaxCrossEntropy()
    loss.forward(np.float32([[0.1, 0.2, 0.3]] * 20), np.zeros(20, int))
    loss.p = np.nextafter(loss.p, np.float32(0))
    highest = SimpleNamespace(uniform=lambda size: np.full(size, np.nextafter(1, 0)))
    assert (loss.draw_score(highest).argmin(axis=1) == 2).all()


def test_rate_zero_leaves_nothing_out_whatever_the_dice():
    layer = Dropout(0.0)
    layer.build((4,))
    layer.rng = SimpleNamespace(random=lambda shape, dtype: np.zeros(shape, dtype))
    np.testing.assert_array_equal(layer.forward(np.ones((3, 4), "float32"), training=True), np.ones((3, 4)))


# datasets
def test_the_split_is_the_same_everywhere():
    y = np.random.default_rng(1).integers(0, 3, 500)
    order = np.random.default_rng(7).permutation(500)
    test_rows = set(sorted(order.tolist(), key=lambda row: y[row])[::5])  # Python's sort keeps the order of equals
    train, test = dl.datasets.split(np.arange(500.0)[:, None], y, 7)
    assert test.x.ravel().tolist() == [row for row in order.tolist() if row in test_rows]
    assert train.x.ravel().tolist() == [row for row in order.tolist() if row not in test_rows]


# saving
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_column_keeps_its_dtype(dtype, path):
    network, optimizer = small_network(lanes=2), dl.SGD(np.array([[0.1], [0.2]], dtype))
    again = load_optimizer(path, saved(network, path, optimizer))
    np.testing.assert_array_equal(again.learning_rate, optimizer.learning_rate)
    assert again.learning_rate.dtype == optimizer.learning_rate.dtype
