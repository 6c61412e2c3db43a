"""A run that leaves the numbers is explained: when, where, and which bound it had crossed."""

import numpy as np
import pytest
from concepts import problem

import dlcourse as dl
from dlcourse import theory
from dlcourse.curvature import largest_curvature
from dlcourse.divergence import where_it_shows
from dlcourse.layers import BatchNorm, Dropout
from dlcourse.settings import SettingError

LOSS = dl.SoftmaxCrossEntropy()


def line(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) * [1.0, 3.0]
    return x, x @ np.array([[1.0], [-2.0]])


def hessian(x):
    """Of the mean squared error of a dense layer: 2 [x 1]ᵀ[x 1] / n."""
    x1 = np.hstack([x, np.ones((len(x), 1))])
    return 2 * x1.T @ x1 / len(x)


def test_largest_curvature_is_the_largest_eigenvalue():
    x, y = line()
    network = dl.Network([dl.Dense(1)], input_shape=(2,), dtype="float64")
    before = network.parameters.theta.copy()
    estimate = largest_curvature(network, dl.MeanSquaredError(), x, y, iterations=60)
    assert estimate == pytest.approx(np.linalg.eigvalsh(hessian(x))[-1], rel=1e-6)
    assert (network.parameters.theta == before).all()


def test_the_curvature_is_that_of_prediction():
    network = dl.Network([dl.Dense(6), BatchNorm(), Dropout(0.5), dl.Dense(3)], (5,), dtype="float64")
    plain = dl.Network([dl.Dense(6), BatchNorm(), dl.Dense(3)], (5,), dtype="float64")
    plain.load_state(dict(zip(plain.state(), network.state().values(), strict=True)))
    x, y = problem(LOSS)
    assert largest_curvature(network, LOSS, x, y) == largest_curvature(plain, LOSS, x, y)
    assert (network.layers[1].running_mean == 0).all()


def test_largest_curvature_refuses_lanes():
    network = dl.Network([dl.Dense(1)], input_shape=(2,), lanes=2)
    with pytest.raises(SettingError, match=r"largest_curvature.network must have no lanes"):
        largest_curvature(network, dl.MeanSquaredError(), *line())


@pytest.mark.parametrize("rule", [dl.SGD, dl.Momentum, dl.Nesterov])
def test_the_story_names_step_layer_and_the_exact_bound(rule):
    x, y = line()
    network = dl.Network([dl.Dense(1)], input_shape=(2,))
    optimizer = rule(50.0)
    history = dl.fit(network, dl.MeanSquaredError(), optimizer, (x, y), epochs=400, batch_size=60)
    story = history.divergence
    assert not np.isfinite(history.loss[story.step])
    assert np.isfinite(history.loss[: story.step]).all()
    exact = theory.nesterov_stability_limit if rule is dl.Nesterov else theory.stability_limit
    limit = exact(getattr(optimizer, "momentum", 0.0), float(np.linalg.eigvalsh(hessian(x))[-1]))
    assert f"The rate η = 50 is above the largest stable rate at the start, {limit:.3g}" in story.bound
    assert f"at step {story.step}" in str(story)
    assert "Lower the learning rate" in str(story)


def test_it_says_in_which_layer_it_showed():
    x, y = line()
    network = dl.Network([dl.Dense(4), dl.Tanh(), dl.Dense(1)], input_shape=(2,))
    history = dl.fit(network, dl.MeanSquaredError(), dl.SGD(1e9), (x, y), epochs=300, batch_size=60)
    assert history.divergence.where in {"the output of layer 2, Dense", "the output of layer 0, Dense", "the loss"}


def test_the_first_layer_without_numbers_is_named():
    network = dl.Network([dl.Dense(4), dl.Tanh(), dl.Dense(1)], input_shape=(2,))
    network.layers[2].W[...] = np.nan
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


def test_a_rate_below_the_bound_converges_and_tells_no_story():
    x, y = line()
    network = dl.Network([dl.Dense(1)], input_shape=(2,))
    limit = theory.stability_limit(0.9, float(np.linalg.eigvalsh(hessian(x))[-1]))
    for share, story in ((0.95, False), (1.3, True)):
        network.reset()
        run = dl.fit(network, dl.MeanSquaredError(), dl.Momentum(share * limit, 0.9), (x, y), epochs=600, batch_size=60)
        assert (run.divergence is not None) == story


def test_lanes_say_for_each_when():
    x, y = line()
    network = dl.Network([dl.Dense(1)], input_shape=(2,), lanes=2)
    run = dl.fit(network, dl.MeanSquaredError(), dl.SGD(np.array([[0.01], [50.0]])), (x, y), epochs=200, batch_size=60)
    fine, lost = run.divergence.step
    assert fine == -1
    assert not np.isfinite(run.loss[lost, 1])
    assert np.isfinite(run.loss[:lost, 1]).all()
