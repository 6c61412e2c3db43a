"""Chapter 02, third part: Adam and its relatives, which join momentum to a rate for every number."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, updates

HOME: Any = {"chapter": "02_momentum", "notebook": "adam"}


def two_averages(rng: np.random.Generator, t: int) -> tuple:
    return t, between(rng, 0.05, 0.3), between(rng, 0.6, 0.9), between(rng, 0.92, 0.97), between(rng, 0.05, 0.2)


def moments(m: Any, v: Any, g: Any, b1: float, b2: float) -> tuple[Any, Any]:
    return b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g


# fmt: off
def adam(theta: Any, m: Any, v: Any, g: Any, t: float, lr: float, b1: float, b2: float, eps: float) -> tuple:
    m, v = moments(m, v, g, b1, b2)
    return theta - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), m, v


adam_step = Exercise(
    **HOME,
    name="adam_step",
    rounds=2,
    title="One step of Adam",
    returns=("theta", "m", "v"),
    points=3,
    draw=updates("vs", two_averages),
    examples=[(np.array([1.0]), np.array([0.0]), np.array([0.0]), np.array([2.0]), 1, 0.1, 0.9, 0.99, 0.0)],
    reference=lambda theta, m, v, grad, step, learning_rate, beta1, beta2, eps: adam(
        theta, m, v, grad, step, learning_rate, beta1, beta2, eps),
    properties={
        "the very first step has about the length of the rate, however large the gradient":
            lambda given, got: given.step > 1 or np.abs(got[0] - given.theta) <= given.learning_rate * 1.001,
    },
    mistakes={
        "This is Adam without bias correction: m and v start at 0 and must be divided by 1 − βᵗ.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (np.sqrt(now[1]) + eps), *now),
        "ε is added inside the root. It stands outside: √v̂ + ε.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t)
                / np.sqrt(now[1] / (1 - b2**t) + eps), *now),
        "This is Keras' ε̂: ε is added to √v before the correction. Here it is added to √v̂.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * (now := moments(m, v, g, b1, b2))[0]
                / (np.sqrt(now[1]) + eps), *now),
        "The corrections count from 0: t is the number of this step, and the first one is 1.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: adam(theta, m, v, g, t + 1, lr, b1, b2, eps),
        "m̂ and v̂ come back instead of m and v: the next step would correct them once more.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                (now := adam(theta, m, v, g, t, lr, b1, b2, eps))[0], now[1] / (1 - b1**t), now[2] / (1 - b2**t)),
        "Only m is corrected. v starts at 0 too, and needs it more.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t) / (np.sqrt(now[1]) + eps), *now),
        "Only v is corrected. m starts at 0 too.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (np.sqrt(now[1] / (1 - b2**t)) + eps), *now),
        "β₁ and β₂ have changed places: m takes β₁, v takes β₂.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: adam(theta, m, v, g, t, lr, b2, b1, eps),
        "The root is missing: the step divides by v̂ itself.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t)
                / (now[1] / (1 - b2**t) + eps), *now),
        "v averages g instead of g².":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (b1 * m + (1 - b1) * g) / (1 - b1**t)
                / (np.sqrt(np.abs(b2 * v + (1 - b2) * g) / (1 - b2**t)) + eps),
                b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g),
        "The divisor is 1 − β, as in the first step, at every step. It is 1 − βᵗ, and grows.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1)
                / (np.sqrt(now[1] / (1 - b2)) + eps), *now),
        "βᵗ is a power, beta**step, not a product.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1 * t)
                / (np.sqrt(now[1] / (1 - b2 * t)) + eps), *now),
        "m and v are multiplied by 1 − βᵗ. They are too small already: divide.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] * (1 - b1**t)
                / (np.sqrt(now[1] * (1 - b2**t)) + eps), *now),
        "grad @ grad is one number for all. Every number has its own square: grad**2.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (m1 := b1 * m + (1 - b1) * g) / (1 - b1**t)
                / (np.sqrt((v1 := b2 * v + (1 - b2) * g @ g) / (1 - b2**t)) + eps), m1, v1),
        "A pair of brackets is missing: ε is added to √v̂, not to the new theta.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t)
                / np.sqrt(now[1] / (1 - b2**t)) + eps, *now),
        "m and v that come back are those that were given, not the new ones.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (adam(theta, m, v, g, t, lr, b1, b2, eps)[0], m, v),
        "g and g² are added in full. Their weights are 1 − β₁ and 1 − β₂.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (m1 := b1 * m + g) / (1 - b1**t)
                / (np.sqrt((v1 := b2 * v + g * g) / (1 - b2**t)) + eps), m1, v1),
        "The step takes the old m and v. First bring them up to date, then step.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps), *moments(m, v, g, b1, b2)),
    },
    variants=(
        lambda theta, m, v, g, t, lr, b1, b2, eps: (
            theta - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * (now := moments(m, v, g, b1, b2))[0]
            / (np.sqrt(now[1]) + eps * np.sqrt(1 - b2**t)), *now),
    ),
    hints=(
        "Two averages, of g and of g²; both corrected; then a step of RMSProp along the first.",
        "An average that starts at 0 has seen only 1 − βᵗ of its weights after t steps: divide by that.",
        "m_hat = m / (1 - beta1**step), v_hat likewise; theta - learning_rate * m_hat / (np.sqrt(v_hat) + eps).",
    ),
)


def amsgrad(theta: Any, m: Any, v: Any, top: Any, g: Any, t: int, lr: float, b1: float, b2: float, eps: float) -> tuple:
    m, v = moments(m, v, g, b1, b2)
    top = np.maximum(top, v)
    return theta - lr * (m / (1 - b1**t)) / (np.sqrt(top / (1 - b2**t)) + eps), m, v, top


amsgrad_step = Exercise(
    **HOME,
    name="amsgrad_step",
    rounds=2,
    title="One step of AMSGrad",
    returns=("theta", "m", "v", "v_max"),
    draw=updates("vss", two_averages),
    examples=[(
        np.array([1.0]), np.array([0.0]), np.array([0.0]), np.array([0.16]), np.array([2.0]), 1, 0.1, 0.9, 0.99, 0.0)],
    reference=lambda theta, m, v, v_max, grad, step, learning_rate, beta1, beta2, eps: amsgrad(
        theta, m, v, v_max, grad, step, learning_rate, beta1, beta2, eps),
    properties={"v_max never falls": lambda given, got: got[3] >= given.v_max * (1 - 1e-6)},
    mistakes={
        "This is Adam: v_max is kept but the step divides by v.":
            lambda theta, m, v, top, g, t, lr, b1, b2, eps: (
                (now := adam(theta, m, v, g, t, lr, b1, b2, eps))[0], now[1], now[2], np.maximum(top, now[2])),
        "The larger value is stored in v itself. v goes on as in Adam; v_max is a memory of its own.":
            lambda theta, m, v, top, g, t, lr, b1, b2, eps: (
                *(now := amsgrad(theta, m, v, top, g, t, lr, b1, b2, eps))[:2], now[3], now[3]),
        "v_max keeps the smaller value: rates would rise and never fall.":
            lambda theta, m, v, top, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t)
                / (np.sqrt(np.minimum(top, now[1]) / (1 - b2**t)) + eps), *now, np.minimum(top, now[1])),
        "v_max is compared with the old v. First bring v up to date.":
            lambda theta, m, v, top, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t)
                / (np.sqrt(np.maximum(top, v) / (1 - b2**t)) + eps), *now, np.maximum(top, v)),
        "The step uses the new v_max, but the old one comes back.":
            lambda theta, m, v, top, g, t, lr, b1, b2, eps: (
                *amsgrad(theta, m, v, top, g, t, lr, b1, b2, eps)[:3], top),
        "v is corrected before it is compared. Compare as it is; correct the largest for the step.":
            lambda theta, m, v, top, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t)
                / (np.sqrt(np.maximum(top, now[1] / (1 - b2**t))) + eps),
                *now, np.maximum(top, now[1] / (1 - b2**t))),
        "There is no bias correction: divide m by 1 − β₁ᵗ and v_max by 1 − β₂ᵗ.":
            lambda theta, m, v, top, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (np.sqrt(np.maximum(top, now[1])) + eps),
                *now, np.maximum(top, now[1])),
        "v_max is not corrected for the step: divide it by 1 − β₂ᵗ, as v in Adam. What is kept stays as it is.":
            lambda theta, m, v, top, g, t, lr, b1, b2, eps: (
                theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t)
                / (np.sqrt(np.maximum(top, now[1])) + eps), *now, np.maximum(top, now[1])),
    },
    variants=(
        lambda theta, m, v, top, g, t, lr, b1, b2, eps: (
            theta - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t)
            / (np.sqrt(np.where(now[1] > top, now[1], top)) / np.sqrt(1 - b2**t) + eps),
            *now, np.where(now[1] > top, now[1], top)),
    ),
    hints=(
        "It is Adam with one more array: the largest v so far, number by number.",
        "m and v as in Adam; then np.maximum of v_max and the new v; the step divides by that one.",
        "v_max = np.maximum(v_max, v); v_hat = v_max / (1 - beta2**step); the rest as in Adam.",
    ),
)


def with_decay(rng: np.random.Generator, t: int) -> tuple:
    return *two_averages(rng, t), between(rng, 0.1, 0.5)


adamw_step = Exercise(
    **HOME,
    name="adamw_step",
    rounds=2,
    title="One step of AdamW",
    returns=("theta", "m", "v"),
    draw=updates("vs", with_decay),
    examples=[(np.array([1.0]), np.array([0.0]), np.array([0.0]), np.array([2.0]), 1, 0.1, 0.9, 0.99, 0.0, 0.5)],
    reference=lambda theta, m, v, grad, step, learning_rate, beta1, beta2, eps, weight_decay: adam(
        theta * (1 - learning_rate * weight_decay), m, v, grad, step, learning_rate, beta1, beta2, eps),
    mistakes={
        "The decay goes through the gradient: that is L2 in Adam. Decoupled, it passes Adam by.":
            lambda theta, m, v, g, t, lr, b1, b2, eps, wd: adam(theta, m, v, g + wd * theta, t, lr, b1, b2, eps),
        "The decay is not multiplied by the rate: theta ← (1 − ηλ)theta.":
            lambda theta, m, v, g, t, lr, b1, b2, eps, wd: adam(theta * (1 - wd), m, v, g, t, lr, b1, b2, eps),
        "There is no decay at all: this is Adam.":
            lambda theta, m, v, g, t, lr, b1, b2, eps, wd: adam(theta, m, v, g, t, lr, b1, b2, eps),
        "theta decays after the step. Here it shrinks first, then moves.":
            lambda theta, m, v, g, t, lr, b1, b2, eps, wd: (
                (now := adam(theta, m, v, g, t, lr, b1, b2, eps))[0] * (1 - lr * wd), *now[1:]),
        "theta grows: 1 + ηλ. It must shrink.":
            lambda theta, m, v, g, t, lr, b1, b2, eps, wd: adam(
                theta * (1 + lr * wd), m, v, g, t, lr, b1, b2, eps),
        "The factor is 1 − 2ηλ, as for the penalty λθ². Decoupled decay has no 2.":
            lambda theta, m, v, g, t, lr, b1, b2, eps, wd: adam(
                theta * (1 - 2 * lr * wd), m, v, g, t, lr, b1, b2, eps),
        "theta is multiplied by λ itself. It keeps the share 1 − ηλ.":
            lambda theta, m, v, g, t, lr, b1, b2, eps, wd: adam(theta * wd, m, v, g, t, lr, b1, b2, eps),
        "The decay is right, but Adam's bias correction is missing.":
            lambda theta, m, v, g, t, lr, b1, b2, eps, wd: (
                theta * (1 - lr * wd) - lr * (now := moments(m, v, g, b1, b2))[0] / (np.sqrt(now[1]) + eps), *now),
        "The decay is right, but ε is added inside the root. It stands outside: √v̂ + ε.":
            lambda theta, m, v, g, t, lr, b1, b2, eps, wd: (
                theta * (1 - lr * wd) - lr * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t)
                / np.sqrt(now[1] / (1 - b2**t) + eps), *now),
    },
    variants=(
        lambda theta, m, v, g, t, lr, b1, b2, eps, wd: (
            (now := adam(theta, m, v, g, t, lr, b1, b2, eps))[0] - lr * wd * theta, *now[1:]),
    ),
    hints=(
        "Write Adam first. The decay is one more line that does not touch grad, m or v.",
        "Before the step, theta keeps the share 1 − learning_rate · weight_decay of itself.",
        "theta = (1 - learning_rate * weight_decay) * theta; then Adam's step from there.",
    ),
)


def nadam(theta: Any, m: Any, v: Any, g: Any, t: int, lr: float, b1: float, b2: float, eps: float) -> tuple:
    m, v = moments(m, v, g, b1, b2)
    ahead = b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
    return theta - lr * ahead / (np.sqrt(v / (1 - b2**t)) + eps), m, v


nadam_step = Exercise(
    **HOME,
    name="nadam_step",
    rounds=2,
    title="One step of Nadam, with a constant μ",
    returns=("theta", "m", "v"),
    points=3,
    draw=updates("vs", two_averages),
    examples=[(np.array([1.0]), np.array([0.0]), np.array([0.0]), np.array([2.0]), 1, 0.1, 0.9, 0.99, 0.0)],
    reference=lambda theta, m, v, grad, step, learning_rate, beta1, beta2, eps: nadam(
        theta, m, v, grad, step, learning_rate, beta1, beta2, eps),
    mistakes={
        "This is Adam. Nadam takes β₁m and the new gradient in place of m.": adam,
        "β₁m is divided by 1 − β₁ᵗ. It belongs to the next step: 1 − β₁ᵗ⁺¹.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (b1 * (now := moments(m, v, g, b1, b2))[0] + (1 - b1) * g) / (1 - b1**t)
                / (np.sqrt(now[1] / (1 - b2**t)) + eps), *now),
        "The look ahead uses the old m. First bring m up to date.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t))
                / (np.sqrt((now := moments(m, v, g, b1, b2))[1] / (1 - b2**t)) + eps), *now),
        "The gradient enters in full. Its weight is (1 − β₁)/(1 − β₁ᵗ).":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (b1 * (now := moments(m, v, g, b1, b2))[0] / (1 - b1 ** (t + 1)) + g)
                / (np.sqrt(now[1] / (1 - b2**t)) + eps), *now),
        "There is no bias correction in it.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (b1 * (now := moments(m, v, g, b1, b2))[0] + (1 - b1) * g)
                / (np.sqrt(now[1]) + eps), *now),
        "Only the look ahead β₁m is there. The new gradient's own share, (1 − β₁)g/(1 − β₁ᵗ), is missing.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * b1 * (now := moments(m, v, g, b1, b2))[0] / (1 - b1 ** (t + 1))
                / (np.sqrt(now[1] / (1 - b2**t)) + eps), *now),
        "v is not corrected: divide it by 1 − β₂ᵗ.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (b1 * (now := moments(m, v, g, b1, b2))[0] / (1 - b1 ** (t + 1))
                + (1 - b1) * g / (1 - b1**t)) / (np.sqrt(now[1]) + eps), *now),
        "The power is step + 1, with brackets: beta1**step + 1 is another number.":
            lambda theta, m, v, g, t, lr, b1, b2, eps: (
                theta - lr * (b1 * (now := moments(m, v, g, b1, b2))[0] / (1 - b1**t + 1) + (1 - b1) * g / (1 - b1**t))
                / (np.sqrt(now[1] / (1 - b2**t)) + eps), *now),
    },
    variants=(
        lambda theta, m, v, g, t, lr, b1, b2, eps: (
            theta - lr / (np.sqrt((now := moments(m, v, g, b1, b2))[1] / (1 - b2**t)) + eps)
            * ((1 - b1) / (1 - b1**t) * g + b1 / (1 - b1 ** (t + 1)) * now[0]), *now),
    ),
    hints=(
        "m and v as in Adam. Only what theta moves along is another mixture.",
        "The mixture: β₁ times the new m, corrected for step t + 1, and (1 − β₁) times the gradient, corrected for t.",
        "beta1 * m / (1 - beta1**(step + 1)) + (1 - beta1) * grad / (1 - beta1**step), over √v̂ + ε.",
    ),
)
# fmt: on

EXERCISES = [adam_step, amsgrad_step, adamw_step, nadam_step]
