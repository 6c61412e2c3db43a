"""Chapter 01, second half: matrices that turn, that listen to a few, and that are measured before they start."""

import math
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between
from dlcourse.checks.initialization import ACROSS, FROM_CHANCE, HOME, shapes_and_seeds
from dlcourse.checks.laws import follow, likeness, normal
from dlcourse.checks.runner import Seed


# fmt: off
def turned(given: Any, w: Any) -> dict[str, float]:
    """How far W is from a rotation."""
    w = w if w.shape[0] >= w.shape[1] else w.T
    gram = w.T @ w
    size = np.sqrt(np.abs(np.diag(gram)))
    off = np.abs(gram / np.maximum(np.outer(size, size), 1e-12) - np.eye(len(gram))).max()
    return {
        "the length of the shortest column (of a wide matrix, row)": float(size.min()),
        "the length of the longest column (of a wide matrix, row)": float(size.max()),
        "the largest cosine between two columns (of a wide matrix, rows)": float(off),
    }


def rotation(shape: tuple, rng: Any, gain: float) -> Any:
    q, r = np.linalg.qr(rng.normal(size=(max(shape), min(shape))))
    q = q * np.where(np.diag(r) < 0, -1, 1)
    return gain * (q if shape[0] >= shape[1] else q.T)


def turns_anywhere(given: Any, got: Any) -> bool:
    """The entries of a large rotation, drawn evenly from all there are, are nearly normal. A reflection's are not."""
    large = [w * math.sqrt(max(w.shape)) / g.gain for g, w in zip(given, got, strict=True) if w.size > 100]
    entries = np.sort(np.concatenate([w.ravel() for w in large]))
    shares = np.arange(1, 32) / 32
    below = np.searchsorted(entries, [normal(1.0)(float(share)) for share in shares]) / entries.size
    return bool(np.abs(below - shares).max() < 0.15)


orthogonal_init = Exercise(
    **HOME,
    name="orthogonal_init",
    title="Orthogonal",
    points=3,
    draw=shapes_and_seeds(
        ((60, 40), (30, 50), (30, 30), (3, 2)), lambda rng, n: (between(rng, *((1.3, 2.0), (0.3, 0.8))[n % 2]),)),
    examples=[((30, 3), 1.5, Seed(0))],
    tolerance=0.001,
    measure=turned,
    across={**ACROSS, "it may turn anywhere: its entries, sorted, are those of a random rotation": turns_anywhere},
    equal={
        **FROM_CHANCE,
        "gain with a minus": "a rotation turned round is one too",
        "shape[0] >= shape[1] → shape[0] > shape[1]": "a square rotation turned over is one too",
        "…_other_law(…": "QR makes a rotation of any independent draws, and hides their law",
    },
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
        "QR of a wide matrix gives a square q. With more columns than rows, take QR of the tall one and transpose q.":
            lambda s, gain, rng: gain * np.linalg.qr(rng.normal(size=s))[0],
        "reshape is no transpose: it breaks up the columns. Turn the tall q with .T.":
            lambda s, gain, rng: gain * np.linalg.qr(rng.normal(size=(max(s), min(s))))[0].reshape(s),
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


def few(given: Any, w: Any) -> dict[str, Any]:
    stays = w != 0
    count = stays.sum(axis=0)
    mean = w.sum(axis=0) / np.maximum(count, 1)
    inside = np.sqrt((stays * (w - mean) ** 2).sum(axis=0) / np.maximum(count, 1))
    return {
        "the number of weights of a unit, on average,": float(count.mean()),
        "the share of units with exactly `nonzeros` weights": float((count == given.nonzeros).mean()),
        "the deviation of the weights, in std,": float(w[stays].std() / given.std) if count.any() else 0.0,
        "the deviation among the weights of one unit, in std,": float(inside.mean() / given.std),
        "the answer to “is there an input that nearly all units listen to?”":
            "yes" if stays.mean(axis=1).max() > 0.8 else "no",
    }


def sparse(shape: tuple, nonzeros: int, std: float, rng: Any) -> Any:
    chosen = rng.permuted(np.broadcast_to(np.arange(shape[0])[:, None], shape), axis=0) < nonzeros
    return np.where(chosen, rng.normal(0, std, shape), 0.0)


def repeated(shape: tuple, nonzeros: int, std: float, rng: Any) -> Any:
    w = np.zeros(shape)
    for unit in range(shape[1]):
        w[rng.integers(0, shape[0], nonzeros), unit] = rng.normal(0, std, nonzeros)
    return w


sparse_init = Exercise(
    **HOME,
    name="sparse_init",
    rounds=2,
    title="Sparse: every unit listens to a few inputs",
    draw=shapes_and_seeds(
        ((30, 300), (20, 400), (60, 50)),
        lambda rng, n: ((12, 7, 15)[n], between(rng, *((0.3, 0.6), (1.5, 2.5), (0.8, 1.2))[n]))),
    tolerance=0.1,
    measure=few,
    across={
        **ACROSS,
        "the weights that stay, sorted, are those of a normal law": lambda given, got: follow(
            (w[w != 0], normal(g.std)) for n, (g, w) in enumerate(zip(given, got, strict=True)) if n != 1),
        "which inputs a unit listens to has no pattern": lambda given, got: likeness((got[0] != 0) - 0.4) < 0.25,
    },
    equal=FROM_CHANCE,  # the worked example is too small to be measured
    reference=lambda shape, nonzeros, std, rng: sparse(shape, nonzeros, std, rng),
    properties={
        "every unit has exactly `nonzeros` weights": lambda given, got: (got != 0).sum(axis=0) == given.nonzeros,
    },
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
        "Some places are drawn twice, so that fewer are left: rng.choice(inputs, nonzeros, replace=False).":
            lambda s, n, std, rng: repeated(s, n, std, rng),
        "One number is drawn for each unit and put in all its places. Draw `nonzeros` of them.":
            lambda s, n, std, rng: (sparse(s, n, 1.0, rng) != 0) * rng.normal(0, std, s[1]),
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


def measured(x: Any, weights: Any, spread: Any, onward: Any = None) -> Any:
    """Every layer divided by a spread(x, w) of what it makes of the signal so far; onward(x, new w, old w) is next."""
    scaled = []
    for w in weights:
        scaled.append(w / spread(x, w))
        x = onward(x, scaled[-1], w) if onward else np.tanh(x @ scaled[-1])
    return np.stack(scaled)


def stacks(rng: np.random.Generator) -> list[tuple]:
    shapes = ((2, 8, 3), (3, 10, 4))
    return [(rng.normal(size=(n, k)) * 2, rng.normal(size=(deep, k, k)) * rng.uniform(0.3, 3)) for deep, n, k in shapes]


lsuv_scale = Exercise(
    **HOME,
    name="lsuv_scale",
    title="LSUV: let the data set the scale",
    points=3,
    draw=stacks,
    examples=[(np.array([[1.0], [3.0]]), np.array([[[4.0]], [[1.0]]]))],
    equal={
        "x reversed": "the order of the examples means nothing",
        "weights half": "every layer is divided by its own spread, whatever it was",
        "weights of length 1": "the same",
    },
    reference=lambda x, weights: measured(x, weights, lambda x, w: (x @ w).std()),
    properties={
        "what the first layer puts out varies by 1": lambda given, got: np.isclose((given.x @ got[0]).std(), 1, 1e-4),
    },
    mistakes={
        "It divides by the variance. To bring a variance to 1, divide by its root.":
            lambda x, ws: measured(x, ws, lambda x, w: (x @ w).var()),
        "It measures after tanh. Measure what the layer itself puts out, x @ w.":
            lambda x, ws: measured(x, ws, lambda x, w: np.tanh(x @ w).std()),
        "The next layer gets the signal of the weights as they were. First scale, then send it on.":
            lambda x, ws: measured(x, ws, lambda x, w: (x @ w).std(), lambda x, new, old: np.tanh(x @ old)),
        "Every layer is measured on the input. It should be measured on what the layers before it send on.":
            lambda x, ws: measured(x, ws, lambda x, w: (x @ w).std(), lambda x, new, old: x),
        "The tanh between the layers is left out.":
            lambda x, ws: measured(x, ws, lambda x, w: (x @ w).std(), lambda x, new, old: x @ new),
        "It multiplies where it should divide: large layers grow larger.":
            lambda x, ws: measured(x, ws, lambda x, w: 1 / (x @ w).std()),
        "Every unit gets a scale of its own. Here it is one for the layer.":
            lambda x, ws: measured(x, ws, lambda x, w: (x @ w).std(axis=0)),
        "It measures the weights. The data decide: measure x @ w.":
            lambda x, ws: measured(x, ws, lambda x, w: w.std()),
        "Only the first layer is scaled.":
            lambda x, ws: np.concatenate([ws[:1] / (x @ ws[0]).std(), ws[1:]]),
        "It divides by the root of the mean square. The variance is about the mean: std.":
            lambda x, ws: measured(x, ws, lambda x, w: np.sqrt(((x @ w) ** 2).mean())),
    },
    variants=(
        lambda x, ws: measured(x, ws, lambda x, w: ((x @ w).ravel().var()) ** 0.5).tolist(),
        lambda x, ws: list(measured(x, ws, lambda x, w: np.std(x @ w), lambda x, new, old: np.tanh(
            (y := x @ old) / y.std()))),
    ),
    hints=(
        "One layer after the other: measure, scale, and only then send the signal on.",
        "y = x @ w; divide w by the deviation of all numbers in y.",
        "for w in weights: w = w / (x @ w).std(); new.append(w); x = np.tanh(x @ w)",
    ),
)
# fmt: on

EXERCISES = [orthogonal_init, sparse_init, lsuv_scale]
