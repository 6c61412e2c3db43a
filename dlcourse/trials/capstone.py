"""Claims of 06, the capstone, on trial: on wavy lines (MNIST-1D) and on the patients of its clinic."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

import dlcourse as dl
from dlcourse.labs.capstone import clinic, lines
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log, OneOf, Whole

RATES = np.array([0.004, 0.012, 0.036])  # for Adam


def wavy(size, seed, shuffled=False):
    """`size` lines to learn from, 500 to choose by, 1000 to report on, (n, 40, 1)."""
    rng = np.random.default_rng(seed)
    parts = nets.split("mnist1d", size, seed, validation=500, test=1000)
    order = rng.permutation(40) if shuffled else np.arange(40)
    return nets.Data(*(dl.datasets.Dataset(part.x[:, order, None], part.y) for part in parts))


# Structure, start, rule


def convolutions(channels):
    layers = [dl.Conv1D(channels, size, padding=size // 2, stride=2) for size in (5, 3, 3)]
    return [*(part for layer in layers for part in (layer, dl.ReLU())), dl.Flatten(), dl.Dense(10)]


@trial(
    claim="A convolution owes its lead over dense layers to neighbours.",
    space={
        "size": OneOf((1000, 1500, 2000), "lines"),
        "channels": Whole(8, 16, "channels"),
        "units": Whole(16, 100, "hidden units", log=True),
    },
    sides="three convolutions and an MLP, 300 steps of Adam, the better of two rates; positions in order, or shuffled",
    measure="test accuracy: the lead in order, less twice the lead that is left where positions are shuffled",
    unit="points",
    designs=150,
)
def neighbours_make_the_lead(size, channels, units, seed):
    def lead(shuffled):
        data, more = wavy(size, seed, shuffled), {"seeds": 1, "epochs": 15_000 // size, "batch_size": 50, "looks": 4}
        sides = lambda: convolutions(channels), lambda: [dl.Flatten(), *nets.hidden(units, 2, dl.ReLU, 10)]
        cnn, mlp = (nets.train(side, data, dl.Adam, [0.006, 0.02], seed=seed, **more) for side in sides)
        return float(nets.best_test_accuracy(cnn, "accuracy")[0] - nets.best_test_accuracy(mlp, "accuracy")[0])

    return lead(False) - 2 * max(lead(True), 0)


WAYS = ("structure", "start", "rule")
POOR = {
    "structure": OneOf((lines.LOGISTIC, lines.MLP, "deep MLP"), "structure before"),
    "start": OneOf(("Gaussian 0.01", "uniform (0, 1)", "orthogonal"), "start before"),
    "rule": OneOf(("SGD, η = 0.01", "SGD, η = 0.1"), "rule before"),
    "size": OneOf((400, 700, 1000), "lines"),
}


def improved(poor, better, size, seed):
    """Test accuracy in % after fifteen epochs, with those ways improved that are named in `better`."""
    structure, start, rule = poor
    structure, start = ("CNN" if "structure" in better else structure), ("He" if "start" in better else start)
    rate = dl.CosineDecay(0.02, 15 * size // 50) if "rule" in better else float(rule.rpartition(" ")[2])
    data, network = wavy(size, seed), lines.network(structure, start, seed=seed)
    with np.errstate(all="ignore"):
        optimizer = dl.Adam(rate) if "rule" in better else dl.SGD(rate)
        dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, data.train, epochs=15, batch_size=50, seed=seed)
    return float(nets.loss_and_accuracy(network, data.test)[1])


@trial(
    claim="Of the three ways to improve a network that hardly learns, a better structure buys most.",
    space=POOR | {"rule": OneOf(("SGD, η = 0.003", "SGD, η = 0.01"), "rule before")},
    sides="a CNN; He's start; Adam along a cosine, 15 epochs: each on average over the four states of the other two",
    measure="points of test accuracy that the structure buys, less those of the better of the other two",
    unit="points",
    designs=60,
)
def structure_buys_most(structure, start, rule, size, seed):
    reads = np.empty((2, 2, 2))
    for corner in np.ndindex(2, 2, 2):
        better = {way for way, is_better in zip(WAYS, corner, strict=True) if is_better}
        reads[corner] = improved((structure, start, rule), better, size, seed)
    by_structure, *others = (np.diff(reads, axis=way).mean() for way in range(3))
    return by_structure - max(others)


@trial(
    claim="A better structure buys five points or more.",
    space=POOR | {"size": OneOf((1000, 1500), "lines"), "others": OneOf(("poor", "right"), "start and rule")},
    sides="a CNN and the structure before, 15 epochs; both with start and rule as they were, or He’s start and Adam",
    measure="points of test accuracy",
    unit="points",
    tolerance=5,
    designs=48,
)
def structure_pays(structure, start, rule, size, others, seed):
    poor, right = (structure, start, rule), {"start", "rule"} if others == "right" else set()
    return improved(poor, right | {"structure"}, size, seed) - improved(poor, right, size, seed)


@trial(
    claim="What three improvements buy alone adds up.",
    space=POOR,
    sides="structure, start and rule improved one at a time, and all together, fifteen epochs",
    measure="points that all three together buy beyond the sum, five at most",
    unit="points",
    margin=5,
    designs=40,
)
def improvements_add_up(structure, start, rule, size, seed):
    poor = (structure, start, rule)
    none, all_three = (improved(poor, better, size, seed) for better in (set(), set(WAYS)))
    return all_three - none - sum(improved(poor, {way}, size, seed) - none for way in WAYS)


# Choosing


@lru_cache(maxsize=4)
def alike(tries, units, epochs, seed):
    """Networks that differ in nothing but the start: which of 2500 new lines each reads, (tries, 2500)."""
    data = nets.split("mnist1d", 500, seed, validation=500, test=2500)
    network = dl.Network(nets.hidden(units, 1, dl.ReLU, 10), (40,), seed=list(range(tries)), lanes=tries)
    dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Adam(0.01), data.train, epochs=epochs, batch_size=50, seed=seed)
    return network.predict(data.test.x).argmax(axis=-1) == data.test.y


def promised(right, count, seed, draws=100):
    """What the best reads of `count` lines that chose it, and of all others; percent, means over draws."""
    rng, both = np.random.default_rng(seed), []
    for _ in range(draws):
        order = rng.permutation(right.shape[1])
        said, reads = (100 * right[:, part].mean(axis=1) for part in (order[:count], order[count:]))
        both.append((said.max(), reads[said.argmax()]))
    return np.mean(both, axis=0)


CHOICE = {
    "tries": Whole(8, 48, "runs", log=True),
    "count": Whole(50, 500, "lines that choose", log=True),
    "units": Whole(8, 32, "hidden units"),
    "epochs": Whole(2, 12, "epochs", log=True),
}


@trial(
    claim="The best of many runs is as good as it looks.",
    space=CHOICE,
    sides="what the best run reads of the lines that chose it, and of others; runs that differ in the start alone",
    measure="points that the first is too high by, mean over 100 draws of lines; one at most",
    unit="points",
    margin=1,
    designs=60,
)
def the_best_is_as_good_as_it_looks(tries, count, units, epochs, seed):
    said, reads = promised(alike(tries, units, epochs, seed), count, seed)
    return said - reads


@trial(
    claim="Luck makes the best of n too high by at most σ√(2 ln n).",
    space=CHOICE | {"tries": Whole(2, 48, "runs", log=True)},
    sides="runs that differ in the start alone, of which the best is kept",
    measure="σ√(2 ln n) minus what the best is too high by, mean over 100 draws of lines",
    unit="points",
    designs=60,
)
def luck_has_a_limit(tries, count, units, epochs, seed):
    right = alike(tries, units, epochs, seed)
    said, reads = promised(right, count, seed)
    p = right.mean()
    return 100 * np.sqrt(p * (1 - p) / count * 2 * np.log(tries)) - (said - reads)


# The clinic


def failed(recipe, seed):
    """How many of the five signs of health are missing; a loss that is no number takes all."""
    return sum(not good for good, _ in clinic.chart_of(recipe, seed).signs().values())


def back(patient, treatment, seed):
    """Signs of health that come back if all five are there after it; else minus those that are not."""
    sick = clinic.PATIENTS[patient]
    after = failed(replace(sick, **treatment(sick)), seed)
    return -after if after else failed(sick, seed)


@trial(
    claim="Each of the five failures is cured by one change.",
    space={"patient": OneOf(tuple(clinic.CURES), "patient")},
    sides="a patient of the clinic, untreated and with one treatment; data, start and order by lot",
    measure="signs of health that come back, if all five are there at the end; else minus those that are not",
    unit="signs",
    designs=150,
)
def one_change_cures(patient, seed):
    return back(patient, clinic.TREATMENTS[clinic.CURES[patient][0]], seed)


ILLNESSES = {
    "it goes wild or dies": ("A: no numbers", "C: silent units"),
    "it stands still, learns by heart or rattles": ("B: a plateau", "D: learns by heart", "E: never calm"),
}


@trial(
    claim="When training fails, a lower learning rate cures it.",
    space={"illness": OneOf(tuple(ILLNESSES), "what goes wrong"), "share": Log(1 / 60, 1 / 15, "share of the rate")},
    sides="patients of the clinic, untreated and with so much of their rate; data, start and order by lot",
    measure="signs of health that come back, if all five are there at the end; else minus those that are not",
    unit="signs",
    designs=50,
)
def a_lower_rate_cures(illness, share, seed):
    patients = ILLNESSES[illness]
    return back(patients[seed % len(patients)], lambda sick: {"rate": share * sick.rate}, seed)


# Before the first step, and bugs


@trial(
    claim="Before the first step, the loss is ln(classes).",
    space={
        "gain": Log(0.05, 20, "gain"),
        "data": OneOf(("digits", "mnist1d"), "data"),
        "depth": Whole(0, 5, "hidden layers"),
        "units": Whole(8, 128, "hidden units", log=True),
    },
    sides="orthogonal weights times a gain: a standard deviation of gain/√n; ReLU",
    measure="the loss on 500 examples minus ln 10, a quarter of a nat at most",
    unit="nats",
    margin=0.25,
    designs=150,
)
def first_loss_is_ln_classes(gain, data, depth, units, seed):
    parts = nets.split(data, 500, seed, test=1)
    network = dl.Network(
        nets.hidden(units, depth, dl.ReLU, 10, dl.Orthogonal(gain)), parts.train.x.shape[1:], seed=seed
    )
    return nets.loss_and_accuracy(network, parts.train)[0] - np.log(10)


class Forgetful(dl.ReLU):
    def backward(self, dy):
        return dy  # and where y was 0?


class Biasless(dl.Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db[...] = 0  # no gradient for the bias
        return dx


class Halved(dl.Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dW[...] /= 2  # a factor ½ from somewhere
        return dx


BUGS = {"a ReLU that forgets its mask": (dl.Dense, Forgetful), "no bias gradient": (Biasless, dl.ReLU)}
BUGS["half the gradient of W"] = (Halved, dl.ReLU)
BUGGY = {
    "bug": OneOf(tuple(BUGS), "bug"),
    "depth": OneOf((1, 2, 3), "hidden layers"),
    "units": Whole(16, 64, "hidden units", log=True),
    "size": OneOf((200, 500), "examples"),
}


def with_bug(bug, depth, units):
    """The layers of a network; the bug, if there is one, stands in its first hidden layer."""
    dense, relu = BUGS[bug] if bug else (dl.Dense, dl.ReLU)
    return [dense(units), relu(), *nets.hidden(units, depth - 1, dl.ReLU, 10)]


@trial(
    claim="What learns has no bug.",
    space=BUGGY,
    sides="a sound network, and one with a bug in its first backward pass, each at the best of three rates",
    measure="test accuracy on digits: points that the bug costs, five or more",
    unit="points",
    tolerance=5,
    designs=60,
)
def what_learns_has_no_bug(bug, depth, units, size, seed):
    data = nets.split("digits", size, seed, validation=300, test=500)

    def reads(bug):
        runs = nets.train(
            lambda: with_bug(bug, depth, units), data, lambda rate: dl.Momentum(rate, 0.9), 5 * RATES,
            seeds=2, epochs=10_000 // size, batch_size=50, looks=5, seed=seed,
        )  # fmt: skip
        return nets.best_test_accuracy(runs, "accuracy").mean()

    return reads(None) - reads(bug)


@trial(
    claim="The gradient check finds a bug where no curve shows it.",
    space=BUGGY,
    sides="the check on a network with the bug, and on a sound one",
    measure="checks that say what is so, two of two",
    unit="checks",
    tolerance=1.5,
    designs=100,
)
def the_check_finds_bugs(bug, depth, units, size, seed):
    x, y = nets.split("digits", size, seed, test=1).train[:50]

    def passes(bug):
        network = dl.Network(with_bug(bug, depth, units), (64,), seed=seed)
        return bool(dl.check_gradient(network, dl.SoftmaxCrossEntropy(), x, y, entries=20))

    return int(passes(None)) + int(not passes(bug))
