"""Penalties: their gradients by finite differences, who pays and who does not, and what λ means elsewhere."""

import numpy as np
import pytest
from concepts import OPTIMIZERS, named, problem, small_network

import dlcourse as dl
from dlcourse.backend import to_host
from dlcourse.constraints import MaxNorm, UnitNorm
from dlcourse.layers.normalization import BatchNorm
from dlcourse.regularizers import L1, L2, ElasticNet, Regularizer
from dlcourse.settings import SettingError

LOSS = dl.SoftmaxCrossEntropy()
DATA = problem(LOSS)
STRENGTHS = [0.0, 0.01, 0.3]
ROWS = [(L1, ["strength"]), (L2, ["strength"]), (ElasticNet, ["l1", "l2"])]


def single(make, names, lane):
    return make(**{name: STRENGTHS[lane - i] for i, name in enumerate(names)})


def columns(make, names):
    return make(**{name: np.roll(STRENGTHS, i)[:, None] for i, name in enumerate(names)})


def network_at(theta, lanes=None, dtype="float64"):
    network = small_network(lanes=lanes, dtype=dtype)
    network.parameters.theta[...] = theta
    network.parameters.grad[...] = 0
    return network


@pytest.fixture
def theta(rng):
    return rng.normal(size=66)


W = [*range(35), *range(42, 63)]  # where the weights of the small network lie; the rest are biases


def test_penalties_are_their_formulas(theta):
    parameters, w = network_at(theta).parameters, theta[W]
    assert L1(0.5).penalty(parameters) == pytest.approx(0.5 * np.abs(w).sum())
    assert L2(0.5).penalty(parameters) == pytest.approx(0.5 * (w**2).sum())
    assert ElasticNet(0.5, 0.25).penalty(parameters) == pytest.approx(0.5 * np.abs(w).sum() + 0.25 * (w**2).sum())


@pytest.mark.parametrize(("make", "names"), ROWS)
def test_add_gradient_agrees_with_finite_differences(make, names, theta):
    regularizer, parameters, h = make(*[0.3, 0.7][: len(names)]), network_at(theta).parameters, 1e-6
    before = np.linspace(-1, 1, 66)
    parameters.grad[...] = before
    regularizer.add_gradient(parameters)
    for i in range(66):
        ends = []
        for nudge in (h, -h):
            parameters.theta[...] = theta
            parameters.theta[i] += nudge
            ends.append(float(regularizer.penalty(parameters)))
        added = parameters.grad[i] - before[i]
        assert added == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-8)
        assert (added == 0) == (i not in W)


def test_l2_pulls_twice_as_hard_as_weight_decay_elsewhere(theta):
    """PyTorch's weight_decay=λ adds λw: L2(λ/2)."""
    parameters = network_at(theta).parameters
    L2(0.1 / 2).add_gradient(parameters)
    np.testing.assert_allclose(parameters.grad[W], 0.1 * theta[W], rtol=1e-15)


def test_sgd_with_l2_shrinks_weights_by_a_factor(theta):
    """w ← w − η·2λw = (1 − 2ηλ)w where the loss says nothing: 0.996 for η = 0.1, λ = 0.02."""
    parameters = network_at(theta).parameters
    L2(0.02).add_gradient(parameters)
    dl.SGD(0.1).step(parameters.theta, parameters.grad)
    np.testing.assert_allclose(parameters.theta[W], 0.996 * theta[W], rtol=1e-14)


def test_l1_leaves_zero_at_zero_and_pulls_all_others_alike(theta):
    theta[W[:3]] = 0.0, -0.0, 1e-300
    parameters = network_at(theta).parameters
    L1(0.25).add_gradient(parameters)
    np.testing.assert_array_equal(parameters.grad[W[:3]], [0, 0, 0.25])
    np.testing.assert_array_equal(np.abs(parameters.grad[W[2:]]), 0.25)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("make", "names"), ROWS)
def test_every_lane_pays_as_if_alone(make, names, dtype, rng):
    theta = rng.normal(size=(3, 66)).astype(dtype)
    together = network_at(theta, lanes=3, dtype=dtype).parameters
    penalty = columns(make, names).penalty(together)
    assert penalty.shape == (3,)
    assert penalty.dtype == dtype
    columns(make, names).add_gradient(together)
    for lane in range(3):
        alone, regularizer = network_at(theta[lane], dtype=dtype).parameters, single(make, names, lane)
        regularizer.add_gradient(alone)
        assert regularizer.penalty(alone) == penalty[lane]
        np.testing.assert_array_equal(together.grad[lane], alone.grad)
        assert alone.grad.dtype == together.grad.dtype == dtype


@pytest.mark.parametrize(("make", "names"), ROWS)
@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
def test_lanes_of_strengths_are_single_runs(optimizer, make, names):
    def trained(lanes, optimizer, regularizer):
        network = small_network(lanes=lanes)
        dl.fit(network, LOSS, optimizer, DATA, epochs=2, batch_size=8, regularizers=[regularizer])
        return network.parameters.theta

    together = trained(3, optimizer.columns(), columns(make, names))
    for lane in range(3):
        np.testing.assert_array_equal(together[lane], trained(None, optimizer.single(lane), single(make, names, lane)))


def test_one_strength_for_all_lanes_is_a_number(rng):
    parameters = network_at(rng.normal(size=(3, 66)), lanes=3).parameters
    assert L2(0.1).penalty(parameters).shape == (3,)


def trained(regularizers, epochs=60, **settings):
    network = small_network(seed=2)
    dl.fit(network, LOSS, dl.SGD(0.1), DATA, epochs=epochs, batch_size=9, regularizers=regularizers)
    return network.parameters.theta[W]


def test_l1_makes_zeros_and_l2_does_not():
    plain, sparse, small = (np.abs(trained(r)) for r in ([], [L1(0.02)], [L2(0.02)]))
    near = lambda w: (w < 0.003).mean()  # noqa: E731
    assert near(sparse) > 0.5 > near(small)
    assert near(plain) < 0.1
    assert small.max() < plain.max()


def test_penalties_add_up():
    np.testing.assert_allclose(trained([L1(1e-3), L2(1e-3)], 3), trained([ElasticNet(1e-3, 1e-3)], 3), rtol=1e-6)


def test_loss_in_the_history_is_without_the_penalty():
    network = small_network()
    history = dl.fit(network, LOSS, dl.SGD(0.0), DATA, epochs=1, batch_size=45, regularizers=[L2(1e3)], clip_norm=1.0)
    assert history.loss[0] == pytest.approx(float(LOSS.forward(network.predict(problem(LOSS)[0]), problem(LOSS)[1])))


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize(("make", "names"), ROWS)
def test_penalties_never_leave_the_device(device, make, names, lanes, rng):
    theta = rng.normal(size=66)

    def run():
        network = small_network(lanes=lanes)
        network.parameters.theta[...] = dl.backend.to_device(theta, "float32")
        network.parameters.grad[...] = 0
        regularizer = columns(make, names) if lanes else single(make, names, 2)
        value = regularizer.penalty(network.parameters)
        regularizer.add_gradient(network.parameters)
        return to_host(value), to_host(network.parameters.grad)

    ours = run()
    dl.use("cupy")
    for there, here in zip(run(), ours, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-5)


# Fine-tuning: what is frozen stays, bit for bit, and the rest learns.

MEANS = [
    {},
    {"regularizers": [L1(0.1)]},
    {"regularizers": [L2(0.1)]},
    {"regularizers": [ElasticNet(0.1, 0.1)]},
    {"constraints": [MaxNorm(0.1)]},
    {"constraints": [UnitNorm()]},
    {"clip_norm": 0.1},
]


@pytest.mark.parametrize("means", MEANS, ids=repr)
@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
def test_a_frozen_layer_stays_bit_for_bit_and_the_others_learn(optimizer, means):
    network = small_network()
    network.freeze(0)
    before = network.parameters.theta.copy()
    dl.fit(network, LOSS, optimizer.single(1), DATA, epochs=2, batch_size=8, **means)
    np.testing.assert_array_equal(network.parameters.theta[:42], before[:42])
    assert (network.parameters.theta[42:] != before[42:]).all()


@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
def test_a_layer_frozen_between_two_steps_stays_from_then_on(optimizer):
    """Its velocity would carry it on."""
    network = small_network()
    for step in dl.training_steps(network, LOSS, optimizer.single(0), DATA, epochs=2, batch_size=8):
        if step.number == 4:
            network.freeze(2)
            before = network.parameters.theta.copy()
    np.testing.assert_array_equal(network.parameters.theta[42:], before[42:])
    assert (network.parameters.theta[:35] != before[:35]).any()


def test_a_frozen_layer_keeps_its_running_statistics_and_gains_too():
    layers = [dl.Dense(7), BatchNorm(), dl.ReLU(), dl.Dense(3)]
    network = dl.Network(layers, (5,))
    dl.fit(network, LOSS, dl.Momentum(0.1), DATA, epochs=1, batch_size=9)
    network.freeze(layers[0])
    network.freeze(1)
    before = {name: array.copy() for name, array in network.state().items()}
    dl.fit(network, LOSS, dl.Momentum(0.1), DATA, epochs=2, batch_size=9, regularizers=[L2(0.1)])
    last = network.parameters.size - 24
    np.testing.assert_array_equal(network.state()["theta"][:last], before["theta"][:last])
    assert (network.state()["theta"][last:] != before["theta"][last:]).all()
    for name in ("1.running_mean", "1.running_var"):
        np.testing.assert_array_equal(network.state()[name], before[name])


MISTAKES = [
    (lambda: L1(-0.1), "L1.strength must be a number, 0 or more; got strength=-0.1"),
    (lambda: L2(np.nan), "L2.strength must be a number, 0 or more; got strength=nan"),
    (lambda: L2("much"), "L2.strength must be a number, 0 or more; got strength='much'"),
    (lambda: L2(np.array([[0.1], [-1]])), "L2.strength must be a number, 0 or more"),
    (lambda: ElasticNet(0.1, -1), "ElasticNet.l2 must be a number, 0 or more; got l2=-1"),
    (lambda: L1(lambda_=1), "L1.lambda_ must be a setting that exists"),
    (
        lambda: L2(np.ones((2, 1))).penalty(small_network(lanes=3).parameters),
        "L2.strength must have one row for each lane of theta, whose shape is (3, 66)",
    ),
    (lambda: L1(np.ones((2, 1))).add_gradient(small_network().parameters), "L1.strength must have one row"),
]


@pytest.mark.parametrize(("call", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_what_cannot_be_is_refused_in_words(call, words):
    with pytest.raises(SettingError) as refused:
        call()
    assert words in str(refused.value)


def test_regularizer_is_an_interface():
    for call in (Regularizer().penalty, Regularizer().add_gradient):
        with pytest.raises(NotImplementedError):
            call(None)


def test_a_network_without_weights_pays_nothing():
    parameters = dl.Network([dl.ReLU()], (3,)).parameters
    for regularizer in (L1(1.0), L2(1.0), ElasticNet(1.0, 1.0)):
        assert regularizer.penalty(parameters) == 0
        regularizer.add_gradient(parameters)
