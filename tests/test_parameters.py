"""One vector theta; every W and b is a window onto it."""

import numpy as np
import pytest
from concepts import small_network

import dlcourse as dl
from dlcourse.parameters import Parameters
from dlcourse.settings import SettingError


@pytest.mark.parametrize("lanes", [None, 3])
def test_windows_are_views_of_theta_and_grad(lanes):
    network = small_network(lanes=lanes)
    parameters = network.parameters
    lead = () if lanes is None else (lanes,)
    assert parameters.theta.shape == parameters.grad.shape == (*lead, 5 * 7 + 7 + 7 * 3 + 3)
    parameters.theta[...] = np.arange(parameters.size)
    parameters.grad[...] = -parameters.theta
    start = 0
    for layer in (network.layers[0], network.layers[2]):
        for name, shape in (("W", layer.W.shape[-2:]), ("b", layer.b.shape[-2:])):
            expected = np.arange(start, start + np.prod(shape)).reshape(shape)
            for lane in np.ndindex(*lead):
                np.testing.assert_array_equal(getattr(layer, name)[lane], expected)
                np.testing.assert_array_equal(getattr(layer, "d" + name)[lane], -expected)
            start += np.prod(shape)
        layer.b[...] = 7
        assert (parameters.theta == 7).sum(axis=-1).min() >= layer.b.shape[-1]


def test_decay_mask_spares_the_biases():
    network = small_network(lanes=2)
    mask = network.parameters.decay_mask
    assert mask.shape == (network.parameters.size,)
    assert mask.dtype == "float32"
    np.testing.assert_array_equal(mask, [1] * 35 + [0] * 7 + [1] * 21 + [0] * 3)


def test_freezing_takes_weights_out_of_the_decay_mask():
    network = small_network()
    assert network.parameters.decay_mask.sum() == 56
    network.freeze(0)
    np.testing.assert_array_equal(network.parameters.decay_mask, [0] * 42 + [1] * 21 + [0] * 3)


def test_a_network_without_parameters_has_an_empty_theta():
    parameters = dl.Network([dl.ReLU()], (3,)).parameters
    assert parameters.theta.shape == parameters.decay_mask.shape == (0,)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool", int, "complex64"])
def test_only_floating_types_can_learn(dtype):
    with pytest.raises(SettingError, match=r'Parameters.dtype must be float32 or float64.*Use "float32" or "float64"'):
        Parameters([], dtype=dtype)


def test_each_lane_may_have_a_seed_of_its_own():
    theta = small_network(seed=[3, 1, 2], lanes=3).parameters.theta
    for lane, seed in enumerate((3, 1, 2)):
        np.testing.assert_array_equal(theta[lane], small_network(seed=seed).parameters.theta)


@pytest.mark.parametrize("seed", [range(3), np.arange(3), (0, 1, 2), [np.int64(0), 1, 2]])
def test_seeds_may_come_in_any_sequence(seed):
    theta = small_network(seed=seed, lanes=3).parameters.theta
    np.testing.assert_array_equal(theta, small_network(seed=[0, 1, 2], lanes=3).parameters.theta)


@pytest.mark.parametrize(
    ("seed", "lanes", "words"),
    [
        ([1, 2], 3, "be one number, or one for each of lanes=3; got seed=[1, 2]"),
        ([1, 2], None, "be one number, or one for each of lanes=None"),
        (-1, None, "be a whole number, 0 or more; got seed=-1"),
        (1.5, None, "be a whole number, 0 or more; got seed=1.5"),
        ("one", None, "be a whole number, 0 or more; got seed='one'"),
        ([], 2, "be a whole number, 0 or more; got seed=None"),
        (None, None, "be a whole number, 0 or more; got seed=None"),
    ],
)
def test_seed_that_cannot_be_is_refused(seed, lanes, words):
    with pytest.raises(SettingError) as refused:
        small_network(seed=seed, lanes=lanes)
    assert f"Network.seed must {words}" in str(refused.value)


def test_parameters_print_their_size():
    assert repr(small_network(lanes=2).parameters) == "Parameters(66 numbers × 2 lanes, float32)"
    assert repr(small_network(dtype="float64").parameters) == "Parameters(66 numbers, float64)"
