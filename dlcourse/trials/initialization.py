"""Claims of 01, initialization, on trial: what training makes of a start. (What it meets before: signals.py.)"""

import numpy as np

import dlcourse as dl
from dlcourse.labs.initialization.starts import different
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log, OneOf, Uniform, Whole
from dlcourse.trials.tuning import finite, reached_and_kept

ACTIVATIONS = {"tanh": dl.Tanh, "sigmoid": dl.Sigmoid, "ReLU": dl.ReLU}
GOOD = {"tanh": dl.Xavier(), "ReLU": dl.MSRA()}  # the variance law's choice
RULES = {"SGD": dl.SGD, "momentum": dl.Momentum, "AdaGrad": dl.AdaGrad, "RMSProp": dl.RMSProp, "Adam": dl.Adam}
RATES = {"momentum": 0.006 * 4.0 ** np.arange(5.0), "Adam": 0.0002 * 4.0 ** np.arange(5.0)}

any_activation = OneOf(tuple(ACTIVATIONS), "activation")
good_activation = OneOf(tuple(GOOD), "activation")
any_rule = OneOf(tuple(RULES), "rule")
depth, units = Whole(1, 3, "hidden layers"), Whole(8, 24, "units in a layer")


def runs(init, activation, widths, seed, *, dense=dl.Dense, rule="momentum", size=200, **more):
    """Digits, every layer begun with `init`, layers behind activations made by `dense`: all rates, four draws each."""
    train, *others = nets.split("digits", size, seed)
    data = nets.Data(train, *(dl.datasets.Dataset(part.x[:200], part.y[:200]) for part in others))

    def layers():
        every = [dl.Dense(widths[0], init), *[dense(width, init) for width in widths[1:]]]
        return [part for layer in every for part in (layer, ACTIVATIONS[activation]())] + [dense(10, init)]

    options = {"seeds": 4, "epochs": 15, "batch_size": 40, "seed": seed} | more
    return nets.train(layers, data, RULES[rule], RATES[rule], **options)


def reads(*start, **more):
    """Test accuracy of each draw, in %, at the best rate and epoch."""
    return nets.best_test_accuracy(runs(*start, **more))


class Centred(dl.Dense):
    """Behind sigmoids, ½ + ½ tanh(z/2), its bias takes off the ½."""

    def reset(self):
        super().reset()
        self.b[...] = -self.W.sum(axis=-2, keepdims=True) / 2


def scaled(init, scale):
    """The same draws, times scale."""
    return lambda shape, rng: scale * init(shape, rng)


# Alike


def after(steps, init, activation, depth, units, rule, rate, seed, dropout=0.0):
    """The network after so many steps on digits."""
    hidden = [(dl.Dense(units, init), ACTIVATIONS[activation](), dl.Dropout(dropout)) for _ in range(depth)]
    # float64: in float32 one column of a product may be rounded otherwise than the next, and twins drift apart
    net = dl.Network([*sum(hidden, ()), dl.Dense(10, init)], input_shape=(64,), dtype="float64")
    run = {"epochs": steps, "batch_size": 32, "seed": seed}
    for step in dl.training_steps(net, dl.SoftmaxCrossEntropy(), RULES[rule](rate), dl.datasets.digits()[0], **run):
        if step.number + 1 == steps or not np.isfinite(step.loss):
            return net


@trial(
    claim="In a network with hidden layers that starts with zeros, not one weight ever moves.",
    space={
        "activation": any_activation, "depth": depth, "units": units, "rule": any_rule,
        "rate": Log(1e-3, 1, "η"), "steps": Whole(10, 500, "steps", log=True),
    },
    sides="every rule of learning, rate and number of steps, on digits in batches of 32",
    measure="weights that are not zero any more; biases do not count",
    unit="% of the weights",
    margin=0.0,
)  # fmt: skip
def zeros_never_move(activation, depth, units, rule, rate, steps, seed):
    net = after(steps, dl.Zeros(), activation, depth, units, rule, rate, seed)
    weights = np.concatenate([layer.W.ravel() for layer in net.layers if isinstance(layer, dl.Dense)])
    return 100 * np.mean(weights != 0)


@trial(
    claim="Units that start alike stay alike, whatever the rule of learning.",
    space={
        "value": Uniform(-1, 1, "the constant"), "activation": any_activation, "depth": depth, "units": units,
        "rule": any_rule, "rate": Log(1e-3, 1, "η"), "dropout": OneOf(("no dropout", "dropout")),
    },
    sides="all weights begun with one constant, 200 steps of any rule, with dropout of one half or without",
    measure="kinds of units in the first layer; another kind is a thousandth of the longest away",
    unit="kinds too many",
    margin=0.0,
)  # fmt: skip
def twins_stay_twins(value, activation, depth, units, rule, rate, dropout, seed):
    share = 0.5 if dropout == "dropout" else 0.0
    net = after(200, dl.Constant(value), activation, depth, units, rule, rate, seed, share)
    return different(np.nan_to_num(net.layers[0].W)) - 1


@trial(
    claim="A network that starts with one constant everywhere reads less than two thirds of what it could.",
    space={
        "value": Log(0.003, 1, "the constant"), "sign": OneOf((1, -1), "sign"),
        "activation": good_activation, "depth": depth, "units": units,
    },
    sides="the constant, and Xavier (tanh) or MSRA (ReLU), each at its best rate and epoch",
    measure="test accuracy, of digits: two thirds of the good start's, less the constant's",
    unit="points",
    designs=120,
)  # fmt: skip
def constant_stalls(value, sign, activation, depth, units, seed):
    good, alike = (
        reads(init, activation, [units] * depth, seed) for init in (GOOD[activation], dl.Constant(sign * value))
    )
    return good * 2 / 3 - alike


@trial(
    claim="A little noise instead of zeros is enough: the network learns to read.",
    space={"std": Log(1e-6, 0.03, "deviation"), "activation": good_activation, "depth": depth, "units": units},
    sides="a Gaussian start of this deviation, at its best rate and epoch of 60",
    measure="test accuracy, of digits, beyond one half",
    unit="points",
    designs=40,
)
def noise_is_enough(std, activation, depth, units, seed):
    return reads(dl.Gaussian(std=std), activation, [units] * depth, seed, epochs=60) - 50


@trial(
    claim="Any noise parts twins, if you wait.",
    space={
        "activation": any_activation, "value": Uniform(0, 2, "start"), "rate": Log(0.2, 1, "η"),
        "units": Whole(2, 16, "hidden units"),
    },
    sides="two half-moons, one layer of units a billionth apart, 3000 steps, or until they are a hundredth apart",
    measure="how often their distance doubles in the second half of this time; once or more is parting",
    unit="doublings beyond the first",
    designs=60,
)  # fmt: skip
def any_noise_parts_twins(activation, value, rate, units, seed):
    moons = dl.datasets.moons(100, noise=0.15, seed=seed)
    layers = [dl.Dense(units, dl.Gaussian(value, 1e-9)), ACTIVATIONS[activation](), dl.Dense(2, dl.Xavier())]
    net = dl.Network(layers, input_shape=(2,), seed=seed, dtype="float64")
    net.layers[2].W[:] = net.layers[2].W[:1]  # every unit speaks with the same voice, too
    apart, rule = [], dl.Momentum(rate, 0.9)
    for _ in dl.training_steps(net, dl.SoftmaxCrossEntropy(), rule, moons, epochs=3000, batch_size=100):
        apart.append(np.ptp(net.layers[0].W, axis=1).max())
        if apart[-1] > 0.01:
            break
    return np.log2(apart[-1] / apart[len(apart) // 2]) - 1


# Sigmoids


@trial(
    claim="The positive unit ball is the better start for sigmoids, better than Xavier.",
    space={
        "depth": depth,
        "units": units,
        "size": OneOf((100, 200, 400), "examples"),
        "rule": OneOf(tuple(RATES), "rule"),
    },
    sides="positive unit ball and Xavier, each at its best rate and epoch",
    measure="test accuracy, of digits",
    unit="points",
    designs=300,
)
def unit_ball_is_better(depth, units, size, rule, seed):
    ball, xavier = (
        reads(init, "sigmoid", [units] * depth, seed, size=size, rule=rule)
        for init in (dl.PositiveUnitball(), dl.Xavier())
    )
    return ball - xavier


sigmoids = {
    "depth": Whole(4, 6, "hidden layers"),
    "units": Whole(16, 32, "units in a layer"),
    "rule": OneOf(tuple(RATES), "rule"),
}


def by_the_law(depth, units, rule, seed):
    """Sigmoids are ½ + ½ tanh(z/2): deviation 4/√n, and b = −½ ΣW takes off the ½."""
    return reads(scaled(dl.Xavier(), 4.0), "sigmoid", [units] * depth, seed, rule=rule, dense=Centred)


@trial(
    claim="Deep sigmoids do not learn, whatever the start.",
    space=sigmoids,
    sides="the start of the variance law, deviation 4/√n and b = −½ ΣW, at its best rate and epoch",
    measure="test accuracy, of digits, below one half",
    unit="points",
    designs=60,
)
def deep_sigmoids_never_learn(depth, units, rule, seed):
    return 50 - by_the_law(depth, units, rule, seed)


@trial(
    claim="Deep sigmoids read more digits with the start of their own variance law than with Xavier.",
    space=sigmoids,
    sides="deviation 4/√n with b = −½ ΣW, and Xavier, 1/√n with b = 0, each at its best rate and epoch",
    measure="test accuracy, of digits",
    unit="points",
    designs=120,
)
def law_for_sigmoids(depth, units, rule, seed):
    return by_the_law(depth, units, rule, seed) - reads(dl.Xavier(), "sigmoid", [units] * depth, seed, rule=rule)


# A good start, and another scale

OTHER_SCALE = {
    "scale": Log(0.01, 10, "scale"), "activation": good_activation, "depth": depth, "units": units,
}  # fmt: skip
SIDES = "Xavier (tanh) or MSRA (ReLU), and the same draws times a scale, each at its best rate"


def good_and_scaled(scale, activation, depth, units, seed, epochs=20):
    good = GOOD[activation]
    return [runs(init, activation, [units] * depth, seed, epochs=epochs) for init in (good, scaled(good, scale))]


@trial(
    claim="A good start converges faster.",
    space=OTHER_SCALE,
    sides=SIDES,
    measure="epochs until the loss on all training data is below 0.5 nats, and stays so",
    unit="% fewer epochs",
    designs=40,
)
def good_start_is_faster(scale, activation, depth, units, seed):
    def epochs(side):
        needed = reached_and_kept(side.train_loss, 0.5)
        return needed[needed.mean(axis=-1).argmin()].mean() + 1  # the start is not measured

    good, other = map(epochs, good_and_scaled(scale, activation, depth, units, seed, epochs=40))
    return 100 * (1 - good / other)


@trial(
    claim="A good start ends lower.",
    space=OTHER_SCALE,
    sides=SIDES,
    measure="loss on all training data after 20 epochs",
    unit="nats",
    designs=40,
)
def good_start_ends_lower(scale, activation, depth, units, seed):
    def last(side):
        losses = np.minimum(finite(side.train_loss[-1]), 10)
        return losses[losses.mean(axis=-1).argmin()]

    good, other = map(last, good_and_scaled(scale, activation, depth, units, seed))
    return other - good


@trial(
    claim="A good start reads more digits.",
    space=OTHER_SCALE,
    sides=SIDES + " and epoch",
    measure="test accuracy",
    unit="points",
    designs=40,
)
def good_start_reads_more(scale, activation, depth, units, seed):
    good, other = map(nets.best_test_accuracy, good_and_scaled(scale, activation, depth, units, seed))
    return good - other


@trial(
    claim="With the wrong fan a network does not train.",
    space={
        "first": Whole(4, 200, "units in the first layer", log=True), "last": Whole(4, 200, "in the last", log=True),
        "depth": Whole(2, 5, "hidden layers"),
    },
    sides="ReLU and MSRA, fan in, out and average, on layers that taper or widen; each at its best rate and epoch",
    measure="test accuracy, of digits: half of the best fan's, less the worst one's",
    unit="points",
    designs=60,
)  # fmt: skip
def wrong_fan_fails(first, last, depth, seed):
    widths = np.geomspace(first, last, depth).round().astype(int).tolist()
    fans = [reads(dl.MSRA(fan), "ReLU", widths, seed) for fan in ("in", "out", "average")]
    return max(fans, key=np.mean) / 2 - min(fans, key=np.mean)


@trial(
    claim="Very deep ReLU networks learn with MSRA and stall with Xavier.",
    space={
        "depth": Whole(10, 16, "hidden layers"),
        "rule": OneOf(tuple(RATES), "rule"),
        "units": Whole(16, 32, "units in a layer"),
    },
    sides="MSRA and Xavier, each at its best rate and epoch",
    measure="test accuracy, of digits",
    unit="points",
    designs=40,
)
def deep_relu_needs_msra(depth, rule, units, seed):
    msra, xavier = (
        reads(init, "ReLU", [units] * depth, seed, rule=rule, epochs=15) for init in (dl.MSRA(), dl.Xavier())
    )
    return msra - xavier
