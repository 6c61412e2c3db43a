"""Claims of 04, regularization, on trial: what penalties do to weights, and what else is a penalty in disguise."""

import numpy as np

import dlcourse as dl
from dlcourse import shrinkage
from dlcourse.datasets import Dataset
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log, OneOf, Uniform, Whole


def momentum(rate):
    return dl.Momentum(rate, 0.9)


def one_hidden(units, *extra):
    """A network with one hidden layer; `extra` layers stand behind its ReLU."""
    return [dl.Dense(units), dl.ReLU(), *extra, dl.Dense(10)]


@trial(
    claim="The L1 penalty makes weights exactly zero.",
    space={
        "step": OneOf(("gradient steps", "soft threshold"), "the penalty's step by"),
        "strength": Log(0.05, 0.5, "λ"),
        "rate": Log(0.01, 0.3, "η"),
        "inputs": Whole(30, 100, "inputs"),
        "examples": Whole(50, 300, "examples"),
    },
    sides="linear regression on normal inputs, a third of which matter, with L1, 2000 steps of descent",
    measure="share of the weights that are exactly zero, more than one in twenty",
    unit="% zeros",
    tolerance=5,
)
def l1_makes_zeros(step, strength, rate, inputs, examples, seed):
    rng = np.random.default_rng(seed)
    x, true = rng.normal(size=(examples, inputs)), rng.normal(size=inputs) * (rng.random(inputs) < 1 / 3)
    y, w = x @ true + rng.normal(size=examples), rng.normal(size=inputs)
    rate /= np.linalg.norm(x, 2) ** 2 / examples  # a share of 1/λmax
    for _ in range(2000):
        w = w - rate * (x.T @ (x @ w - y) / examples)
        by_gradient = w - rate * strength * np.sign(w)
        w = by_gradient if step == "gradient steps" else shrinkage.soft_threshold(w, rate * strength)
    return 100 * np.mean(w == 0)


LAYER = {
    "data": OneOf(("digits", "mnist1d"), "data"),
    "size": OneOf((100, 200, 300), "examples"),
    "wrong": Uniform(0, 0.4, "share of labels drawn by lot"),
    "std": Log(0.02, 0.3, "standard deviation of the start"),
}


def penalized(data, std, l1, l2, steps=600):
    """One layer under penalties of these strengths, one a lane, all examples in every step: weights, training loss."""
    layer = dl.Dense(10, weight_init=dl.Gaussian(std=std))
    network = dl.Network([layer], data.x.shape[1:], seed=[0] * len(l1), lanes=len(l1))
    penalty = dl.ElasticNet(np.array(l1)[:, None], np.array(l2)[:, None])
    more = {"epochs": steps, "batch_size": len(data.x), "regularizers": [penalty]}
    dl.fit(network, dl.SoftmaxCrossEntropy(), momentum(0.05), data, **more)
    return layer.W, nets.loss_and_accuracy(network, data)[0]


@trial(
    claim="L2 spreads the work over inputs that say the same; L1 does not.",
    space=LAYER | {"jitter": Uniform(0, 0.3, "noise of the copies"), "strength": Log(0.01, 0.1, "λ of L2")},
    sides="one layer, every input given twice: L2; no penalty; L1, of eight strengths the one that fits as well as L2",
    measure="how unevenly copies share, Σ|w₁ − w₂| / Σ|w₁ + w₂|: the more even of L1 and no penalty, minus L2",
    unit="points",
    designs=60,
)
def l2_spreads_weights(data, size, wrong, std, jitter, strength, seed):
    data, rng, l1 = nets.split(data, size, seed, wrong=wrong, test=1).train, np.random.default_rng(seed), np.zeros(10)
    twice = np.repeat(data.x, 2, axis=1)
    twice = (twice + jitter * twice.std() * rng.normal(size=twice.shape)).astype("float32")
    l1[2:] = 0.002 * 2.0 ** np.arange(8)
    w, loss = penalized(Dataset(twice, data.y), std, l1, [0, strength, *[0] * 8])
    one, other = w[:, ::2], w[:, 1::2]
    uneven = 100 * np.abs(one - other).sum(axis=(1, 2)) / np.abs(one + other).sum(axis=(1, 2))
    alike = 2 + np.abs(loss[2:] - loss[1]).argmin()
    return min(uneven[0], uneven[alike]) - uneven[1]


@trial(
    claim="L2 takes a larger share from large weights than from small ones.",
    space=LAYER | {"strength": Log(1e-4, 0.1, "λ")},
    sides="one layer with L2 and without, weights in the order of their size: the largest tenth, and the smaller half",
    measure="share of their size that L2 takes: largest tenth minus smaller half, 5 points or more",
    unit="points",
    tolerance=5,
    designs=60,
)
def l2_punishes_large_weights(data, size, wrong, std, strength, seed):
    w, _ = penalized(nets.split(data, size, seed, wrong=wrong, test=1).train, std, [0, 0], [0, strength])
    sizes = np.sort(np.abs(w).reshape(2, -1), axis=1)
    tenth, half = sizes[:, -sizes.shape[1] // 10 :], sizes[:, : sizes.shape[1] // 2]
    (large, large_kept), (small, small_kept) = tenth.sum(axis=1), half.sum(axis=1)
    return 100 * (small_kept / small - large_kept / large)


@trial(
    claim="L2 and weight decay are the same thing, if each may choose its λ.",
    space={
        "rule": OneOf(("SGD", "momentum", "Adam"), "the rule"),
        "strength": Log(0.01, 0.1, "λ of L2"),
        "size": OneOf((100, 200), "examples"),
        "units": Whole(8, 32, "hidden units", log=True),
        "steps": Whole(50, 200, "steps", log=True),
        "share": Log(0.1, 1, "rate, in shares of a usual one"),
    },
    sides="L2, and decoupled decay of the λ, of 26, that comes nearest to it",
    measure="distance of their weights, as a share of what the penalty moves them",
    unit="%",
    margin=20,
    designs=60,
)
def l2_is_weight_decay(rule, strength, size, units, steps, share, seed):
    data = nets.split("digits", size, seed, test=1).train
    decays = 2 * strength * np.array([0, *10 ** np.linspace(-1, 1.5, 26)])[:, None]
    rules = {
        "SGD": (dl.SGD(0.3 * share), dl.SGDW(0.3 * share, 0.0, decays)),
        "momentum": (dl.Momentum(0.03 * share, 0.9), dl.SGDW(0.03 * share, 0.9, decays)),
        "Adam": (dl.Adam(0.01 * share), dl.AdamW(0.01 * share, weight_decay=decays)),
    }

    def theta(optimizer, lanes, costs):
        network = dl.Network(one_hidden(units), (64,), seed=[seed] * lanes, lanes=lanes, dtype="float64")
        more = {"epochs": steps, "batch_size": size, "regularizers": costs}
        dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, data, **more)
        return network.parameters.theta

    coupled = theta(rules[rule][0], 1, [dl.L2(strength)])
    plain, *decoupled = theta(rules[rule][1], len(decays), [])
    return 100 * np.linalg.norm(decoupled - coupled, axis=1).min() / np.linalg.norm(plain - coupled)


@trial(
    claim="On a linear model dropout is a ridge penalty.",
    space={
        "p": Uniform(0.05, 0.8, "p"),
        "inputs": Whole(2, 50, "inputs"),
        "examples": Whole(10, 100, "examples"),
        "together": Uniform(0, 0.99, "correlation of the inputs"),
        "scale": Log(0.1, 10, "size of the weights"),
    },
    sides="what 1500 masks of dropout add to the squared error, and the exact penalty p/(1 − p) Σ w² mean(x²)",
    measure="share by which they differ, ten per cent at most",
    unit="%",
    margin=10,
    designs=60,
)
def dropout_is_ridge(p, inputs, examples, together, scale, seed):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(examples, 1))
    x = (
        np.sqrt(together) * common
        + np.sqrt(1 - together) * rng.normal(size=(examples, inputs))
        + rng.normal(size=inputs)
    )
    w, layer = scale * rng.normal(size=inputs), dl.Dropout(p)
    y = x @ w
    network = dl.Network([layer], (inputs,), seed=seed, dtype="float64")
    added = np.mean([np.mean((network.forward(x, training=True) @ w - y) ** 2) for _ in range(1500)])
    return 100 * (added / shrinkage.dropout_penalty(x, w, p) - 1)


@trial(
    claim="Stopping after t steps is, within a third, a ridge penalty of λ = 1/(ηt).",
    space={
        "steps": Whole(10, 100_000, "t", log=True),
        "share": Uniform(0.01, 1, "η in shares of 1/λmax"),
        "inputs": Whole(2, 100, "inputs", log=True),
        "examples": Whole(2, 200, "examples", log=True),
        "fall": Uniform(0, 3, "fall of the inputs' sizes"),
        "scatter": Log(0.01, 10, "noise"),
    },
    sides="least squares by descent from zero, stopped; and the exact answer with the penalty",
    measure="their distance, as a share of the answer's length, 35 % at most",
    unit="%",
    margin=35,
    designs=200,
)
def stopping_is_ridge(steps, share, inputs, examples, fall, scatter, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, inputs)) * np.arange(1.0, inputs + 1) ** -fall
    y = x @ rng.normal(size=inputs) + scatter * rng.normal(size=examples)
    u, s, v = np.linalg.svd(x, full_matrices=False)
    rate = share / s[0] ** 2
    by_ridge = shrinkage.ridge(x, y, 1 / (rate * steps))
    stopped = v.T @ (shrinkage.stopping_factors(s, rate, steps) / s * (u.T @ y))
    return 100 * np.linalg.norm(stopped - by_ridge) / np.linalg.norm(by_ridge)
