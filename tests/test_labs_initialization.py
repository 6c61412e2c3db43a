"""The labs of 01_initialization, and the theory beside them against numbers that come another way."""

import itertools
import re

import numpy as np
import pytest
from scipy import integrate, special

import dlcourse as dl
from dlcourse import variance
from dlcourse.labs.controls import Choice
from dlcourse.labs.initialization import rotations, signals, starts, twins, unitball
from dlcourse.settings import SettingError

LABS = {
    "weights": starts.weights,
    "twins": twins.twins,
    "starts": starts.starts,
    "through_ten_layers": signals.through_ten_layers,
    "fans": signals.fans,
    "unit_ball": unitball.unit_ball,
    "directions": rotations.directions,
    "measured": rotations.measured,
}


def finding(lab, **given):
    settings = lab.settings(**given)
    *_, state = lab.states(settings)
    return lab.describe(state, settings)


def corners(lab):
    """Every option of every menu once, and all corners of the sliders with the first and the last options."""
    menus = {name: c.options for name, c in lab.controls.items() if isinstance(c, Choice)}
    ends = {n: (menus[n][0], menus[n][-1]) if n in menus else (c.low, c.high) for n, c in lab.controls.items()}
    ends.pop("seed", None)
    if "steps" in ends:
        ends["steps"] = menus["steps"][:2]  # the most steps take long enough once
    yield from (dict(zip(ends, values, strict=True)) for values in itertools.product(*ends.values()))
    yield from ({name: option} for name, options in menus.items() for option in options)


@pytest.mark.parametrize("name", LABS)
def test_findings_are_sentences_at_every_corner(name):
    lab = LABS[name]()
    for given in corners(lab):
        words = finding(lab, **given)
        assert words.endswith(".") and not re.search(r"\b(nan|inf)\b", words, re.IGNORECASE), (given, words)
        assert len(words.split()) >= 8, (given, words)


# What the findings say


def test_a_constant_start_has_one_kind_of_unit_and_a_random_one_sixteen():
    lab = starts.weights()
    for start, words in (("zeros", "of 1 kind"), ("constant", "of 1 kind"), ("Xavier", "all different")):
        assert f"{start}: 16 hidden units, {words}." in finding(lab, start=start, scale=1.0)
    assert "Not one of these weights has moved" in finding(lab, start="zeros", activation="ReLU")
    assert "They came out of nothing" in finding(lab, start="zeros", activation="sigmoid")


def test_twins_part_only_with_noise():
    lab = twins.twins()
    assert "twins" in finding(lab, noise=0.0) and "no two are alike" in finding(lab, noise=1.0)
    assert "have not moved" in finding(lab, value=0.0, activation="ReLU")


def test_any_noise_parts_twins_of_tanh_in_time_and_relu_keeps_them():
    lab = twins.twins()
    assert "all eight are twins" in finding(lab, noise=1e-6, steps=1000)
    assert "no two are alike" in finding(lab, noise=1e-6, steps=4000)
    assert "all eight are twins" in finding(lab, noise=1e-6, steps=4000, activation="ReLU")


def test_the_distance_is_that_of_the_two_units_farthest_apart():
    *_, (_, net, _, apart, _) = twins.grow_apart(0.5, 0.1, "tanh", 100, 0)
    units = np.concatenate([net.layers[0].W, net.layers[0].b, net.layers[2].W.T]).T
    pairs = [np.linalg.norm(a - b) for a, b in itertools.combinations(units, 2)]
    assert apart[-1] == pytest.approx(max(pairs)) and len(apart) == twins.LOOKS + 1


def test_what_weights_have_done_is_said_as_it_is():
    one = np.ones((2, 2))
    assert starts.movement(one, one) == "Not one of these weights has moved"
    assert starts.movement(0 * one, one) == "They came out of nothing"
    assert "1e-09 times" in starts.movement(one, one * (1 + 1e-9))  # little is not nothing


@pytest.mark.parametrize(
    "loss, learns, worse", [(0.1, True, False), (2.3, False, False), (2.5, False, True), (np.nan, False, True)]
)
def test_who_learns_who_guesses_and_who_does_worse(loss, learns, worse):
    assert starts.below_guessing(np.array(loss)) == learns and starts.above_guessing(np.array(loss)) == worse


def test_the_race_says_who_is_where():
    losses = np.array([[0.5, 2.3, np.inf, *[0.6] * 7]])
    settings = starts.starts().settings()
    words = starts.describe_race((losses, np.full(10, 0.9)), settings)
    assert "8 of the ten are well below a guesser's loss. About at it: constant. Well above it: Gaussian." in words
    assert "Off the picture at times: Gaussian." in words and "lowest loss is zeros's, 0.5 nats; it reads 90%" in words
    words = starts.describe_race((np.full((1, 10), 2.3), np.full(10, 0.1)), settings)
    assert words.endswith("none of the ten are well below a guesser's loss. About at it: all.")


def test_each_unit_is_shown_on_its_own_scale():
    W = np.array([[1.0, 0.0, -20.0], [-0.5, 0.0, 10.0]])
    assert starts.each_its_own(W).tolist() == [[1.0, 0.0, -1.0], [-0.5, 0.0, 0.5]]


# Sigmoids, and the law for them


def test_centred_sigmoids_with_the_gain_sixteen_are_the_tanh_network():
    tanh, sigmoid = (starts.network("Xavier", act, [32] * 5, dtype="float64") for act in ("tanh", "sigmoid"))
    factors = [2.0, 4.0, 4.0, 4.0, 4.0, 2.0]  # the first layer sees no sigmoids, the last is none
    for factor, layer in zip(factors, sigmoid.layers[::2], strict=True):
        layer.W *= factor
    starts.centre(sigmoid)
    x = dl.datasets.digits()[0].x[:50]
    assert sigmoid.predict(x) == pytest.approx(tanh.predict(x), abs=1e-12)
    assert not sigmoid.layers[0].b.any()


def test_deep_sigmoids_learn_with_their_law_and_with_no_other_start_of_the_lab():
    lab = starts.starts()
    assert "none of the ten" in finding(lab, activation="sigmoid", depth=5, learning_rate=0.0316)
    words = finding(lab, activation="sigmoid", depth=5, learning_rate=0.0316, scale=4.0, bias="−½ ΣW")
    assert "5 of the ten are well below" in words


def test_the_dotted_line_of_centred_sigmoids_lies_on_the_curve():
    for scale in (1.0, 4.0, 8.0):
        found = [sizes("Xavier", "sigmoid", seed, scale, "−½ ΣW") for seed in range(3)]
        law = signals.expected("Xavier", "sigmoid", scale, "−½ ΣW")
        for measured, theory, most in zip(np.mean(found, axis=0), law, (0.3, 0.5), strict=True):
            assert np.abs(np.log(measured / theory)).max() < most, scale


@pytest.mark.parametrize(
    "ratio, words", [(0.4, "kept"), (1.0, "kept"), (2.6, "grown"), (0.39, "shrunk"), (0.0, "gone")]
)
def test_fate(ratio, words):
    assert signals.fate(ratio) == words


def test_what_the_frame_cannot_show_is_said():
    assert "below the picture" in finding(signals.through_ten_layers(), start="uniform")
    assert "picture" not in finding(signals.through_ten_layers(), start="Xavier")


def test_a_race_ends_as_its_runs_would_alone():
    together, _, _ = starts.train(["Xavier", "zeros", "LSUV"], "tanh", [16], (3,), epochs=1)
    alone, loss, right = starts.train(["LSUV"], "tanh", [16], (3,), epochs=1)
    assert (together.parameters.theta[2] == alone.parameters.theta[0]).all()
    assert loss.shape == (1, 1, 1) and right.shape == (1, 1)


@pytest.mark.parametrize("columns, kinds", [([[1, 1, 1]], 1), ([[1, 2, 1]], 2), ([[0, 0]], 1), ([[1, 1.0001, 1.1]], 2)])
def test_different(columns, kinds):
    assert starts.different(np.array(columns, float)) == kinds


def test_pictures_of_weights_are_in_reading_order():
    W = np.arange(64 * 16, dtype=float).reshape(64, 16)  # unit k, pixel p: 16 p + k
    picture = starts.mosaic(W)
    assert picture.shape == (35, 35)
    assert picture[0, 1] == 16 and picture[1, 0] == 16 * 8  # the first unit, to the right and down
    assert picture[0, 9] == 1 and picture[9, 0] == 4 and np.isnan(picture[8]).all()


# The variance law


def quadrature(function, power):
    """E[f(z)²], z ~ N(0, power), by adaptive quadrature, with 0 as a break."""

    def density(z):
        return function(np.array(z)) ** 2 * np.exp(-(z**2) / (2 * power)) / np.sqrt(2 * np.pi * power)

    reach = 10 * np.sqrt(power)
    return sum(integrate.quad(density, *ends, epsabs=1e-12, limit=200)[0] for ends in ((-reach, 0), (0, reach)))


@pytest.mark.parametrize("power", [0.01, 1.0, 25.0])
@pytest.mark.parametrize("activation", variance.ACTIVATIONS)
def test_moments_are_the_integrals(activation, power):
    function, slope = variance.ACTIVATIONS[activation]
    found = variance.moments(activation, power)
    assert found == pytest.approx((quadrature(function, power), quadrature(slope, power)), rel=1e-6)


def test_relu_lets_half_pass_and_linear_all():
    assert variance.moments("ReLU", 3.0) == pytest.approx((1.5, 0.5), rel=1e-9)
    assert variance.moments("linear", 3.0) == pytest.approx((3.0, 1.0), rel=1e-9)
    assert variance.moments("tanh", 0.0) == pytest.approx((0.0, 1.0))


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "ReLU"])
def test_slopes_are_the_library_layers(name):
    z = np.array([[-2.0, -0.3, 0.4, 3.0]])
    layer = signals.ACTIVATIONS[name]()
    layer.build((4,), dtype="float64")
    function, slope = variance.ACTIVATIONS[name]
    assert layer.forward(z) == pytest.approx(function(z)) and layer.backward(np.ones((1, 4))) == pytest.approx(slope(z))


ZERO_MEAN = [
    dl.Xavier(),
    dl.Xavier("out", "normal"),
    dl.MSRA("average"),
    dl.Gaussian(std=0.3),
    dl.Sparse(15, std=0.26),
    dl.Orthogonal(1.5),
    dl.Zeros(),
]


@pytest.mark.parametrize("shape", [(400, 200), (200, 400)])
@pytest.mark.parametrize("init", ZERO_MEAN, ids=repr)
def test_weight_variance_is_that_of_the_draws(init, shape):
    draws = init(shape, np.random.default_rng(0))
    assert variance.weight_variance(init, shape) == pytest.approx(float(np.mean(draws**2)), rel=0.03, abs=1e-12)


@pytest.mark.parametrize("init", [dl.Uniform(), dl.Constant(0.1), dl.PositiveUnitball(), dl.Gaussian(1.0, 0.1)])
def test_a_start_with_a_mean_has_no_variance_law(init):
    assert variance.weight_variance(init, (10, 10)) is None


@pytest.mark.parametrize("activation", variance.ACTIVATIONS)
@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
def test_wide_layers_do_what_the_theory_says(activation, gain):
    rng, width = np.random.default_rng(0), 800
    x = rng.normal(size=(20, width))
    function, slope = variance.ACTIVATIONS[activation]
    sizes, slopes, matrices = [1.0], [], []
    for _ in range(4):
        matrices.append(rng.normal(0.0, np.sqrt(gain / width), (width, width)))
        z = x @ matrices[-1]
        x = function(z)
        slopes.append(slope(z))
        sizes.append(float(np.mean(x**2)))
    dy, back = rng.normal(size=x.shape), [1.0]
    for s, W in zip(slopes[::-1], matrices[::-1], strict=True):
        dy = (dy * s) @ W.T
        back.append(float(np.mean(dy**2)))
    gains = [gain] * 4
    assert variance.forward(activation, gains)[1:] == pytest.approx(sizes[1:], rel=0.1)
    assert variance.backward(activation, gains, gains) == pytest.approx(back[::-1], rel=0.1)


def test_theory_refuses_what_it_does_not_know():
    with pytest.raises(SettingError, match="There are: linear, tanh, sigmoid, ReLU"):
        variance.moments("tanhh", 1.0)
    with pytest.raises(SettingError, match="be as many as gains, 2"):
        variance.backward("tanh", [1.0, 1.0], [1.0])


def test_units_of_a_unit_ball_differ_by_what_the_formula_says():
    x = np.random.default_rng(0).normal(size=50)
    z = x @ dl.PositiveUnitball()((50, 50_000), np.random.default_rng(1))
    assert z.std() == pytest.approx(variance.unit_ball_spread(x.std(), 50), rel=0.02)
    assert z.mean() == pytest.approx(x.mean(), abs=0.001)


@pytest.mark.parametrize("x", [0.5, 1.0, 1.5, 7.0, 31.5, 32.0])
def test_digamma_is_scipys(x):
    assert variance.digamma(x) == pytest.approx(special.digamma(x), rel=1e-12)


def test_spectrum_is_what_a_long_product_tends_to():
    """Rates by QR, step by step, as Lyapunov exponents are computed: no product that could lose its small values."""
    rng, width, depth = np.random.default_rng(0), 16, 3000
    q, rates = np.eye(width), np.zeros(width)
    for _ in range(depth):
        q, r = np.linalg.qr(rng.normal(0.0, width**-0.5, (width, width)) @ q)
        rates += np.log(np.abs(np.diag(r)))
    assert np.log(variance.spectrum(width, 1)) == pytest.approx(rates / depth, abs=0.03)


def test_rotations_stretch_nothing_as_long_as_layers_are_linear():
    _, _, values = rotations.rotate(10, "linear", 0)
    assert values["rotations"] == pytest.approx(1.0)
    assert values["independent"][-1] < 1e-3


def test_stretch_is_the_product_of_the_matrices():
    net, _ = signals.tower(dl.Xavier(), "linear", [64] * 3)
    whole = net.layers[0].W @ net.layers[1].W @ net.layers[2].W
    assert rotations.stretch(net, np.ones((1, 64))) == pytest.approx(np.linalg.svd(whole, compute_uv=False))


def test_the_dotted_lines_lie_on_the_curves():
    for start, activation in itertools.product(("Gaussian", "Xavier", "MSRA", "sparse"), signals.ACTIVATIONS):
        forth, back = np.mean([sizes(start, activation, seed) for seed in range(3)], axis=0)
        law = signals.expected(start, activation, 1.0)
        assert np.abs(np.log(forth / law[0])).max() < 0.5, (start, activation)
        assert np.abs(np.log(back / law[1])).max() < 0.5, (start, activation)


def sizes(start, activation, seed, *more):
    scale, bias = more or (1.0, "0")
    outputs, gradients = signals.ten_layers(start, activation, scale, seed, bias)
    return np.array([signals.size(y) for y in outputs]), gradients


def test_fans_theory_is_the_ratio_of_the_ends():
    for ratio, fan in itertools.product((0.25, 4.0), signals.FANS):
        widths, activation, *_ = signals.taper(ratio, "linear", 0)
        forth, back = signals.taper_theory(widths, activation, fan)
        ends = {"in": (1, ratio), "out": (1 / ratio, 1)}.get(fan)
        if ends:
            assert (forth[-1] ** 2, back[0] ** 2) == pytest.approx(ends)
