"""Chapter 04, first half: penalties with their gradients, and limits."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, finite_differences, same

HOME: Any = {"chapter": "04_regularization", "notebook": "penalties"}


def weights_and_strengths(rng: np.random.Generator) -> list[tuple]:
    """Weights in several shapes, every third exactly 0; both penalties, and each of them alone."""
    calls = []
    for shape, has_l1, has_l2 in (((4,), 1, 1), ((3, 2), 0, 1), ((2, 3, 4), 1, 0), ((5,), 1, 1)):
        w = rng.normal(size=shape)
        w.flat[::3] = 0.0
        calls.append((w, has_l1 * between(rng, 0.1, 0.4), has_l2 * between(rng, 0.5, 1.0)))
    return calls


def net(w: Any, l1: float, l2: float) -> Any:
    return l1 * np.abs(w).sum() + l2 * (w**2).sum()


def is_the_slope(given: Any, got: Any) -> bool:
    """At every weight that is not 0."""
    slope = finite_differences(lambda w: net(w, given.l1, given.l2), given.w)
    return same(got[1][given.w != 0], slope[given.w != 0], 1e-4)


# fmt: off
elastic_net = Exercise(
    **HOME,
    name="elastic_net",
    title="Elastic net: L1 and L2 at once",
    points=3,
    returns=("penalty", "gradient"),
    draw=weights_and_strengths,
    examples=[(np.array([2.0, -3.0, 0.0]), 0.1, 0.01)],
    reference=lambda w, l1, l2: (net(w, l1, l2), l1 * np.sign(w) + 2 * l2 * w),
    properties={
        "its gradient is its slope": is_the_slope,
        "where a weight is 0 the gradient is 0": lambda given, got: got[1][given.w == 0] == 0,
    },
    mistakes={
        "Only the L1 part is there.": lambda w, a, b: (a * np.abs(w).sum(), a * np.sign(w)),
        "Only the L2 part is there.": lambda w, a, b: (b * (w**2).sum(), 2 * b * w),
        "It is L1 or L2: where l1 is above 0, the L2 part is left out. Both count, and add up.":
            lambda w, a, b: (
                a * np.abs(w).sum() if a else b * (w**2).sum(), a * np.sign(w) if a else 2 * b * w),
        "l1 and l2 have changed places: l1 goes with |w|, l2 with w².":
            lambda w, a, b: (b * np.abs(w).sum() + a * (w**2).sum(), b * np.sign(w) + 2 * a * w),
        "The 2 is missing in the gradient of the L2 part: the slope of w² is 2w.":
            lambda w, a, b: (net(w, a, b), a * np.sign(w) + b * w),
        "The L2 part is halved, as in PyTorch's weight_decay. Here it is λ₂Σw², as in Keras.":
            lambda w, a, b: (a * np.abs(w).sum() + 0.5 * b * (w**2).sum(), a * np.sign(w) + b * w),
        "The penalty is right, but the gradient has its L2 part only.":
            lambda w, a, b: (net(w, a, b), 2 * b * w),
        "The penalty is right, but the gradient has its L1 part only.":
            lambda w, a, b: (net(w, a, b), a * np.sign(w)),
        "This mixes as scikit-learn does, with a share. Here each part has a strength of its own.":
            lambda w, a, b: (
                a * (b * np.abs(w).sum() + 0.5 * (1 - b) * (w**2).sum()), a * (b * np.sign(w) + (1 - b) * w)),
        "The two penalties are multiplied. They add up.":
            lambda w, a, b: (a * np.abs(w).sum() * b * (w**2).sum(), a * np.sign(w) * 2 * b * w),
        "The bars are missing in the L1 part: positive and negative weights cancel, and its slope is l1 everywhere.":
            lambda w, a, b: (a * w.sum() + b * (w**2).sum(), a + 2 * b * w),
        "The slope of the L1 part is λ₁ everywhere. It has the sign of the weight: λ₁ sign(w).":
            lambda w, a, b: (net(w, a, b), a + 2 * b * w),
        "The slope of the L1 part is λ₁|w|. |w| rises with the slope 1, however large w is: λ₁ sign(w).":
            lambda w, a, b: (net(w, a, b), a * np.abs(w) + 2 * b * w),
        "Where a weight is 0 the gradient divides 0 by 0, w/|w|. np.sign(0) is 0.":
            lambda w, a, b: (net(w, a, b), a * w / np.abs(w) + 2 * b * w),
        "At 0 the gradient is −λ₁. There the bend is, and we take 0: np.sign does.":
            lambda w, a, b: (net(w, a, b), np.where(w > 0, a, -a) + 2 * b * w),
        "At 0 the gradient is λ₁. There the bend is, and we take 0: np.sign does.":
            lambda w, a, b: (net(w, a, b), np.where(w >= 0, a, -a) + 2 * b * w),
        "The strengths are missing in the gradient.":
            lambda w, a, b: (net(w, a, b), np.sign(w) + 2 * w),
        "Both strengths are missing, in the penalty and in the gradient.":
            lambda w, a, b: (np.abs(w).sum() + (w**2).sum(), np.sign(w) + 2 * w),
        "The gradient points the wrong way, as the step of a descent does. A gradient points uphill, away from 0.":
            lambda w, a, b: (net(w, a, b), -a * np.sign(w) - 2 * b * w),
        "The root is too much in the L2 part: ‖w‖² is the sum of squares itself.":
            lambda w, a, b: (
                a * np.abs(w).sum() + b * np.sqrt((w**2).sum()), a * np.sign(w) + b * w / np.sqrt((w**2).sum())),
        "In the L2 part the weights are added first and then squared. Square each, then add.":
            lambda w, a, b: (a * np.abs(w).sum() + b * w.sum() ** 2, a * np.sign(w) + 2 * b * w.sum()),
        "The penalty is the mean over the weights. It is the sum.":
            lambda w, a, b: (
                a * np.abs(w).mean() + b * (w**2).mean(), (a * np.sign(w) + 2 * b * w) / w.size),
        "The penalty is not added up. It is one number for all weights.":
            lambda w, a, b: (a * np.abs(w) + b * w**2, a * np.sign(w) + 2 * b * w),
    },
    variants=(
        lambda w, a, b: (np.sum(a * np.abs(w) + b * w * w), np.sign(w) * (a + 2 * b * np.abs(w))),
        lambda w, a, b: (
            a * np.linalg.norm(w.ravel(), 1) + b * np.vdot(w, w),
            np.where(w > 0, a, np.where(w < 0, -a, 0.0)) + b * (w + w)),
    ),
    hints=(
        "Two penalties add up, and so do their slopes. Write each alone first: put the other strength to 0.",
        "The slope of |w| is +1 to the right of 0 and −1 to the left, np.sign(w); at 0 take 0. That of w² is 2w.",
        "l1 * np.abs(w).sum() + l2 * (w**2).sum(), l1 * np.sign(w) + 2 * l2 * w",
    ),
)


def columns_of_all_lengths(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for inputs, units in ((2, 3), (5, 4), (3, 4)):
        w = rng.normal(size=(inputs, units))
        limit = between(rng, 0.8, 1.5)
        w *= limit / np.linalg.norm(w, axis=0) * np.array([0.4, 1.7, 2.5, 0.0])[:units]
        w[0] += 0.0
        calls.append((w, limit))
    return calls


def lengths(w: Any, axis: Any = 0) -> Any:
    return np.sqrt((w**2).sum(axis=axis, keepdims=True))


def shorten(w: Any, limit: float, length: Any) -> Any:
    return w * np.where(length > limit, limit / np.where(length > 0, length, 1), 1)


max_norm = Exercise(
    **HOME,
    name="max_norm",
    title="Max-norm: no unit's weights grow too long",
    draw=columns_of_all_lengths,
    examples=[(np.array([[3.0, 0.3], [4.0, 0.4]]), 2.0)],
    reference=lambda w, limit: shorten(w, limit, lengths(w)),
    properties={
        "no column is longer than the limit":
            lambda given, got: lengths(got) <= given.limit * (1 + 1e-5),
        "a column within the limit stays as it is":
            lambda given, got: (lengths(given.w) > given.limit) | np.isclose(got, given.w),
    },
    mistakes={
        "It goes by rows. The weights that flow into one unit are a column of (inputs, units).":
            lambda w, c: shorten(w, c, lengths(w, 1)),
        "It takes the length of the whole matrix. Every column has its own.":
            lambda w, c: shorten(w, c, lengths(w, None)),
        "Short columns are stretched to the limit. Only longer ones change.":
            lambda w, c: w * c / np.where(lengths(w) > 0, lengths(w), 1),
        "Every number is cut at ±limit. It is the length of a column that counts.": lambda w, c: np.clip(w, -c, c),
        "A column of zeros becomes NaN: its length is 0, and 0/0 is no number.":
            lambda w, c: w * np.minimum(lengths(w), c) / lengths(w),
        "The length is Σ|w|. It is the root of the sum of squares.":
            lambda w, c: shorten(w, c, np.abs(w).sum(axis=0, keepdims=True)),
        "The root is missing: this compares the squared length with the limit.":
            lambda w, c: shorten(w, c, lengths(w) ** 2),
        "Long columns are brought to length 1, not to the limit.":
            lambda w, c: w * np.where(lengths(w) > c, 1 / np.where(lengths(w) > 0, lengths(w), 1), 1),
        "As soon as one column is too long, all are changed. Every column is looked at by itself.":
            lambda w, c: w * c / lengths(w) if (lengths(w) > c).any() else w,
        "Long columns are set to 0. They should be shortened to the limit.":
            lambda w, c: w * (lengths(w) <= c),
    },
    variants=(
        lambda w, c: w / np.maximum(1, np.linalg.norm(w, axis=0) / c),
        lambda w, c: np.stack([col * min(1, c / max(np.linalg.norm(col), 1e-12)) for col in w.T], axis=1),
    ),
    hints=(
        "w has the shape (inputs, units): one unit is one column. You need one length for each.",
        "np.linalg.norm(w, axis=0) gives the lengths. Divide the long ones by length/limit, the others by 1.",
        "w / np.maximum(1, np.linalg.norm(w, axis=0) / limit)",
    ),
)


def gradients_of_all_lengths(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for size, factor in ((3, 3.0), (6, 0.5), (5, 1.5)):
        grad, limit = rng.normal(size=size), between(rng, 0.5, 3.0)
        calls.append((grad / np.linalg.norm(grad) * limit * factor, limit))
    return [*calls, (np.zeros(4), 1.0)]


clip_by_norm = Exercise(
    **HOME,
    name="clip_by_norm",
    title="Clip a gradient by its norm",
    draw=gradients_of_all_lengths,
    examples=[(np.array([3.0, 4.0]), 1.0)],
    reference=lambda grad, limit: grad * min(1.0, limit / max(float(np.linalg.norm(grad)), 1e-300)),
    properties={
        "it is never longer than the limit": lambda given, got: np.linalg.norm(got) <= given.limit * (1 + 1e-5),
        "it keeps its direction": lambda given, got: same(
            np.dot(given.grad, got), np.linalg.norm(given.grad) * np.linalg.norm(got), 1e-5),
    },
    mistakes={
        "Every number is cut at ±limit: that is clipping by value, and turns the gradient.":
            lambda g, c: np.clip(g, -c, c),
        "Short gradients are stretched to the limit. Only longer ones change.":
            lambda g, c: g * c / max(np.linalg.norm(g), 1e-12),
        "A zero gradient becomes NaN: guard the division by the norm.":
            lambda g, c: g * (np.minimum(np.linalg.norm(g), c) / np.linalg.norm(g)),
        "The root is missing: this compares the squared norm with the limit.":
            lambda g, c: g * min(1.0, c / max((g**2).sum(), 1e-300)),
        "The norm is the largest number, max|g|. It is the root of the sum of squares.":
            lambda g, c: g * min(1.0, c / max(np.abs(g).max(), 1e-300)),
        "A long gradient gets length 1, not the limit.":
            lambda g, c: g / np.linalg.norm(g) if np.linalg.norm(g) > c else g,
        "A long gradient is thrown away. It should be shortened.": lambda g, c: g * (np.linalg.norm(g) <= c),
        "The norm is Σ|g|. It is the root of the sum of squares.":
            lambda g, c: g * min(1.0, c / max(np.abs(g).sum(), 1e-300)),
        "The norm is the root of the mean square. It is the root of the sum of squares.":
            lambda g, c: g * min(1.0, c / max(float(np.sqrt((g**2).mean())), 1e-300)),
    },
    variants=(
        lambda g, c: g / max(1.0, float(np.sqrt(g @ g)) / c),
        lambda g, c: (g * (c / np.linalg.norm(g)) if np.linalg.norm(g) > c else g.copy()).astype("float32"),
    ),
    hints=(
        "One number decides: the length of the whole gradient, np.linalg.norm(grad).",
        "If it is above the limit, multiply the gradient by limit / length. Else leave it.",
        "grad / max(1.0, np.linalg.norm(grad) / limit)",
    ),
)
# fmt: on

EXERCISES = [elastic_net, max_norm, clip_by_norm]
