"""Claims of 02, the optimizers, on trial."""

import numpy as np

import dlcourse as dl
from dlcourse.labs.momentum import adaptive, natural, race, second_order
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log, OneOf, Uniform, Whole
from dlcourse.trials.tuning import reached_and_kept, tuned

ADAPTIVE = ("AdaGrad", "RMSProp", "AdaDelta", "Adam", "AMSGrad", "Nadam")
RATES = 0.001 * 3.0 ** np.arange(-1.0, 6.0)  # 0.0003 to 0.24


# A rate for every weight


@trial(
    claim="A rate for every weight makes a narrow valley round.",
    space={
        "rule": OneOf(("AdaGrad", "RMSProp", "Adam", "AMSGrad", "Nadam"), "rule"),
        "kappa": Log(100, 3000, "κ"),
        "angle": Log(0.3, 45, "degrees between valley and axis"),
        "start": Uniform(0, 360, "angle of the start"),
    },
    sides="the valley of condition number κ, and a round one; the rule at its best rate in each",
    measure="speed: 1 over the steps until the distance is a hundredth of the start's for good; half or more counts",
    unit="% of the speed in the round valley",
    tolerance=50,
)
def own_rates_make_valleys_round(rule, kappa, angle, start):
    def steps(condition):
        valley = adaptive.Turned(angle, condition)
        place = valley.turn(np.cos(np.radians(start)), np.sin(np.radians(start)))

        def needed(rates):
            points = race.trials(valley, [race.RULES[rule]], place, rates, steps=1000)[:, 0]
            return reached_and_kept(np.hypot(*np.moveaxis(points, -1, 0)), 0.01)

        return tuned(needed, start=0.1, tries=29, ratio=10**0.25).score

    return 100 * steps(1.0) / steps(kappa)


@trial(
    claim="Rules with a rate for every weight arrive sooner than momentum.",
    space={
        "rule": OneOf(ADAPTIVE, "rule"),
        "surface": OneOf(("ravine", "Rosenbrock", "Beale", "double well"), "surface"),
        "x": Uniform(-4, 4, "start x"),
        "y": Uniform(-3, 3, "start y"),
    },
    sides="the rule and momentum 0.9, each at the best of 29 rates",
    measure="steps until it is within 0.1 of a minimum, and stays so; 1000 at most",
    unit="% fewer steps",
    designs=150,
)
def own_rates_beat_momentum(rule, surface, x, y):
    rules = [race.RULES[rule], dl.Momentum]
    (_, mine, _), (_, ball, _) = race.best_runs(race.COURSES[surface], rules, (x, y), steps=1000)
    return 100 * (1 - (mine + 1) / (ball + 1))


@trial(
    claim="Rules with a rate for every weight leave a saddle sooner than plain descent.",
    space={
        "rule": OneOf(ADAPTIVE, "rule"),
        "distance": Log(1e-12, 0.1, "distance from the ridge"),
        "kappa": Log(0.1, 1000, "curvature along the ridge"),
    },
    sides="the rule and plain descent on (κx² − y²)/2, each at the best rate that keeps to the ridge",
    measure="steps until |y| is 1",
    unit="% fewer steps",
)
def own_rates_leave_saddles(rule, distance, kappa):
    def steps(name):
        def needed(rates):
            theta = np.tile([1.0, distance], (len(rates), 1))
            walker, out, on_ridge = (
                race.RULES[name](rates[:, None]),
                np.full(len(rates), 1e9),
                np.ones(len(rates), bool),
            )
            for step in range(1, 2000):
                theta = walker.step(theta, theta * [kappa, -1.0])
                on_ridge &= np.abs(theta[:, 0]) <= 1.0
                out = np.where((np.abs(theta[:, 1]) >= 1.0) & on_ridge, np.minimum(out, step), out)
            return out

        return tuned(needed, start=0.1, tries=25, ratio=1.5).score

    return 100 * (1 - steps(rule) / steps("SGD"))


# Adam


@trial(
    claim="Adam's first step is as long as the learning rate, however small a weight's gradient.",
    space={
        "activation": OneOf(("ReLU", "tanh", "sigmoid"), "activation"),
        "depth": Whole(1, 4, "hidden layers"),
        "units": Whole(8, 128, "hidden units", log=True),
        "batch_size": Whole(1, 256, "batch size", log=True),
        "eta": Log(1e-4, 1, "η"),
    },
    sides="the first step on digits in each weight that has a gradient, and η",
    measure="share of these weights in which they agree to 1 %, beyond nine in ten",
    unit="%",
    tolerance=90,
)
def adams_first_step(activation, depth, units, batch_size, eta, seed):
    kinds = {"ReLU": dl.ReLU, "tanh": dl.Tanh, "sigmoid": dl.Sigmoid}
    layers = nets.hidden(units, depth, kinds[activation], 10)
    network = dl.Network(layers, input_shape=(64,), seed=seed, dtype="float64")
    before, train = network.parameters.theta.copy(), dl.datasets.digits()[0]
    options = {"epochs": 1, "batch_size": batch_size, "seed": seed}
    next(dl.training_steps(network, dl.SoftmaxCrossEntropy(), dl.Adam(eta), train, **options))
    felt = network.parameters.grad != 0
    steps = np.abs(network.parameters.theta - before)[felt]
    return 100 * (np.abs(steps / eta - 1) < 0.01).mean()


@trial(
    claim="Without its correction, Adam's first step would be too short.",
    space={
        "forgets": Log(0.01, 1, "1 − β₁"),
        "forgets_squares": Log(1e-4, 0.1, "1 − β₂"),
        "gradient": Log(1e-3, 1e3, "gradient"),
    },
    sides="Adam without correction and with it, on the same gradient",
    measure="length of the first step",
    unit="powers of ten shorter",
    designs=150,
)
def correction_lengthens(forgets, forgets_squares, gradient):
    betas = 0.01, 1 - forgets, 1 - forgets_squares
    with_it, without = (abs(rule(*betas).step(0.0, gradient)) for rule in (dl.Adam, adaptive.UncorrectedAdam))
    return np.log10(with_it / without)


@trial(
    claim="Adam needs its correction to learn well.",
    space={
        "data": OneOf(("digits", "mnist1d", "moons"), "data"),
        "size": Whole(100, 400, "examples", log=True),
        "batch_size": Whole(8, 64, "batch size", log=True),
        "epochs": Whole(2, 20, "epochs", log=True),
    },
    sides="Adam with its correction and without it, each at its best rate and epoch",
    measure="test accuracy, more than one point apart",
    unit="points",
    tolerance=1,
    designs=200,
)
def adam_needs_correction(data, size, batch_size, epochs, seed):
    parts = nets.split(data, size, seed)
    run = {"batch_size": batch_size, "epochs": epochs, "every": -(-epochs // 5), "seeds": 3, "seed": seed}
    layers = lambda: nets.hidden(32, 1, dl.ReLU, parts.classes)  # noqa: E731
    both = [nets.train(layers, parts, rule, RATES, **run) for rule in (dl.Adam, adaptive.UncorrectedAdam)]
    return nets.best_test_accuracy(both[0]) - nets.best_test_accuracy(both[1])


@trial(
    claim="Adam needs no tuning: its default rate, 0.001, reads as many digits as the best, to a point.",
    space={
        "steps": Whole(100, 2000, "steps", log=True),
        "size": Whole(100, 300, "examples", log=True),
        "batch_size": Whole(8, 32, "batch size", log=True),
        "units": Whole(8, 32, "hidden units", log=True),
    },
    sides="Adam at 0.001, and at the best of five rates from there to 0.256; the best epoch of each",
    measure="test accuracy, mean of three starts",
    unit="points",
    tolerance=-1,
    designs=40,
)
def default_rate_suffices(steps, size, batch_size, units, seed):
    parts, epochs = nets.split("digits", size, seed), max(1, steps * batch_size // size)
    run = {"epochs": epochs, "batch_size": batch_size, "every": -(-epochs // 5), "seeds": 3, "seed": seed}
    runs = nets.train(lambda: nets.hidden(units, 1, dl.ReLU, 10), parts, dl.Adam, 0.001 * 4.0 ** np.arange(5), **run)
    default = nets.Runs(*(part[:, :1] for part in runs))
    return nets.best_test_accuracy(default).mean() - nets.best_test_accuracy(runs).mean()


# Where Adam goes wrong


def rare_and_large(rule, size, rounds, every, forgets_squares):
    """x after gradients that are C once in `every` steps, else −1, so that it should go down, to −1."""
    rule, x = rule(lambda t: 0.5 / (t + 1) ** 0.5, 0.0, 1 - forgets_squares), 0.0
    for t in range(rounds * every):
        x = min(1.0, max(-1.0, rule.step(x, size * (every - 1) if t % every == 0 else -1.0)))
    return x


CONVEX = {
    "size": Uniform(1.2, 3, "size of the rare gradient, against all others"),
    "every": Whole(3, 100, "steps from one rare gradient to the next", log=True),
    "forgets_squares": Log(1e-3, 0.9, "1 − β₂"),
}


@trial(
    claim="On a convex problem, Adam finds the minimum.",
    space=CONVEX,
    sides="Adam, rate 0.5/√t, on gradients of which a large one comes rarely; it may move between −1 and 1",
    measure="where x ends: −1 is the minimum, 1 the worst place",
    unit="(1: at the minimum)",
    tolerance=0.8,
    designs=80,
)
def adam_solves_convex(size, every, forgets_squares):
    return -rare_and_large(dl.Adam, size, 12000 // every, every, forgets_squares)


@trial(
    claim="On these convex problems, AMSGrad finds the minimum.",
    space=CONVEX,
    sides="AMSGrad, rate 0.5/√t, on gradients of which a large one comes rarely; it may move between −1 and 1",
    measure="where x ends: −1 is the minimum, 1 the worst place",
    unit="(1: at the minimum)",
    tolerance=0.8,
    designs=80,
)
def amsgrad_solves_convex(size, every, forgets_squares):
    return -rare_and_large(dl.AMSGrad, size, 12000 // every, every, forgets_squares)


@trial(
    claim="Rules that fit the data equally well are equally good on new data.",
    space={
        "rule": OneOf(("AdaGrad", "RMSProp", "Adam"), "rule"),
        "examples": Whole(60, 120, "examples", log=True),
        "share": Uniform(0.7, 0.85, "share of the larger class"),
    },
    sides="the rule and plain descent, where single examples have features of their own; the best rate that fits them",
    measure="new examples read, not more than a point fewer",
    unit="points",
    tolerance=-1,
    designs=60,
)
def equal_fit_is_equal(rule, examples, share, seed):
    x, y, new = adaptive.lonely_features(seed, examples, share)

    def read(name):
        best = 0.0
        for rate in (0.003, 0.03, 0.3):
            w = adaptive.least_squares(race.RULES[name](rate), x, y, steps=700)
            if np.mean((x @ w - y) ** 2) < 1e-3:
                best = max(best, 100 * np.mean(np.sign(new @ w) == y))
        return best

    return read(rule) - read("SGD")


# Knowing the curvature


@trial(
    claim="Newton's rule goes to a minimum.",
    space={
        "surface": OneOf(("ravine", "Rosenbrock", "Beale", "double well"), "surface"),
        "x": Uniform(-4, 4, "start x"),
        "y": Uniform(-3, 3, "start y"),
    },
    sides="Newton's rule, 60 steps, on surfaces that have a minimum",
    measure="1 if it ends at a minimum, −1 if elsewhere",
    unit="(1: at a minimum)",
    designs=200,
)
def newton_finds_minima(surface, x, y):
    return 1 if second_order.newton_ends(race.COURSES[surface], x, y) == 0 else -1


@trial(
    claim="A natural gradient crosses a plateau in fewer steps than plain descent, momentum or Adam.",
    space={"spread": Log(1, 30, "spread of the inputs"), "examples": Whole(20, 100, "examples")},
    sides="ANGD at the best of three rates, and the best of the three rules at the best of 13",
    measure="steps until the loss is below 0.001, and stays so; 300 at most",
    unit="% fewer steps",
    designs=200,
)
def natural_gradient_crosses(spread, examples, seed):
    data = natural.twins(spread, seed, examples)
    runs = [
        natural.learn(rule(natural.RATES[:, None]), data, seed, len(natural.RATES)) for rule in natural.RULES.values()
    ]
    others = min(natural.learned_at(losses).min() for losses in runs)
    mine = [natural.learn(dl.ANGD(rate, 0.3, damping=1e-3), data, seed) for rate in (0.1, 0.3, 1.0)]
    return 100 * (1 - min(natural.learned_at(losses) for losses in mine) / others)


@trial(
    claim="Rules that remember past gradients bring the training loss lower than plain descent.",
    space={
        "rule": OneOf(tuple(name for name in race.RULES if name != "SGD"), "rule"),
        "data": OneOf(("digits", "mnist1d"), "data"),
        "size": Whole(100, 400, "examples", log=True),
        "batch_size": Whole(8, 64, "batch size", log=True),
        "epochs": Whole(4, 20, "epochs", log=True),
    },
    sides="the rule and plain descent, each at its best rate",
    measure="training loss at the end, mean of four starts",
    unit="% lower",
    designs=400,
)
def memory_beats_none(rule, data, size, batch_size, epochs, seed):
    train, layers = nets.split(data, size, seed).train, lambda: nets.hidden(24, 1, dl.ReLU, 10)
    run = {"batch_size": batch_size, "epochs": epochs, "every": epochs, "seeds": 4, "seed": seed}

    def lowest(name):
        def loss(rates):
            return nets.train(
                layers, nets.Data(train, train[:9], train[:9]), race.RULES[name], rates, **run
            ).train_loss[-1]

        return tuned(loss, start=0.1, tries=7, ratio=2.5).score.mean()

    return 100 * (1 - lowest(rule) / lowest("SGD"))
