"""Chapters 03 and 04: a layer that learns in one way and predicts in another; decay that is no L2."""

from typing import Any

import numpy as np

from dlcourse.checks.adam import adam
from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import batch, between
from dlcourse.checks.normalization import HOME, normal
from dlcourse.checks.regularization import HOME as PENALTIES


def trainings(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for count, rows, features, asked in ((3, 4, 3, 2), (5, 6, 2, 1), (1, 3, 4, 5)):
        gamma, beta = rng.choice([-1.0, 1.0], features) * rng.uniform(0.5, 2.0, features), rng.normal(size=features)
        batches = np.array([batch(rng, (rows, features), centre=n) for n in range(count)])
        calls.append(
            (batches, rng.normal(size=(asked, features)), gamma, beta, between(rng, 0.05, 0.3), between(rng, 0.5, 0.9))
        )
    return calls  # fmt: skip


def remembered(batches: Any, decay: float, *, ddof: int = 1, start: tuple[float, float] = (0.0, 1.0)) -> tuple:
    mean, var = np.full(batches.shape[-1], start[0]), np.full(batches.shape[-1], start[1])
    for x in batches:
        mean, var = decay * mean + (1 - decay) * x.mean(0), decay * var + (1 - decay) * x.var(0, ddof=ddof)
    return mean, var


def two_modes(batches: Any, x: Any, g: Any, b: Any, e: float, d: float, *, memory: Any = None, learn: Any = None,
              predict: Any = None) -> tuple:  # fmt: skip
    """Both answers, with a place for each part that can be wrong."""
    mean, var = remembered(batches, d) if memory is None else memory
    learned = g * normal(batches[-1], e) + b if learn is None else learn
    return learned, g * (x - mean) / np.sqrt(var + e) + b if predict is None else predict


# fmt: off
train_then_predict = Exercise(
    **HOME,
    name="train_then_predict",
    rounds=2,
    title="One layer, two modes",
    returns=("learned", "predicted"),
    points=4,
    draw=trainings,
    equal={"gamma → beta": "there are as many of them"},
    examples=[(
        np.array([[[1.0], [3.0]]]), np.array([[4.0]]), np.array([1.0]), np.array([0.0]), 0.0, 0.5)],
    reference=lambda batches, x, gamma, beta, eps, decay: two_modes(batches, x, gamma, beta, eps, decay),
    mistakes={
        "Prediction takes mean and variance of x, as training does. Then the answer depends on who else is asked.":
            lambda batches, x, g, b, e, d: two_modes(batches, x, g, b, e, d, predict=g * normal(x, e) + b),
        "Training takes what is remembered. While it learns, a batch is normalized by itself.":
            lambda batches, x, g, b, e, d: two_modes(
                batches, x, g, b, e, d,
                learn=g * (batches[-1] - (m := remembered(batches, d))[0]) / np.sqrt(m[1] + e) + b),
        "x is remembered too: prediction must leave the memory as it is.":
            lambda batches, x, g, b, e, d: two_modes(
                batches, x, g, b, e, d, memory=(
                    d * (m := remembered(batches, d))[0] + (1 - d) * x.mean(0), d * m[1] + (1 - d) * x.var(0))),
        "Only the last batch is remembered. All of them count, the older ones less.":
            lambda batches, x, g, b, e, d: two_modes(batches, x, g, b, e, d, memory=remembered(batches[-1:], d)),
        "The memory is the last batch itself: the older ones should keep the share decay.":
            lambda batches, x, g, b, e, d: two_modes(batches, x, g, b, e, d, memory=remembered(batches[-1:], 0.0)),
        "decay and 1 − decay have changed places: decay is the share that is kept.":
            lambda batches, x, g, b, e, d: two_modes(batches, x, g, b, e, d, memory=remembered(batches, 1 - d)),
        "The variance that is remembered is the biased one. What is kept for later is over n − 1.":
            lambda batches, x, g, b, e, d: two_modes(batches, x, g, b, e, d, memory=remembered(batches, d, ddof=0)),
        "The memory of the variance begins at 0. It begins at 1, that of the mean at 0.":
            lambda batches, x, g, b, e, d: two_modes(
                batches, x, g, b, e, d, memory=remembered(batches, d, start=(0.0, 0.0))),
        "gamma and beta are left out in prediction.":
            lambda batches, x, g, b, e, d: two_modes(
                batches, x, g, b, e, d, predict=(x - (m := remembered(batches, d))[0]) / np.sqrt(m[1] + e)),
        "What is learned is that of the first batch. The last one is asked for.":
            lambda batches, x, g, b, e, d: two_modes(batches, x, g, b, e, d, learn=g * normal(batches[0], e) + b),
        "In training the variance over n − 1 is used. There it is over n; only what is remembered is over n − 1.":
            lambda batches, x, g, b, e, d: two_modes(
                batches, x, g, b, e, d,
                learn=g * normal(batches[-1], e, variance=batches[-1].var(0, ddof=1)) + b),
        "Prediction takes mean and variance of all batches together. They should fade: decay plays a part in it.":
            lambda batches, x, g, b, e, d: two_modes(batches, x, g, b, e, d, memory=(
                (rows := np.concatenate(list(batches))).mean(0), rows.var(0, ddof=1))),
    },
    variants=(
        lambda batches, x, g, b, e, d: two_modes(list(batches), x, g, b, e, d, memory=(
            sum((1 - d) * d ** (len(batches) - 1 - n) * one.mean(0) for n, one in enumerate(batches)),
            d ** len(batches) + sum(
                (1 - d) * d ** (len(batches) - 1 - n) * one.var(0, ddof=1) for n, one in enumerate(batches)))),
    ),
    hints=(
        "Two things happen with a batch in training: it is normalized by itself, and it is remembered.",
        "Begin with running_mean = 0 and running_var = 1, one number for each feature, and go through the batches.",
        "var = batch.var(axis=0, ddof=1) goes into the memory; x is normalized with the memory alone.",
    ),
)


def gradients(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for steps, size in ((3, 3), (1, 2), (6, 4)):
        theta = rng.choice([-1.0, 1.0], size) * rng.uniform(0.5, 2.0, size)
        calls.append((theta, rng.normal(size=(steps, size)), between(rng, 0.05, 0.3), between(rng, 0.6, 0.9),
                      between(rng, 0.92, 0.97), between(rng, 0.05, 0.2), between(rng, 0.1, 0.5)))
    return calls


def run(theta: Any, grads: Any, lr: float, b1: float, b2: float, eps: float, l2: float, decay: float,
        later: float = 0) -> Any:  # fmt: skip
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(grads, 1):
        theta, m, v = adam(theta * (1 - lr * decay), m, v, g + l2 * theta, t + later, lr, b1, b2, eps)
    return theta


def two_ways(theta: Any, grads: Any, lr: float, b1: float, b2: float, eps: float, wd: float) -> tuple[Any, Any]:
    return run(theta, grads, lr, b1, b2, eps, wd, 0.0), run(theta, grads, lr, b1, b2, eps, 0.0, wd)


decay_is_not_l2 = Exercise(
    **PENALTIES,
    name="decay_is_not_l2",
    rounds=2,
    title="An experiment: is weight decay the same as L2?",
    returns=("with_l2", "with_decay"),
    points=4,
    draw=gradients,
    examples=[(np.array([1.0]), np.array([[2.0]]), 0.1, 0.9, 0.99, 0.0, 0.5)],
    reference=lambda theta, gradients, learning_rate, beta1, beta2, eps, strength: two_ways(
        theta, gradients, learning_rate, beta1, beta2, eps, strength),
    mistakes={
        "Both are the run with L2. Decay goes past Adam: theta shrinks by 1 − ηλ, and the gradient stays as it is.":
            lambda t, g, lr, b1, b2, e, wd: (two_ways(t, g, lr, b1, b2, e, wd)[0],) * 2,
        "Both are the run with decay. L2 goes through the gradient: λθ is added to it before Adam sees it.":
            lambda t, g, lr, b1, b2, e, wd: (two_ways(t, g, lr, b1, b2, e, wd)[1],) * 2,
        "The gradient of this L2 is 2λθ, from λθ². Here Adam sees g + λθ.":
            lambda t, g, lr, b1, b2, e, wd: (
                run(t, g, lr, b1, b2, e, 2 * wd, 0.0), two_ways(t, g, lr, b1, b2, e, wd)[1]),
        "The decay is not multiplied by the rate: theta keeps the share 1 − ηλ.":
            lambda t, g, lr, b1, b2, e, wd: (
                two_ways(t, g, lr, b1, b2, e, wd)[0], run(t, g, lr, b1, b2, e, 0.0, wd / lr)),
        "The second run goes on where the first one ended. Both begin at theta, with an empty memory.":
            lambda t, g, lr, b1, b2, e, wd: (
                (first := two_ways(t, g, lr, b1, b2, e, wd)[0]), run(first, g, lr, b1, b2, e, 0.0, wd)),
        "There is no decay in the second run: this is Adam alone.":
            lambda t, g, lr, b1, b2, e, wd: (two_ways(t, g, lr, b1, b2, e, wd)[0], run(t, g, lr, b1, b2, e, 0.0, 0.0)),
        "There is no penalty in the first run: this is Adam alone.":
            lambda t, g, lr, b1, b2, e, wd: (run(t, g, lr, b1, b2, e, 0.0, 0.0), two_ways(t, g, lr, b1, b2, e, wd)[1]),
        "The L2 gradient uses theta as it was at the start. It changes with theta, step by step.":
            lambda t, g, lr, b1, b2, e, wd: (
                run(t, g + wd * t, lr, b1, b2, e, 0.0, 0.0), two_ways(t, g, lr, b1, b2, e, wd)[1]),
        "Only the last step is made: m, v and theta are to be carried from step to step.":
            lambda t, g, lr, b1, b2, e, wd: two_ways(t, g[-1:], lr, b1, b2, e, wd),
        "m and v are not corrected in either run: in step t they are divided by 1 − βᵗ.":
            lambda t, g, lr, b1, b2, e, wd: (
                run(t, g, lr, b1, b2, e, wd, 0.0, np.inf), run(t, g, lr, b1, b2, e, 0.0, wd, np.inf)),
    },
    variants=(
        lambda t, g, lr, b1, b2, e, wd: tuple(np.asarray(part).tolist() for part in two_ways(t, g, lr, b1, b2, e, wd)),
    ),
    hints=(
        "Write one loop over the rows of gradients with Adam in it, and run it twice, each time from the beginning.",
        "First run: Adam sees g + strength · theta. Second run: Adam sees g, and theta first keeps the share 1 − ηλ.",
        "for step, g in enumerate(gradients, 1): …; step counts from 1 in 1 − βᵗ.",
    ),
)
# fmt: on

EXERCISES = [train_then_predict, decay_is_not_l2]
