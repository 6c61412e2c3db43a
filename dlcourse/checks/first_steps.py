"""Chapter 00: loss, gradient, the check of a gradient, the loop around it all."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between
from dlcourse.checks.runner import Function

HOME: Any = {"chapter": "00_start", "notebook": "first_steps"}


def scores_and_labels(rng: np.random.Generator) -> list[tuple]:
    calls = [(rng.normal(size=(n, k)) * 2, rng.integers(0, k, n)) for n, k in ((2, 3), (5, 4), (3, 5))]
    calls[1][1][:2] = 3, 0  # in no order
    eighths = (8 * rng.normal(size=(2, 3))).round() / 8  # which float32 holds exactly, at 3000 too
    large = np.array([[3000.0, 2998.0, 2997.0], [-3000.0, -13.0, 1.0]]) + eighths
    surprising = np.array([[1000.0, 0.0, -3.0], [0.0, -2.0, -3000.0]]) + eighths  # its loss is 1000 and more
    return [*calls, (large, np.array([1, 1])), (surprising, np.array([1, 2]))]


def softmax(z: Any, axis: int = -1) -> Any:
    p = np.exp(z - z.max(axis=axis, keepdims=True))
    return p / p.sum(axis=axis, keepdims=True)


def surprise(z: Any, y: Any) -> Any:
    """−log p of the true classes, (batch,)."""
    z = z - z.max(axis=-1, keepdims=True)
    return np.log(np.exp(z).sum(axis=-1)) - z[np.arange(len(z)), y]


def error(z: Any, y: Any) -> Any:
    return softmax(z) - np.eye(z.shape[1])[y]


# fmt: off
softmax_cross_entropy = Exercise(
    **HOME,
    name="softmax_cross_entropy",
    title="Softmax cross-entropy and its gradient",
    returns=("loss", "gradient"),
    points=3,
    draw=scores_and_labels,
    reference=lambda scores, labels: (surprise(scores, labels).mean(), error(scores, labels) / len(labels)),
    properties={
        "each row of the gradient adds up to 0": lambda given, got: np.abs(got[1].sum(axis=-1)) < 1e-5,
    },
    examples=[(np.array([[1.0, 1.0, 0.0]]), np.array([2]))],
    equal={
        "labels → scores": "there are as many rows of scores as labels",
        "labels → p": "there are as many rows of p as labels",
        "p.copy() → p": "p is not needed again",
    },
    mistakes={
        "−log p is infinite where p is so small that it is rounded to 0. Take the log apart, log p = z − log Σ eᶻ, "
        "with the largest score off.":
            lambda z, y: (-np.log(softmax(z)[np.arange(len(y)), y]).mean(), error(z, y) / len(y)),
        "Large scores overflow: exp(1000) is infinite. Take the largest score of each row off first.":
            lambda z, y: (-np.log((p := np.exp(z) / np.exp(z).sum(-1, keepdims=True))[np.arange(len(y)), y]).mean(),
                          (p - np.eye(z.shape[1])[y]) / len(y)),
        "The loss is the sum over the batch. It must be the mean, and so must its gradient.":
            lambda z, y: (surprise(z, y).sum(), error(z, y)),
        "The gradient is not divided by the batch: the loss is a mean, so its gradient is (p − t)/batch.":
            lambda z, y: (surprise(z, y).mean(), error(z, y)),
        "The gradient is p. At the true class 1 must be taken off.":
            lambda z, y: (surprise(z, y).mean(), softmax(z) / len(y)),
        "The gradient has the wrong sign: it is p − t, not t − p.":
            lambda z, y: (surprise(z, y).mean(), -error(z, y) / len(y)),
        "The softmax runs down the batch. It belongs to the classes, the last axis.":
            lambda z, y: (-np.log(softmax(z, 0)[np.arange(len(y)), y] + 1e-300).mean(),
                          (softmax(z, 0) - np.eye(z.shape[1])[y]) / len(y)),
        "The minus is missing: the loss is −log p.": lambda z, y: (-surprise(z, y).mean(), error(z, y) / len(y)),
        "The loss is in bits, log2. Here it is in nats, the natural log.":
            lambda z, y: (surprise(z, y).mean() / np.log(2), error(z, y) / len(y)),
        "The loss is averaged over the classes as well. One number for each example: that of its true class.":
            lambda z, y: (surprise(z, y).sum() / z.size, error(z, y) / len(y)),
        "The largest score of the whole batch is taken off. A row far below it is left with 0/0: each row its own.":
            lambda z, y: (-np.log((p := np.exp(z - z.max()) / np.exp(z - z.max()).sum(-1, keepdims=True))[
                np.arange(len(y)), y]).mean(), (p - np.eye(z.shape[1])[y]) / len(y)),
        "p[:, labels] takes whole columns. Row i has its own class: p[np.arange(len(labels)), labels].":
            lambda z, y: (-np.log(softmax(z)[:, y] + 1e-300).mean(),
                          (softmax(z) - np.isin(np.arange(z.shape[1]), y)) / len(y)),
        "Something small is added inside the log. With the row's largest score taken off first, nothing is missing.":
            lambda z, y: (-np.log(softmax(z)[np.arange(len(y)), y] + 1e-7).mean(), error(z, y) / len(y)),
    },
    variants=(
        lambda z, y: (float(np.logaddexp.reduce(z, axis=1).mean() - z[np.arange(len(y)), y].mean()),
                      (np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None]) - np.eye(z.shape[1])[y]) / len(y)),
        lambda z, y: (sum(surprise(z, y)) / len(y), (error(z, y) / len(y)).tolist()),
    ),
    hints=(
        "First the probabilities: exp, divided by its sum over each row. Take the row's largest score off before exp.",
        "The loss is the mean of −log p at the true classes: p[np.arange(len(labels)), labels].",
        "The gradient is p with 1 taken off at the true classes, all over the number of examples.",
    ),
)


def functions(rng: np.random.Generator) -> list[tuple]:
    steps = iter((0.1, between(rng, 0.02, 0.08), between(rng, 0.15, 0.3)))

    def call(source: str, *shape: int) -> tuple:
        constants = {"a": rng.normal(size=shape), "c": rng.uniform(0.5, 2.0, shape)}
        return Function(source, constants), rng.normal(size=shape), next(steps)

    return [
        call("lambda w: float((-c * (w - a) ** 3).sum())", 3),
        call("lambda w: float((np.sin(w + 1) * a).sum() * c.sum())", 2, 2),
        call("lambda w: float(np.exp(0.5 * w * a).sum() + (c * w).sum() ** 2)", 4),
    ]


def slopes(f: Any, w: Any, h: float, rule: Any) -> Any:
    out = np.zeros_like(w)
    for place in np.ndindex(*w.shape):
        e = np.zeros_like(w)
        e[place] = h
        out[place] = rule(f, w, e)
    return out


numeric_gradient = Exercise(
    **HOME,
    name="numeric_gradient",
    title="A gradient from differences",
    draw=functions,
    examples=[(Function("lambda w: (w**3).sum()"), np.array([1.0, 2.0]), 0.1)],
    equal={
        "np.zeros(w.shape) → np.ones(w.shape)": "every entry is put in its place afterwards",
        "h with a minus": "the difference is the same from either side",
    },
    reference=lambda f, w, h: slopes(f, w, h, lambda f, w, e: (f(w + e) - f(w - e)) / (2 * h)),
    mistakes={
        "This is the forward difference, (f(w + h) − f(w))/h. From both sides the error is far smaller.":
            lambda f, w, h: slopes(f, w, h, lambda f, w, e: (f(w + e) - f(w)) / h),
        "This is the backward difference. Go from w − h to w + h.":
            lambda f, w, h: slopes(f, w, h, lambda f, w, e: (f(w) - f(w - e)) / h),
        "The way from w − h to w + h is 2h long: divide by 2h, not by h.":
            lambda f, w, h: slopes(f, w, h, lambda f, w, e: (f(w + e) - f(w - e)) / h),
        "It is not divided by 2h.": lambda f, w, h: slopes(f, w, h, lambda f, w, e: f(w + e) - f(w - e)),
        "The sign is turned round: f(w + h) − f(w − h).":
            lambda f, w, h: slopes(f, w, h, lambda f, w, e: (f(w - e) - f(w + e)) / (2 * h)),
        "All entries are nudged at once. Nudge one, and leave the others.":
            lambda f, w, h: np.full_like(w, (f(w + h) - f(w - h)) / (2 * h)),
        "An entry is not put back before the next one is nudged.":
            lambda f, w, h: unrestored(f, w, h),
        "Whole rows are nudged: w[i] is a row if w has two axes. np.ndindex(*w.shape) goes through single entries.":
            lambda f, w, h: rows(f, w, h),
        "The slopes come back in a row. They must have the shape of w.":
            lambda f, w, h: slopes(f, w, h, lambda f, w, e: (f(w + e) - f(w - e)) / (2 * h)).ravel(),
        "All entries are nudged at once, and one number comes back. Nudge one, and leave the others.":
            lambda f, w, h: (f(w + h) - f(w - h)) / (2 * h),
        "A pair of brackets is missing: / 2 * h divides by 2 and multiplies by h.":
            lambda f, w, h: slopes(f, w, h, lambda f, w, e: (f(w + e) - f(w - e)) / 2 * h),
    },
    variants=(
        lambda f, w, h: np.array([
            (f(w + h * np.eye(w.size)[i].reshape(w.shape)) - f(w - h * np.eye(w.size)[i].reshape(w.shape))) / (2 * h)
            for i in range(w.size)]).reshape(w.shape),
    ),
    hints=(
        "Nudge one entry of w by h, up and down, and see how f changes. Then the next entry.",
        "Each entry of the result is (f(w + h) − f(w − h)) / 2h, with h at that entry alone.",
        "for place in np.ndindex(*w.shape): step = np.zeros_like(w); step[place] = h; …",
    ),
)

def gradients(rng: np.random.Generator, shape: tuple, sign: float) -> tuple:
    """Two gradients that differ most, as a share, where they are small; and one entry that is 0 in both.

    Where there are many, one has the other sign: there the error is 1. sign: of the largest error.
    """
    sizes = 10.0 ** np.linspace(3, -3, int(np.prod(shape))) * rng.uniform(0.5, 1, int(np.prod(shape)))
    shares = np.sort(10.0 ** rng.uniform(-3, -2, sizes.size)) * rng.choice([-1, 1], sizes.size)
    shares[-1] = sign * rng.uniform(0.05, 0.1)
    sizes[0] = 0.0
    if sizes.size > 6:
        shares[-2] = -rng.uniform(1.2, 1.8)
    mixed = rng.permutation(sizes.size)
    signs = np.where(np.arange(sizes.size) >= sizes.size - 2, 1, rng.choice([-1, 1], sizes.size))
    signs[1] = -1 if sizes.size > 3 else 1
    analytic = (sizes * signs)[mixed].reshape(shape)
    return analytic, analytic * (1 + shares[mixed].reshape(shape)), 1e-8


def gradients_near_the_floor(rng: np.random.Generator, floor: float) -> tuple:
    """The largest error is that of an entry below the floor, and would be larger without it; both signs."""
    size = floor * rng.uniform(2.0, 9.0, 5) * rng.choice([-1, 1], 5)
    other = size * (1 + rng.uniform(0.01, 0.1, 5))
    size[0], other[0] = floor * rng.uniform(0.25, 0.35), floor * rng.uniform(0.02, 0.05)
    if rng.random() < 0.5:
        size, other = -size, -other
    mixed = rng.permutation(5)
    return size[mixed], other[mixed], floor


def pairs_of_gradients(rng: np.random.Generator) -> list[tuple]:
    floors = between(rng, 0.5, 2.0), between(rng, 0.01, 0.05)
    calls = [gradients(rng, shape, sign) for shape, sign in (((3,), 1), ((2, 3), -1), ((8,), 1))]
    return calls + [gradients_near_the_floor(rng, floor) for floor in floors]


gradient_error = Exercise(
    **HOME,
    name="gradient_error",
    title="How far apart are two gradients?",
    draw=pairs_of_gradients,
    examples=[(np.array([1000.0, 0.01, 0.0]), np.array([1000.1, 0.03, 0.0]), 1e-8)],
    equal={
        "analytic - numeric → numeric - analytic": "the bars take the sign away",
        "analytic and numeric have changed places": "the error is the same from either side",
    },
    reference=lambda analytic, numeric, floor: (
        np.abs(analytic - numeric) / np.maximum(np.abs(analytic) + np.abs(numeric), floor)).max(),
    properties={
        "the units do not matter: it is below 1": lambda given, got: (got >= 0) & (got <= 1),
    },
    mistakes={
        "This is the absolute error. A difference of 0.001 is nothing beside 1000 and much beside 0.001: divide.":
            lambda a, n, f: np.abs(a - n).max(),
        "This is the mean over the entries. One wrong entry is enough: take the largest.":
            lambda a, n, f: (np.abs(a - n) / np.maximum(np.abs(a) + np.abs(n), f)).mean(),
        "It is divided by the larger of the two. Here it is by their sum, |a| + |n|.":
            lambda a, n, f: (np.abs(a - n) / np.maximum(np.maximum(np.abs(a), np.abs(n)), f)).max(),
        "Where both are 0 this is 0/0. The denominator is never below the floor.":
            lambda a, n, f: (np.abs(a - n) / (np.abs(a) + np.abs(n))).max(),
        "The bars in the denominator stand around the sum: of opposite signs little is left. It is |a| + |n|.":
            lambda a, n, f: (np.abs(a - n) / np.maximum(np.abs(a + n), f)).max(),
        "These are all the errors. Take the largest of them: one number.":
            lambda a, n, f: np.abs(a - n) / np.maximum(np.abs(a) + np.abs(n), f),
        "The bars are missing in the numerator: an error of the other sign would pass.":
            lambda a, n, f: ((a - n) / np.maximum(np.abs(a) + np.abs(n), f)).max(),
        "The lengths are compared as wholes: a small wrong entry hides behind a large right one.":
            lambda a, n, f: np.linalg.norm(a - n) / max(np.linalg.norm(a) + np.linalg.norm(n), f),
        "The largest difference is divided by the largest entries. Divide entry by entry, then take the largest.":
            lambda a, n, f: np.abs(a - n).max() / max((np.abs(a) + np.abs(n)).max(), f),
        "The floor is added to the denominator. It is the least that the denominator may be: np.maximum.":
            lambda a, n, f: (np.abs(a - n) / (np.abs(a) + np.abs(n) + f)).max(),
        "This is the sum of the errors: with many entries even small ones grow. Take the largest.":
            lambda a, n, f: (np.abs(a - n) / np.maximum(np.abs(a) + np.abs(n), f)).sum(),
        "It is divided by one of the two alone, the analytic one. Here it is by their sum, |a| + |n|.":
            lambda a, n, f: (np.abs(a - n) / np.maximum(np.abs(a), f)).max(),
        "This is the smallest error. One wrong entry is enough: take the largest.":
            lambda a, n, f: (np.abs(a - n) / np.maximum(np.abs(a) + np.abs(n), f)).min(),
    },
    variants=(
        lambda a, n, f: max(abs(x - y) / max(f, abs(x) + abs(y)) for x, y in zip(a.ravel(), n.ravel(), strict=True)),
    ),
    hints=(
        "Entry by entry: the difference, beside the size of the two.",
        "|a − n| / (|a| + |n|), the denominator at least `floor`; then the largest of them all.",
        "(np.abs(a - n) / np.maximum(np.abs(a) + np.abs(n), floor)).max()",
    ),
)


def rows(f: Any, w: Any, h: float) -> Any:
    out = np.zeros_like(w)
    for i in range(len(w)):
        e = np.zeros_like(w)
        e[i] = h
        out[i] = (f(w + e) - f(w - e)) / (2 * h)
    return out


def unrestored(f: Any, w: Any, h: float) -> Any:
    out, at = np.zeros_like(w), w.copy()
    for place in np.ndindex(*w.shape):
        at[place] += h
        up = f(at)
        at[place] -= 2 * h
        out[place] = (up - f(at)) / (2 * h)  # and stays at w − h
    return out


EXERCISES = [softmax_cross_entropy, numeric_gradient, gradient_error]
