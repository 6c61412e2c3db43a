"""Chapter 01: where theta starts. Draws are left to chance, so they are measured."""

import math
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import same
from dlcourse.checks.runner import Seed

HOME: Any = {"chapter": "01_initialization", "notebook": "initialization"}
SHAPES = ((120, 60), (50, 150), (3, 3, 15, 50))


def shapes_and_seeds(shapes: Any = SHAPES, *more: Any) -> Any:
    """Every shape with a seed; the first one twice with the same seed, then with another."""

    def draw(rng: np.random.Generator) -> list[tuple]:
        seed = int(rng.integers(1 << 30))
        first = [(shapes[0], *more, Seed(s)) for s in (seed, seed, seed + 1)]
        return first + [(shape, *more, Seed(seed + 2 + n)) for n, shape in enumerate(shapes[1:])]

    return draw


ACROSS = {
    "the same generator gives the same draw": lambda given, got: same(got[0], got[1]),
    "another generator gives another one": lambda given, got: not same(got[0], got[2]),
}


def fans_of(shape: tuple) -> tuple[int, int]:
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def law(given: Any, w: Any) -> dict[str, float]:
    """Mean, deviation and tails of a draw, in units of 1/√fan_in."""
    unit = 1 / math.sqrt(fans_of(given.shape)[0])
    return {
        "the mean": 1 + float(w.mean() / unit),
        "the deviation, times √fan_in": float(w.std() / unit),
        "the largest weight, in deviations": min(float(np.abs(w).max() / (w.std() + 1e-12)), 3.0),
        "how it differs from unit to unit": float(w.reshape(-1, w.shape[-1]).mean(axis=0).std() < 0.3 * unit),
    }


# fmt: off
fans = Exercise(
    **HOME,
    name="fans",
    title="Fan-in and fan-out",
    returns=("fan_in", "fan_out"),
    draw=lambda rng: [
        (tuple(int(n) for n in rng.choice(np.arange(2, 40), axes, replace=False)),) for axes in (2, 4, 3, 2)
    ],
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
    tolerance=0.06,
    measure=law,
    across=ACROSS,
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
    tolerance=0.06,
    measure=law,
    across=ACROSS,
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


def sums(given: Any, w: Any) -> dict[str, float]:
    rows = w.reshape(-1, w.shape[-1])
    return {
        "the sum of each unit's weights, smallest": float(rows.sum(axis=0).min()),
        "the sum of each unit's weights, largest": float(rows.sum(axis=0).max()),
        "the smallest weight's sign": 1.0 + float(np.sign(w.min())) * (w.min() < 0),
        "how the weights spread, in means": float((rows.std(axis=0) / (np.abs(rows.mean(axis=0)) + 1e-12)).mean()),
    }


unitball_init = Exercise(
    **HOME,
    name="unitball_init",
    title="Positive unit ball",
    draw=shapes_and_seeds(),
    tolerance=0.06,
    measure=sums,
    across=ACROSS,
    reference=lambda shape, rng: (u := rng.uniform(size=shape)) / u.sum(
        axis=tuple(range(len(shape) - 1)), keepdims=True),
    properties={"all weights are positive": lambda given, got: got >= 0},
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


def turned(given: Any, w: Any) -> dict[str, float]:
    """How far W is from a rotation."""
    w = w if w.shape[0] >= w.shape[1] else w.T
    gram = w.T @ w
    size = np.sqrt(np.abs(np.diag(gram)))
    off = np.abs(gram - np.diag(np.diag(gram))).max() / max(float(np.diag(gram).max()), 1e-12)
    return {
        "the shortest column": float(size.min()),
        "the longest column": float(size.max()),
        "how far from right angles": 1 + float(off),
    }


def rotation(shape: tuple, rng: Any, gain: float) -> Any:
    q, r = np.linalg.qr(rng.normal(size=(max(shape), min(shape))))
    q = q * np.where(np.diag(r) < 0, -1, 1)
    return gain * (q if shape[0] >= shape[1] else q.T)


orthogonal_init = Exercise(
    **HOME,
    name="orthogonal_init",
    title="Orthogonal",
    points=3,
    draw=shapes_and_seeds(((60, 40), (30, 50), (30, 30)), 1.4),
    tolerance=0.02,
    measure=turned,
    across=ACROSS,
    reference=lambda shape, gain, rng: rotation(shape, rng, gain),
    mistakes={
        "These are normal weights whose columns have the right length, but they do not stand at right angles.":
            lambda s, gain, rng: gain * (w := rng.normal(size=s)) / np.linalg.norm(
                w, axis=0 if s[0] >= s[1] else 1, keepdims=True),
        "The gain is left out.": lambda s, gain, rng: rotation(s, rng, 1.0),
        "The gain is applied twice: the length of a column is gain, not gain².":
            lambda s, gain, rng: rotation(s, rng, gain**2),
        "This is r, the other half of QR.": lambda s, gain, rng: (
            gain * np.linalg.qr(rng.normal(size=(max(s), max(s))))[1][: s[0], : s[1]]),
        "There is no QR: these are normal weights as drawn.": lambda s, gain, rng: gain * rng.normal(size=s),
        "It is divided by √n once more. The columns of q have length 1 already.":
            lambda s, gain, rng: rotation(s, rng, gain) / math.sqrt(s[0]),
        "The same rotation comes out every time: the draw must come from the rng that is given.":
            lambda s, gain, rng: rotation(s, np.random.default_rng(0), gain),
        "This is the unit matrix: orthogonal, but not random.":
            lambda s, gain, rng: gain * np.eye(*s) + 0 * rng.random(),
    },
    variants=(
        lambda s, gain, rng: gain * (usv := np.linalg.svd(rng.normal(size=s), full_matrices=False))[0] @ usv[2],
        lambda s, gain, rng: np.float32(rotation(s, rng, gain)),
    ),
    hints=(
        "np.linalg.qr of a normal matrix gives q, whose columns have length 1 and stand at right angles.",
        "QR needs at least as many rows as columns. With more columns, transpose, and turn it back after.",
        "q, r = np.linalg.qr(rng.normal(size=(max(shape), min(shape)))); gain * (q if shape[0] >= shape[1] else q.T)",
    ),
)


def few(given: Any, w: Any) -> dict[str, float]:
    count = (w != 0).sum(axis=0)
    return {
        "the fewest nonzeros of a unit": float(count.min()),
        "the most nonzeros of a unit": float(count.max()),
        "the deviation of the nonzeros": float(w[w != 0].std()) if count.any() else 0.0,
        "how often an input is chosen, at most": min(float((w != 0).mean(axis=1).max()), 1.0) > 0.7,
    }


def sparse(shape: tuple, nonzeros: int, std: float, rng: Any) -> Any:
    chosen = rng.permuted(np.broadcast_to(np.arange(shape[0])[:, None], shape), axis=0) < nonzeros
    return np.where(chosen, rng.normal(0, std, shape), 0.0)


sparse_init = Exercise(
    **HOME,
    name="sparse_init",
    title="Sparse: every unit listens to a few inputs",
    draw=shapes_and_seeds(((30, 300), (20, 400)), 12, 0.5),
    tolerance=0.06,
    measure=few,
    across=ACROSS,
    reference=lambda shape, nonzeros, std, rng: sparse(shape, nonzeros, std, rng),
    mistakes={
        "Each weight is kept by a coin, as in Caffe. Every unit must have exactly `nonzeros` of them.":
            lambda s, n, std, rng: rng.normal(0, std, s) * (rng.random(s) < n / s[0]),
        "The rows have `nonzeros` weights each. It must be the columns: one column is one unit.":
            lambda s, n, std, rng: sparse(s[::-1], n, std, rng).T,
        "So many are set to 0; it is how many stay.": lambda s, n, std, rng: sparse(s, s[0] - n, std, rng),
        "Nothing is left out.": lambda s, n, std, rng: rng.normal(0, std, s),
        "Every unit listens to the same inputs. Each draws its own by lot.":
            lambda s, n, std, rng: rng.normal(0, std, s) * (np.arange(s[0]) < n)[:, None],
        "The weights that stay all have the same value. They are normal draws.":
            lambda s, n, std, rng: (sparse(s, n, 1.0, rng) != 0) * std,
        "std is taken as the variance.": lambda s, n, std, rng: sparse(s, n, math.sqrt(std), rng),
    },
    variants=(
        lambda s, n, std, rng: np.stack([rng.permutation(np.r_[rng.normal(0, std, n), np.zeros(s[0] - n)])
                                         for _ in range(s[1])], axis=1),
    ),
    hints=(
        "shape is (inputs, units). In every column exactly `nonzeros` weights stay.",
        "For one column: draw `nonzeros` normal numbers, add zeros up to the length, and shuffle with rng.permutation.",
        "For each unit: places = rng.choice(inputs, nonzeros, replace=False); w[places, unit] = rng.normal(…)",
    ),
)
# fmt: on

EXERCISES = [fans, xavier_init, msra_init, unitball_init, orthogonal_init, sparse_init]
