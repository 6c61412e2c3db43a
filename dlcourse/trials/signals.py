"""Claims of 01, initialization, on trial: what the first pass forward, and the first pass back, make of a start."""

import numpy as np

import dlcourse as dl
from dlcourse.labs.initialization import rotations
from dlcourse.labs.initialization.signals import pass_through, size, standard_digits, tower
from dlcourse.labs.initialization.unitball import saturated
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log, OneOf, Whole

DRAWS = 16  # of one start: what it keeps, it keeps in the mean


def first_pass(init, activation, widths, x, seed):
    """Mean squares, over all draws, of signal and gradient: before the first layer, and after each."""
    net, ends = tower(init, activation, widths, lanes=DRAWS, seed=[DRAWS * (seed % 10**6) + k for k in range(DRAWS)])
    dy = np.random.default_rng(seed).normal(size=(DRAWS, len(x), widths[-1]))
    signals, gradients = pass_through(net, x, dy)
    return [
        np.array([size(each[place]) ** 2 for place in (0, *[end + 1 for end in ends])]) for each in (signals, gradients)
    ]


def some_digits(seed, count=20):
    """Digits of mean 0 and mean square 1, all pixels taken together."""
    return np.random.default_rng(seed).permutation(standard_digits(1000))[:count]


# Does the signal keep its size?


def doublings(init, activation, depth, units, size_of_x, seed):
    """How often the mean square doubles (below 0: halves) from the first layer to the last."""
    x = size_of_x * some_digits(seed)
    forth, _ = first_pass(init, activation, [units] * depth, x, seed)
    return np.log2(forth[-1] / (x**2).mean())


wide = {
    "depth": Whole(1, 20, "layers"), "units": Whole(50, 200, "units in a layer", log=True),
    "size_of_x": Log(0.03, 3, "size of the inputs"),
}  # fmt: skip
KEPT = {
    "measure": "doublings of the mean square (below 0: halvings), mean of 16 draws; it is kept within one",
    "unit": "doublings", "margin": 1.0,
}  # fmt: skip


@trial(
    claim="Xavier keeps the variance through linear and tanh layers.",
    space={"activation": OneOf(("linear", "tanh"))} | wide,
    sides="Xavier, on digits",
    **KEPT,
)
def xavier_keeps_variance(activation, depth, units, size_of_x, seed):
    return doublings(dl.Xavier(), activation, depth, units, size_of_x, seed)


@trial(claim="MSRA keeps the variance through layers of ReLU.", space=wide, sides="MSRA, on digits", **KEPT)
def msra_keeps_variance(depth, units, size_of_x, seed):
    return doublings(dl.MSRA(), "ReLU", depth, units, size_of_x, seed)


@trial(claim="So does Xavier.", space=wide | {"depth": Whole(2, 20, "layers")}, sides="Xavier, on digits", **KEPT)
def xavier_keeps_relu(depth, units, size_of_x, seed):
    return doublings(dl.Xavier(), "ReLU", depth, units, size_of_x, seed)


@trial(
    claim="Fan-in protects the forward pass, fan-out the backward.",
    space={
        "ratio": OneOf((1 / 8, 1 / 4, 1 / 2, 2, 4, 8), "last over first width"),
        "activation": OneOf(("linear", "tanh", "ReLU")), "depth": Whole(2, 8, "layers"),
    },
    sides="fan in and fan out, of Xavier (linear, tanh) or MSRA (ReLU), on layers from 64 inputs to 8 or 512 units",
    measure="doublings of the mean square, up or down: how many fewer with the right fan, in the worse of both passes",
    unit="doublings fewer",
)  # fmt: skip
def fans_protect(ratio, activation, depth, seed):
    x = some_digits(seed)
    widths = [round(64 * ratio ** (layer / depth)) for layer in range(1, depth + 1)]

    def missed(fan):
        rule = dl.MSRA(fan) if activation == "ReLU" else dl.Xavier(fan)
        forth, back = first_pass(rule, activation, widths, x, seed)
        return np.abs(np.log2([forth[-1] / forth[0], back[0] / back[-1]]))

    by_in, by_out = missed("in"), missed("out")
    return min(by_out[0] - by_in[0], by_in[1] - by_out[1])


# The positive unit ball


@trial(
    claim="The positive unit ball keeps sigmoids out of saturation.",
    space={
        "top": Log(0.1, 255, "largest pixel"),
        "units": Whole(8, 512, "units", log=True), "depth": Whole(1, 6, "layers"),
    },
    sides="the positive unit ball, on digits",
    measure="sigmoids below 0.05 or above 0.95, where the slope is under a fifth of its best, in the worst layer",
    unit="% of them",
    margin=1.0,
)  # fmt: skip
def unit_ball_avoids_saturation(top, units, depth, seed):
    x = top * dl.datasets.digits()[0].x[:100].astype(float)
    return 100 * max(saturated(y) for y in outputs(dl.PositiveUnitball(), x, units, depth, seed))


def outputs(init, x, units, depth, seed):
    net, ends = tower(init, "sigmoid", [units] * depth, seed=seed)
    signals, _ = pass_through(net, x, np.zeros((len(x), units)))
    return [signals[end + 1] for end in ends]


@trial(
    claim="And it costs nothing: the units differ as much as with Xavier, or half as much.",
    space={
        "units": Whole(8, 512, "units", log=True),
        "depth": Whole(1, 6, "layers"),
        "top": Log(0.1, 10, "largest pixel"),
    },
    sides="the positive unit ball and Xavier, sigmoids, on digits",
    measure="deviation between the units of the last layer, as a share of Xavier's, less one half",
    unit="%",
)
def unit_ball_costs_nothing(units, depth, top, seed):
    x = top * dl.datasets.digits()[0].x[:100].astype(float)
    ball, xavier = (
        outputs(init, x, units, depth, seed)[-1].std(axis=1).mean() for init in (dl.PositiveUnitball(), dl.Xavier())
    )
    return 100 * (ball / xavier - 0.5)


# Rotations


@trial(
    claim="A network of rotations stretches no direction more than another.",
    space={
        "activation": OneOf(("linear", "tanh", "ReLU")), "depth": Whole(1, 30, "layers"),
        "units": Whole(16, 64, "units"), "size_of_x": Log(0.03, 3, "size of the input"),
    },
    sides="rotations, at one digit",
    measure="largest stretch over the smallest that is left; 1 % is a difference",
    unit="% more",
    margin=1.0,
)  # fmt: skip
def rotations_stretch_alike(activation, depth, units, size_of_x, seed):
    net, _ = tower(dl.Orthogonal(), activation, [units] * depth, seed=seed)
    stretches = rotations.stretch(net, size_of_x * some_digits(seed, 1))
    return 100 * min(stretches[0] / max(stretches[-1], 1e-9) - 1, 1e9)


@trial(
    claim="Rotations keep many more directions than independent draws.",
    space={
        "activation": OneOf(("linear", "tanh", "ReLU")),
        "depth": Whole(5, 30, "layers"),
        "units": Whole(16, 128, "units"),
    },
    sides="Orthogonal and Gaussian of the same variance (gain 2 for ReLU, else 1), at one digit",
    measure="directions stretched at least a hundredth as far as the one stretched most; a fifth of all is many",
    unit="% of all directions",
    tolerance=20.0,
)
def rotations_keep_directions(activation, depth, units, seed):
    gain = 2.0 if activation == "ReLU" else 1.0

    def kept(init):
        net, _ = tower(init, activation, [units] * depth, seed=seed)
        stretches = rotations.stretch(net, some_digits(seed, 1))
        return 100 * np.mean(stretches > 0.01 * stretches[0])

    return kept(dl.Orthogonal(gain**0.5)) - kept(dl.Gaussian(std=(gain / units) ** 0.5))
