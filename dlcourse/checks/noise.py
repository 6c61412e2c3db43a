"""Chapter 04: noise on purpose. What is left out of the activations, and of the weights."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, same
from dlcourse.checks.generalization import HOME
from dlcourse.checks.runner import Seed


# fmt: off
def activations_and_dice(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for rate in (between(rng, 0.15, 0.3), between(rng, 0.6, 0.8)):
        x = np.sign(rng.normal(size=(100, 80))) * rng.uniform(0.5, 2.0, (100, 80))
        seed = Seed(int(rng.integers(1 << 30)))
        calls += [(x, rate, seed, True), (x, rate, seed, True), (x, rate, Seed(seed.number + 1), True)]
    return [*calls, (x[:3, :4], 0.5, seed, False)]


def thinned(given: Any, y: Any) -> dict[str, Any]:
    """What is left to chance in a dropped-out array, and what is not."""
    gone = y == 0
    kept = y[~gone] / given.x[~gone]
    lines = max(gone.mean(axis=axis).std() for axis in (0, 1))  # of rows and columns that fall as one: 0.35 or more
    return {
        "the share of zeros": float(gone.mean()),
        "the factor of what stays": float(kept.mean()) if kept.size else 0.0,
        "the spread of that factor": float(kept.std()) if kept.size else 0.0,
        "the answer to “do whole rows or columns go together?”": "yes" if lines > 0.2 and given.training else "no",
    }


def counted(given: Any, got: Any) -> bool:
    """Is it always the same number that goes, to within one? By chance four times in a row: never."""
    return all(abs((y == 0).sum() - g.rate * y.size) <= 1 for g, y in zip(given, got, strict=True) if g.training)


dropout = Exercise(
    **HOME,
    name="dropout",
    title="Inverted dropout",
    points=3,
    draw=activations_and_dice,
    tolerance=0.04,
    measure=thinned,
    reference=lambda x, rate, rng, training: np.where(rng.random(x.shape) < rate, 0, x / (1 - rate)) if training else x,
    properties={
        "in prediction x stays as it is": lambda given, got: given.training or np.allclose(got, given.x),
    },
    across={
        "the same generator throws the same dice": lambda given, got: same(got[0], got[1]),
        "another generator throws others": lambda given, got: not same(got[0], got[2]),
        "how many go is left to chance": lambda given, got: not counted(given, got),
    },
    mistakes={
        "What stays is not scaled up by 1/(1 − rate): the next layer would see less in training than afterwards.":
            lambda x, r, rng, t: np.where(rng.random(x.shape) < r, 0, x) if t else x,
        "rate is taken as the share that stays. It is the share left out.":
            lambda x, r, rng, t: np.where(rng.random(x.shape) < r, x / r, 0) if t else x,
        "What stays is divided by the rate. It must be 1 − rate.":
            lambda x, r, rng, t: np.where(rng.random(x.shape) < r, 0, x / r) if t else x,
        "Prediction is thinned as well. There nothing is left out.":
            lambda x, r, rng, t: np.where(rng.random(x.shape) < r, 0, x / (1 - r)),
        "Prediction is scaled by 1 − rate, as in the paper. The inverted form has done that in training.":
            lambda x, r, rng, t: np.where(rng.random(x.shape) < r, 0, x / (1 - r)) if t else x * (1 - r),
        "Whole rows are left out together. Every number throws its own die: rng.random(x.shape).":
            lambda x, r, rng, t: np.where(rng.random((len(x), 1)) < r, 0, x / (1 - r)) if t else x,
        "It makes a generator of its own: the dice must come from the rng that is given.":
            lambda x, r, rng, t: np.where(np.random.default_rng(0).random(x.shape) < r, 0, x / (1 - r)) if t else x,
        "Normal numbers are compared with the rate. Use rng.random: evenly spread from 0 to 1.":
            lambda x, r, rng, t: np.where(rng.normal(size=x.shape) < r, 0, x / (1 - r)) if t else x,
        "Whole columns are left out together. Every number throws its own die: rng.random(x.shape).":
            lambda x, r, rng, t: np.where(rng.random(x.shape[-1]) < r, 0, x / (1 - r)) if t else x,
        "One die is thrown for all of x. Every number throws its own: rng.random(x.shape).":
            lambda x, r, rng, t: x * (rng.random() >= r) / (1 - r) if t else x,
        "Exactly the share rate is left out. Every number throws its own die, so how many fall is left to chance.":
            lambda x, r, rng, t: np.where(
                rng.permutation(x.size).reshape(x.shape) < int(r * x.size), 0, x / (1 - r)) if t else x,
        "The dice are new each time. np.random.rand and its like know nothing of rng: use rng.random.":
            lambda x, r, rng, t: np.where(np.random.default_rng().random(x.shape) < r, 0, x / (1 - r)) if t else x,
        "In prediction nothing comes back. There y is x: return x.":
            lambda x, r, rng, t: np.where(rng.random(x.shape) < r, 0, x / (1 - r)) if t else None,
    },
    variants=(
        lambda x, r, rng, t: x * (rng.random(x.shape) >= r) / (1 - r) if t else x,
        lambda x, r, rng, t: x * rng.binomial(1, 1 - r, x.shape) / (1 - r) if t else x.copy(),
        lambda x, r, rng, t: (x * rng.choice([0.0, 1 / (1 - r)], x.shape, p=[r, 1 - r])).astype("float32") if t else x,
    ),
    hints=(
        "Throw one die for every number of x: rng.random(x.shape). Where it is below rate, the number goes.",
        "What stays must make up for what is gone: divide it by 1 − rate. In prediction return x.",
        "if not training: return x; then x * (rng.random(x.shape) >= rate) / (1 - rate)",
    ),
)
# fmt: on

EXERCISES = [dropout]
