"""Chapter 02, second half: rules that give every number in theta a rate of its own."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, updates

HOME: Any = {"chapter": "02_momentum", "notebook": "adaptive"}


def one_average(rng: np.random.Generator, t: int) -> tuple:
    return between(rng, 0.05, 0.3), between(rng, 0.5, 0.95), between(rng, 0.05, 0.2)


def walks(rng: np.random.Generator) -> list[tuple]:
    """Large gradients first, small ones later, some exactly 0; a number of theta without any; one step; ρ = 0."""
    calls = []
    rhos = between(rng, 0.5, 0.7), between(rng, 0.7, 0.85), between(rng, 0.85, 0.95), 0.0
    for (steps, size), rho in zip(((4, 3), (1, 2), (8, 4), (3, 2)), rhos, strict=True):
        gradients = rng.choice([-1.0, 1.0], (steps, size)) * rng.uniform(0.3, 1.5, (steps, size))
        gradients[0] *= 3
        gradients[1::2, 0] = 0.0
        gradients[:, 3:] = 0.0
        theta = np.sort(rng.normal(size=size))[::-1].copy()  # falling, so that an answer that sorts is seen
        calls.append((theta, gradients, between(rng, 0.05, 0.3), rho, between(rng, 0.05, 0.2)))
    return calls


def by_root(g: Any, s: Any, old: Any, eps: float) -> Any:
    return g / (np.sqrt(s) + eps)


def walk(
    theta: Any, gradients: Any, lr: float, keep: float, take: float, eps: float, *,
    step: Any = by_root, begin: float = 0.0, square: Any = np.square,
) -> Any:  # fmt: skip
    """Where theta ends if s keeps and takes these shares; begin: s before the first step."""
    s = begin + np.zeros_like(theta)
    for g in gradients:
        old, s = s, keep * s + take * square(g)
        theta = theta - lr * step(g, s, old, eps)
    return theta


def both(theta: Any, gradients: Any, lr: float, rho: float, eps: float, **other: Any) -> tuple[Any, Any]:
    """AdaGrad keeps all and takes all; RMSProp averages."""
    return (
        walk(theta, gradients, lr, 1.0, 1.0, eps, **other),
        walk(theta, gradients, lr, rho, 1 - rho, eps, **other),
    )


def averages(gradients: Any, rho: float) -> Any:
    """RMSProp's s after each step, written out: every square fades by ρ with each step after it."""
    ages = np.subtract.outer(np.arange(len(gradients)), np.arange(len(gradients)))
    return (1 - rho) * np.tril(rho ** np.abs(ages)) @ gradients**2


def after(theta: Any, gradients: Any, lr: float, s: Any, eps: float) -> Any:
    """Where theta ends if s is known for every step."""
    return theta - lr * (gradients / (np.sqrt(s) + eps)).sum(axis=0)


# fmt: off
adagrad_and_rmsprop = Exercise(
    **HOME,
    name="adagrad_and_rmsprop",
    title="Two memories: AdaGrad and RMSProp",
    returns=("adagrad", "rmsprop"),
    points=3,
    draw=walks,
    examples=[(np.array([1.0]), np.array([[2.0], [1.0]]), 0.1, 0.75, 0.0)],
    reference=lambda theta, gradients, learning_rate, rho, eps: both(theta, gradients, learning_rate, rho, eps),
    properties={
        "a number that meets no gradient stays where it is":
            lambda given, got: np.isclose(got, given.theta) | given.gradients.any(axis=0),
    },
    mistakes={
        "Both are AdaGrad: s adds up and forgets nothing. RMSProp's s keeps the share ρ and takes 1 − ρ of the new.":
            lambda t, g, lr, r, e: (both(t, g, lr, r, e)[0],) * 2,
        "Both are RMSProp: s forgets. AdaGrad's s adds up all squares and keeps them.":
            lambda t, g, lr, r, e: (both(t, g, lr, r, e)[1],) * 2,
        "The memory is lost at every step: s begins at 0 once, before the loop.":
            lambda t, g, lr, r, e: (walk(t, g, lr, 0, 1, e), walk(t, g, lr, 0, 1 - r, e)),
        "The second walk goes on where the first one ended. Both begin at theta, with an empty memory.":
            lambda t, g, lr, r, e: (both(t, g, lr, r, e)[0], both(both(t, g, lr, r, e)[0], g, lr, r, e)[1]),
        "The second walk goes on where the first one ended, and with its s. Both begin at theta, with s = 0.":
            lambda t, g, lr, r, e: (
                (first := both(t, g, lr, r, e)[0]), walk(first, g, lr, r, 1 - r, e, begin=(g**2).sum(axis=0))),
        "Both answers are one array: `a = theta` makes no copy, and `a -= …` changes theta for both walks. Write "
        "a = a - ….":
            lambda t, g, lr, r, e: (both(both(t, g, lr, r, e)[0], g, lr, r, e)[1],) * 2,
        "RMSProp begins with the sum that AdaGrad has left. Its own s begins at 0.":
            lambda t, g, lr, r, e: (
                both(t, g, lr, r, e)[0], walk(t, g, lr, r, 1 - r, e, begin=(g**2).sum(axis=0))),
        "AdaGrad divides by the sum over all steps from the first one on. s holds the squares that have come so far.":
            lambda t, g, lr, r, e: (
                after(t, g, lr, (g**2).sum(axis=0), e), both(t, g, lr, r, e)[1]),
        "AdaGrad's s is the mean of the squares so far. It is their sum, and only grows.":
            lambda t, g, lr, r, e: (
                after(t, g, lr, np.cumsum(g**2, axis=0) / np.arange(1, len(g) + 1)[:, None], e),
                both(t, g, lr, r, e)[1]),
        "The step divides by the old s. First bring s up to date, then step.":
            lambda t, g, lr, r, e: both(t, g, lr, r, e, step=lambda g, s, old, e: by_root(g, old, s, e)),
        "ε stands inside the root, as in Keras. Here it is outside, as in PyTorch: √s + ε.":
            lambda t, g, lr, r, e: both(t, g, lr, r, e, step=lambda g, s, old, e: g / np.sqrt(s + e)),
        "ε is left out. It guards the division where no gradient has been yet.":
            lambda t, g, lr, r, e: both(t, g, lr, r, 0.0),
        "A pair of brackets is missing: ε is added to the root, not to the new theta.":
            lambda t, g, lr, r, e: both(t, g, lr, r, e, step=lambda g, s, old, e: g / np.sqrt(s) - e / lr),
        "The root is missing: the step divides by s itself.":
            lambda t, g, lr, r, e: both(t, g, lr, r, e, step=lambda g, s, old, e: g / (s + e)),
        "s takes g instead of g². Gradients of both signs cancel, and a number below 0 has no root.":
            lambda t, g, lr, r, e: both(t, g, lr, r, e, square=np.asarray),
        "s is one number for all: g @ g adds up over theta. Every number has a square of its own, g**2.":
            lambda t, g, lr, r, e: both(t, g, lr, r, e, square=lambda g: g @ g),
        "The gradient itself is left out: η g / (√s + ε), not η / (√s + ε).":
            lambda t, g, lr, r, e: both(t, g, lr, r, e, step=lambda g, s, old, e: by_root(1.0, s, old, e)),
        "ρ and 1 − ρ have changed places: ρ is the share of the past that is kept.":
            lambda t, g, lr, r, e: (both(t, g, lr, r, e)[0], walk(t, g, lr, 1 - r, r, e)),
        "RMSProp takes the new square in full. An average gives it the weight 1 − ρ.":
            lambda t, g, lr, r, e: (both(t, g, lr, r, e)[0], walk(t, g, lr, r, 1, e)),
        "This is RMSProp with Adam's bias correction. RMSProp has none: its first steps are longer.":
            lambda t, g, lr, r, e: (
                both(t, g, lr, r, e)[0],
                after(t, g, lr, averages(g, r) / (1 - r ** np.arange(1, len(g) + 1)[:, None]), e)),
        "Only the first step is made. Does the return stand inside the loop?":
            lambda t, g, lr, r, e: both(t, g[:1], lr, r, e),
        "Only the last step is made: theta and s are to be carried from step to step.":
            lambda t, g, lr, r, e: both(t, g[-1:], lr, r, e),
        "The gradients are added up for one large step. Every row of them is a step.":
            lambda t, g, lr, r, e: both(t, g.sum(axis=0, keepdims=True), lr, r, e),
        "All places on the way come back. Only the last one is asked for.":
            lambda t, g, lr, r, e: tuple(
                np.swapaxes([both(t, g[: n + 1], lr, r, e) for n in range(len(g))], 0, 1)),
        "Both walks go uphill: theta must move against the gradient.":
            lambda t, g, lr, r, e: both(t, g, -lr, r, e),
    },
    variants=(
        lambda t, g, lr, r, e: (
            after(t, g, lr, np.cumsum(g * g, axis=0), e), after(t, g, lr, averages(g, r), e)),
        lambda t, g, lr, r, e: [place.tolist() for place in both(t, g, lr, r, e)],
    ),
    hints=(
        "One loop over the rows of gradients, with theta and s in it. Run it twice, each time from the beginning.",
        "The loops differ in one line, the new s. Then both divide the gradient by the root of s, plus eps.",
        "AdaGrad: s = s + grad**2. RMSProp: s = rho * s + (1 - rho) * grad**2.",
    ),
)


def adadelta(theta: Any, s: Any, d: Any, g: Any, lr: float, r: float, eps: float) -> tuple[Any, Any, Any]:
    s = r * s + (1 - r) * g**2
    delta = np.sqrt(d + eps) / np.sqrt(s + eps) * g
    return theta - lr * delta, s, r * d + (1 - r) * delta**2


adadelta_step = Exercise(
    **HOME,
    name="adadelta_step",
    title="One step of AdaDelta",
    returns=("theta", "s", "d"),
    points=3,
    draw=updates("ss", one_average),
    examples=[(np.array([1.0]), np.array([4.0]), np.array([1.0]), np.array([2.0]), 1.0, 0.5, 0.0)],
    reference=lambda theta, s, d, grad, learning_rate, rho, eps: adadelta(theta, s, d, grad, learning_rate, rho, eps),
    mistakes={
        "ε stands outside the roots. Here it is inside both: on the first step it is all there is.":
            lambda theta, s, d, g, lr, r, eps: (
                theta - lr * (delta := (np.sqrt(d) + eps) / (np.sqrt(r * s + (1 - r) * g**2) + eps) * g),
                r * s + (1 - r) * g**2, r * d + (1 - r) * delta**2),
        "d averages the squared gradients. It must average the squared steps Δ.":
            lambda theta, s, d, g, lr, r, eps: (*adadelta(theta, s, d, g, lr, r, eps)[:2], r * d + (1 - r) * g**2),
        "d comes back unchanged: the rule would never find its rate.":
            lambda theta, s, d, g, lr, r, eps: (*adadelta(theta, s, d, g, lr, r, eps)[:2], d),
        "d averages ηΔ. It must be Δ itself, before the rate.":
            lambda theta, s, d, g, lr, r, eps: (
                *(now := adadelta(theta, s, d, g, lr, r, eps))[:2], r * d + (1 - r) * (theta - now[0])**2),
        "The numerator is missing: this is RMSProp with ε inside the root.":
            lambda theta, s, d, g, lr, r, eps: (
                theta - lr * (delta := g / np.sqrt(r * s + (1 - r) * g**2 + eps)),
                r * s + (1 - r) * g**2, r * d + (1 - r) * delta**2),
        "The fraction is upside down: d belongs above, s below.":
            lambda theta, s, d, g, lr, r, eps: (
                theta - lr * (delta := np.sqrt(r * s + (1 - r) * g**2 + eps) / np.sqrt(d + eps) * g),
                r * s + (1 - r) * g**2, r * d + (1 - r) * delta**2),
        "The step divides by the old s. First bring s up to date.":
            lambda theta, s, d, g, lr, r, eps: (
                theta - lr * (delta := np.sqrt(d + eps) / np.sqrt(s + eps) * g),
                r * s + (1 - r) * g**2, r * d + (1 - r) * delta**2),
        "The rate is left out: theta ← theta − ηΔ, even if η is often 1.":
            lambda theta, s, d, g, lr, r, eps: adadelta(theta, s, d, g, 1.0, r, eps),
        "Δ is computed with the new d. First Δ from the old d, then d from Δ.":
            lambda theta, s, d, g, lr, r, eps: (
                theta - lr * g * np.sqrt(
                    ((now := adadelta(theta, s, d, g, lr, r, eps))[2] + eps) / (now[1] + eps)), *now[1:]),
        "d averages Δ. It must average Δ², or steps to and fro cancel.":
            lambda theta, s, d, g, lr, r, eps: (
                *adadelta(theta, s, d, g, lr, r, eps)[:2],
                r * d + (1 - r) * (theta - adadelta(theta, s, d, g, 1.0, r, eps)[0])),
    },
    variants=(
        lambda theta, s, d, g, lr, r, eps: (
            theta - lr * g * np.sqrt((d + eps) / (r * s + (1 - r) * g * g + eps)),
            r * s + (1 - r) * g * g,
            r * d + (1 - r) * g * g * (d + eps) / (r * s + (1 - r) * g * g + eps)),
    ),
    hints=(
        "Four lines: s as in RMSProp, the step Δ, the average d of its squares, theta.",
        "Δ is the gradient times √(d + ε)/√(s + ε), with the new s and the old d.",
        "delta = np.sqrt(d + eps) / np.sqrt(s + eps) * grad; d = rho * d + (1 - rho) * delta**2.",
    ),
)
# fmt: on

EXERCISES = [adagrad_and_rmsprop, adadelta_step]
