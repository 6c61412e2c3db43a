"""Chapter 02, second half: rules that give every number in theta a rate of its own."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, updates

HOME: Any = {"chapter": "02_momentum", "notebook": "adaptive"}


def rate_and_eps(rng: np.random.Generator, t: int) -> tuple:
    return between(rng, 0.05, 0.3), between(rng, 0.05, 0.2)  # an ε large enough to see where it stands


def one_average(rng: np.random.Generator, t: int) -> tuple:
    return between(rng, 0.05, 0.3), between(rng, 0.5, 0.95), between(rng, 0.05, 0.2)


# fmt: off
adagrad_step = Exercise(
    **HOME,
    name="adagrad_step",
    title="One step of AdaGrad",
    returns=("theta", "s"),
    draw=updates("s", rate_and_eps),
    examples=[(np.array([1.0]), np.array([5.0]), np.array([2.0]), 0.3, 0.0)],
    reference=lambda theta, s, grad, learning_rate, eps: (
        theta - learning_rate * grad / (np.sqrt(s + grad**2) + eps), s + grad**2
    ),
    properties={
        "s never falls": lambda given, got: got[1] >= given.s * (1 - 1e-6),
    },
    mistakes={
        "ε stands inside the root. Here it is added to the root: √s + ε.":
            lambda theta, s, g, lr, eps: (theta - lr * g / np.sqrt(s + g**2 + eps), s + g**2),
        "The step divides by the old s. First add g², then step.":
            lambda theta, s, g, lr, eps: (theta - lr * g / (np.sqrt(s) + eps), s + g**2),
        "s adds up g. It must be the squares: s ← s + g².":
            lambda theta, s, g, lr, eps: (theta - lr * g / (np.sqrt(np.abs(s + g)) + eps), s + g),
        "s forgets: it holds only the last g². AdaGrad adds them all up.":
            lambda theta, s, g, lr, eps: (theta - lr * g / (np.sqrt(g**2) + eps), g**2),
        "The root is missing: the step divides by s itself.":
            lambda theta, s, g, lr, eps: (theta - lr * g / (s + g**2 + eps), s + g**2),
        "s is an average that forgets, as in RMSProp. AdaGrad adds up and forgets nothing.":
            lambda theta, s, g, lr, eps: (theta - lr * g / (np.sqrt(0.9 * s + 0.1 * g**2) + eps), 0.9 * s + 0.1 * g**2),
        "The new s is used but not returned: the next step would begin with the old one.":
            lambda theta, s, g, lr, eps: (theta - lr * g / (np.sqrt(s + g**2) + eps), s),
        "This goes uphill: theta must move against the gradient.":
            lambda theta, s, g, lr, eps: (theta + lr * g / (np.sqrt(s + g**2) + eps), s + g**2),
        "ε is left out. It guards the division where no gradient has been yet.":
            lambda theta, s, g, lr, eps: (theta - lr * g / np.sqrt(s + g**2), s + g**2),
        "A pair of brackets is missing: ε is added to the root, not to the new theta.":
            lambda theta, s, g, lr, eps: (theta - lr * g / np.sqrt(s + g**2) + eps, s + g**2),
        "The gradient itself is left out: η g / (√s + ε), not η / (√s + ε).":
            lambda theta, s, g, lr, eps: (theta - lr / (np.sqrt(s + g**2) + eps), s + g**2),
    },
    variants=(lambda theta, s, g, lr, eps: (theta - lr / (np.sqrt(s + g * g) + eps) * g, s + g * g),),
    hints=(
        "s remembers how much ground each number of theta has covered: the sum of its squared gradients.",
        "Where s is large the step is short: divide the gradient by the root of s, plus eps.",
        "s = s + grad**2; theta - learning_rate * grad / (np.sqrt(s) + eps).",
    ),
)

rmsprop_step = Exercise(
    **HOME,
    name="rmsprop_step",
    title="One step of RMSProp",
    returns=("theta", "s"),
    draw=updates("s", one_average),
    examples=[(np.array([1.0]), np.array([4.0]), np.array([2.0]), 0.3, 0.9, 0.0)],
    reference=lambda theta, s, grad, learning_rate, rho, eps: (
        theta - learning_rate * grad / (np.sqrt(rho * s + (1 - rho) * grad**2) + eps), rho * s + (1 - rho) * grad**2
    ),
    mistakes={
        "s adds up and forgets nothing: that is AdaGrad. Here s ← ρs + (1 − ρ)g².":
            lambda theta, s, g, lr, r, eps: (theta - lr * g / (np.sqrt(s + g**2) + eps), s + g**2),
        "ε stands inside the root, as in Keras. Here it is outside, as in PyTorch: √s + ε.":
            lambda theta, s, g, lr, r, eps: (
                theta - lr * g / np.sqrt(r * s + (1 - r) * g**2 + eps), r * s + (1 - r) * g**2),
        "ρ and 1 − ρ have changed places: ρ is the share of the past that is kept.":
            lambda theta, s, g, lr, r, eps: (
                theta - lr * g / (np.sqrt((1 - r) * s + r * g**2) + eps), (1 - r) * s + r * g**2),
        "The new square enters in full. An average gives it the weight 1 − ρ.":
            lambda theta, s, g, lr, r, eps: (theta - lr * g / (np.sqrt(r * s + g**2) + eps), r * s + g**2),
        "The step divides by the old s. First bring s up to date, then step.":
            lambda theta, s, g, lr, r, eps: (theta - lr * g / (np.sqrt(s) + eps), r * s + (1 - r) * g**2),
        "The root is missing: the step divides by s itself.":
            lambda theta, s, g, lr, r, eps: (
                theta - lr * g / (r * s + (1 - r) * g**2 + eps), r * s + (1 - r) * g**2),
        "s averages g. It must be the squares, or gradients of both signs cancel.":
            lambda theta, s, g, lr, r, eps: (
                theta - lr * g / (np.sqrt(np.abs(r * s + (1 - r) * g)) + eps), r * s + (1 - r) * g),
        "This is RMSProp with Adam's bias correction. RMSProp has none.":
            lambda theta, s, g, lr, r, eps: (
                theta - lr * g / (np.sqrt((r * s + (1 - r) * g**2) / (1 - r)) + eps), r * s + (1 - r) * g**2),
        "ε is left out. It guards the division where no gradient has been yet.":
            lambda theta, s, g, lr, r, eps: (theta - lr * g / np.sqrt(r * s + (1 - r) * g**2), r * s + (1 - r) * g**2),
        "A pair of brackets is missing: ε is added to the root, not to the new theta.":
            lambda theta, s, g, lr, r, eps: (
                theta - lr * g / np.sqrt(r * s + (1 - r) * g**2) + eps, r * s + (1 - r) * g**2),
        "The gradient itself is left out: η g / (√s + ε), not η / (√s + ε).":
            lambda theta, s, g, lr, r, eps: (
                theta - lr / (np.sqrt(r * s + (1 - r) * g**2) + eps), r * s + (1 - r) * g**2),
    },
    variants=(
        lambda theta, s, g, lr, r, eps: (
            theta - lr * g / (np.sqrt(s + (1 - r) * (g * g - s)) + eps), s + (1 - r) * (g * g - s)),
    ),
    hints=(
        "It is AdaGrad whose s forgets: an average of squares instead of their sum.",
        "The new s keeps the share rho of the old one and takes 1 − rho of the new square.",
        "s = rho * s + (1 - rho) * grad**2; theta - learning_rate * grad / (np.sqrt(s) + eps).",
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

EXERCISES = [adagrad_step, rmsprop_step, adadelta_step]
