"""Claims of 04, regularization, on trial: what buys test accuracy, and what else does."""

import numpy as np

import dlcourse as dl
from dlcourse.datasets import Dataset
from dlcourse.ensembles import softmax
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.penalties import momentum, one_hidden
from dlcourse.trials.space import Log, OneOf, Uniform, Whole
from dlcourse.trials.tuning import reached_and_kept, tuned

RATES = 0.01 * 3.0 ** np.arange(4)  # for momentum 0.9
SEEDS = 2


def trained(data, units, seed, rates=RATES, *extra, steps=400, **settings):
    """Plain training by momentum, about `steps` batches of 50, looked at ten times."""
    epochs = max(10, steps * 50 // len(data.train.x))
    return nets.train(
        lambda: one_hidden(units, *extra), data, momentum, rates,
        seeds=SEEDS, epochs=epochs, batch_size=50, looks=10, seed=seed, **settings,
    )  # fmt: skip


def best(runs):
    """Test accuracy in %, mean over seeds, at the rate and epoch that read most of the validation data."""
    return nets.best_test_accuracy(runs, by="accuracy").mean()


# Units left out by lot

NETWORK = {
    "data": OneOf(("digits", "mnist1d"), "data"),
    "size": OneOf((100, 200, 400), "examples"),
    "wrong": Uniform(0, 0.5, "share of labels drawn by lot"),
    "units": Whole(16, 64, "hidden units", log=True),
}


@trial(
    claim="Dropout buys two points or more of test accuracy.",
    space=NETWORK | {"p": Uniform(0.1, 0.8, "p")},
    sides="with dropout and without, each at the best of four rates and its best epoch",
    measure="test accuracy, mean of two starts; rate and epoch chosen on 500 others",
    unit="points",
    tolerance=2,
    designs=60,
)
def dropout_buys_accuracy(data, size, wrong, units, p, seed):
    parts = nets.split(data, size, seed, wrong=wrong, validation=500, test=500)
    return best(trained(parts, units, seed, RATES, dl.Dropout(p))) - best(trained(parts, units, seed))


BRAKES = {
    "dropout": lambda: ([dl.Dropout(0.4)], {}),
    "L2": lambda: ([], {"regularizers": [dl.L2(0.003)]}),
    "max-norm": lambda: ([], {"constraints": [dl.MaxNorm(1.0)]}),
}


@trial(
    claim="Where labels are wrong, a brake buys four points or more.",
    space={
        "brake": OneOf(tuple(BRAKES), "brake"),
        "plain": OneOf(("as it is", "at its best rate and epoch"), "the plain network"),
        "wrong": Uniform(0.25, 0.5, "share of labels drawn by lot"),
        "size": OneOf((200, 300, 400), "examples"),
        "units": Whole(24, 96, "hidden units", log=True),
    },
    sides="with a brake, at a rate of 0.1 to the end; without it, the same, or at its best rate and epoch",
    measure="test accuracy on digits, mean of two starts; rate and epoch chosen on 500 others",
    unit="points",
    tolerance=4,
    designs=60,
)
def brakes_repair_wrong_labels(brake, plain, wrong, size, units, seed):
    data, rate = nets.split("digits", size, seed, wrong=wrong, validation=500, test=500), np.array([0.1])
    layers, settings = BRAKES[brake]()
    braked = trained(data, units, seed, rate, *layers, **settings).test_accuracy[-1].mean()
    if plain == "as it is":
        return braked - trained(data, units, seed, rate).test_accuracy[-1].mean()
    return braked - best(trained(data, units, seed))


@trial(
    claim="Dropout lowers the cost of training by a quarter or more.",
    space={
        "size": OneOf((50, 100, 200), "examples"),
        "p": Uniform(0.1, 0.8, "p"),
        "units": Whole(8, 96, "hidden units", log=True),
        "goal": Log(0.05, 0.5, "goal in nats"),
    },
    sides="with dropout and without, digits, each at the best of five rates or more",
    measure="epochs until the loss on all training examples, nothing left out, is at the goal and stays there",
    unit="% fewer epochs",
    tolerance=25,
    designs=100,
)
def dropout_lowers_cost(size, p, units, goal, seed):
    data = nets.split("digits", size, seed, validation=1, test=1)

    def epochs(p):
        def needed(rates):
            runs = nets.train(
                lambda: one_hidden(units, dl.Dropout(p)),
                data,
                momentum,
                rates,
                seeds=2,
                epochs=40,
                batch_size=50,
                seed=seed,
            )
            return reached_and_kept(runs.train_loss, goal)

        return tuned(needed, start=0.03, tries=5, ratio=2.5, high=3.0).score.mean()

    return 100 * (1 - epochs(p) / epochs(0.0))


# More pictures from few, several networks

AUGMENTATIONS = {  # of strength 0, nothing, to 1
    "rotation": lambda strength: dl.RandomRotation(30 * strength),
    "zoom": lambda strength: dl.RandomZoom(1 - strength / 2, 1 + strength / 2),
    "flip": lambda strength: dl.HorizontalFlip(strength / 2),
    "crop": lambda strength: dl.RandomCrop(1),
}


@trial(
    claim="Augmentation buys two points or more of test accuracy.",
    space={
        "kind": OneOf(tuple(AUGMENTATIONS), "augmentation"),
        "world": OneOf(("changed in the same way", "as they were learned"), "test digits"),
        "strength": Uniform(0.5, 1, "strength"),
        "size": OneOf((50, 100, 200), "examples"),
        "units": Whole(16, 96, "hidden units", log=True),
    },
    sides="digits changed anew in every batch, and as they are, each at the best of four rates and its best epoch",
    measure="test accuracy, mean of two starts; rate and epoch chosen on 300 others, which are like the test's",
    unit="points",
    tolerance=2,
    designs=40,
)
def augmentation_buys_accuracy(kind, world, strength, size, units, seed):
    change, rng = AUGMENTATIONS[kind](strength), np.random.default_rng(seed)
    parts = [Dataset(part.x.reshape(-1, 8, 8, 1), part.y) for part in nets.split(
        "digits", size, seed, validation=300, test=500)]  # fmt: skip
    if world == "changed in the same way":
        parts[1:] = [Dataset(change(part.x, rng).astype("float32"), part.y) for part in parts[1:]]

    def reads(augment):
        return best(nets.train(
            lambda: [dl.Flatten(), *one_hidden(units)], nets.Data(*parts), momentum, RATES,
            seeds=SEEDS, epochs=15_000 // size, batch_size=50, looks=10, seed=seed, augment=augment,
        ))  # fmt: skip

    return reads(change) - reads(None)


def answers(data, units, seed, members, steps=300):
    """Probabilities by look, rate and member, of the validation and the test data: (looks, rates, members, n, 10)."""
    starts = [*range(seed, seed + members)] * len(RATES)
    network = dl.Network(one_hidden(units), data.train.x.shape[1:], lanes=len(starts), seed=starts)
    seen, more = [], {"epochs": max(10, steps * 50 // len(data.train.x)), "batch_size": 50, "seed": seed}
    for step in dl.training_steps(
        network, dl.SoftmaxCrossEntropy(), momentum(np.repeat(RATES, members)[:, None]), data.train, **more
    ):
        if step.ends_epoch and step.epoch % (more["epochs"] // 10) == 0:
            seen.append([softmax(network.predict(part.x)) for part in data[1:]])
    return [
        np.array(part).reshape(len(seen), len(RATES), members, *part[0].shape[-2:]) for part in zip(*seen, strict=True)
    ]


def voted(parts, data, average):
    """Test accuracy in % of the averaged probabilities, mean over voters, at the best rate and look on validation."""
    validation, test = (
        100 * (average(part).argmax(axis=-1) == kind.y).mean(axis=-1)
        for part, kind in zip(parts, data[1:], strict=True)
    )
    chosen = np.unravel_index(validation.mean(axis=-1).argmax(), validation.shape[:2])
    return test[chosen].mean()


def all_members(probability):
    return probability.mean(axis=2, keepdims=True)


def last_looks(probability, count=4):
    return np.stack([probability[max(0, look - count + 1) : look + 1].mean(axis=0) for look in range(len(probability))])


ENSEMBLE = NETWORK | {"members": Whole(3, 8, "members")}


@trial(
    claim="Ensembles buy a point or more of test accuracy.",
    space=ENSEMBLE | {"source": OneOf(("different starts", "moments of one run"), "members are")},
    sides="a vote of probabilities, and one network on average, each at the best of four rates and its best epoch",
    measure="test accuracy; rate and epoch chosen on 300 others",
    unit="points",
    tolerance=1,
    designs=50,
)
def ensembles_buy_accuracy(data, size, wrong, units, members, source, seed):
    parts = nets.split(data, size, seed, wrong=wrong, validation=300, test=400)
    found = answers(parts, units, seed, members)
    vote = all_members if source == "different starts" else last_looks
    return voted(found, parts, vote) - voted(found, parts, lambda probability: probability)


@trial(
    claim="One network as wide as all members together reads as much as their vote.",
    space=ENSEMBLE,
    sides="one network with as many hidden units as all together, and a vote of different starts",
    measure="test accuracy; rate and epoch chosen on 300 others; at most a point less",
    unit="points",
    tolerance=-1,
    designs=40,
)
def one_wide_network_reads_as_much(data, size, wrong, units, members, seed):
    parts = nets.split(data, size, seed, wrong=wrong, validation=300, test=400)
    wide = voted(answers(parts, units * members, seed, 1), parts, all_members)
    return wide - voted(answers(parts, units, seed, members), parts, all_members)


# Decay


@trial(
    claim="Momentum with weight decay reads a point more than either alone.",
    space=NETWORK,
    sides="both, decay alone, momentum alone; each with twelve settings of rate and decay, or of the rate",
    measure="test accuracy, mean of two starts; settings and epoch chosen on 500 others",
    unit="points",
    tolerance=1,
    designs=40,
)
def momentum_and_decay_together(data, size, wrong, units, seed):
    parts = nets.split(data, size, seed, wrong=wrong, validation=500, test=500)

    def side(mu, decays):
        rates = (1 - mu) * 0.1 * np.geomspace(1, 27, 12 // len(decays))
        decay = np.repeat(np.tile(decays, len(rates)), 2)[:, None]
        runs = nets.train(
            lambda: one_hidden(units), parts, lambda rate: dl.SGDW(rate, mu, decay), np.repeat(rates, len(decays)),
            seeds=2, epochs=max(8, 10_000 // size), batch_size=50, looks=8, seed=seed,
        )  # fmt: skip
        rate, epoch = nets.chosen(runs, by="accuracy")
        starts = np.arange(2)
        return np.array([part[epoch, rate, starts].mean() for part in (runs.validation_accuracy, runs.test_accuracy)])

    together, *alone = side(0.9, (0.01, 0.03, 0.1)), side(0.0, (0.01, 0.03, 0.1)), side(0.9, (0.0,))
    return together[1] - max(alone, key=lambda each: each[0])[1]


# Stopping in time


@trial(
    claim="Stopping at the lowest validation loss reads two points more than training on.",
    space=NETWORK,
    sides="the best of four rates, stopped at the lowest validation loss; the best of four rates at the end",
    measure="test accuracy, mean of two starts; all chosen on 500 others",
    unit="points",
    tolerance=2,
    designs=40,
)
def stopping_buys_accuracy(data, size, wrong, units, seed):
    runs = trained(nets.split(data, size, seed, wrong=wrong, validation=500, test=500), units, seed, steps=800)
    at_end = runs.validation_accuracy[-1].mean(axis=-1).argmax()
    return nets.best_test_accuracy(runs).mean() - runs.test_accuracy[-1, at_end].mean()


@trial(
    claim="What can learn random labels by heart cannot generalize.",
    space={
        "data": OneOf(("digits", "mnist1d"), "data"),
        "size": OneOf((200, 300, 400), "examples"),
        "units": Whole(32, 128, "hidden units", log=True),
        "depth": OneOf((1, 2), "hidden layers"),
        "rate": Log(0.003, 0.02, "η of Adam"),
    },
    sides="a network that has learned labels drawn by lot, all of them, and the same, as long, with the true labels",
    measure="test accuracy with the true labels, below 15 %: guessing reads 10",
    unit="points",
    designs=60,
)
def memory_forbids_generalizing(data, size, units, depth, rate, seed):
    parts = nets.split(data, size, seed, test=500)
    by_lot = Dataset(parts.train.x, np.random.default_rng(seed).integers(0, 10, size))

    def steps(train):
        network = dl.Network(nets.hidden(units, depth, dl.ReLU, 10), train.x.shape[1:], seed=seed)
        for step in dl.training_steps(
            network, dl.SoftmaxCrossEntropy(), dl.Adam(rate), train, epochs=2000, batch_size=50
        ):
            yield step, network

    for step, network in steps(by_lot):
        if step.ends_epoch and nets.loss_and_accuracy(network, by_lot)[1] == 100:
            break
    else:
        raise RuntimeError("2000 epochs, and not all labels are learned")
    _, network = next(each for each in steps(parts.train) if each[0].number == step.number)
    return 15 - nets.loss_and_accuracy(network, parts.test)[1]


@trial(
    claim="A small network cannot learn a hundred random labels by heart.",
    space={
        "steps": OneOf((100, 3000), "steps"),
        "units": Whole(12, 24, "hidden units"),
        "rate": Log(0.005, 0.02, "η of Adam"),
    },
    sides="a hundred digits with labels drawn by lot, all in every step",
    measure="labels not learned, more than one in a hundred",
    unit="labels",
    tolerance=1,
    designs=50,
)
def small_networks_cannot_memorize(steps, units, rate, seed):
    x = nets.split("digits", 100, seed, test=1).train.x
    by_lot = Dataset(x, np.random.default_rng(seed).integers(0, 10, 100))
    network = dl.Network(one_hidden(units), (64,), seed=seed)
    dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Adam(rate), by_lot, epochs=steps, batch_size=100)
    return 100 - nets.loss_and_accuracy(network, by_lot)[1]
