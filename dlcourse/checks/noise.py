"""Chapter 04: noise on purpose. What is left out of the activations, and of the weights."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, same
from dlcourse.checks.generalization import HOME
from dlcourse.checks.laws import dice
from dlcourse.checks.runner import Seed


# fmt: off
def activations_and_dice(rng: np.random.Generator) -> list[tuple]:
    """The second call repeats the first; the next ones have another generator; the last are edges."""
    calls: list[tuple] = []
    for rate in (between(rng, 0.25, 0.29), between(rng, 0.71, 0.75), between(rng, 0.45, 0.6)):
        x = np.sign(rng.normal(size=(100, 80))) * rng.uniform(0.5, 2.0, (100, 80))
        seed = int(rng.integers(1 << 30))
        calls += [(x, rate, Seed(s), True) for s in ((seed,) if calls[:1] else (seed, seed)) + (seed + 1,)]
    return [*calls, (x[:1], 0.0, Seed(seed), True), (x[:3, :4], 0.5, Seed(seed), False)]


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
    """Is it always the same number that goes, to within one? By chance so many times in a row: never."""
    thinned = [(g, y) for g, y in zip(given, got, strict=True) if g.training and g.rate]
    return all(abs((y == 0).sum() - g.rate * y.size) <= 1 for g, y in thinned)


def thrown(gone: Any, given: Any, got: Any) -> bool:
    """Did every place of gone(given, got) throw a die of its own, the draws with one rate taken together?"""
    fallen: dict[float, list] = {}
    for n, (g, y) in enumerate(zip(given, got, strict=True)):
        if g.training and g.rate and n != 1:
            fallen.setdefault(g.rate, []).append(gone(g, y))
    return all(dice(np.vstack(places), rate) for rate, places in fallen.items())


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
        "every number throws its own die: no pattern": lambda given, got: thrown(lambda g, y: y == 0, given, got),
    },
    equal={
        "rng.random(x.shape) >= rate → rng.random(x.shape) > rate": "no draw ever meets the rate exactly",
        "if not training: return x changes places with…": "dice that are thrown and not looked at do no harm",
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
        "This is the form of the paper: prediction is scaled by 1 − rate. The inverted form scales in training alone.":
            lambda x, r, rng, t: np.where(rng.random(x.shape) < r, 0, x) if t else x * (1 - r),
        "rate is taken as the share that stays, and where it is 0 this divides by 0. It is the share left out.":
            lambda x, r, rng, t: x * (rng.random(x.shape) < r) / r if t else x,
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


def every_input_twice(rng: np.random.Generator) -> list[tuple]:
    """x is a diagonal, twice: so y shows W M + b, and whether both halves of the batch saw the same M.

    Few inputs and many units: that many weights, and little to compute for someone who writes three loops.
    """
    calls: list[tuple] = []
    for rate in (between(rng, 0.25, 0.29), between(rng, 0.71, 0.75), between(rng, 0.45, 0.6)):
        x = np.vstack([np.diag(rng.choice([-1.0, 1.0], 12) * rng.uniform(0.5, 2.0, 12))] * 2)
        w = rng.choice([-1.0, 1.0], (12, 700)) * rng.uniform(0.5, 2.0, (12, 700))
        b, seed = rng.choice([-1.0, 1.0], 700) * rng.uniform(0.5, 2.0, 700), int(rng.integers(1 << 30))
        calls += [(x, w, b, rate, Seed(s), True) for s in ((seed,) if calls[:1] else (seed, seed)) + (seed + 1,)]
    return [*calls, (x[:1], w, b, 0.0, Seed(seed), True), (x - 0.3, w, b, rate, Seed(seed), False)]


def seen(given: Any, y: Any) -> Any:
    """W M for each half of the batch, beside W."""
    inputs = np.diag(given.x)[:, None]
    return [(half - given.b) / inputs / given.w for half in np.split(y, 2)]


def masks(given: Any, y: Any) -> dict[str, Any]:
    """What M must have been, and whether b is left alone."""
    if given.training and given.rate:
        one, two = seen(given, y)
    else:
        one = two = np.full(given.w.shape, float(same(y, given.x @ given.w + given.b, 1e-4)))
    gone = np.abs(one) < 1e-4
    kept = one[~gone]
    lines = max(gone.mean(axis=axis).std() for axis in (0, 1))
    return {
        "the share of weights that are gone": float(gone.mean()),
        "the factor of those that stay": float(kept.mean()) if kept.size else 0.0,
        "the spread of that factor": float(kept.std()) if kept.size else 0.0,
        "the answer to “do whole rows or columns of w go together?”": "yes" if lines > 0.2 else "no",
        "the answer to “is it one M for the whole batch?”": "yes" if same(one, two, 1e-4) else "no",
    }


def wire(x: Any, w: Any, b: Any, m: Any) -> Any:
    return x @ (w * m) + b


drop_connect = Exercise(
    **HOME,
    name="drop_connect",
    title="DropConnect",
    points=3,
    draw=every_input_twice,
    tolerance=0.06,
    measure=masks,
    reference=lambda x, w, b, rate, rng, training: (
        wire(x, w, b, (rng.random(w.shape) >= rate) / (1 - rate)) if training else x @ w + b),
    properties={
        "in prediction y is x @ w + b": lambda given, got: given.training or same(
            got, given.x @ given.w + given.b, 1e-4),
    },
    across={
        "the same generator throws the same dice": lambda given, got: same(got[0], got[1]),
        "another generator throws others": lambda given, got: not same(got[0], got[2]),
        "every weight throws its own die: no pattern": lambda given, got: thrown(
            lambda g, y: np.abs(seen(g, y)[0]) < 1e-4, given, got),
    },
    equal={"rng.random(w.shape) >= rate → rng.random(w.shape) > rate": "no draw ever meets the rate exactly"},
    mistakes={
        "What stays is not scaled up by 1/(1 − rate).":
            lambda x, w, b, r, rng, t: wire(x, w, b, rng.random(w.shape) >= r) if t else x @ w + b,
        "rate is taken as the share that stays. It is the share left out.":
            lambda x, w, b, r, rng, t: wire(x, w, b, (rng.random(w.shape) < r) / r) if t else x @ w + b,
        "What stays is divided by the rate. It must be 1 − rate.":
            lambda x, w, b, r, rng, t: wire(x, w, b, (rng.random(w.shape) >= r) / r) if t else x @ w + b,
        "Inputs are left out: that is dropout. DropConnect leaves out single weights, entries of w.":
            lambda x, w, b, r, rng, t: (x * (rng.random(x.shape) >= r) / (1 - r)) @ w + b if t else x @ w + b,
        "Outputs are left out: that is dropout. DropConnect leaves out single weights, entries of w.":
            lambda x, w, b, r, rng, t: (
                (x @ w + b) * (rng.random((len(x), w.shape[1])) >= r) / (1 - r) if t else x @ w + b),
        "The bias is left out and scaled as well. It always stays as it is.":
            lambda x, w, b, r, rng, t: (
                wire(x, w, b * (rng.random(b.shape) >= r) / (1 - r), (rng.random(w.shape) >= r) / (1 - r))
                if t else x @ w + b),
        "The bias is scaled as well. Only what is left of w is divided by 1 − rate.":
            lambda x, w, b, r, rng, t: wire(x, w, b, rng.random(w.shape) >= r) / (1 - r) if t else x @ w + b,
        "The bias is missing.":
            lambda x, w, b, r, rng, t: wire(x, w, 0, (rng.random(w.shape) >= r) / (1 - r)) if t else x @ w,
        "Prediction is thinned as well. There every weight stays.":
            lambda x, w, b, r, rng, t: wire(x, w, b, (rng.random(w.shape) >= r) / (1 - r)),
        "Every example gets an M of its own, as in the paper. Here it is one for the batch, of the shape of w.":
            lambda x, w, b, r, rng, t: (
                np.einsum("ni,nio->no", x, w * (rng.random((len(x), *w.shape)) >= r) / (1 - r)) + b
                if t else x @ w + b),
        "The dice are always the same. They must come from the rng that is given.":
            lambda x, w, b, r, rng, t: (
                wire(x, w, b, (np.random.default_rng(0).random(w.shape) >= r) / (1 - r)) if t else x @ w + b),
        "The dice are new each time. np.random.rand and its like know nothing of rng: use rng.random.":
            lambda x, w, b, r, rng, t: (
                wire(x, w, b, (np.random.default_rng().random(w.shape) >= r) / (1 - r)) if t else x @ w + b),
        "It is prediction that scales, by 1 − rate. Here training does it, and prediction leaves w as it is.":
            lambda x, w, b, r, rng, t: wire(x, w, b, rng.random(w.shape) >= r if t else 1 - r),
    },
    variants=(
        lambda x, w, b, r, rng, t: (
            x @ np.where(rng.random(w.shape) < r, 0, w) / (1 - r) + b if t else b + x.dot(w)),
        lambda x, w, b, r, rng, t: (
            np.float32(wire(x, w, b, rng.binomial(1, 1 - r, w.shape) / (1 - r))) if t else x @ w + b),
    ),
    hints=(
        "As dropout, but the dice are thrown for w: one for every weight, once for the whole batch.",
        "Where the die is below rate, the weight is 0; the others are divided by 1 − rate. The bias stays.",
        "m = (rng.random(w.shape) >= rate) / (1 - rate); x @ (w * m) + b; in prediction x @ w + b",
    ),
)
# fmt: on

EXERCISES = [dropout, drop_connect]
