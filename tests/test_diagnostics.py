"""check_gradient believes the right backward and no wrong one."""

import numpy as np
import pytest
from concepts import ACTIVATIONS, LOSSES, named, problem, small_network
from test_layers import WRONG

import dlcourse as dl
from dlcourse.diagnostics import activation_statistics, learning_rate_range_test, moments, steepest
from dlcourse.layers import BatchNorm, Dropout, Flatten
from dlcourse.losses import Hinge
from dlcourse.settings import SettingError

LOSS = dl.SoftmaxCrossEntropy()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", **named(LOSSES))
@pytest.mark.parametrize("row", **named(ACTIVATIONS))
def test_right_networks_pass(row, loss, seed):
    loss, (x, y) = loss.make(), problem(loss.make(), n=(1, 8, 45)[seed])
    report = dl.check_gradient(small_network(row.make, seed), loss, x * (1, 0.1, 10)[seed], y)
    assert report, report
    assert [check.name for check in report.checks] == ["0 Dense.W", "0 Dense.b", "2 Dense.W", "2 Dense.b", "input x"]
    assert report.worst < 1e-6


@pytest.mark.parametrize("make", WRONG)
@pytest.mark.parametrize("lanes", [None, 2])
def test_wrong_layers_fail(make, lanes):
    layers = [dl.Dense(5, weight_init=dl.Xavier()), dl.Tanh(), make(), dl.Tanh(), dl.Dense(3)]
    loss = dl.SoftmaxCrossEntropy()
    report = dl.check_gradient(dl.Network(layers, (5,), lanes=lanes), loss, *problem(loss, n=8))
    assert not report
    assert not report.passed
    assert "FAILED" in repr(report)
    assert "✗" in repr(report)


class ForgetsTheBatch(dl.SoftmaxCrossEntropy):
    def backward(self):
        return self.p - self.t


class HalfSquare(dl.MeanSquaredError):
    def backward(self):
        return super().backward() / 2


class NaNs(dl.MeanSquaredError):
    def backward(self):
        return super().backward() * np.nan


@pytest.mark.parametrize("kind", [ForgetsTheBatch, HalfSquare, NaNs])
def test_wrong_losses_fail(kind):
    assert not dl.check_gradient(small_network(dl.Tanh), kind(), *problem(kind(), n=8))


def test_one_wrong_window_is_named():
    class NoBiasGradient(dl.Dense):
        def backward(self, dy):
            dx = super().backward(dy)
            self.db[...] = 0
            return dx

    loss = dl.SoftmaxCrossEntropy()
    network = dl.Network([dl.Dense(5), dl.Tanh(), NoBiasGradient(3)], (5,))
    report = dl.check_gradient(network, loss, *problem(loss))
    assert [check.name for check in report.checks if check.error > 1e-6] == ["2 NoBiasGradient.b"]


def test_check_gradient_adds_up_the_lanes_of_dx():
    report = dl.check_gradient(small_network(dl.Tanh, seed=[0, 1, 2], lanes=3), LOSS, *problem(LOSS, n=9))
    assert report, report


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_check_leaves_the_network_as_it_was(dtype):
    network, loss = small_network(dtype=dtype), dl.SoftmaxCrossEntropy()
    x, y = problem(loss)
    network.forward(x)
    parameters, before = network.parameters, [network.parameters.theta.copy(), network.predict(x), x.copy()]
    dl.check_gradient(network, loss, x, y)
    assert network.parameters is parameters
    for now, then in zip([parameters.theta, network.predict(x), x], before, strict=True):
        assert now.dtype == then.dtype
        np.testing.assert_array_equal(now, then)
    network.layers[0].W[...] = 3
    assert (parameters.theta == 3).any()


def test_check_leaves_the_network_as_it_was_even_after_an_error():
    class Broken(dl.ReLU):
        def backward(self, dy):
            raise ZeroDivisionError

    network, loss = small_network(Broken), dl.SoftmaxCrossEntropy()
    parameters = network.parameters
    with pytest.raises(ZeroDivisionError):
        dl.check_gradient(network, loss, *problem(loss))
    assert network.parameters is parameters
    assert np.shares_memory(network.layers[0].W, parameters.theta)


def test_check_gradient_leaves_running_statistics_alone():
    network = dl.Network([dl.Dense(4), BatchNorm(), dl.Dense(3)], (5,))
    before = {name: array.copy() for name, array in network.state().items()}
    assert dl.check_gradient(network, LOSS, *problem(LOSS, n=9))
    for name, array in network.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_entries_on_a_kink_are_counted_not_judged():
    network = dl.Network([dl.Dense(4, weight_init=dl.Zeros()), dl.ReLU(), dl.Dense(3)], (5,))  # every unit is at 0
    loss = dl.SoftmaxCrossEntropy()
    report = dl.check_gradient(network, loss, *problem(loss, n=3))
    assert report, report
    assert [check.kinks for check in report.checks] == [20, 4, 0, 0, 0]
    assert "20 on a kink" in repr(report)


def test_a_wrong_backward_does_not_hide_behind_kinks():
    network = dl.Network([dl.Dense(4, weight_init=dl.Zeros()), WRONG[0](), dl.Dense(3)], (5,))
    network.layers[0].b[...] = 1
    assert not dl.check_gradient(network, dl.SoftmaxCrossEntropy(), *problem(dl.SoftmaxCrossEntropy(), n=3))


def test_a_trained_network_passes_without_excuses():
    """Near the minimum gradients are small and curvature is not: no entry may be taken for a kink."""
    network, loss = small_network(dl.Tanh), dl.MeanSquaredError()
    data = problem(loss, n=8)
    dl.fit(network, loss, dl.Momentum(0.1), data, epochs=3000, batch_size=8)
    report = dl.check_gradient(network, loss, *data)
    assert report, report
    assert sum(check.kinks for check in report.checks) == 0


def test_check_gradient_throws_the_same_dice_again():
    network = dl.Network([dl.Dense(8), dl.Tanh(), Dropout(0.5), dl.Dense(3)], (5,))
    report = dl.check_gradient(network, LOSS, *problem(LOSS, n=9))
    assert report, report
    assert not any(check.kinks for check in report.checks)  # other dice would look like kinks


def test_a_wrong_backward_does_not_hide_behind_curvature():
    class Half(dl.Dense):
        def backward(self, dy):
            dx = super().backward(dy)
            self.dW, self.db = self.dW / 2, self.db / 2
            return dx

    network = dl.Network([Half(1, weight_init=dl.Constant(1 + 1e-6))], (1,), dtype="float64")  # just off the minimum
    report = dl.check_gradient(network, dl.MeanSquaredError(), np.ones((1, 1)), np.ones((1, 1)))
    assert not report
    assert [check.kinks for check in report.checks] == [0, 0, 0]


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


def test_entries_bound_the_work():
    loss = dl.SoftmaxCrossEntropy()
    report = dl.check_gradient(small_network(), loss, *problem(loss), entries=6)
    assert [check.compared for check in report.checks] == [6, 6, 6, 3, 6]
    with pytest.raises(SettingError, match=r"check_gradient.entries must be a whole number, 1 or more; got entries=0"):
        dl.check_gradient(small_network(), loss, *problem(loss), entries=0)


@pytest.mark.parametrize("lanes", [None, 3])
def test_activation_statistics_see_what_flows(lanes):
    layers = [dl.Dense(5, bias_init=dl.Constant(-9.0)), dl.ReLU(), dl.Dense(3)]
    network = dl.Network(layers, input_shape=(4,), lanes=lanes)
    x, y = np.random.default_rng(0).normal(size=(50, 4)), np.arange(50) % 3
    dense, relu, out = activation_statistics(network, x, dl.SoftmaxCrossEntropy(), y)
    assert [s.name for s in (dense, relu, out)] == ["0 Dense", "1 ReLU", "2 Dense"]
    assert np.shape(dense.mean) == (() if lanes is None else (lanes,))
    assert np.mean(dense.mean) == pytest.approx(float(network.layers[0].forward(network.enter(x)).mean()), abs=1e-5)
    assert np.all(np.asarray(relu.zeros) == 1)  # the bias has killed every unit
    assert np.all(np.asarray(out.gradient_std) > 0)
    assert np.all(np.asarray(dense.gradient_std) == 0)  # and nothing comes back through them


def test_activation_statistics_leave_the_network_as_it_was():
    network = dl.Network([dl.Dense(5), dl.BatchNorm(), dl.Dense(3)], input_shape=(4,))
    before = {name: array.copy() for name, array in network.state().items()}
    activation_statistics(network, np.random.default_rng(0).normal(size=(50, 4)) + 7)
    assert all((array == before[name]).all() for name, array in network.state().items())


def test_only_zeros_count_as_zeros():
    assert moments(np.array([[-1.0, 0.0, 2.0, 3.0]]), None)[2] == 0.25


def test_statistics_before_the_first_lane_mix_no_examples(rng):
    network = dl.Network([Flatten(), dl.Dense(3)], (2, 2, 1), lanes=2)
    x = rng.normal(size=(6, 2, 2, 1)) + np.arange(6)[:, None, None, None]
    first, second = activation_statistics(network, x)
    np.testing.assert_allclose(first.mean, [x.mean()], rtol=1e-6)
    assert second.mean.shape == (2,)


def test_range_test_ends_at_the_edge_and_leaves_everything_as_it_was():
    train, _ = dl.datasets.digits()
    network = dl.Network([dl.Dense(16), dl.ReLU(), dl.Dense(10)], input_shape=(64,))
    optimizer, before = dl.Momentum(0.123), network.parameters.theta.copy()
    found = learning_rate_range_test(network, dl.SoftmaxCrossEntropy(), optimizer, train, low=1e-4, high=1e3, steps=120)
    assert (network.parameters.theta == before).all()
    assert optimizer.learning_rate == 0.123
    assert len(found.losses) < 120  # it fell apart before the end
    assert found.learning_rates[:2] == pytest.approx([1e-4, 1e-4 * 1e7 ** (1 / 119)])
    assert 1e-3 < found.suggestion < found.learning_rates[-1]
    good = dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Momentum(found.suggestion), train, epochs=3, batch_size=64)
    assert good.train_loss[-1] < 1.0


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


@pytest.mark.parametrize("setting", [{"low": 0.0}, {"high": float("nan")}, {"steps": 0}])
def test_range_test_refuses(setting):
    train, _ = dl.datasets.digits()
    network = dl.Network([dl.Dense(10)], input_shape=(64,))
    with pytest.raises(SettingError, match=f"learning_rate_range_test.{next(iter(setting))} must"):
        learning_rate_range_test(network, dl.SoftmaxCrossEntropy(), dl.SGD(), train, **setting)
