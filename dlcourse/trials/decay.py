"""Claims of 05, decay, on trial."""

import math

import numpy as np

import dlcourse as dl
from dlcourse import surfaces, theory
from dlcourse.labs.decay import walkers, weight_decay
from dlcourse.labs.momentum import minibatches
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.momentum import largest_rate, place_at
from dlcourse.trials.space import Log, OneOf, Uniform, Whole
from dlcourse.trials.tuning import tuned

# In the valley. λ = σ = 1: other valleys are this one in other units.


@trial(
    claim="At a constant rate, a walk in batches never comes to rest.",
    space={
        "scatter": OneOf((0.0, 0.1, 0.5), "scatter of the points"),
        "batch_size": OneOf((1, 4, 16, 64), "batch size"),
        "rate": Log(0.02, 0.3, "η"),
    },
    sides="a line fitted to 64 points in batches, 3000 steps",
    measure="distance from the best line over the last quarter, as a share of the start's",
    unit="%",
    tolerance=0.01,
)
def constant_rate_rattles(scatter, batch_size, rate, seed):
    x, y = minibatches.line_data(seed)
    y = x @ np.array([1.2, -0.6]) + scatter * np.random.default_rng(seed).normal(size=64)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    way = walkers.walk(rate, batch_size, seed, (x, y), passes=3000 * batch_size // 64)
    return 100 * walkers.rattling(way, best) / np.linalg.norm(way[0] - best)


@trial(
    claim="A constant rate rattles as far as the law says.",
    space={
        "product": Uniform(0.05, 1.9, "ηλ"),
        "mu": Uniform(0, 0.9, "μ"),
        "shape": OneOf(("a bell", "two values", "rare shocks"), "noise"),
    },
    sides="1000 walkers with noise in the gradient, and the law (1 + μ)ησ² / ((1 − μ)λ(2(1 + μ) − ηλ))",
    measure="mean square of the distance, over the law's",
    unit="% more",
    margin=5,
)
def rattles_as_the_law_says(product, mu, shape, seed):
    rng, theta, velocity, squares = np.random.default_rng(seed), np.zeros(1000), np.zeros(1000), []
    for _ in range(1500):
        xi = rng.normal(size=1000)
        if shape == "two values":
            xi = np.sign(xi)
        if shape == "rare shocks":
            xi = np.where(rng.random(1000) < 0.1, np.sign(xi) * math.sqrt(10), 0.0)
        velocity = mu * velocity - product * (theta + xi)
        theta = theta + velocity
        squares.append((theta**2).mean())
    return 100 * (np.mean(squares[300:]) / theory.rattle(product, 1.0, 1.0, mu) - 1)


@trial(
    claim="A rate whose sum is finite stops on the way.",
    space={"power": Uniform(1.4, 3, "p"), "first": Log(0.1, 1.9, "c"), "start": Log(1, 1000, "distance of the start")},
    sides="the rate c/(1 + t)ᵖ; after 30,000 steps, and after 300,000",
    measure="what the later nine tenths of the steps leave of the distance; 90 is asked for",
    unit="%",
    tolerance=90,
)
def finite_sums_stop(power, first, start):
    squares = theory.mean_squares(walkers.power_law(first, power, 300_000).tolist(), 1.0, 1.0, start**2)
    return 100 * math.sqrt(squares[-1] / squares[30_000])


@trial(
    claim="To arrive, the squares of the rates must have a finite sum.",
    space={
        "power": Uniform(0.1, 0.5, "p"),
        "first": Log(0.1, 1.9, "c"),
        "start": Log(1, 1000, "distance of the start"),
    },
    sides="the rate c/(1 + t)ᵖ, whose squares add up to infinity; after 30,000 steps, and after 300,000",
    measure="what the later nine tenths of the steps leave of the distance; 95 is asked for",
    unit="%",
    tolerance=95,
)
def squares_must_be_finite(power, first, start):
    squares = theory.mean_squares(walkers.power_law(first, power, 300_000).tolist(), 1.0, 1.0, start**2)
    return 100 * math.sqrt(squares[-1] / squares[30_000])


@trial(
    claim="In a valley that is known, no schedule ends lower than 1/t.",
    space={
        "rival": OneOf(("a line", "a cosine", "an exponential", "restarts", "one cycle", "a constant rate")),
        "steps": Whole(30, 3000, "steps", log=True),
        "start": Log(1, 100, "distance of the start"),
    },
    sides="1/t with the λ, σ and start of the valley, and a rival at its best rate",
    measure="mean square of the distance at the end",
    unit="% higher without",
)
def nothing_ends_lower(rival, steps, start):
    shape = {
        "a line": lambda: dl.PolynomialDecay(1.0, steps, 0.0),
        "a cosine": lambda: dl.CosineDecay(1.0, steps),
        "an exponential": lambda: dl.ExponentialDecay(1.0, steps, 0.01),
        "restarts": lambda: dl.CosineDecayRestarts(1.0, max(1, steps // 3), 1.0),
        "one cycle": lambda: dl.OneCycle(1.0, steps),
        "a constant rate": lambda: lambda step: 1.0,
    }[rival]()

    def ends(rates):
        return theory.mean_squares((shape(step) * rates for step in range(steps)), 1.0, 1.0, start**2)[-1]

    first, k = theory.best_decay(1.0, 1.0, start**2)
    best = theory.mean_squares(map(dl.InverseTimeDecay(first, 1, k), range(steps)), 1.0, 1.0, start**2)[-1]
    return 100 * (tuned(ends, start=0.1, tries=21, ratio=1.3).score / best - 1)


@trial(
    claim="Inverse time decay is safe, whatever its constant: at most five times as high as the best.",
    space={
        "first": Log(0.1, 1.9, "cλ"),
        "steps": Whole(300, 30_000, "steps", log=True),
        "start": Log(1, 100, "distance of the start"),
    },
    sides="the rate c/(1 + t), and the best schedule there is",
    measure="mean square of the distance at the end",
    unit="factors of ten better",
    tolerance=-math.log10(5),
)
def one_over_t_is_safe(first, steps, start):
    end = theory.mean_squares(walkers.power_law(first, 1.0, steps).tolist(), 1.0, 1.0, start**2)[-1]
    return -math.log10(end * (steps + 1 / start**2))


@trial(
    claim="The mean of a walk at a constant rate ends nearly as near as the best schedule, λ unknown.",
    space={
        "product": Log(0.02, 1, "ηλ"),
        "steps": Whole(1000, 5000, "steps", log=True),
        "start": Log(1, 30, "distance of the start"),
    },
    sides="the mean of the last three quarters of a walk at a constant rate, and the last point of the best schedule",
    measure="distance at the end, root mean square of 1000 walkers; a third more is allowed",
    unit="% nearer",
    tolerance=-33,
)
def the_mean_needs_no_curvature(product, steps, start, seed):
    rng, theta, total = np.random.default_rng(seed), np.full(1000, start), np.zeros(1000)
    for step in range(steps):
        theta = theta - product * (theta + rng.normal(size=1000))
        total += theta if step >= steps // 4 else 0.0
    mean = total / (steps - steps // 4)
    return 100 * (1 - math.sqrt((mean**2).mean() * (steps + 1 / start**2)))


# On data


DATA = {
    "data": OneOf(("digits", "mnist1d", "moons")),
    "units": OneOf((0, 16), "hidden units"),
    "batch_size": OneOf((4, 16, 64, 256), "batch size"),
    "steps": Whole(60, 400, "steps", log=True),
}


def ends(schedule, rates, data, units, batch_size, steps, seed, momentum=0.0, depth=1, seeds=4):
    """The loss on all 256 training examples after about so many steps, (rates, seeds): lanes of schedule(rate, steps).

    A schedule that observes sees this loss after every epoch.
    """
    train, epochs = nets.split(data, 256, seed).train, max(1, round(steps * batch_size / 256))
    lanes = [schedule(rate, epochs * 256 // batch_size) for rate in rates for _ in range(seeds)]
    layers = nets.hidden(units, depth if units else 0, dl.ReLU, 10)
    starts = [seed + number for number in range(seeds)] * len(rates)
    network = dl.Network(layers, input_shape=train.x.shape[1:], lanes=len(lanes), seed=starts)
    rule = dl.Momentum(lambda step: np.array([[lane(step)] for lane in lanes]), momentum)
    run = dl.training_steps(
        network, dl.SoftmaxCrossEntropy(), rule, train, epochs=epochs, batch_size=batch_size, seed=seed
    )
    for step in run:
        if step.ends_epoch and hasattr(lanes[0], "observe"):
            for lane, loss in zip(lanes, nets.loss_and_accuracy(network, train)[0].tolist(), strict=True):
                lane.observe(loss)
    return nets.loss_and_accuracy(network, train)[0].reshape(len(rates), seeds)


def best_end(schedule, *task, **settings):
    """Of each start, at the rate that is best for all."""
    return tuned(lambda rates: ends(schedule, rates, *task, **settings), start=1.0, tries=7, ratio=2.0).score


def kept(rate, steps):
    return dl.PiecewiseConstantDecay([], [rate])


def cosine(rate, steps):
    return dl.CosineDecay(rate, steps)


def percent_lower(one, other):
    """For each start, how much lower the first loss is; −300 where it is four times as high or more, or no number."""
    one, other = (np.clip(np.nan_to_num(losses, nan=1e9), 1e-12, 1e9) for losses in (one, other))
    return 100 * (1 - np.minimum(one / other, 4))


@trial(
    claim="Whatever the rate, letting it fall ends lower than keeping it.",
    space={**DATA, "rate": Log(0.1, 10, "η")},
    sides="a cosine from this rate to 0, and the rate kept; the same starts and batches",
    measure="loss on the training examples after the last step",
    unit="% lower",
    designs=60,
)
def falling_beats_keeping(rate, data, units, batch_size, steps, seed):
    task = data, units, batch_size, steps, seed
    return percent_lower(ends(cosine, [rate], *task), ends(kept, [rate], *task))


@trial(
    claim="Start large, then lower: the best falling rate ends lower than the best constant one.",
    space=DATA,
    sides="a cosine to 0, and a constant rate, each at the best of seven rates or more",
    measure="loss on the training examples after the last step",
    unit="% lower",
    designs=60,
)
def start_large_then_lower(data, units, batch_size, steps, seed):
    task = data, units, batch_size, steps, seed
    return percent_lower(best_end(cosine, *task), best_end(kept, *task))


@trial(
    claim="Wait until the loss stops falling, then lower: it ends lower than its rival.",
    space={
        **DATA,
        "batch_size": OneOf((4, 16), "batch size"),
        "rival": OneOf(("the rate kept", "a cosine"), "rival"),
        "patience": Whole(0, 2, "patience"),
    },
    sides="the rate cut to a tenth when the loss after an epoch has not fallen, and a rival; each at its best rate",
    measure="loss on the training examples after the last step",
    unit="% lower",
    designs=60,
)
def wait_then_lower(data, units, batch_size, steps, rival, patience, seed):
    task = data, units, batch_size, 3 * steps, seed
    waiting = best_end(lambda rate, steps: dl.ReduceOnPlateau(rate, 0.1, patience), *task)
    return percent_lower(waiting, best_end(cosine if rival == "a cosine" else kept, *task))


@trial(
    claim="Noise in the rate helps: training ends lower.",
    space={**DATA, "batch_size": OneOf((4, 16, 64), "batch size"), "variance": Log(0.3, 30, "first variance")},
    sides="a linear cosine with noise in it and one without, each at the best of seven rates or more",
    measure="loss on the training examples after the last step",
    unit="% lower",
)
def noise_in_the_rate_helps(data, units, batch_size, steps, variance, seed):
    def noisy(rate, steps):
        return dl.NoisyLinearCosineDecay(rate, steps, variance, seed=seed)

    task = data, units, batch_size, steps, seed
    return percent_lower(best_end(noisy, *task), best_end(dl.LinearCosineDecay, *task))


@trial(
    claim="Inverse time decay ends lower than a cosine.",
    space={**DATA, "batch_size": OneOf((4, 16, 64), "batch size")},
    sides="inverse time and a cosine, each at its best rate; inverse time at the best of five decay rates",
    measure="loss on the training examples after the last step",
    unit="% lower",
    designs=60,
)
def inverse_time_beats_a_cosine(data, units, batch_size, steps, seed):
    task = data, units, batch_size, steps, seed

    def inverse_time(k):
        return best_end(lambda rate, steps: dl.InverseTimeDecay(rate, steps, k), *task)

    inverse = min((inverse_time(k) for k in (1, 4, 16, 64, 256)), key=np.mean)
    return percent_lower(inverse, best_end(cosine, *task))


@trial(
    claim="Warm-up helps: training ends lower.",
    space={
        "data": OneOf(("digits", "mnist1d", "moons")),
        "depth": Whole(1, 4, "hidden layers"),
        "batch_size": OneOf((16, 64), "batch size"),
        "steps": Whole(100, 300, "steps", log=True),
        "up": Uniform(0.05, 0.3, "share of rising"),
    },
    sides="warm-up to a cosine, and a cosine from the top, each at its best rate; momentum 0.9",
    measure="loss on the training examples after the last step",
    unit="% lower",
    designs=60,
)
def warm_up_helps(data, depth, batch_size, steps, up, seed):
    def warm(rate, steps):
        rising = max(2, round(up * steps))
        return dl.Warmup(rising, then=dl.CosineDecay(rate, max(1, steps - rising)))

    def best(schedule):
        task = data, 16, batch_size, steps, seed
        return best_end(schedule, *task, momentum=0.9, depth=depth, seeds=8)

    return percent_lower(best(warm), best(cosine))


@trial(
    claim="Noise in the rate carries a walk out of the minimum in which it begins.",
    space={
        "depth": Log(0.5, 3, "depth"),
        "tilt": Uniform(0.05, 0.6, "tilt"),
        "share": Log(0.05, 0.9, "share of the limit"),
        "variance": Log(0.1, 100, "first variance"),
    },
    sides="a linear cosine with noise in it, 300 steps, 20 seeds; from rest, at half the height of the pass",
    measure="seeds with which it ends in the deeper well",
    unit="% of them",
)
def noise_in_the_rate_escapes(depth, tilt, share, variance, seed):
    well = surfaces.DoubleWell(depth, tilt)
    rate, start = share * largest_rate(well), (place_at(well, 0.5), 0.0)
    noisy = [dl.NoisyLinearCosineDecay(rate, 300, variance, seed=seed + number) for number in range(20)]
    ways = [surfaces.descend(well, dl.SGD(each), start=start, steps=300) for each in noisy]
    return 100 * np.mean([len(way) > 300 and abs(way[-1, 0] - 1) < 0.5 for way in ways])


# Where to start, and weights that shrink


@trial(
    claim="The range test finds a rate that is better than ten times more and ten times less.",
    space={
        "rule": OneOf(("SGD", "momentum", "Adam"), "rule"),
        "data": OneOf(("digits", "mnist1d", "moons")),
        "units": Whole(8, 64, "hidden units", log=True),
        "batch_size": OneOf((16, 32, 64, 128), "batch size"),
        "test_steps": Whole(50, 200, "steps of the test"),
    },
    sides="three epochs at the rate that the test suggests, and at a tenth and ten times of it; four starts",
    measure="loss on the training examples after the last step, against the better of the two",
    unit="% lower",
    designs=60,
)
def range_test_finds_the_rate(rule, data, units, batch_size, test_steps, seed):
    rules = {"SGD": dl.SGD, "momentum": dl.Momentum, "Adam": dl.Adam}
    train = nets.split(data, 640, seed).train

    def layers():
        return nets.hidden(units, 1, dl.ReLU, 10)

    network = dl.Network(layers(), input_shape=train.x.shape[1:], seed=seed)
    found = dl.learning_rate_range_test(
        network, dl.SoftmaxCrossEntropy(), rules[rule](0.1), train,
        low=1e-4, high=10.0, steps=test_steps, batch_size=batch_size, seed=seed,
    )  # fmt: skip
    rates = np.repeat(found.suggestion * np.array([0.1, 1, 10]), 4)[:, None]
    losses = nets.last_losses(
        layers, train, rules[rule](rates), [*range(4)] * 3, epochs=3, batch_size=batch_size, seed=seed
    )
    less, here, more = np.nan_to_num(losses.reshape(3, 4).mean(axis=1), nan=1e9)
    return percent_lower(here, min(less, more))


@trial(
    claim="L2 and weight decay are the same thing, once their strengths are matched.",
    space={
        "rule": OneOf(("SGD", "momentum", "Adam"), "rule"),
        "data": OneOf(("digits", "mnist1d", "moons")),
        "decay": Log(0.01, 1, "λ"),
        "units": OneOf((8, 16, 32), "hidden units"),
        "faster": Log(0.3, 3, "rate, over the usual"),
        "epochs": Whole(2, 8, "epochs"),
    },
    sides="training with weight decay, and with L2 of the strength that comes nearest to it, of 17 or more",
    measure="share of what the decay did to the weights that L2 does, too; 85 is asked for",
    unit="%",
    tolerance=85,
    designs=60,
)
def decay_is_l2(rule, data, decay, units, faster, epochs, seed):
    train, (plain, decoupled, rate) = nets.split(data, 300, seed).train, weight_decay.RULES[rule]

    def weights(optimizer, strengths):
        lanes = {"lanes": len(strengths), "seed": [seed] * len(strengths)}
        network = dl.Network(nets.hidden(units, 1, dl.ReLU, 10), input_shape=train.x.shape[1:], **lanes)
        run = dl.training_steps(
            network, dl.SoftmaxCrossEntropy(), optimizer, train, epochs=epochs, batch_size=32, seed=seed,
            regularizers=[dl.L2(np.reshape(strengths, (-1, 1)))],
        )  # fmt: skip
        for _ in run:
            pass
        return network.parameters.theta * network.parameters.decay_mask

    rate *= faster
    target, without = weights(decoupled(rate, decay), [0.0])[0], weights(plain(rate, 0.0), [0.0])[0]

    def missed(strengths):
        return ((weights(plain(rate, 0.0), strengths) - target) ** 2).sum(axis=1) / ((without - target) ** 2).sum()

    return 100 * max(-1, 1 - tuned(missed, start=decay / 2, tries=17, ratio=1.25, low=1e-7).score)


@trial(
    claim="A weight-decay factor says what to do: its three readings end alike.",
    space={
        "rate": Log(0.05, 1, "η"),
        "factor": Uniform(0.9, 0.985, "factor"),
        "decay_steps": OneOf((100, 300, 1000), "decay steps"),
        "batch_size": OneOf((8, 16), "batch size"),
        "epochs": Whole(4, 8, "epochs"),
    },
    sides="w ← f w, the penalty (1 − f)Σw² and λ = 1 − f, with the rate falling to a tenth at every stair",
    measure="the largest of the three losses over the smallest, after the last step",
    unit="% more",
    margin=5,
    designs=60,
)
def three_readings_are_one(rate, factor, decay_steps, batch_size, epochs, seed):
    train, (fixed, slope) = nets.split("digits", 1000, seed).train, weight_decay.readings(factor)
    rule = weight_decay.Shrinking(dl.ExponentialDecay(rate, decay_steps, 0.1, staircase=True), fixed[1:], slope[1:])
    losses = nets.last_losses(
        lambda: [dl.Dense(10)], train, rule, [seed] * 3, epochs=epochs, batch_size=batch_size, seed=seed
    )
    return 100 * (losses.max() / losses.min() - 1)
