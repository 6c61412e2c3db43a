"""Chapter 02: a ball with memory, a ball that looks ahead, and how far either can be pushed."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, updates

HOME: Any = {"chapter": "02_momentum", "notebook": "momentum"}


def rate_and_momentum(rng: np.random.Generator, t: int) -> tuple:
    return between(rng, 0.05, 0.3), between(rng, 0.5, 0.95)


momentum_step = Exercise(
    **HOME,
    name="momentum_step",
    title="One step of momentum",
    returns=("theta", "velocity"),
    draw=updates("v", rate_and_momentum),
    reference=lambda theta, velocity, grad, learning_rate, momentum: (
        theta + momentum * velocity - learning_rate * grad,
        momentum * velocity - learning_rate * grad,
    ),
    properties={
        "what theta moves by is the new velocity": lambda given, got: np.isclose(got[0] - given.theta, got[1]),
    },
    mistakes={
        "This is plain gradient descent: the velocity is handed back unused.": lambda theta, v, g, lr, mu: (
            (theta - lr * g, v)
        ),
        "The rate is outside the velocity, v ← μv + g and θ ← θ − ηv, as in PyTorch. Here it is inside.": (
            lambda theta, v, g, lr, mu: (theta - lr * (mu * v + g), mu * v + g)
        ),
        "The velocity has the wrong sign: this ball rolls uphill. It must be v ← μv − ηg.": (
            lambda theta, v, g, lr, mu: (theta + mu * v + lr * g, mu * v + lr * g)
        ),
        "theta moves by the old velocity. First the new velocity, then the step.": lambda theta, v, g, lr, mu: (
            (theta + v, mu * v - lr * g)
        ),
        "The gradient is damped by 1 − μ, as in an average. Here v is a sum, v ← μv − ηg.": (
            lambda theta, v, g, lr, mu: (theta + mu * v - (1 - mu) * lr * g, mu * v - (1 - mu) * lr * g)
        ),
        "This is Nesterov's step: it looks ahead. Momentum moves by the new velocity, no further.": (
            lambda theta, v, g, lr, mu: (theta + mu * (mu * v - lr * g) - lr * g, mu * v - lr * g)
        ),
        "The old velocity is not multiplied by the momentum: this ball has no friction at all.": (
            lambda theta, v, g, lr, mu: (theta + v - lr * g, v - lr * g)
        ),
        "Rate and momentum have changed places.": lambda theta, v, g, lr, mu: (
            (theta + lr * v - mu * g, lr * v - mu * g)
        ),
    },
    variants=(
        lambda theta, v, g, lr, mu: [theta + (mu * v - lr * g), mu * v - lr * g],
        lambda theta, v, g, lr, mu: (theta - (lr * g - mu * v), -(lr * g - mu * v)),
    ),
    hints=(
        "There are two lines: the first makes the new velocity, the second moves theta by it.",
        "The new velocity keeps the share `momentum` of the old one, and the gradient pushes it downhill.",
        "velocity = momentum * velocity - learning_rate * grad; then theta + velocity.",
    ),
)

nesterov_step = Exercise(
    **HOME,
    name="nesterov_step",
    title="One step of Nesterov's rule",
    returns=("theta", "velocity"),
    draw=updates("v", rate_and_momentum),
    reference=lambda theta, velocity, grad, learning_rate, momentum: (
        theta + momentum**2 * velocity - (1 + momentum) * learning_rate * grad,
        momentum * velocity - learning_rate * grad,
    ),
    mistakes={
        "This is plain momentum: theta moves by v. Looking ahead, it moves by μv − ηg with the new v.": (
            lambda theta, v, g, lr, mu: (theta + mu * v - lr * g, mu * v - lr * g)
        ),
        "theta moves by μv alone. The step along the gradient, −ηg, is still to come.": (
            lambda theta, v, g, lr, mu: (theta + mu * (mu * v - lr * g), mu * v - lr * g)
        ),
        "theta moves by v − ηg: the new velocity must be multiplied by the momentum once more.": (
            lambda theta, v, g, lr, mu: (theta + (mu * v - lr * g) - lr * g, mu * v - lr * g)
        ),
        "theta moves by v + μv. The second part is right, but the first is −ηg, not v.": (
            lambda theta, v, g, lr, mu: (theta + (1 + mu) * (mu * v - lr * g), mu * v - lr * g)
        ),
        "The rate is outside the velocity, as in PyTorch. Here it is inside: v ← μv − ηg.": (
            lambda theta, v, g, lr, mu: (theta - lr * (g + mu * (mu * v + g)), mu * v + g)
        ),
        "theta moves as it should, but the velocity that comes back is the old one.": lambda theta, v, g, lr, mu: (
            (theta + mu * (mu * v - lr * g) - lr * g, v)
        ),
        "The signs of the gradient are turned round: this goes uphill.": lambda theta, v, g, lr, mu: (
            (theta + mu * (mu * v + lr * g) + lr * g, mu * v + lr * g)
        ),
    },
    variants=(lambda theta, v, g, lr, mu: (theta + mu * (mu * v - lr * g) - lr * g, mu * v - lr * g),),
    hints=(
        "The velocity is that of momentum. Only the move of theta is another one.",
        "After its own step, theta looks where the velocity would carry it next: by μ times the new velocity.",
        "velocity = momentum * velocity - learning_rate * grad; theta + momentum * velocity - learning_rate * grad.",
    ),
)

EXERCISES = [momentum_step, nesterov_step]
