"""What ANGD needs of a network: a gradient for every example, of labels that the network itself has drawn."""

import numpy as np
import pytest

import dlcourse as dl
from dlcourse.settings import SettingError


def network(**settings):
    layers = [dl.Dense(5), dl.Tanh(), dl.Dense(3)]
    return dl.Network(layers, input_shape=(4,), dtype="float64", **settings)


def test_example_gradients_are_those_of_each_example_alone():
    rng = np.random.default_rng(0)
    net, x, dy = network(), rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
    net.forward(x, training=True)
    rows = net.example_gradients(dy)
    for i in range(6):
        net.forward(x[i : i + 1], training=True)
        net.backward(dy[i : i + 1])
        assert np.allclose(rows[i], net.parameters.grad, atol=1e-14)


@pytest.mark.parametrize("loss", [dl.SoftmaxCrossEntropy(), dl.MeanSquaredError()], ids=repr)
def test_scores_have_mean_zero_and_the_fisher_information_as_covariance(loss):
    z = np.array([[0.5, -1.0, 2.0]])
    loss.forward(np.repeat(z, 40_000, axis=0), np.zeros((40_000, 3)))
    scores = loss.draw_score(np.random.default_rng(0))
    p = np.exp(z[0]) / np.exp(z[0]).sum()
    fisher = np.diag(p) - np.outer(p, p) if isinstance(loss, dl.SoftmaxCrossEntropy) else np.eye(3)
    assert np.allclose(scores.mean(axis=0), 0, atol=0.02)
    assert np.allclose(scores.T @ scores / len(scores), fisher, atol=0.02)


def test_angd_trains_a_network_and_is_deterministic():
    moons = dl.datasets.moons(300, noise=0.1)
    runs = []
    for _ in range(2):
        net = dl.Network([dl.Dense(8), dl.Tanh(), dl.Dense(2)], input_shape=(2,))
        runs.append(dl.fit(net, dl.SoftmaxCrossEntropy(), dl.ANGD(0.2, 0.05), moons, epochs=15, batch_size=50))
    assert (runs[0].loss == runs[1].loss).all()
    assert runs[0].train_accuracy[-1] > 0.85


def test_layers_that_mix_examples_and_losses_that_are_no_likelihood_are_refused():
    moons = dl.datasets.moons(100, noise=0.1)
    mixed = dl.Network([dl.Dense(4), dl.BatchNorm(), dl.Dense(2)], input_shape=(2,))
    with pytest.raises(SettingError, match="be a layer whose examples do not mix"):
        dl.fit(mixed, dl.SoftmaxCrossEntropy(), dl.ANGD(), moons, epochs=1, batch_size=50)
    with pytest.raises(SettingError, match="must be a likelihood"):
        plain = dl.Network([dl.Dense(2)], input_shape=(2,))
        dl.fit(plain, dl.Hinge(), dl.ANGD(), moons, epochs=1, batch_size=50)
