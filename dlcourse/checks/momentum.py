"""Chapter 02: a ball with memory, a ball that looks ahead, and how far either can be pushed."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, same, updates

HOME: Any = {"chapter": "02_momentum", "notebook": "momentum"}


def rate_and_momentum(rng: np.random.Generator, t: int) -> tuple:
    return between(rng, 0.05, 0.3), between(rng, 0.5, 0.95)


momentum_step = Exercise(
    **HOME,
    name="momentum_step",
    title="One step of momentum",
    returns=("theta", "velocity"),
    draw=updates("v", rate_and_momentum),
    examples=[(np.array([1.0]), np.array([0.5]), np.array([2.0]), 0.1, 0.9)],
    reference=lambda theta, velocity, grad, learning_rate, momentum: (
        theta + momentum * velocity - learning_rate * grad,
        momentum * velocity - learning_rate * grad,
    ),
    properties={
        "what theta moves by is the new velocity": lambda given, got: same(got[0] - given.theta, got[1]),
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
        "theta moves against the velocity. v already points downhill: θ ← θ + v.": lambda theta, v, g, lr, mu: (
            (theta - (mu * v - lr * g), mu * v - lr * g)
        ),
        "This v points uphill, v ← μv + ηg and θ ← θ − v. The same walk, but here v ← μv − ηg and θ ← θ + v.": (
            lambda theta, v, g, lr, mu: (theta - (mu * v + lr * g), mu * v + lr * g)
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
    examples=[(np.array([1.0]), np.array([0.5]), np.array([2.0]), 0.1, 0.9)],
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
        "The old velocity is taken off. In the form −μ · old + (1 + μ) · new there is a second part.": (
            lambda theta, v, g, lr, mu: (theta - mu * v - lr * g, mu * v - lr * g)
        ),
    },
    variants=(lambda theta, v, g, lr, mu: (theta + mu * (mu * v - lr * g) - lr * g, mu * v - lr * g),),
    hints=(
        "The velocity is that of momentum. Only the move of theta is another one.",
        "After its own step, theta looks where the velocity would carry it next: by μ times the new velocity.",
        "velocity = momentum * velocity - learning_rate * grad; theta + momentum * velocity - learning_rate * grad.",
    ),
)


def curved(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """A Hessian with these eigenvalues."""
    turn = np.linalg.qr(rng.normal(size=(len(values),) * 2))[0]
    hessian = turn * values @ turn.T
    return (hessian + hessian.T) / 2


def valleys_and_saddles(rng: np.random.Generator) -> list[tuple]:
    """Curvatures of both signs: Newton's rule goes to whatever point is flat, a saddle as well."""
    signs = ([1, 1], [1, 1, -1], [1, -1, -1, 1], [-1, -1])
    hessians = [curved(rng, np.array(s) * rng.uniform(0.5, 3.0, len(s))) for s in signs]
    thetas = [np.sort(rng.normal(size=len(hessian)))[::-1].copy() for hessian in hessians]
    return [(theta, rng.normal(size=len(theta)), hessian) for theta, hessian in zip(thetas, hessians, strict=True)]


# fmt: off
newton_step = Exercise(
    **HOME,
    name="newton_step",
    rounds=2,
    title="One step of Newton's rule",
    draw=valleys_and_saddles,
    examples=[(np.array([1.0, 1.0]), np.array([2.0, 8.0]), np.array([[2.0, 0.0], [0.0, 8.0]]))],
    reference=lambda theta, grad, hessian: theta - np.linalg.solve(hessian, grad),
    equal={"hessian transposed": "a Hessian is symmetric"},
    mistakes={
        "Curvatures below 0 are counted as positive: that flees from a saddle. Newton's rule goes there, H⁻¹ as it is.":
            lambda theta, g, H: theta - np.linalg.solve(of_sizes(H), g),
        "The gradient is multiplied by the Hessian. It must be divided: solve H d = g.":
            lambda theta, g, H: theta - H @ g,
        "This goes uphill: theta − H⁻¹g.": lambda theta, g, H: theta + np.linalg.solve(H, g),
        "Only the diagonal of the Hessian is used: how the directions hang together is lost.":
            lambda theta, g, H: theta - g / np.diag(H),
        "Every entry of H is inverted by itself. H⁻¹ is the inverse of the matrix.":
            lambda theta, g, H: theta - (1 / H) @ g,
        "This is a plain step along the gradient: the curvature plays no part.": lambda theta, g, H: theta - g,
        "This is the step, not the new theta.": lambda theta, g, H: -np.linalg.solve(H, g),
        "Only the diagonal of H⁻¹ is used. It is a matrix: H⁻¹ @ g.":
            lambda theta, g, H: theta - np.diag(np.linalg.inv(H)) * g,
        "H⁻¹ * g multiplies number by number. The product of a matrix and a vector is H⁻¹ @ g.":
            lambda theta, g, H: theta - np.linalg.inv(H) * g,
        "g / H divides number by number. H is a matrix: solve H d = g.": lambda theta, g, H: theta - g / H,
        "This is H⁻¹g, the step, not the new theta: take it off theta.": lambda theta, g, H: np.linalg.solve(H, g),
    },
    variants=(lambda theta, g, H: theta - np.linalg.inv(H) @ g, lambda theta, g, H: theta - g @ np.linalg.pinv(H)),
    hints=(
        "On a parabola Newton's rule arrives in one step: it divides the gradient by the curvature.",
        "The curvature is a matrix, so find the d for which hessian @ d equals grad.",
        "theta - np.linalg.solve(hessian, grad)",
    ),
)

largest_rate = Exercise(
    **HOME,
    name="largest_rate",
    title="The edge: the largest rate for momentum",
    draw=lambda rng: [(between(rng, 0.3, 0.95), between(rng, 2.0, 30.0)) for _ in range(4)],
    examples=[(0.5, 10.0)],
    reference=lambda momentum, curvature: 2 * (1 + momentum) / curvature,
    properties={"momentum allows more than plain descent": lambda given, got: got > 2 / given.curvature},
    mistakes={
        "This is the edge of plain descent, 2/λ. Momentum moves it out.": lambda mu, c: 2 / c,
        "This is Nesterov's edge, (2 + 2μ)/((1 + 2μ)λ).": lambda mu, c: (2 + 2 * mu) / ((1 + 2 * mu) * c),
        "The 2 is missing.": lambda mu, c: (1 + mu) / c,
        "It is 1 + μ, not 1 − μ: momentum allows larger steps, not smaller ones.": lambda mu, c: 2 * (1 - mu) / c,
        "This is the length of ten agreeing steps, 1/(1 − μ). The edge is another thing.":
            lambda mu, c: 2 / ((1 - mu) * c),
        "This multiplies by the curvature: steeper valleys need smaller rates.": lambda mu, c: 2 * (1 + mu) * c,
        "The root is too much: that is how fast it gets there, not how far it may be pushed.":
            lambda mu, c: 2 * np.sqrt(1 + mu) / c,
        "The curvature is left out: η λ = 2 (1 + μ), so it stands below.": lambda mu, c: 2 * (1 + mu),
        "Here the two solutions z become one, −√μ: it still arrives, and there is room beyond. The edge is z = −1.":
            lambda mu, c: (1 + np.sqrt(mu)) ** 2 / c,
        "A sign is lost on the way: put z = −1 into z² − (1 + μ − ηλ)z + μ, all of it. It gives 2 + 2μ − ηλ = 0.":
            lambda mu, c: (2 + mu) / c,
    },
    variants=(lambda mu, c: (2 + 2 * mu) / c, lambda mu, c: np.float32(2 / c + 2 * mu / c)),
    hints=(
        "Try it in the lab of section 4: double the curvature, and see where the edge goes.",
        "At μ = 0 it is 2/λ. At μ near 1 it is twice that.",
        "2 * (1 + momentum) / curvature",
    ),
)
# fmt: on


def of_sizes(hessian: Any) -> Any:
    values, vectors = np.linalg.eigh(hessian)
    return vectors * np.abs(values) @ vectors.T


EXERCISES = [momentum_step, nesterov_step, newton_step, largest_rate]
