"""Claims of 03, batch normalization, on trial."""

from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import theory
from dlcourse.labs.normalization import batches, inside
from dlcourse.labs.normalization import networks as norm
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log, OneOf, Uniform, Whole
from dlcourse.trials.tuning import finite, reached_and_kept

RATES = 0.01 * 4.0 ** np.arange(5)  # 0.01 to 2.56
ACTIVATIONS = ("ReLU", "tanh", "sigmoid")
SHAPE = {
    "activation": OneOf(ACTIVATIONS, "activation"),
    "depth": Whole(1, 5, "hidden layers"),
    "units": Whole(12, 48, "hidden units", log=True),
}


def start(activation):
    """First weights that keep the variance: He's for ReLU, Xavier's for tanh, and four times these for sigmoids."""
    if activation == "ReLU":
        return dl.MSRA()
    gain = 4.0 if activation == "sigmoid" else 1.0
    return lambda shape, rng: gain * dl.Xavier()(shape, rng)


def layers(activation, depth, units, between=tuple, after=tuple, classes=10):
    """Hidden layers with `between` before each activation and `after` behind it."""
    body = []
    for _ in range(depth):
        body += [dl.Dense(units, start(activation)), *between(), norm.ACTIVATIONS[activation](), *after()]
    return [*body, dl.Dense(classes)]


def normed():
    return [dl.BatchNorm()]


# Signals and gradients


@trial(
    claim="Batch norm gives better gradient flow.",
    space={
        "activation": OneOf(("ReLU", "tanh"), "activation"),
        "depth": Whole(3, 20, "hidden layers"),
        "off": Log(1, 2.5, "weights off by a factor of"),
        "side": OneOf(("too small", "too large"), "weights that are"),
    },
    sides="the same net with and without batch norm, before training; first weights of He (ReLU, tanh), times a factor",
    measure="by what power of ten the gradient changes from the last hidden layer to the first",
    unit="powers of ten closer to none",
)
def batch_norm_evens_gradients(activation, depth, off, side, seed):
    scale = off if side == "too large" else 1 / off
    arriving, _ = inside.flow(activation, depth, scale, seed)
    plain, with_norm = np.abs(np.log10(arriving[:, 0] / arriving[:, -1]))
    return plain - with_norm


@trial(
    claim="Behind batch norm and ReLU the gradient grows by 1.21 a layer.",
    space={
        "width": Whole(32, 256, "units", log=True),
        "batch_size": Whole(4, 256, "batch size", log=True),
        "depth": Whole(8, 16, "hidden layers"),
    },
    sides="the growth, and the theory's √(π/(π − 1)) = 1.211",
    measure="growth a layer, at most 0.03 from the theory",
    unit="a layer",
    margin=0.03,
)
def gradients_grow_by_theory(width, batch_size, depth, seed):
    return inside.growth(width, depth, seed, batch_size) - theory.relu_batch_norm_growth()


@trial(
    claim="Behind a batch norm, weights of any size give the same signal.",
    space={
        "a": Log(1e-5, 1e5, "a, by which the weights are multiplied"),
        "eps": Log(1e-8, 1e-3, "ε"),
        "units": Whole(8, 64, "hidden units", log=True),
        "batch_size": Whole(8, 512, "batch size", log=True),
    },
    sides="BN(aWx) and BN(Wx), on digits",
    measure="how many digits of the signal agree, two or more",
    unit="digits",
    tolerance=2,
)
def size_of_weights_is_lost(a, eps, units, batch_size, seed):
    x = dl.datasets.digits()[0].x[:batch_size].astype(float)
    rng = np.random.default_rng(seed)
    signal = x @ dl.MSRA()((64, units), rng)
    batch_norm = dl.BatchNorm(eps=eps)
    batch_norm.build((units,), dtype="float64")
    plain, scaled = (batch_norm.forward(each, training=True).copy() for each in (signal, a * signal))
    return -np.log10(np.abs(scaled - plain).max() / np.abs(plain).max() + 1e-16)


@trial(
    claim="With γ = σ and β = μ, batch norm hands its input through.",
    space={
        "gamma": OneOf(("σ", "√(σ² + ε)"), "γ ="),
        "rows": OneOf(("the batch of σ and μ", "the next batch"), "use on"),
        "eps": Log(1e-8, 0.1, "ε"),
        "sigma": Log(0.1, 10, "σ"),
        "batch_size": Whole(8, 512, "batch size", log=True),
    },
    sides="output and input",
    measure="how many digits agree, six or more",
    unit="digits",
    tolerance=6,
)
def batch_norm_is_void(gamma, rows, eps, sigma, batch_size, seed):
    first, following = np.random.default_rng(seed).normal(3.0, sigma, (2, batch_size, 1))
    batch_norm = dl.BatchNorm(eps=eps)
    batch_norm.build((1,), dtype="float64")
    batch_norm.gamma[...] = np.sqrt(first.var() + (0.0 if gamma == "σ" else eps))
    batch_norm.beta[...] = first.mean()
    x = following if rows == "the next batch" else first
    return -np.log10(np.abs(batch_norm.forward(x, training=True) - x).max() / np.abs(x).max() + 1e-16)


def inputs_of_units(activation, depth, units, steps, seed):
    """What goes into and out of every batch norm, two (digits, units), after so many steps of training."""
    train, _ = dl.datasets.digits()
    network = dl.Network(layers(activation, depth, units, normed), input_shape=(64,), seed=seed, dtype="float64")
    if steps:
        options = {"epochs": 9, "batch_size": 64, "seed": seed}
        for step in dl.training_steps(network, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), train, **options):
            if step.number == steps - 1:
                break
    before, after, signal = [], [], train.x.astype(float)
    for layer in network.layers:
        found = layer.forward(signal, training=True).copy()
        if isinstance(layer, dl.BatchNorm):
            before.append(signal.copy())
            after.append(found)
        signal = found
    return np.concatenate(before, axis=1), np.concatenate(after, axis=1)


@trial(
    claim="Batch norm makes its input standard normal.",
    space=SHAPE | {"steps": Whole(0, 200, "steps of training")},
    sides="what comes out of the batch norm of every unit, for 1437 digits",
    measure="share of the units whose shape may be a bell (D'Agostino and Pearson, 1 %), 95 % or more",
    unit="% of the units",
    tolerance=95,
    designs=60,
)
def batch_norm_makes_bells(activation, depth, units, steps, seed):
    from scipy.stats import normaltest  # here: the labs need not wait for it

    _, after = inputs_of_units(activation, depth, units, steps, seed)
    return 100 * np.mean(normaltest(after).pvalue > 0.01)


@trial(
    claim="Batch norm brings its input nearer to a bell.",
    space=SHAPE | {"steps": Whole(0, 200, "steps of training")},
    sides="what goes into the batch norm of every unit, and what comes out, for 1437 digits",
    measure="distance from the bell of the same mean and deviation (Kolmogorov and Smirnov), mean of all units",
    unit="nearer",
    tolerance=1e-6,
    designs=60,
)
def batch_norm_nears_bells(activation, depth, units, steps, seed):
    from scipy.special import ndtr  # here: the labs need not wait for it

    def distance(values):
        bell = ndtr(np.sort((values - values.mean(axis=0)) / values.std(axis=0), axis=0))
        ranks = np.arange(len(values) + 1)[:, None] / len(values)
        return np.maximum(ranks[1:] - bell, bell - ranks[:-1]).max(axis=0).mean()

    before, after = inputs_of_units(activation, depth, units, steps, seed)
    return distance(before[:, before.std(axis=0) > 1e-3]) - distance(after[:, before.std(axis=0) > 1e-3])


# Rates, first weights, steps


def digits(size, seed):
    """So many to train on, and 400 to report on: enough for sides that are compared on the same ones."""
    data = nets.split("digits", size, seed)
    return data._replace(test=data.test[:400])


DEEP = SHAPE | {"depth": Whole(2, 5, "hidden layers")}


@trial(
    claim="With ReLU or tanh, batch norm tolerates larger learning rates.",
    space=DEEP
    | {
        "activation": OneOf(("ReLU", "tanh"), "activation"),
        "rule": OneOf(("plain descent", "momentum"), "rule"),
        "batch_size": OneOf((8, 16, 32, 64), "batch size"),
    },
    sides="the same net of two layers or more with and without batch norm, first weights that keep the variance",
    measure="the largest rate that reads half of new digits, mean of two starts, after eight epochs of 300",
    unit="powers of ten larger",
    designs=60,
)
def batch_norm_tolerates_rates(activation, depth, units, rule, batch_size, seed):
    data, rates = digits(300, seed), 0.002 * 2.0 ** np.arange(14)
    rules: Any = {"plain descent": dl.SGD, "momentum": lambda rate: dl.Momentum(rate, 0.9)}

    def largest(between):
        net = lambda: layers(activation, depth, units, between)  # noqa: E731
        run = {"seeds": 2, "epochs": 8, "every": 8, "batch_size": batch_size, "seed": seed}
        read = nets.train(net, data, rules[rule], rates, **run).test_accuracy[-1].mean(axis=-1)
        return rates[read >= 50].max(initial=rates[0])

    return np.log10(largest(normed) / largest(tuple))


@trial(
    claim="With batch norm a network cares less about its first weights.",
    space=SHAPE | {"depth": Whole(3, 5, "hidden layers"), "batch_size": OneOf((8, 16, 32, 64), "batch size")},
    sides="a net of three layers or more with batch norm and without; the best of five rates at each scale",
    measure="scales from 1/1000 to 1000 at which half of the new digits are read after five epochs of 300",
    unit="more decades",
    designs=60,
)
def batch_norm_tolerates_starts(activation, depth, units, batch_size, seed):
    rates, scales = 0.003 * 5.0 ** np.arange(5), np.logspace(-3, 3, 9)

    def decades(kind):
        run = {"epochs": 5, "batch_size": batch_size, "examples": 300, "seed": seed, "lanes": 45}
        net = {"depth": depth, "width": units, "activation": activation, "scale": np.repeat(scales, 5)}
        with np.errstate(all="ignore"):
            right = norm.trained(kind, np.tile(rates, 9)[:, None], **run, **net)[1]
        return 0.75 * (right.reshape(9, 5).max(axis=1) >= 0.5).sum()

    return decades("batch") - decades("without")


@trial(
    claim="With batch norm the first weights do not matter at all.",
    space=SHAPE
    | {"scale": Log(1e-4, 1e4, "size of the first weights"), "batch_size": Whole(8, 64, "batch size", log=True)},
    sides="batch norm with hidden weights so many times as large, and as they are; best rate and epoch of each",
    measure="test accuracy on digits, mean of three starts, three points lower at most",
    unit="points",
    tolerance=-3,
    designs=40,
)
def first_weights_do_not_matter(activation, depth, units, scale, batch_size, seed):
    data, rates = digits(300, seed), 0.001 * 6.0 ** np.arange(6)

    def read(factor):
        def scaled():
            body = layers(activation, depth, units, normed)
            for layer in body[:-1:3]:
                layer.weight_init = lambda shape, rng: factor * start(activation)(shape, rng)
            return body

        run = {"seeds": 3, "epochs": 8, "every": 4, "drop_last": True, "batch_size": batch_size, "seed": seed}
        return nets.best_test_accuracy(nets.train(scaled, data, dl.SGD, rates, **run)).mean()

    return read(scale) - read(1.0)


def training_digits(size, seed):
    """Data for trials that look at the training loss only: little is measured beside it."""
    train = nets.split("digits", size, seed).train
    return nets.Data(train, train[:20], train[:20])


@trial(
    claim="With batch norm a network needs fewer steps, whatever the batch size.",
    space=DEEP | {"batch_size": OneOf((2, 4, 8, 32, 64), "batch size")},
    sides="a net of two layers or more with and without it, each at its best rate; first weights keep the variance",
    measure="epochs until the training loss, mean of two starts, is below 0.3 nats for good; 10 at most",
    unit="% fewer",
    designs=40,
)
def batch_norm_saves_steps(activation, depth, units, batch_size, seed):
    data = training_digits(300, seed)

    def needed(between):
        net = lambda: layers(activation, depth, units, between)  # noqa: E731
        run = {"seeds": 2, "epochs": 10, "batch_size": batch_size, "seed": seed}
        losses = nets.train(net, data, dl.SGD, RATES, **run).train_loss.mean(axis=-1)
        return 1 + reached_and_kept(losses, 0.3).min()

    return 100 * (1 - needed(normed) / needed(tuple))


# New digits


def side(between, data, activation, depth, units, batch_size, epochs, seed, after=tuple):
    net = lambda: layers(activation, depth, units, between, after)  # noqa: E731
    run = {"epochs": epochs, "every": -(-epochs // 4), "batch_size": batch_size, "drop_last": True, "seed": seed}
    return nets.train(net, data, dl.SGD, RATES, **run)


READS = SHAPE | {
    "size": Whole(100, 300, "examples", log=True),
    "batch_size": Whole(4, 64, "batch size", log=True),
    "epochs": Whole(3, 30, "epochs", log=True),
}


@trial(
    claim="With batch norm, more new digits are read.",
    space=READS,
    sides="the same net with and without batch norm, each at its best rate and epoch",
    measure="test accuracy",
    unit="points",
    designs=40,
)
def batch_norm_reads_more(activation, depth, units, size, batch_size, epochs, seed):
    data, net = digits(size, seed), (activation, depth, units, batch_size, epochs, seed)
    with_norm, without = (nets.best_test_accuracy(side(kind, data, *net)) for kind in (normed, tuple))
    return with_norm - without


@trial(
    claim="Batch norm regularizes: it fits the training digits worse, and new ones better.",
    space=READS,
    sides="the same net with and without batch norm, each at its best rate and epoch",
    measure="the smaller of two gains: how much higher the training loss is, how much lower the test loss; 0.02 counts",
    unit="nats",
    tolerance=0.02,
    designs=60,
)
def batch_norm_regularizes(activation, depth, units, size, batch_size, epochs, seed):
    data, net = digits(size, seed), (activation, depth, units, batch_size, epochs, seed)

    def losses(between):
        runs = side(between, data, *net)
        rate, epoch = nets.chosen(runs)
        return [part[epoch, rate, np.arange(part.shape[-1])] for part in (runs.train_loss, runs.test_loss)]

    with_norm, without = losses(normed), losses(tuple)
    return np.minimum(with_norm[0] - without[0], without[1] - with_norm[1])


@trial(
    claim="Batch norm belongs before the activation.",
    space=READS,
    sides="batch norm before the activation and behind it, each at its best rate and epoch",
    measure="test accuracy",
    unit="points",
    designs=40,
)
def batch_norm_belongs_before(activation, depth, units, size, batch_size, epochs, seed):
    data, net = digits(size, seed), (activation, depth, units, batch_size, epochs, seed)
    before = nets.best_test_accuracy(side(normed, data, *net))
    return before - nets.best_test_accuracy(side(tuple, data, *net, after=normed))


# Why it works


def lowest_loss(between, activation, depth, units, batch_size, seed):
    """Training loss of each start after six epochs of 400 digits, at the rate that is best for all."""
    ends = finite(
        side(between, training_digits(400, seed), activation, depth, units, batch_size, 6, seed).train_loss[-1]
    )
    return ends[ends.mean(axis=-1).argmin()]


JOLTS = SHAPE | {"jolt": Uniform(0.1, 1, "size of the jolts"), "batch_size": OneOf((16, 32, 64), "batch size")}


@trial(
    claim="Batch norm works because it holds the distributions still.",
    space=JOLTS | {"jolt": Uniform(0.1, 0.7, "size of the jolts")},
    sides="batch norm and behind it a jolt of every unit at every step, and no batch norm; each at its best rate",
    measure="training loss after six epochs: with jolts it should be no lower than without batch norm",
    unit="% above the loss without batch norm",
    designs=60,
)
def stillness_is_the_reason(activation, depth, units, jolt, batch_size, seed):
    net = activation, depth, units, batch_size, seed
    shaken = lowest_loss(lambda: [dl.BatchNorm(), batches.Jolt(jolt)], *net)
    return 100 * (shaken / lowest_loss(tuple, *net) - 1)


@trial(
    claim="Jolts behind a batch norm cost next to nothing.",
    space=JOLTS,
    sides="batch norm with jolts of every unit at every step (mean scale 1, mean shift 0) and without jolts",
    measure="training loss after six epochs, each at its best rate, mean of four starts; a tenth higher at most",
    unit="% lower",
    tolerance=-10,
    designs=40,
)
def jolts_cost_nothing(activation, depth, units, jolt, batch_size, seed):
    net = activation, depth, units, batch_size, seed
    shaken = lowest_loss(lambda: [dl.BatchNorm(), batches.Jolt(jolt)], *net)
    return 100 * (1 - shaken.mean() / lowest_loss(normed, *net).mean())


# The length of the weights


@trial(
    claim="Without weight decay, weights before a batch norm never get shorter.",
    space={
        "rule": OneOf(("plain descent", "momentum", "Adam"), "rule"),
        "eta": Log(0.01, 1, "η (a tenth for Adam)"),
        "depth": Whole(1, 4, "hidden layers"),
        "units": Whole(8, 64, "hidden units", log=True),
        "batch_size": Whole(8, 128, "batch size", log=True),
    },
    sides="the length of every unit's incoming weights after a step on digits, and before it",
    measure="the largest loss of length in 100 steps",
    unit="%",
    tolerance=-0.001,
    designs=60,
)
def weights_never_shrink(rule, eta, depth, units, batch_size, seed):
    rules = {"plain descent": dl.SGD(eta), "momentum": dl.Momentum(eta, 0.9), "Adam": dl.Adam(eta / 10)}
    network = dl.Network(layers("ReLU", depth, units, normed), input_shape=(64,), seed=seed, dtype="float64")
    train, lengths = dl.datasets.digits()[0][:800], []
    options = {"epochs": 100, "drop_last": True, "batch_size": batch_size, "seed": seed}
    for step in dl.training_steps(network, dl.SoftmaxCrossEntropy(), rules[rule], train, **options):
        lengths.append(np.concatenate([np.linalg.norm(layer.W, axis=0) for layer in network.layers[:-1:3]]))
        if step.number == 99:
            break
    return 100 * np.diff(np.log(lengths), axis=0).min()


@trial(
    claim="At rest, a step turns the weights before a batch norm by arccos(1 − ηλ).",
    space={
        "eta": Log(0.1, 2, "η"),
        "turned": Log(0.003, 0.05, "ηλ"),
        "activation": OneOf(ACTIVATIONS, "activation"),
        "units": Whole(8, 32, "hidden units", log=True),
        "batch_size": Whole(8, 64, "batch size", log=True),
    },
    sides="the turn of a unit's weights, root mean square, after 4/ηλ steps on digits, and the formula",
    measure="difference, a tenth at most",
    unit="%",
    margin=10,
    designs=150,
)
def resting_turn_is_known(eta, turned, activation, units, batch_size, seed):
    network = dl.Network(layers(activation, 2, units, normed), input_shape=(64,), seed=seed, dtype="float64")
    wait, turns, before = int(4 / turned), [], None
    options = {"epochs": 2 * wait, "drop_last": True, "batch_size": batch_size, "seed": seed}
    rule, train = dl.SGDW(eta, 0.0, turned / eta), dl.datasets.digits()[0][:512]
    for step in dl.training_steps(network, dl.SoftmaxCrossEntropy(), rule, train, **options):
        W = network.layers[3].W / np.linalg.norm(network.layers[3].W, axis=0)
        if before is not None and step.number >= wait:
            turns.append(np.arccos(np.minimum(1.0, (W * before).sum(axis=0))))
        before = W
        if step.number == 2 * wait:
            break
    return 100 * (np.sqrt(np.mean(np.square(turns))) / theory.resting_turn(eta, turned / eta) - 1)
