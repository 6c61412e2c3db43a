"""Chapter 04, first half: penalties with their gradients, and limits."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, same

HOME: Any = {"chapter": "04_regularization", "notebook": "penalties"}


def weights_and(*strengths: tuple[float, float]) -> Any:
    """Weights in several shapes, a zero among them, and settings drawn between bounds."""

    def draw(rng: np.random.Generator) -> list[tuple]:
        calls = []
        for shape in ((4,), (3, 2), (2, 3, 4)):
            w = rng.normal(size=shape)
            w.flat[0] = 0.0
            calls.append((w, *(between(rng, *bounds) for bounds in strengths)))
        return calls

    return draw


def slope_fits(penalty: Any) -> Any:
    """Is the gradient the slope of the returned penalty's formula? Nudges every weight that is not 0."""

    def test(given: Any, got: Any) -> bool:
        w, settings = given.w, [v for k, v in vars(given).items() if k != "w"]
        h, slopes = 1e-6, np.zeros_like(w)
        for place in np.argwhere(w):
            nudge = np.zeros_like(w)
            nudge[tuple(place)] = h
            slopes[tuple(place)] = (penalty(w + nudge, *settings) - penalty(w - nudge, *settings)) / (2 * h)
        return same(got[1][w != 0], slopes[w != 0], 1e-4)

    return test


# fmt: off
l1_penalty = Exercise(
    **HOME,
    name="l1_penalty",
    title="L1: penalty and gradient",
    returns=("penalty", "gradient"),
    draw=weights_and((0.1, 1.0)),
    examples=[(np.array([2.0, -3.0, 0.0]), 0.1)],
    reference=lambda w, strength: (strength * np.abs(w).sum(), strength * np.sign(w)),
    properties={
        "where a weight is 0 the gradient is 0": lambda given, got: got[1][given.w == 0] == 0,
    },
    mistakes={
        "The bars are missing: without |w| positive and negative weights cancel.":
            lambda w, s: (s * w.sum(), s * np.ones_like(w)),
        "The gradient is λ everywhere. It has the sign of the weight: λ sign(w).":
            lambda w, s: (s * np.abs(w).sum(), s * np.ones_like(w)),
        "The gradient is λ|w|. |w| rises with the slope 1, however large w is: λ sign(w).":
            lambda w, s: (s * np.abs(w).sum(), s * np.abs(w)),
        "This is L2, λΣw².": lambda w, s: (s * (w**2).sum(), 2 * s * w),
        "The penalty is the mean. It is the sum.": lambda w, s: (s * np.abs(w).mean(), s * np.sign(w) / w.size),
        "The strength λ is missing in the gradient.": lambda w, s: (s * np.abs(w).sum(), np.sign(w)),
        "The gradient points the wrong way: the penalty grows away from 0, so it is +λ sign(w).":
            lambda w, s: (s * np.abs(w).sum(), -s * np.sign(w)),
        "Where a weight is 0 the gradient divides 0 by 0, w/|w|. np.sign(0) is 0.":
            lambda w, s: (s * np.abs(w).sum(), s * w / np.abs(w)),
        "The penalty is not added up. It is one number for all weights.":
            lambda w, s: (s * np.abs(w), s * np.sign(w)),
        "At 0 the gradient is −λ. There the bend is, and we take 0: np.sign does.":
            lambda w, s: (s * np.abs(w).sum(), np.where(w > 0, s, -s)),
        "At 0 the gradient is λ. There the bend is, and we take 0: np.sign does.":
            lambda w, s: (s * np.abs(w).sum(), np.where(w >= 0, s, -s)),
    },
    variants=(
        lambda w, s: (s * np.linalg.norm(w.ravel(), 1), np.where(w > 0, s, np.where(w < 0, -s, 0.0))),
        lambda w, s: (sum(s * abs(v) for v in w.ravel().tolist()), s * np.sign(w)),
    ),
    hints=(
        "Add up the sizes of all weights, without their signs; np.abs does that.",
        "The slope of |w| is +1 to the right of 0 and −1 to the left. At 0 take 0.",
        "strength * np.abs(w).sum(), strength * np.sign(w)",
    ),
)

l2_penalty = Exercise(
    **HOME,
    name="l2_penalty",
    title="L2: penalty and gradient",
    returns=("penalty", "gradient"),
    draw=weights_and((0.1, 1.0)),
    examples=[(np.array([2.0, -3.0]), 0.1)],
    reference=lambda w, strength: (strength * (w**2).sum(), 2 * strength * w),
    mistakes={
        "The 2 is missing in the gradient: the slope of λw² is 2λw.": lambda w, s: (s * (w**2).sum(), s * w),
        "This is ½λΣw², PyTorch's weight_decay. Here the penalty is λΣw², as in Keras.":
            lambda w, s: (0.5 * s * (w**2).sum(), s * w),
        "The root is too much: ‖w‖² is the sum of squares itself.":
            lambda w, s: (s * np.sqrt((w**2).sum()), s * w / np.sqrt((w**2).sum())),
        "The penalty is the mean. It is the sum.": lambda w, s: (s * (w**2).mean(), 2 * s * w / w.size),
        "This is L1, λΣ|w|.": lambda w, s: (s * np.abs(w).sum(), s * np.sign(w)),
        "The gradient is that of a descent already, −2λw. The gradient points uphill.":
            lambda w, s: (s * (w**2).sum(), -2 * s * w),
        "The weights are added first and then squared. Square each, then add.":
            lambda w, s: (s * w.sum() ** 2, 2 * s * w.sum() * np.ones_like(w)),
        "The strength is squared too.": lambda w, s: (s**2 * (w**2).sum(), 2 * s**2 * w),
        "The penalty is not added up. It is one number for all weights.": lambda w, s: (s * w**2, 2 * s * w),
    },
    variants=(
        lambda w, s: (s * np.vdot(w, w), s * (w + w)),
        lambda w, s: (np.float32(s * np.linalg.norm(w) ** 2), np.float32(2 * s * w)),
    ),
    hints=(
        "Square every weight, add up, multiply by the strength.",
        "The slope of λw² with respect to w is 2λw.",
        "strength * (w**2).sum(), 2 * strength * w",
    ),
)

elastic_net = Exercise(
    **HOME,
    name="elastic_net",
    title="Elastic net: both at once",
    returns=("penalty", "gradient"),
    draw=weights_and((0.1, 0.4), (0.5, 1.0)),
    examples=[(np.array([2.0, -3.0]), 0.1, 0.01)],
    reference=lambda w, l1, l2: (l1 * np.abs(w).sum() + l2 * (w**2).sum(), l1 * np.sign(w) + 2 * l2 * w),
    properties={
        "its gradient is its slope": slope_fits(lambda w, l1, l2: l1 * np.abs(w).sum() + l2 * (w**2).sum()),
    },
    mistakes={
        "Only the L1 part is there.": lambda w, a, b: (a * np.abs(w).sum(), a * np.sign(w)),
        "Only the L2 part is there.": lambda w, a, b: (b * (w**2).sum(), 2 * b * w),
        "l1 and l2 have changed places: l1 goes with |w|, l2 with w².":
            lambda w, a, b: (b * np.abs(w).sum() + a * (w**2).sum(), b * np.sign(w) + 2 * a * w),
        "The 2 is missing in the gradient of the L2 part.":
            lambda w, a, b: (a * np.abs(w).sum() + b * (w**2).sum(), a * np.sign(w) + b * w),
        "The penalty is right, but the gradient has its L2 part only.":
            lambda w, a, b: (a * np.abs(w).sum() + b * (w**2).sum(), 2 * b * w),
        "This mixes as scikit-learn does, with a share. Here each part has a strength of its own.":
            lambda w, a, b: (
                a * (b * np.abs(w).sum() + 0.5 * (1 - b) * (w**2).sum()), a * (b * np.sign(w) + (1 - b) * w)),
        "The two penalties are multiplied. They add up.":
            lambda w, a, b: (a * np.abs(w).sum() * b * (w**2).sum(), a * np.sign(w) * 2 * b * w),
        "The penalty is right, but the gradient has its L1 part only.":
            lambda w, a, b: (a * np.abs(w).sum() + b * (w**2).sum(), a * np.sign(w)),
        "The bars are missing in the L1 part: positive and negative weights cancel, and its slope is l1 everywhere.":
            lambda w, a, b: (a * w.sum() + b * (w**2).sum(), a + 2 * b * w),
    },
    variants=(lambda w, a, b: (np.sum(a * np.abs(w) + b * w * w), np.sign(w) * (a + 2 * b * np.abs(w))),),
    hints=(
        "The sum of what you wrote for L1 and L2.",
        "Both the penalties and the gradients add up; l1 belongs to |w|, l2 to w².",
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

EXERCISES = [l1_penalty, l2_penalty, elastic_net, max_norm, clip_by_norm]
