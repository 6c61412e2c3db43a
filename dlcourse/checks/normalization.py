"""Chapter 03: batch norm forward, afterwards and backward; layer norm; and when it does nothing."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import batch, between, finite_differences, same

HOME: Any = {"chapter": "03_batch_normalization", "notebook": "normalization"}


def inputs(rng: np.random.Generator, rows: int, columns: int) -> tuple:
    gamma = rng.choice([-1.0, 1.0], columns) * rng.uniform(0.5, 2.0, columns)
    return batch(rng, (rows, columns)), gamma, rng.normal(size=columns), between(rng, 0.05, 0.3)


def batches(rng: np.random.Generator) -> list[tuple]:
    return [inputs(rng, rows, columns) for rows, columns in ((4, 3), (3, 5), (6, 6))]


def normal(x: Any, eps: float, axis: int = 0, variance: Any = None) -> Any:
    v = x.var(axis=axis, keepdims=True) if variance is None else variance
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(v + eps)


# fmt: off
batch_norm_forward = Exercise(
    **HOME,
    name="batch_norm_forward",
    title="Batch norm, forward",
    points=3,
    draw=batches,
    examples=[(np.array([[1.0], [3.0]]), np.array([2.0]), np.array([5.0]), 0.0)],
    reference=lambda x, gamma, beta, eps: gamma * normal(x, eps) + beta,
    properties={
        "each column has the mean beta": lambda given, got: same(got.mean(axis=0), given.beta, 1e-5),
    },
    mistakes={
        "It normalizes each example over its features: that is layer norm. Batch norm goes down the columns, axis 0.":
            lambda x, g, b, e: g * normal(x, e, 1) + b,
        "ε stands outside the root. It belongs inside: √(σ² + ε).":
            lambda x, g, b, e: g * (x - x.mean(0)) / (x.std(0) + e) + b,
        "The variance is the unbiased one, over n − 1. Batch norm divides by the biased one, over n.":
            lambda x, g, b, e: g * normal(x, e, variance=x.var(0, ddof=1)) + b,
        "It divides by the variance. It must be its root.": lambda x, g, b, e: g * (x - x.mean(0)) / (x.var(0) + e) + b,
        "The mean is not taken off first.": lambda x, g, b, e: g * x / np.sqrt(x.var(0) + e) + b,
        "One mean and one variance are taken of the whole batch. Every column has its own.":
            lambda x, g, b, e: g * (x - x.mean()) / np.sqrt(x.var() + e) + b,
        "gamma and beta are left out: this is x_hat.": lambda x, g, b, e: normal(x, e),
        "gamma and beta have changed places: gamma scales, beta shifts.":
            lambda x, g, b, e: b * normal(x, e) + g,
        "beta is added before gamma scales: y = γ x_hat + β.": lambda x, g, b, e: g * (normal(x, e) + b),
        "ε is left out: a column that does not vary would divide by 0.":
            lambda x, g, b, e: g * (x - x.mean(0)) / x.std(0) + b,
        "Means over axis 1 are means of rows. Batch norm goes down the columns, axis 0: one mean for each feature.":
            lambda x, g, b, e: g * (x - x.mean(axis=1)) / np.sqrt(x.var(axis=1) + e) + b,
        "The variance is a mean of x². The mean must come off before squaring.":
            lambda x, g, b, e: g * (x - x.mean(0)) / np.sqrt((x**2).mean(0) + e) + b,
    },
    variants=(
        lambda x, g, b, e: np.stack([
            g[j] * (x[:, j] - x[:, j].mean()) / np.sqrt(((x[:, j] - x[:, j].mean()) ** 2).mean() + e) + b[j]
            for j in range(x.shape[1])], axis=1),
        lambda x, g, b, e: (x - x.mean(0)) * (g / (x.var(0) + e) ** 0.5) + b,
        lambda x, g, b, e: (g * normal(x, e) + b).astype("float32"),
    ),
    hints=(
        "x is (batch, features). Every column gets a mean of its own and a variance of its own.",
        "Take the mean off, divide by the root of variance plus eps, then scale with gamma and shift by beta.",
        "x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps); gamma * x_hat + beta",
    ),
)

batch_norm_update = Exercise(
    **HOME,
    name="batch_norm_update",
    title="What batch norm remembers",
    returns=("running_mean", "running_var"),
    draw=lambda rng: [
        (batch(rng, shape), rng.normal(size=shape[1]), rng.uniform(0.5, 2, shape[1]), between(rng, 0.6, 0.95))
        for shape in ((4, 3), (3, 5), (6, 6))
    ],
    examples=[(np.array([[1.0], [3.0]]), np.array([0.0]), np.array([1.0]), 0.9)],
    equal={"x reversed": "the order of the examples means nothing"},
    reference=lambda x, running_mean, running_var, decay: (
        decay * running_mean + (1 - decay) * x.mean(0), decay * running_var + (1 - decay) * x.var(0, ddof=1)),
    mistakes={
        "The variance that is remembered is the biased one, as in Keras. Here it is over n − 1, as in the paper.":
            lambda x, m, v, d: (d * m + (1 - d) * x.mean(0), d * v + (1 - d) * x.var(0)),
        "decay and 1 − decay have changed places, as PyTorch's momentum has it. decay is what is kept.":
            lambda x, m, v, d: ((1 - d) * m + d * x.mean(0), (1 - d) * v + d * x.var(0, ddof=1)),
        "Only this batch is remembered.": lambda x, m, v, d: (x.mean(0), x.var(0, ddof=1)),
        "The deviation is remembered. It must be the variance.":
            lambda x, m, v, d: (d * m + (1 - d) * x.mean(0), d * v + (1 - d) * x.std(0, ddof=1)),
        "The running variance is left as it was.": lambda x, m, v, d: (d * m + (1 - d) * x.mean(0), v),
        "The batch is added in full. Its weight is 1 − decay.":
            lambda x, m, v, d: (d * m + x.mean(0), d * v + x.var(0, ddof=1)),
        "The batch's second moment is remembered: the mean must come off before squaring.":
            lambda x, m, v, d: (d * m + (1 - d) * x.mean(0), d * v + (1 - d) * (x**2).sum(0) / (len(x) - 1)),
        "The variance is taken about the running mean. It is about the batch's own.":
            lambda x, m, v, d: (
                d * m + (1 - d) * x.mean(0), d * v + (1 - d) * ((x - m) ** 2).sum(0) / (len(x) - 1)),
        "The factor is upside down: from over n to over n − 1 it is n/(n − 1).":
            lambda x, m, v, d: (d * m + (1 - d) * x.mean(0), d * v + (1 - d) * x.var(0) * (len(x) - 1) / len(x)),
    },
    variants=(
        lambda x, m, v, d: (m + (1 - d) * (x.mean(0) - m),
                            v + (1 - d) * (((x - x.mean(0)) ** 2).sum(0) / (len(x) - 1) - v)),
    ),
    hints=(
        "Two averages that forget: each keeps the share decay of the old value.",
        "The batch comes in with 1 − decay: its mean, and its variance over n − 1.",
        "decay * running_var + (1 - decay) * x.var(axis=0, ddof=1); the mean likewise.",
    ),
)

batch_norm_predict = Exercise(
    **HOME,
    name="batch_norm_predict",
    title="Batch norm after training",
    draw=lambda rng: [
        (x, *rest, rng.normal(size=len(rest[0])), rng.uniform(0.3, 3.0, len(rest[0])))
        for x, *rest in ([inputs(rng, n, 3) for n in (4, 1)] + [inputs(rng, 5, 5)])
    ],
    examples=[
        (np.array([[4.0]]), np.array([2.0]), np.array([5.0]), 0.0, np.array([1.0]), np.array([9.0]))],
    reference=lambda x, gamma, beta, eps, running_mean, running_var: (
        gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta),
    mistakes={
        "It takes mean and variance of this batch: then a prediction depends on who else is in it.":
            lambda x, g, b, e, m, v: g * normal(x, e) + b,
        "ε stands outside the root. It belongs inside: √(running_var + ε).":
            lambda x, g, b, e, m, v: g * (x - m) / (np.sqrt(v) + e) + b,
        "It divides by the variance. It must be its root.": lambda x, g, b, e, m, v: g * (x - m) / (v + e) + b,
        "The mean comes from the batch, the variance from memory. Both come from memory.":
            lambda x, g, b, e, m, v: g * (x - x.mean(0)) / np.sqrt(v + e) + b,
        "The variance comes from the batch, the mean from memory. Both come from memory.":
            lambda x, g, b, e, m, v: g * (x - m) / np.sqrt(x.var(0) + e) + b,
        "Nothing is normalized: gamma and beta alone are not batch norm.": lambda x, g, b, e, m, v: g * x + b,
        "gamma and beta are left out.": lambda x, g, b, e, m, v: (x - m) / np.sqrt(v + e),
    },
    variants=(lambda x, g, b, e, m, v: x * (s := g / np.sqrt(v + e)) + (b - m * s),),
    hints=(
        "After training, one example must get the same answer whatever else is in its batch.",
        "So the formula is that of training, with running_mean and running_var in place of the batch's own.",
        "gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta",
    ),
)


def backward(x: Any, g: Any, e: float, dy: Any, *, mean: bool = True, var: bool = True, scale: bool = True,
             axis: int = 0) -> tuple[Any, Any, Any]:
    """The three gradients, with a switch for every part that can be forgotten."""
    x_hat = normal(x, e, axis)
    d = dy - (dy.mean(axis, keepdims=True) if mean else 0)
    d = d - (x_hat * (dy * x_hat).mean(axis, keepdims=True) if var else 0)
    dx = d / np.sqrt(x.var(axis, keepdims=True) + e) * (g if scale else 1)
    return dx, (dy * x_hat).sum(0), dy.sum(0)


def is_the_slope(given: Any, got: Any) -> bool:
    """dx against finite differences of Σ dy · y, with the random dy that was given."""
    def value(x: Any) -> float:
        return float((given.dy * (given.gamma * normal(x, given.eps))).sum())

    return same(got[0], finite_differences(value, given.x, 1e-5), 1e-4)


batch_norm_backward = Exercise(
    **HOME,
    name="batch_norm_backward",
    title="Batch norm, backward",
    returns=("dx", "dgamma", "dbeta"),
    points=5,
    draw=lambda rng: [
        (x, gamma, eps, rng.normal(size=x.shape))
        for x, gamma, _, eps in (inputs(rng, 4, 3), inputs(rng, 5, 5), inputs(rng, 3, 1))
    ],
    examples=[(np.array([[1.0], [3.0], [5.0]]), np.array([2.0]), 0.0, np.array([[1.0], [0.0], [0.0]]))],
    reference=lambda x, gamma, eps, dy: backward(x, gamma, eps, dy),
    properties={
        "dx is the slope that finite differences find": is_the_slope,
        "a shift of x costs nothing: each column of dx adds up to 0":
            lambda given, got: np.abs(got[0].sum(axis=0)) < 1e-4,
    },
    mistakes={
        "Mean and variance are taken for constants. They depend on x too: two more terms belong to dx.":
            lambda x, g, e, dy: backward(x, g, e, dy, mean=False, var=False),
        "The path through the variance is missing in dx: − x_hat · mean(dy · x_hat).":
            lambda x, g, e, dy: backward(x, g, e, dy, var=False),
        "The path through the mean is missing in dx: − mean(dy).":
            lambda x, g, e, dy: backward(x, g, e, dy, mean=False),
        "gamma is missing in dx.": lambda x, g, e, dy: backward(x, g, e, dy, scale=False),
        "dgamma and dbeta are means. They are sums over the batch.":
            lambda x, g, e, dy: (backward(x, g, e, dy)[0], (dy * normal(x, e)).mean(0), dy.mean(0)),
        "dgamma takes x in place of x_hat.": lambda x, g, e, dy: (backward(x, g, e, dy)[0], (dy * x).sum(0), dy.sum(0)),
        "dgamma and dbeta have changed places.": lambda x, g, e, dy: (
            (out := backward(x, g, e, dy))[0], out[2], out[1]),
        "ε is forgotten in dx: divide by √(σ² + ε).":
            lambda x, g, e, dy: (
                (out := backward(x, g, e, dy))[0] * np.sqrt((x.var(0) + e) / x.var(0)), *out[1:]),
        "Sums stand where means belong: mean(dy) and mean(dy · x_hat) are over the batch.":
            lambda x, g, e, dy: (
                g / np.sqrt(x.var(0) + e) * (dy - dy.sum(0) - normal(x, e) * (dy * normal(x, e)).sum(0)),
                *backward(x, g, e, dy)[1:]),
        "dx is not divided by √(σ² + ε): what the way forward divides, the way back divides too.":
            lambda x, g, e, dy: (
                (out := backward(x, g, e, dy))[0] * np.sqrt(x.var(0) + e), *out[1:]),
        "The means in dx are taken over everything. Every column has its own: axis=0.":
            lambda x, g, e, dy: (
                g / np.sqrt(x.var(0) + e) * (dy - dy.mean() - normal(x, e) * (dy * normal(x, e)).mean()),
                *backward(x, g, e, dy)[1:]),
        "dgamma and dbeta are summed over everything. Every feature has its own: axis=0.":
            lambda x, g, e, dy: (backward(x, g, e, dy)[0], (dy * normal(x, e)).sum(), dy.sum()),
    },
    variants=(
        lambda x, g, e, dy: (
            g / (n := len(x)) / np.sqrt(x.var(0) + e)
            * (n * dy - dy.sum(0) - normal(x, e) * (dy * normal(x, e)).sum(0)),
            np.einsum("nd,nd->d", dy, normal(x, e)), np.ones(n) @ dy),
    ),
    hints=(
        "dbeta and dgamma first: y = γ x_hat + β, so they are sums over the batch of dy and of dy · x_hat.",
        "dx has three terms: dy itself, less its mean over the batch, less x_hat times the mean of dy · x_hat.",
        "gamma / np.sqrt(var + eps) * (dy - dy.mean(axis=0) - x_hat * (dy * x_hat).mean(axis=0))",
    ),
)

layer_norm = Exercise(
    **HOME,
    name="layer_norm",
    title="Layer norm, forward",
    draw=batches,
    examples=[(np.array([[1.0, 3.0]]), np.array([2.0, 2.0]), np.array([5.0, 0.0]), 0.0)],
    reference=lambda x, gamma, beta, eps: gamma * normal(x, eps, -1) + beta,
    properties={
        "an example does not depend on the others": lambda given, got: same(
            got[:1], given.gamma * normal(given.x[:1], given.eps, -1) + given.beta, 1e-5),
    },
    mistakes={
        "It goes down the columns: that is batch norm. Layer norm normalizes each row by itself.":
            lambda x, g, b, e: g * normal(x, e, 0) + b,
        "ε stands outside the root. It belongs inside: √(σ² + ε).":
            lambda x, g, b, e: g * (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True) + e) + b,
        "The variance is the unbiased one, over n − 1. Here it is over n.":
            lambda x, g, b, e: g * normal(x, e, 1, x.var(1, ddof=1, keepdims=True)) + b,
        "One mean and one variance are taken of the whole batch. Every row has its own.":
            lambda x, g, b, e: g * (x - x.mean()) / np.sqrt(x.var() + e) + b,
        "gamma and beta are left out.": lambda x, g, b, e: normal(x, e, 1),
        "This is RMS norm: the mean is not taken off.":
            lambda x, g, b, e: g * x / np.sqrt((x**2).mean(1, keepdims=True) + e) + b,
        "It divides by the variance. It must be its root.":
            lambda x, g, b, e: g * (x - x.mean(1, keepdims=True)) / (x.var(1, keepdims=True) + e) + b,
        "The means have lost an axis: (batch,) does not meet (batch, features). keepdims=True makes it (batch, 1).":
            lambda x, g, b, e: g * (x - x.mean(axis=1)) / np.sqrt(x.var(axis=1) + e) + b,
    },
    variants=(
        lambda x, g, b, e: [g * (row - row.mean()) / np.sqrt(row.var() + e) + b for row in x],
        lambda x, g, b, e: ((x.T - x.mean(1)) / np.sqrt(x.var(1) + e)).T * g + b,
    ),
    hints=(
        "It is batch norm turned by a quarter: every row gets its own mean and variance.",
        "axis=-1, and keepdims=True, so that (batch, 1) meets (batch, features).",
        "gamma * (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + eps) + beta",
    ),
)

batch_norm_identity = Exercise(
    **HOME,
    name="batch_norm_identity",
    title="The gamma and beta that make batch norm void",
    returns=("gamma", "beta"),
    draw=lambda rng: [(batch(rng, shape), between(rng, 0.05, 0.3)) for shape in ((4, 3), (6, 2), (5, 5))],
    examples=[(np.array([[1.0], [3.0]]), 0.21)],
    equal={"x reversed": "the order of the examples means nothing"},
    reference=lambda x, eps: (np.sqrt(x.var(0) + eps), x.mean(0)),
    properties={
        "with them, batch norm gives back x": lambda given, got: same(
            got[0] * normal(given.x, given.eps) + got[1], given.x, 1e-5),
    },
    mistakes={
        "gamma is σ. Almost: batch norm divided by √(σ² + ε), so that must come back.":
            lambda x, e: (x.std(0), x.mean(0)),
        "gamma is the variance. It must be a root: √(σ² + ε).": lambda x, e: (x.var(0) + e, x.mean(0)),
        "gamma divides once more. It must undo the division: √(σ² + ε), not 1/√(σ² + ε).":
            lambda x, e: (1 / np.sqrt(x.var(0) + e), x.mean(0)),
        "beta has the wrong sign: the mean was taken off and must come back.":
            lambda x, e: (np.sqrt(x.var(0) + e), -x.mean(0)),
        "These are gamma and beta at the start, 1 and 0. They leave x normalized.":
            lambda x, e: (np.ones(x.shape[1]), np.zeros(x.shape[1])),
        "ε is added outside the root: σ + ε is not √(σ² + ε).": lambda x, e: (x.std(0) + e, x.mean(0)),
        "The variance is the unbiased one. Batch norm divided by the biased one.":
            lambda x, e: (np.sqrt(x.var(0, ddof=1) + e), x.mean(0)),
        "One mean and one variance are taken of the whole batch. Every column has its own.":
            lambda x, e: (np.sqrt(x.var() + e), x.mean()),
    },
    variants=(lambda x, e: ((((x - x.mean(0)) ** 2).mean(0) + e) ** 0.5, x.sum(0) / len(x)),),
    hints=(
        "y = γ (x − μ)/√(σ² + ε) + β is to be x. Solve for γ and β.",
        "The division is undone by γ, the subtraction by β.",
        "np.sqrt(x.var(axis=0) + eps), x.mean(axis=0)",
    ),
)
# fmt: on

EXERCISES = [
    batch_norm_forward,
    batch_norm_update,
    batch_norm_predict,
    batch_norm_backward,
    batch_norm_identity,
    layer_norm,
]
