"""Chapter 01: where theta starts. Draws are left to chance, so they are measured."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import same
from dlcourse.checks.laws import Law, follow, normal
from dlcourse.checks.laws import uniform as evenly
from dlcourse.checks.runner import Seed

HOME: Any = {"chapter": "01_initialization", "notebook": "initialization"}
SHAPES = ((120, 60), (50, 150), (3, 3, 15, 50))


def shapes_and_seeds(shapes: Any = SHAPES, more: Any = lambda rng, n: ()) -> Any:
    """Every shape with more(rng, n) and a seed; the first one twice with the same seed, then with another."""

    def draw(rng: np.random.Generator) -> list[tuple]:
        seed = int(rng.integers(1 << 30))
        rest = [(shape, *more(rng, n)) for n, shape in enumerate(shapes)]
        first = [(*rest[0], Seed(s)) for s in (seed, seed, seed + 1)]
        return first + [(*settings, Seed(seed + 2 + n)) for n, settings in enumerate(rest[1:])]

    return draw


ACROSS = {
    "the same generator gives the same draw": lambda given, got: same(got[0], got[1]),
    "another generator gives another one": lambda given, got: not same(got[0], got[2]),
}
FROM_CHANCE = {
    "the answer with a minus": "the law is as wide on either side of 0",
    "the answer reversed": "the order of draws means nothing",
}


def drawn_from(law: Callable[[Any], Law]) -> Callable[[Any, Any], bool]:
    """Do all draws together, but the repeated one, follow law(given)?"""
    return lambda given, got: follow((w, law(g)) for n, (g, w) in enumerate(zip(given, got, strict=True)) if n != 1)


def fans_of(shape: tuple) -> tuple[int, int]:
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def law(given: Any, w: Any) -> dict[str, float]:
    """Mean, deviation and tails of a draw. Deviations of 0 are left to speak for themselves."""
    rows, std = w.reshape(-1, w.shape[-1]), max(float(w.std()), 1e-12)
    return {
        "the mean, in deviations,": float(w.mean() / std),
        "the deviation times √fan_in": float(w.std() * math.sqrt(len(rows))),
        "the largest weight, in deviations (3 stands for 3 or more),": min(float(np.abs(w).max() / std), 3.0),
        "how one unit's weights differ, in deviations,": float(rows.std(axis=0).mean() / std),
        "how the weights of one input differ, in deviations,": float(rows.std(axis=1).mean() / std),
    }


NEW_EACH_TIME = "The same generator must give the same draw. np.random.rand and its like know nothing of rng: use rng."


# fmt: off
fans = Exercise(
    **HOME,
    name="fans",
    rounds=2,
    title="Fan-in and fan-out",
    returns=("fan_in", "fan_out"),
    draw=lambda rng: [
        (tuple(int(n) for n in rng.choice(np.arange(2, 40), axes, replace=False)),) for axes in (2, 4, 3, 2)
    ],
    examples=[((3, 3, 16, 32),)],
    reference=lambda shape: fans_of(shape),
    mistakes={
        "They have changed places: weights are (in, out) here, so the last axis counts outputs.":
            lambda s: fans_of(s)[::-1],
        "The window is left out: in (kh, kw, in, out) every output sees kh · kw · in numbers.":
            lambda s: (s[-2], s[-1]),
        "These are the first two axes. In a convolution they are the window.": lambda s: (s[0], s[1]),
        "fan_out counts only the outputs. The window counts there as well.": lambda s: (fans_of(s)[0], s[-1]),
        "fan_in counts only the inputs. The window counts there as well.": lambda s: (s[-2], fans_of(s)[1]),
        "This is PyTorch's layout, (out, in, kh, kw). Here it is (kh, kw, in, out).":
            lambda s: (math.prod(s[1:]), s[0] * math.prod(s[2:])),
        "fan_out is the product of all axes but the first. It leaves out the inputs, the last axis but one.":
            lambda s: (math.prod(s[:-1]), math.prod(s[1:])),
    },
    variants=(
        lambda s: (int(np.prod(s[:-1])), int(np.prod(s) // s[-2])),
        lambda s: np.array([np.prod(s) / s[-1], np.prod(s) / s[-2]]),
    ),
    hints=(
        "Dense weights are (in, out): fan_in = in and fan_out = out.",
        "Of (kh, kw, in, out), one output adds up kh · kw · in numbers, and one input reaches kh · kw · out.",
        "window = np.prod(shape[:-2]); window * shape[-2], window * shape[-1]",
    ),
)


def uniform(shape: tuple, rng: Any, a: float) -> Any:
    return rng.uniform(-a, a, shape)


xavier_init = Exercise(
    **HOME,
    name="xavier_init",
    title="Xavier, uniform",
    draw=shapes_and_seeds(),
    examples=[((300, 50), Seed(0))],
    tolerance=0.1,
    measure=law,
    across={
        **ACROSS,
        "its draws, sorted, are spread evenly over −a to a": drawn_from(
            lambda g: evenly(-math.sqrt(3 / fans_of(g.shape)[0]), math.sqrt(3 / fans_of(g.shape)[0]))),
    },
    equal=FROM_CHANCE,
    reference=lambda shape, rng: uniform(shape, rng, math.sqrt(3 / fans_of(shape)[0])),
    mistakes={
        "The bound is √(1/n). A uniform draw from −a to a has the variance a²/3, so a = √(3/n).":
            lambda s, rng: uniform(s, rng, math.sqrt(1 / fans_of(s)[0])),
        "This is the average form, √(6/(fan_in + fan_out)), as in PyTorch and Keras. Here n is fan_in alone.":
            lambda s, rng: uniform(s, rng, math.sqrt(6 / sum(fans_of(s)))),
        "n is fan_out. Here it is fan_in.": lambda s, rng: uniform(s, rng, math.sqrt(3 / fans_of(s)[1])),
        "The variance is 2/n: that is MSRA, for ReLU.": lambda s, rng: uniform(s, rng, math.sqrt(6 / fans_of(s)[0])),
        "The draw is normal. Its variance is right, but it should be uniform.":
            lambda s, rng: rng.normal(0, math.sqrt(1 / fans_of(s)[0]), s),
        "All weights are positive: draw from −a to a, not from 0.":
            lambda s, rng: rng.uniform(0, math.sqrt(3 / fans_of(s)[0]), s),
        "The root is missing: a = √(3/n).": lambda s, rng: uniform(s, rng, 3 / fans_of(s)[0]),
        "The draw does not come from the rng that is given: use rng.uniform.":
            lambda s, rng: uniform(s, np.random.default_rng(0), math.sqrt(3 / fans_of(s)[0])),
        "n is the first axis. In a convolution that is a side of the window: multiply all axes but the last.":
            lambda s, rng: uniform(s, rng, math.sqrt(3 / s[0])),
        "n counts the input channels alone. The window counts too: n = kh · kw · in.":
            lambda s, rng: uniform(s, rng, math.sqrt(3 / s[-2])),
        NEW_EACH_TIME: lambda s, rng: uniform(s, np.random.default_rng(), math.sqrt(3 / fans_of(s)[0])),
    },
    variants=(
        lambda s, rng: (2 * rng.random(s) - 1) * np.sqrt(3 / np.prod(s[:-1])),
        lambda s, rng: uniform(s, rng, math.sqrt(3 / fans_of(s)[0])).astype("float32"),
    ),
    hints=(
        "Find fan_in first; then the bound a for which U[−a, a] has the variance 1/fan_in.",
        "U[−a, a] has the variance a²/3.",
        "a = np.sqrt(3 / fan_in); rng.uniform(-a, a, shape)",
    ),
)

msra_init = Exercise(
    **HOME,
    name="msra_init",
    title="MSRA, normal",
    draw=shapes_and_seeds(),
    examples=[((200, 100), Seed(0))],
    tolerance=0.1,
    measure=law,
    across={
        **ACROSS,
        "its draws, sorted, are those of a normal law": drawn_from(
            lambda g: normal(math.sqrt(2 / fans_of(g.shape)[0]))),
    },
    equal=FROM_CHANCE,
    reference=lambda shape, rng: rng.normal(0, math.sqrt(2 / fans_of(shape)[0]), shape),
    mistakes={
        "The variance is 1/n: that is Xavier. ReLU lets half of it pass, so MSRA doubles it.":
            lambda s, rng: rng.normal(0, math.sqrt(1 / fans_of(s)[0]), s),
        "2/n is taken as the deviation. It is the variance: the deviation is its root.":
            lambda s, rng: rng.normal(0, 2 / fans_of(s)[0], s),
        "n is fan_out. Here it is fan_in.": lambda s, rng: rng.normal(0, math.sqrt(2 / fans_of(s)[1]), s),
        "n is the average of both fans. Here it is fan_in.":
            lambda s, rng: rng.normal(0, math.sqrt(4 / sum(fans_of(s))), s),
        "The draw is uniform. Its variance is right, but it should be normal.":
            lambda s, rng: uniform(s, rng, math.sqrt(6 / fans_of(s)[0])),
        "The weights have the mean 1, or are all positive. The mean must be 0.":
            lambda s, rng: np.abs(rng.normal(0, math.sqrt(2 / fans_of(s)[0]), s)),
        "The draw does not come from the rng that is given: use rng.normal.":
            lambda s, rng: np.random.default_rng(0).normal(0, math.sqrt(2 / fans_of(s)[0]), s),
        "Every unit gets the same weights: such units stay the same for ever.":
            lambda s, rng: np.broadcast_to(rng.normal(0, math.sqrt(2 / fans_of(s)[0]), (*s[:-1], 1)), s),
        "n is the first axis. In a convolution that is a side of the window: multiply all axes but the last.":
            lambda s, rng: rng.normal(0, math.sqrt(2 / s[0]), s),
        "n counts the input channels alone. The window counts too: n = kh · kw · in.":
            lambda s, rng: rng.normal(0, math.sqrt(2 / s[-2]), s),
        NEW_EACH_TIME: lambda s, rng: np.random.default_rng().normal(0, math.sqrt(2 / fans_of(s)[0]), s),
    },
    variants=(
        lambda s, rng: rng.standard_normal(s) * np.sqrt(2 / np.prod(s[:-1])),
        lambda s, rng: np.float32(rng.normal(size=s) * (2 / np.prod(s[:-1])) ** 0.5),
    ),
    hints=(
        "Find fan_in first. Mean 0, variance 2/fan_in, normal.",
        "rng.normal takes the deviation, not the variance: the root.",
        "rng.normal(0, np.sqrt(2 / fan_in), shape)",
    ),
)


def sums(given: Any, w: Any) -> dict[str, Any]:
    rows = w.reshape(-1, w.shape[-1])
    return {
        "the sum of a unit's weights, on average,": float(rows.sum(axis=0).mean()),
        "the spread of a unit's weights, in means,": float(
            (rows.std(axis=0) / (np.abs(rows.mean(axis=0)) + 1e-12)).mean()),
        "how the weights of one input differ, in means,": float(
            (rows.std(axis=1) / (np.abs(rows.mean(axis=1)) + 1e-12)).mean()),
    }


def shares(w: Any) -> Any:
    """The weights of every unit but its largest, beside that one: of even draws, again even ones from 0 to 1."""
    rows = np.sort(w.reshape(-1, w.shape[-1]), axis=0)
    return rows[:-1] / np.maximum(rows[-1], 1e-300)


unitball_init = Exercise(
    **HOME,
    name="unitball_init",
    title="Positive unit ball",
    draw=shapes_and_seeds(),
    tolerance=0.06,  # the worked example is too small for it
    measure=sums,
    across={
        **ACROSS,
        "a unit's weights, sorted, are spread evenly from 0 to the largest":
            lambda given, got: follow((shares(w), evenly(0, 1)) for n, w in enumerate(got) if n != 1),
    },
    equal={
        "True → False": "the last axis is the units': sums without the other axes meet it as well",
        "u.sum(…, keepdims=True) → u.sum(axis=tuple(range(len(shape) - 1)))": "the same",
        "the answer reversed": "the order of draws means nothing",
    },
    reference=lambda shape, rng: (u := rng.uniform(size=shape)) / u.sum(
        axis=tuple(range(len(shape) - 1)), keepdims=True),
    properties={
        "all weights are positive": lambda given, got: got >= 0,
        "the weights of every unit add up to 1": lambda given, got: same(
            got.reshape(-1, got.shape[-1]).sum(axis=0), 1, 1e-5),
    },
    mistakes={
        "The rows add up to 1. It must be the weights that flow into one unit: all axes but the last.":
            lambda s, rng: (u := rng.uniform(size=s)) / u.sum(axis=-1, keepdims=True),
        "All weights together add up to 1. Every unit's own must.": lambda s, rng: (u := rng.uniform(size=s)) / u.sum(),
        "The squares add up to 1: here the weights themselves do.":
            lambda s, rng: (u := rng.uniform(size=s)) / np.sqrt(
                (u**2).sum(axis=tuple(range(len(s) - 1)), keepdims=True)),
        "All weights are alike, 1/fan_in. Draw them first, then divide.":
            lambda s, rng: np.full(s, 1 / fans_of(s)[0]) + 0 * rng.random(),
        "They are not divided: each unit's weights add up to about fan_in/2.": lambda s, rng: rng.uniform(size=s),
        "The draw goes from −1 to 1. It must be from 0 to 1, or the sum may be near 0.":
            lambda s, rng: (u := rng.uniform(-1, 1, s)) / u.sum(axis=tuple(range(len(s) - 1)), keepdims=True),
        "The draw is |normal|. It must be uniform on 0 to 1.":
            lambda s, rng: (u := np.abs(rng.normal(size=s))) / u.sum(axis=tuple(range(len(s) - 1)), keepdims=True),
        "It sums along the first axis. In a convolution that is only a part: sum along all axes but the last.":
            lambda s, rng: (u := rng.uniform(size=s)) / u.sum(axis=0),
        NEW_EACH_TIME: lambda s, rng: (u := np.asarray(np.random.default_rng().random(s))) / u.sum(
            axis=tuple(range(len(s) - 1))),
    },
    variants=(
        lambda s, rng: ((u := rng.random(s).reshape(-1, s[-1])) / u.sum(axis=0)).reshape(s),
        lambda s, rng: ((u := rng.uniform(size=s)) / u.sum(axis=tuple(range(len(s) - 1)))).astype("float32"),
    ),
    hints=(
        "Draw numbers between 0 and 1, then divide so that what flows into each unit adds up to 1.",
        "The incoming weights of a unit lie along all axes but the last; sum over those, keepdims=True.",
        "u = rng.uniform(size=shape); u / u.sum(axis=tuple(range(len(shape) - 1)), keepdims=True)",
    ),
)
# fmt: on

EXERCISES = [fans, xavier_init, msra_init, unitball_init]
