"""Every initializer draws from the law it names."""

import math

import numpy as np
import pytest
import scipy.stats
from concepts import INITIALIZERS, SCALED

import dlcourse as dl
from dlcourse.initializers import Initializer, PositiveUnitball, Sparse, TruncatedGaussian, lsuv, per_lane
from dlcourse.settings import SettingError

WIDE = (200, 300)  # 60,000 draws


def law(init, shape):
    """What scipy calls it."""
    if isinstance(init, dl.Uniform):
        return scipy.stats.uniform(init.low, init.high - init.low)
    if isinstance(init, dl.Gaussian):
        return scipy.stats.norm(init.mean, init.std)
    fan_in, fan_out = dl.fans(shape)
    n = {"in": fan_in, "out": fan_out, "average": (fan_in + fan_out) / 2}[init.fan]
    variance = (1 if isinstance(init, dl.Xavier) else 2) / n
    if init.distribution == "normal":
        return scipy.stats.norm(0, math.sqrt(variance))
    bound = math.sqrt(3 * variance)
    return scipy.stats.uniform(-bound, 2 * bound)


RANDOM = [init for init in INITIALIZERS if isinstance(init, dl.Gaussian | dl.Uniform)] + SCALED


@pytest.mark.parametrize("shape", [WIDE, (5, 5, 30, 80)], ids=["dense", "convolution"])
@pytest.mark.parametrize("init", RANDOM, ids=repr)
def test_draws_follow_the_law(init, shape, rng):
    w, expected = init(shape, rng), law(init, shape)
    assert w.shape == shape
    assert scipy.stats.kstest(w.ravel(), expected.cdf).pvalue > 1e-4
    spread = math.sqrt((2.0 if expected.dist.name == "norm" else 0.8) / w.size)
    assert abs(w.var() / expected.var() - 1) < 5 * spread
    assert abs(w.mean() - expected.mean()) < 5 * expected.std() / math.sqrt(w.size)


@pytest.mark.parametrize("init", [i for i in RANDOM if getattr(i, "distribution", "normal") == "uniform"], ids=repr)
def test_uniform_draws_reach_their_bound_and_not_beyond(init, rng):
    bound, widest = law(init, WIDE).support()[1], np.abs(init(WIDE, rng)).max()
    assert 0.99 * bound < widest <= bound


# Caffe's bounds: shape (ours, in before out), fan_in, fan_out, then √(3/n) and √(2/n) for in, for out, for average
BOUNDS = [
    ((7, 13), 7, 13, 0.654654, 0.534522, 0.480384, 0.392232, 0.547723, 0.447214),
    ((3, 2, 5, 6), 30, 36, 0.316228, 0.258199, 0.288675, 0.235702, 0.301511, 0.246183),
    ((5, 5, 3, 4), 75, 100, 0.200000, 0.163299, 0.173205, 0.141421, 0.185164, 0.151186),
    ((4, 5, 2, 3, 2), 120, 80, 0.158114, 0.129099, 0.193649, 0.158114, 0.173205, 0.141421),
]


class Spy:
    """A generator that tells how widely it was asked to draw."""

    def uniform(self, low, high, shape):
        assert low == -high
        return high

    def normal(self, mean, std, shape):
        assert mean == 0
        return std


@pytest.mark.parametrize(("shape", "fan_in", "fan_out", *"abcdef"), BOUNDS)
def test_bounds_are_caffes(shape, fan_in, fan_out, a, b, c, d, e, f):
    assert dl.fans(shape) == (fan_in, fan_out)
    asked = [
        init(shape, Spy())
        for fan in ("in", "out", "average")
        for init in (dl.Xavier(fan), dl.MSRA(fan), dl.MSRA(fan, "uniform"), dl.Xavier(fan, "normal"))
    ]
    expected = [
        v for bound, std in ((a, b), (c, d), (e, f)) for v in (bound, std, math.sqrt(3) * std, bound / math.sqrt(3))
    ]
    np.testing.assert_allclose(asked, expected, atol=1e-6)


def test_xavier_and_msra_agree_with_pytorch(oracle):
    answer = oracle["initializers"]
    shape = tuple(answer["shape"])
    assert dl.Xavier("average")(shape, Spy()) == pytest.approx(answer["xavier_average_max"], rel=1e-4)
    assert dl.MSRA()(shape, Spy()) == pytest.approx(answer["msra_in_std"], rel=5 / math.sqrt(2 * math.prod(shape)))


@pytest.mark.parametrize("shape", [(4,), ()])
def test_fans_of_a_bias_are_refused(shape, rng):
    for call in (lambda: dl.fans(shape), lambda: dl.Xavier()(shape, rng), lambda: dl.Orthogonal()(shape, rng)):
        with pytest.raises(SettingError, match=r"fans.shape must have 2 axes or more.*A bias has no fans"):
            call()


def test_constants_are_exact(rng):
    assert (dl.Zeros()((2, 3), rng) == np.zeros((2, 3))).all()
    assert (dl.Constant(0.1)((2, 3), rng) == np.full((2, 3), 0.1)).all()
    assert dl.Constant(2)((2,), rng).dtype == "float64"


@pytest.mark.parametrize("gain", [1.0, 1.5])
@pytest.mark.parametrize("shape", [(30, 10), (10, 30), (12, 12), (3, 3, 4, 8), (1, 1)])
def test_orthogonal_keeps_lengths(shape, gain, rng):
    w = dl.Orthogonal(gain)(shape, rng)
    assert w.shape == shape
    w = w.reshape(-1, shape[-1])
    product = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-13)


def test_orthogonal_favours_no_sign(rng):
    signs = [dl.Orthogonal()((1, 1), rng)[0, 0] for _ in range(400)]
    assert abs(np.mean(signs)) < 5 / math.sqrt(400)


def test_uniform_bounds_the_wrong_way_round_are_refused(rng):
    with pytest.raises(SettingError, match=r"Uniform.low must be at most high=0.0; got low=1.0. Swap the two."):
        dl.Uniform(1.0, 0.0)((2, 2), rng)


@pytest.mark.parametrize("init", INITIALIZERS, ids=repr)
def test_same_seed_same_draw(init):
    draws = [init((4, 3), np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert isinstance(draws[0], np.ndarray)
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.array_equal(draws[0], draws[2]) == isinstance(init, dl.Zeros | dl.Constant)


def test_per_lane_draws_once_for_all_or_once_for_each():
    rngs = [np.random.default_rng(seed) for seed in (1, 2)]
    assert per_lane(dl.Gaussian(), (4, 3), rngs[:1]).shape == (4, 3)
    assert per_lane(dl.Gaussian(), (4, 3), rngs).shape == (2, 4, 3)


def test_initializer_is_an_interface(rng):
    with pytest.raises(NotImplementedError):
        Initializer()((2, 2), rng)


def test_positive_unitball_shares_out_one(rng):
    for shape in ((50, 7), (3, 3, 5, 4)):
        weights = PositiveUnitball()(shape, rng)
        assert (weights >= 0).all()
        assert np.allclose(weights.sum(axis=tuple(range(len(shape) - 1))), 1.0)
    shares = PositiveUnitball()((1, 4), rng)
    assert (shares == 1).all()  # a unit with one input takes it all


def test_positive_unitball_destroys_the_variance(rng):
    """Σ w² ≈ 4 / (3 n): a unit passes on that share of its inputs' variance."""
    weights = PositiveUnitball()((512, 400), rng)
    assert (weights**2).sum(axis=0).mean() == pytest.approx(4 / (3 * 512), rel=0.02)


def test_sparse_leaves_each_unit_a_few_inputs(rng):
    weights = Sparse(5, std=2.0)((40, 3000), rng)
    assert ((weights != 0).sum(axis=0) == 5).all()
    assert scipy.stats.kstest(weights[weights != 0], scipy.stats.norm(0, 2.0).cdf).pvalue > 1e-4
    assert (weights != 0).mean(axis=1) == pytest.approx(np.full(40, 5 / 40), abs=0.03)  # no input is favoured
    with pytest.raises(SettingError, match=r"Sparse.nonzeros must be at most fan_in=4; got nonzeros=5"):
        Sparse(5)((4, 3), rng)


def test_truncated_gaussian_has_no_tails(rng):
    draws = TruncatedGaussian(1.0, 0.5)((200_000,), rng)
    law = scipy.stats.truncnorm(-2, 2, loc=1.0, scale=0.5)
    assert np.abs(draws - 1).max() <= 1.0
    assert scipy.stats.kstest(draws, law.cdf).pvalue > 1e-4
    assert draws.var() == pytest.approx(0.7737413 * 0.25, rel=0.01)


@pytest.mark.parametrize("lanes", [None, 2])
def test_lsuv_gives_every_layer_unit_variance(lanes, rng):
    layers = [dl.Dense(60), dl.Tanh(), dl.Dense(60), dl.ReLU(), dl.Dense(10)]
    network = dl.Network(layers, input_shape=(30,), lanes=lanes)
    x = 5 * rng.normal(size=(300, 30)) + 2
    lsuv(network, x)
    y = network.enter(x)
    for layer in network.layers:
        y = layer.forward(y)
        if isinstance(layer, dl.Dense):
            assert y.var(axis=(-2, -1)) == pytest.approx(np.ones(lanes or 1) if lanes else 1.0, abs=0.1)


def test_lsuv_starts_from_a_rotation(rng):
    network = dl.Network([dl.Dense(4), dl.ReLU(), dl.Dense(3)], (5,), dtype="float64")
    lsuv(network, rng.normal(size=(100, 5)))
    for layer in (network.layers[0], network.layers[2]):
        gram = layer.W.T @ layer.W
        np.testing.assert_allclose(gram / gram[0, 0], np.eye(layer.units), atol=1e-12)


def test_lsuv_does_not_loop_over_a_dead_layer(rng):
    network = dl.Network([dl.Dense(4)], input_shape=(3,))
    lsuv(network, np.zeros((10, 3)))
    assert np.isfinite(network.parameters.theta).all()


def test_variance_through_fifty_layers(rng):
    """Xavier halves it at every ReLU, MSRA keeps it, a deviation of 0.01 ends it (He et al. 2015)."""
    ends = {}
    for name, init in {"xavier": dl.Xavier(), "msra": dl.MSRA(), "small": dl.Gaussian(std=0.01)}.items():
        x = rng.normal(size=(256, 256))
        for _ in range(50):
            x = np.maximum(x @ init((256, 256), rng), 0)
        ends[name] = (x**2).mean()
    assert 1e-17 < ends["xavier"] < 1e-13
    assert 0.05 < ends["msra"] < 20
    assert ends["small"] < 1e-60


def test_the_old_heuristic_keeps_a_third_of_the_variance(rng):
    """U[−1/√n, 1/√n] has variance 1/(3n): every layer divides the signal's by three (Glorot & Bengio 2010)."""
    x, n = rng.normal(size=(400, 600)), 600
    for layer in range(1, 6):
        x = x @ dl.Uniform(-(n**-0.5), n**-0.5)((n, n), rng)
        assert x.var() * 3**layer == pytest.approx(1, rel=0.05)


def test_thirty_orthogonal_layers_keep_every_direction(rng):
    """All singular values of their product are 1; those of thirty Gaussian ones are worlds apart (Saxe et al. 2013)."""

    def singular_values(init):
        layers = [dl.Dense(64, weight_init=init) for _ in range(30)]
        network = dl.Network(layers, (64,), dtype="float64")
        directions = np.eye(64)
        forward = network.forward(directions, training=True)
        np.testing.assert_allclose(network.backward(directions), forward.T, atol=1e-12)  # so do gradients, on their way
        return np.linalg.svd(forward, compute_uv=False)

    np.testing.assert_allclose(singular_values(dl.Orthogonal()), 1, rtol=1e-12)
    gaussian = singular_values(dl.Xavier(distribution="normal"))
    assert gaussian[0] > 1
    assert np.median(gaussian) < 1e-3
    assert gaussian[-1] < 1e-12
