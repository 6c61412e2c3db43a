"""Claims of 02, momentum, on trial."""

import numpy as np

import dlcourse as dl
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log, OneOf, Uniform
from dlcourse.trials.tuning import reached_and_kept, tuned


@trial(
    claim="Momentum needs fewer steps than plain descent, each at its own best rate.",
    space={
        "kappa": Log(2, 1000, "κ"),
        "mu": Uniform(0.1, 0.98, "μ"),
        "angle": Uniform(0, 360, "angle of the start"),
    },
    sides="momentum with this μ, and plain descent, on a valley of condition number κ; each at its best rate",
    measure="steps until the distance is a thousandth of the start's, and stays so",
    unit="% fewer steps",
)
def momentum_saves_steps(kappa, mu, angle):
    start = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])

    def steps(momentum):
        def needed(rates):
            theta, limit = np.tile(start, (len(rates), 1)), int(20 * kappa + 400)
            rule, errors = dl.Momentum(rates[:, None], momentum), np.empty((limit, len(rates)))
            for t in range(limit):
                theta = rule.step(theta, theta * [1.0, kappa])
                errors[t] = np.hypot(*theta.T)
            return reached_and_kept(errors, 1e-3)

        return tuned(needed, start=1 / kappa, tries=25, ratio=1.1).score

    return 100 * (1 - steps(mu) / steps(0.0))


@trial(
    claim="With batches, momentum reads more digits than plain descent, each at its best rate and epoch.",
    space={
        "size": OneOf((100, 300, 800), "examples"),
        "batch_size": OneOf((8, 32, 100), "batch size"),
        "units": OneOf((8, 32, 100), "hidden units"),
        "epochs": OneOf((3, 10, 30), "epochs"),
    },
    sides="momentum 0.9 and plain descent, with 13 rates or more each",
    measure="test accuracy, rate and epoch chosen on validation data",
    unit="points",
    designs=40,
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
