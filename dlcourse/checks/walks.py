"""Chapter 02, fourth part: a walk with memory, where it may end, and which rate goes with which units."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between
from dlcourse.checks.momentum import HOME, curved
from dlcourse.checks.runner import Function


def valleys(rng: np.random.Generator) -> list[tuple]:
    """Slopes that are no straight lines, so that it matters where each gradient is taken."""
    calls = []
    for size, steps in ((2, 3), (3, 6), (1, 1), (2, 0)):
        constants = {"a": rng.uniform(0.5, 2.0, size), "c": rng.normal(size=size)}
        slope = Function("lambda theta: a * theta + np.sin(theta + c)", constants)
        start = np.sort(rng.normal(size=size))[::-1].copy()
        calls.append((slope, start, between(rng, 0.05, 0.2), between(rng, 0.4, 0.9), steps))
    return calls


def walk(
    gradient: Any,
    theta: Any,
    lr: float,
    mu: float,
    steps: int,
    *,
    memory: bool = True,
    fixed: bool = False,
    ahead: bool = False,
    outside: bool = False,
    late: bool = False,
) -> Any:
    """Every place on the way, with a switch for every way to lose it."""
    path, v, first = [theta], np.zeros_like(theta), gradient(theta)
    for _ in range(steps):
        g = first if fixed else gradient(path[-1] + mu * v if ahead else path[-1])
        old, kept = v, v if memory else 0 * v
        v = mu * kept + g if outside else mu * kept - lr * g
        move = -lr * v if outside else v
        path.append(path[-1] + (old if late else move))
    return np.array(path)


# fmt: off
momentum_walk = Exercise(
    **HOME,
    name="momentum_walk",
    rounds=2,
    title="A walk with memory",
    points=3,
    draw=valleys,
    examples=[(Function("lambda theta: 2 * theta"), np.array([1.0]), 0.1, 0.5, 2)],
    reference=lambda gradient, theta, learning_rate, momentum, steps: walk(
        gradient, theta, learning_rate, momentum, steps),
    properties={"it begins where it was told to": lambda given, got: np.allclose(got[0], given.theta)},
    mistakes={
        "This is plain descent: the velocity plays no part, or begins at 0 again in every step. Set it to 0 once, "
        "before the loop.":
            lambda f, w, lr, mu, n: walk(f, w, lr, mu, n, memory=False),
        "The gradient is that of the start, all the way. Ask for it anew where you stand.":
            lambda f, w, lr, mu, n: walk(f, w, lr, mu, n, fixed=True),
        "The gradient is taken at the look-ahead point: that is Nesterov's walk.":
            lambda f, w, lr, mu, n: walk(f, w, lr, mu, n, ahead=True),
        "theta moves by the old velocity: first the new one, then the step.":
            lambda f, w, lr, mu, n: walk(f, w, lr, mu, n, late=True),
        "The start is missing: with it there are steps + 1 places.":
            lambda f, w, lr, mu, n: walk(f, w, lr, mu, n)[1:],
        "The last place is missing: there are steps + 1 of them, the start and one after each step.":
            lambda f, w, lr, mu, n: walk(f, w, lr, mu, n)[:-1],
        "Only the last place comes back. All of them are asked for.":
            lambda f, w, lr, mu, n: walk(f, w, lr, mu, n)[-1],
        "All rows are the last place: one array was changed in place and put into the list again and again. A new "
        "array for every step: theta = theta + velocity.":
            lambda f, w, lr, mu, n: np.array([walk(f, w, lr, mu, n)[-1]] * (n + 1)),
        "The velocities come back. The places are asked for.":
            lambda f, w, lr, mu, n: np.diff(walk(f, w, lr, mu, n), axis=0, prepend=w[None]),
        "This goes uphill: v ← μv − ηg.": lambda f, w, lr, mu, n: walk(f, w, -lr, mu, n),
        "There is no friction: the old velocity is to be multiplied by momentum.":
            lambda f, w, lr, mu, n: walk(f, w, lr, 1.0, n),
    },
    variants=(
        lambda f, w, lr, mu, n: walk(f, w, lr, mu, n, outside=True),
        lambda f, w, lr, mu, n: [place.tolist() for place in walk(f, w, lr, mu, n)],
    ),
    hints=(
        "What must be remembered from one step to the next? Make it before the loop, and change it inside.",
        "In the loop: the gradient at theta, the new velocity, the new theta, and theta into the list.",
        "for _ in range(steps): velocity = momentum * velocity - learning_rate * gradient(theta); theta = theta + …",
    ),
)


def points_of_rest(rng: np.random.Generator) -> list[tuple]:
    """Every kind in two sizes. A saddle's diagonal may be all positive, and its determinant too."""
    kinds = ([1, 1], [-1, -1], [1, -1], [1, 1, 1], [-1, -1, -1], [1, -1, -1], [1, 1, -1], [1, -1, -1, 1])
    calls = [(curved(rng, np.array(signs) * rng.uniform(0.5, 3.0, len(signs))),) for signs in kinds]
    steep, flat = rng.uniform(2.0, 3.0), rng.uniform(0.5, 1.0)
    hidden = np.array([[flat, steep], [steep, flat]])  # a saddle along the diagonals
    return [*calls, (hidden,), (-hidden,), (np.diag(rng.uniform(0.5, 1, 3)) + 2,)]


def kind(values: Any) -> int:
    return int((values > 0).all()) - int((values < 0).all())


kind_of_point = Exercise(
    **HOME,
    name="kind_of_point",
    rounds=2,
    title="Valley, summit or saddle?",
    draw=points_of_rest,
    examples=[(np.array([[2.0, 0.0], [0.0, -1.0]]),)],
    equal={
        "curvatures.min() > 0 → curvatures.min() >= 0": "no curvature is exactly 0",
        "curvatures.max() < 0 → curvatures.max() <= 0": "the same",
        "hessian half": "the signs of the curvatures stay",
        "hessian of length 1": "the same",
        "hessian transposed": "a Hessian is symmetric",
    },
    reference=lambda hessian: kind(np.linalg.eigvalsh(hessian)),
    mistakes={
        "It looks at the diagonal alone. Curvature along the axes does not say what happens between them: eigenvalues.":
            lambda h: kind(np.diag(h)),
        "It looks at the signs of the entries. A curvature belongs to a direction: eigenvalues.":
            lambda h: kind(h.ravel()),
        "The determinant cannot tell: two curvatures below 0 make it positive again.":
            lambda h: int(np.sign(np.linalg.det(h))),
        "The trace is the sum of the curvatures. One large one hides the sign of the others.":
            lambda h: int(np.sign(np.trace(h))),
        "Minimum and maximum have changed places: curvatures above 0 bend upwards, a valley.":
            lambda h: -kind(np.linalg.eigvalsh(h)),
        "One curvature above 0 is not enough for a valley. All of them must be.":
            lambda h: 1 if (np.linalg.eigvalsh(h) > 0).any() else -1,
        "Saddles are called summits: all curvatures of a summit are below 0, not just one.":
            lambda h: 1 if (np.linalg.eigvalsh(h) > 0).all() else -1,
        "This is the smallest curvature, not the kind of point: 1, −1 or 0.":
            lambda h: np.linalg.eigvalsh(h)[0],
        "These are the curvatures. What is asked for is one number: 1, −1 or 0.": lambda h: np.linalg.eigvalsh(h),
    },
    variants=(
        lambda h: 1 if min(np.linalg.eigvalsh(h)) > 0 else -1 if max(np.linalg.eigvalsh(h)) < 0 else 0,
        lambda h: np.sign(np.linalg.eigvals(h).real).sum() // len(h) if abs(
            np.sign(np.linalg.eigvals(h).real).sum()) == len(h) else 0,
    ),
    hints=(
        "At a point of rest the slope is 0. In which directions does the surface bend up, in which down?",
        "The eigenvalues of the Hessian are its curvatures along the directions that do not mix: np.linalg.eigvalsh.",
        "1 if all are above 0, −1 if all are below, else 0.",
    ),
)

rescaled_rate = Exercise(
    **HOME,
    name="rescaled_rate",
    title="The same walk in other units",
    draw=lambda rng: [(between(rng, 0.05, 0.5), between(rng, *pair)) for pair in ((0.1, 0.6), (1.5, 4.0), (20, 90))],
    examples=[(0.5, 10.0)],
    equal={"a with a minus": "a enters as a square"},
    reference=lambda learning_rate, a: learning_rate / a**2,
    mistakes={
        "Half is missing: the gradient changes too. θ moves by a times φ's step, and φ's gradient is a times θ's.":
            lambda lr, a: lr / a,
        "The rate stays the same. But φ's gradient is a times as large, and φ has only 1/a of the way to go.":
            lambda lr, a: lr,
        "It is the other way round: where φ is small beside θ, its gradient is large, and its steps must be small.":
            lambda lr, a: lr * a**2,
        "It is multiplied by a. The gradient of φ is a times that of θ, and φ moves 1/a as far: divide, twice.":
            lambda lr, a: lr * a,
        "A root is too much.": lambda lr, a: lr / np.sqrt(a),
        "The rate is squared as well. Only a is.": lambda lr, a: (lr / a) ** 2,
    },
    variants=(lambda lr, a: lr * a**-2.0, lambda lr, a: np.float32(lr) / (a * a)),
    hints=(
        "Write one step for φ, with a rate η′ of its own, and multiply it by a: what does θ do?",
        "df/dφ = a · df/dθ, by the chain rule. So θ moves by a · η′ · a · df/dθ.",
        "a² η′ = η",
    ),
)
# fmt: on

EXERCISES = [momentum_walk, kind_of_point, rescaled_rate]
