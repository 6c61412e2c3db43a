"""Claims of the first half of 02, momentum, on trial."""

import math

import numpy as np

import dlcourse as dl
from dlcourse import surfaces
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log, OneOf, Uniform, Whole
from dlcourse.trials.tuning import reached_and_kept, tuned

KAPPA, ANGLE = Log(4, 1000, "κ"), Uniform(0, 360, "angle of the start")


def distances(rule, kappa, angle, steps):
    """From the minimum of a valley, with one lane for each setting of the rule: (steps + 1, lanes). All start at 1."""
    lanes = len(rule.learning_rate)
    theta = np.tile([math.cos(math.radians(angle)), math.sin(math.radians(angle))], (lanes, 1))
    found = [np.ones(lanes)]
    for _ in range(steps):
        theta = rule.step(theta, theta * [1.0, kappa])
        found.append(np.hypot(*theta.T))
    return np.array(found)


def fewest_steps(rule, kappa, angle, goal, momenta):
    """Steps to the goal, and kept, at the best rate and the best of these momenta."""
    momenta = np.array(momenta)
    limit = int(100 + 1.2 * math.log(1 / goal) * max(kappa, 2 / (1 - momenta.min())))

    def needed(rates):
        lanes = np.repeat(rates, len(momenta))[:, None], np.tile(momenta, len(rates))[:, None]
        steps = reached_and_kept(distances(rule(*lanes), kappa, angle, limit), goal)
        return steps.reshape(len(rates), -1).min(axis=1)

    return tuned(needed, start=1.5 / kappa, tries=21, ratio=1.1).score


def many_momenta(kappa):
    """From 0 to where a ball rolls on for far longer than this valley needs."""
    return 1 - np.geomspace(0.6 / math.sqrt(kappa), 1, 12)


@trial(
    claim="Gradients that agree make a step 1/(1 − μ) times as long.",
    space={"mu": Uniform(0, 0.99, "μ"), "steps": Whole(1, 300, "steps", log=True), "rate": Log(1e-4, 1, "η")},
    sides="the last of so many steps with momentum, all with the same gradient, and a plain step",
    measure="length of the step, against 1/(1 − μ) plain ones",
    unit="%",
    margin=5,
)
def agreeing_gradients_add_up(mu, steps, rate):
    rule, w = dl.Momentum(rate, mu), 0.0
    for _ in range(steps):
        before, w = w, rule.step(w, 1.0)
    return 100 * ((before - w) / rate * (1 - mu) - 1)


@trial(
    claim="At their best settings, momentum needs fewer steps than plain descent.",
    space={"kappa": KAPPA, "angle": ANGLE, "goal": Log(1e-8, 1e-2, "goal")},
    sides="momentum at its best rate and μ, plain descent at its best rate, in a valley of condition number κ",
    measure="steps until the distance is that share of the start's, and stays so",
    unit="% fewer steps",
)
def momentum_saves_steps(kappa, angle, goal):
    ball = fewest_steps(dl.Momentum, kappa, angle, goal, many_momenta(kappa))
    return 100 * (1 - ball / fewest_steps(dl.Momentum, kappa, angle, goal, [0.0]))


@trial(
    claim="At their best settings, momentum needs √κ times fewer steps, give or take a factor of two.",
    space={"kappa": KAPPA, "angle": ANGLE, "goal": Log(1e-8, 1e-2, "goal")},
    sides="momentum at its best rate and μ, plain descent at its best rate, in a valley of condition number κ",
    measure="how many times fewer steps, over √κ, in factors of two",
    unit="factors of two",
    margin=1,
)
def root_of_kappa(kappa, angle, goal):
    ball = fewest_steps(dl.Momentum, kappa, angle, goal, many_momenta(kappa))
    return math.log2(fewest_steps(dl.Momentum, kappa, angle, goal, [0.0]) / ball / math.sqrt(kappa))


@trial(
    claim="Any momentum needs fewer steps than none, each at its best rate.",
    space={"kappa": Log(2, 200, "κ"), "mu": Uniform(0.1, 0.98, "μ"), "angle": ANGLE},
    sides="momentum with this μ, and plain descent, in a valley of condition number κ; each at its best rate",
    measure="steps until the distance is a thousandth of the start's, and stays so",
    unit="% fewer steps",
)
def any_momentum_saves_steps(kappa, mu, angle):
    ball = fewest_steps(dl.Momentum, kappa, angle, 1e-3, [mu])
    return 100 * (1 - ball / fewest_steps(dl.Momentum, kappa, angle, 1e-3, [0.0]))


@trial(
    claim="Nesterov's rule needs fewer steps than momentum with the same settings.",
    space={
        "kappa": Log(4, 100, "κ"),
        "mu": Uniform(0.5, 0.98, "μ"),
        "share": Log(0.05, 0.9, "share of Nesterov's limit"),
        "angle": ANGLE,
    },
    sides="Nesterov's rule and momentum, with one rate and one μ for both",
    measure="steps until the distance is a thousandth of the start's, and stays so",
    unit="% fewer steps",
)
def nesterov_at_the_same_settings(kappa, mu, share, angle):
    rate = share * dl.theory.nesterov_stability_limit(mu, kappa)
    limit = int(100 + 3 * math.log(1e3) * max((1 - mu) / rate, 2 / (1 - mu)))
    rules = dl.Momentum(np.array([[rate]]), mu), dl.Nesterov(np.array([[rate]]), mu)
    ball, ahead = (reached_and_kept(distances(rule, kappa, angle, limit), 1e-3)[0] for rule in rules)
    return 100 * (1 - ahead / ball)


@trial(
    claim="At their best settings, Nesterov's rule needs fewer steps than momentum.",
    space={"kappa": Log(20, 1000, "κ"), "angle": ANGLE, "goal": Log(1e-8, 1e-3, "goal")},
    sides="Nesterov's rule and momentum, each at its best rate and μ",
    measure="steps until the distance is that share of the start's, and stays so",
    unit="% fewer steps",
)
def nesterov_at_its_best(kappa, angle, goal):
    ahead, ball = (fewest_steps(rule, kappa, angle, goal, many_momenta(kappa)) for rule in (dl.Nesterov, dl.Momentum))
    return 100 * (1 - ahead / ball)


# Over the hill

WELL = {"depth": Log(0.5, 3, "depth"), "tilt": Uniform(0.05, 0.6, "tilt")}
MOMENTA = np.append(np.linspace(0, 0.9, 46), np.linspace(0.905, 0.985, 17))


def place_at(well, height):
    """Where on the left wall of the shallow well a ball stands `height` passes above its floor; 1 is the pass."""
    goal = well.value(-1.0, 0.0) + height * well.climb
    low, high = -10.0, -1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if well.value(middle, 0.0) > goal else (low, middle)
    return high


def ends_deep(well, rates, momenta, start, steps=1500):
    """Does a ball let go at rest at `start` come to rest in the deep well? One answer for each pair of settings."""
    rule, x = dl.Momentum(np.reshape(rates, (-1, 1)), np.reshape(momenta, (-1, 1))), np.full((len(rates), 1), start)
    for step in range(steps):
        x = rule.step(x, well.df(x, 0.0)[0])
        if step == steps // 2:
            half = x
    return ((np.abs(x - 1) < 0.5) & (np.abs(half - 1) < 0.5))[:, 0]


def largest_rate(well, momentum=0.0):
    """Above it no ball rests in the deep well."""
    return dl.theory.stability_limit(momentum, 8 * well.depth * (1 + well.tilt))


@trial(
    claim="With small steps, momentum carries a ball out of the minimum in which it is let go.",
    space={**WELL, "height": Uniform(0.02, 0.98, "height of the start"), "share": Log(1e-3, 0.1, "share of the limit")},
    sides="63 momenta from 0 to 0.985; the ball is at rest at first, below the pass, which has height 1",
    measure="momenta with which it ends in the deeper well",
    unit="% of them",
)
def momentum_leaves_minima(depth, tilt, height, share):
    well = surfaces.DoubleWell(depth, tilt)
    rates = share * np.array([largest_rate(well, mu) for mu in MOMENTA])
    return 100 * ends_deep(well, rates, MOMENTA, place_at(well, height)).mean()


@trial(
    claim="Momentum leaves a minimum that plain descent cannot.",
    space={**WELL, "height": Log(0.1, 10, "height of the start, in passes")},
    sides="63 momenta, and none; 25 rates for each, up to the largest that can rest; both are at rest at first",
    measure="settings that end in the deeper well, if none without momentum does; else those, below 0",
    unit="% of them",
)
def leaves_what_descent_cannot(depth, tilt, height):
    well = surfaces.DoubleWell(depth, tilt)
    momenta, shares = (grid.ravel() for grid in np.meshgrid(MOMENTA, np.geomspace(0.01, 0.99, 25)))
    rates = shares * np.array([largest_rate(well, mu) for mu in momenta])
    deep = ends_deep(well, rates, momenta, place_at(well, height))
    with_momentum, without = deep[momenta > 0].mean(), deep[momenta == 0].mean()
    return -100 * without if without else 100 * with_momentum


@trial(
    claim="The deeper a minimum, the more momentum it takes to leave it.",
    space={
        "depth": Log(0.5, 3, "depth"),
        "tilt": Uniform(0.1, 0.4, "tilt"),
        "way": OneOf(("less tilt", "stretched")),
        "start": OneOf(("the same place", "the same height"), "start from"),
        "share": Log(0.005, 0.05, "share of the limit"),
    },
    sides="a minimum, and one up to 2.2 times as deep: tilted half as much, or stretched; one rate for both",
    measure="the least of 495 values of μ that ends in the deeper well",
    unit="more μ",
)
def deeper_needs_more(depth, tilt, way, start, share):
    one, two = surfaces.DoubleWell(depth, tilt), surfaces.DoubleWell(depth, tilt / 2)
    if way == "stretched":
        two = surfaces.DoubleWell(depth * two.climb / one.climb, tilt)
    place, rate, momenta = place_at(one, 4.0), share * largest_rate(two), np.arange(495) / 500

    def least(well):
        from_here = place_at(well, 4.0 * one.climb / well.climb) if start == "the same height" else place
        return momenta[ends_deep(well, np.full(495, rate), momenta, from_here).argmax()]

    return least(two) - least(one)


# Rates


@trial(
    claim="Plain descent comes to a halt at a saddle.",
    space={
        "beside": Log(1e-12, 1e-3, "distance from the ridge"),
        "product": Log(1e-3, 1, "ηλ down the side"),
        "steps": Whole(10, 10_000, "steps", log=True),
    },
    sides="let go on the slope that leads to a saddle, so far beside the line that ends there",
    measure="how far it still is, after so many steps, from being 1 away from the saddle",
    unit="of 1",
)
def descent_halts_at_saddles(beside, product, steps):
    rule, y = dl.SGD(product), beside
    for _ in range(steps):
        y = rule.step(y, -y)
        if y > 1:
            break
    return 1 - y


@trial(
    claim="Twice the rate needs fewer steps.",
    space={"kappa": KAPPA, "angle": ANGLE, "share": Uniform(0.05, 1.5, "share of the limit")},
    sides="plain descent with a rate, a share of the largest that converges, and with half of it",
    measure="steps until the distance is a thousandth of the start's, and stays so",
    unit="% fewer steps",
)
def twice_the_rate(kappa, angle, share):
    rates = share * dl.theory.stability_limit(0.0, kappa) * np.array([[1.0], [0.5]])
    limit = int(100 + 1.5 * math.log(1e3) * max(1 / rates.min(), 1 / max(abs(1 - share), 0.003)))
    twice, once = reached_and_kept(distances(dl.SGD(rates), kappa, angle, limit), 1e-3)
    return 100 * (1 - twice / once)


@trial(
    claim="Momentum is only a larger rate, η/(1 − μ).",
    space={
        "kappa": Log(4, 100, "κ"),
        "angle": ANGLE,
        "mu": Uniform(0.3, 0.98, "μ"),
        "share": Log(0.01, 0.9, "share of momentum's limit"),
    },
    sides="momentum, and plain descent with the rate η/(1 − μ)",
    measure="steps until the distance is a thousandth of the start's, and stays so",
    unit="% fewer steps",
    margin=10,
)
def only_a_larger_rate(kappa, angle, mu, share):
    rate = share * dl.theory.stability_limit(mu, kappa)
    limit = int(100 + 3 * math.log(1e3) * max((1 - mu) / rate, 2 / (1 - mu)))
    rules = dl.Momentum(np.array([[rate]]), mu), dl.SGD(np.array([[rate / (1 - mu)]]))
    ball, hiker = (reached_and_kept(distances(rule, kappa, angle, limit), 1e-3)[0] for rule in rules)
    return 100 * (1 - ball / hiker)


@trial(
    claim="PyTorch's form, with η outside the velocity, is the same rule.",
    space={
        "rate": OneOf(("a constant rate", "a cut to a tenth", "a warm-up", "a cosine")),
        "product": Log(0.003, 0.3, "ηλ"),
        "mu": Uniform(0.5, 0.99, "μ"),
        "steps": Whole(50, 500, "steps", log=True),
    },
    sides="η inside the velocity and outside, on a parabola, from the same start",
    measure="the largest distance between the two, as a share of the start's",
    unit="%",
    margin=0.1,
)
def pytorch_has_the_same_rule(rate, product, mu, steps):
    schedule = {
        "a constant rate": lambda step: product,
        "a cut to a tenth": dl.PiecewiseConstantDecay([steps // 4], [product, product / 10]),
        "a warm-up": dl.Warmup(steps // 4, then=product),
        "a cosine": dl.CosineDecay(product, steps),
    }[rate]
    ours, here, there, v, apart = dl.Momentum(schedule, mu), 1.0, 1.0, 0.0, 0.0
    for step in range(steps):
        here = ours.step(here, here)
        v = mu * v + there
        there -= schedule(step) * v
        apart = max(apart, abs(here - there))
    return 100 * apart


# On data


@trial(
    claim="Four times the batch halves the noise of the gradient.",
    space={
        "data": OneOf(("digits", "mnist1d", "moons")),
        "units": Whole(4, 64, "hidden units", log=True),
        "batch_size": Whole(1, 16, "batch size", log=True),
        "steps": Whole(1, 300, "steps of training before", log=True),
    },
    sides="the gradient of a network, from batches of this size and from four times as large ones",
    measure="how much more than two the spread falls; 500 batches of each",
    unit="%",
    margin=20,
    designs=60,
)
def four_times_the_batch(data, units, batch_size, steps, seed):
    train = nets.split(data, 1000, seed).train
    network = dl.Network(nets.hidden(units, 1, dl.ReLU, 10), input_shape=train.x.shape[1:], seed=seed)
    loss, rng = dl.SoftmaxCrossEntropy(), np.random.default_rng(seed)
    rule = dl.SGD(0.1)
    rule.start(network.parameters.theta)

    def gradient(size):
        batch = rng.choice(1000, size, replace=False)
        loss.forward(network.forward(train.x[batch], training=True), train.y[batch])
        network.backward(loss.backward())
        return network.parameters.grad

    for _ in range(steps):
        rule.step(network.parameters.theta, gradient(32))
    small, large = (
        np.array([gradient(size).copy() for _ in range(500)]).var(axis=0).sum() for size in (batch_size, 4 * batch_size)
    )
    return 100 * (math.sqrt(small / large) / 2 - 1)


@trial(
    claim="Momentum narrows the gap between lucky and unlucky starts.",
    space={
        "rival": OneOf(("the same rate", "steps as long")),
        "data": OneOf(("moons", "digits")),
        "units": OneOf((8, 16, 32), "hidden units"),
        "rate": Log(0.003, 0.15, "η"),
    },
    sides="momentum 0.9, and plain descent with the same rate or with η/(1 − μ)",
    measure="loss of the unluckiest of 12 starts less that of the luckiest, after 30 epochs; −300: four times as wide",
    unit="% narrower",
)
def momentum_cures_the_luck(rival, data, units, rate, seed):
    train = nets.split(data, 200, seed).train

    def gap(momentum, rate):
        rule, layers = dl.Momentum(rate, momentum), lambda: nets.hidden(units, 1, dl.ReLU, int(train.y.max()) + 1)
        return np.ptp(nets.last_losses(layers, train, rule, range(12), epochs=30, batch_size=20, seed=seed))

    with_it, without = gap(0.9, rate), gap(0.0, 10 * rate if rival == "steps as long" else rate)
    return 100 * (1 - min(with_it / max(without, 1e-9), 4))  # units that all die leave no gap at all


@trial(
    claim="With batches, momentum reads more digits than plain descent, each at its best rate and epoch.",
    space={
        "size": OneOf((100, 300), "examples"),
        "batch_size": OneOf((16, 32, 100), "batch size"),
        "units": OneOf((8, 32), "hidden units"),
        "epochs": OneOf((2, 5, 20), "epochs"),
    },
    sides="momentum 0.9 and plain descent, with 13 rates each",
    measure="test accuracy, rate and epoch chosen on validation data",
    unit="points",
    designs=60,
)
def momentum_reads_more_digits(size, batch_size, units, epochs, seed):
    data = nets.split("digits", size, seed)

    def accuracy(momentum):
        rates = 0.5 * 2.0 ** np.arange(-9.0, 4.0)
        runs = nets.train(
            lambda: nets.hidden(units, 1, dl.ReLU, 10), data, lambda rate: dl.Momentum(rate, momentum), rates,
            epochs=epochs, batch_size=batch_size, seed=seed,
        )  # fmt: skip
        return nets.best_test_accuracy(runs)

    return accuracy(0.9) - accuracy(0.0)
