"""Chapter 02, the natural gradient: a step measured by how much the answers change, and the rule that keeps count."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, same

HOME: Any = {"chapter": "02_momentum", "notebook": "adaptive"}
SIZES = ((2, 3), (3, 6), (6, 4))  # (batch, P): mostly fewer examples than parameters


def fisher(scores: Any) -> Any:
    return scores.T @ scores / len(scores)


def step_against(matrix: Any, theta: Any, grad: Any, lr: Any) -> Any:
    return theta - lr * np.linalg.solve(matrix, grad)


def damped(matrix: Any, damping: Any) -> Any:
    return matrix + damping * np.eye(len(matrix))


def draw_steps(rng: np.random.Generator) -> list[tuple]:
    return [
        (rng.normal(size=p), rng.normal(size=p), rng.normal(size=(b, p)) + 0.5, between(rng, 0.1, 0.5),
         between(rng, 0.2, 0.6))
        for b, p in SIZES
    ]  # fmt: skip


def draw_states(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for b, p in SIZES:
        old = rng.normal(size=(p, p))
        A = np.linalg.inv(np.eye(p) + old @ old.T / p)
        scores, share = rng.normal(size=(b, p)) + 0.5, between(rng, 0.1, 0.4)
        calls.append((rng.normal(size=p), A, rng.normal(size=p), scores, between(rng, 0.1, 0.5), share))
    return calls


def kept(A: Any, scores: Any, share: Any, *, old: Any = None, new: Any = None, seen: Any = None) -> Any:
    """The new inverse, from the old one turned back into G; with a place for every part that can be wrong."""
    G = (1 - share if old is None else old) * np.linalg.inv(A)
    return np.linalg.inv(G + (share if new is None else new) * (fisher(scores) if seen is None else seen))


def stepped(theta: Any, A: Any, grad: Any, lr: Any) -> tuple[Any, Any]:
    return theta - lr * A @ grad, A


def woodbury(A: Any, scores: Any, share: Any, sign: float = -1.0) -> Any:
    VA, B = scores @ A, len(scores)
    K = (1 - share) * B * np.eye(B) + share * VA @ scores.T
    return (A + sign * share * VA.T @ np.linalg.solve(K, VA)) / (1 - share)


# fmt: off
natural_gradient_step = Exercise(
    **HOME,
    name="natural_gradient_step",
    title="One step along the natural gradient",
    points=3,
    draw=draw_steps,
    examples=[(np.zeros(2), np.ones(2), np.array([[1.0, 0.0]]), 0.5, 1.0)],
    equal={"V → scores": "V is the scores", "scores reversed": "the order of the examples means nothing"},
    reference=lambda theta, grad, scores, learning_rate, damping:
        step_against(damped(fisher(scores), damping), theta, grad, learning_rate),
    properties={
        "thanks to damping, no step is longer than that of plain descent with the rate η/λ": lambda given, got:
            np.linalg.norm(got - given.theta)
            <= 1.00001 * given.learning_rate / given.damping * np.linalg.norm(given.grad),
    },
    mistakes={
        "This is plain gradient descent: the Fisher matrix plays no part.": lambda t, g, s, lr, d: t - lr * g,
        "damping is left out. A few scores say nothing about most directions, and nothing cannot be inverted.":
            lambda t, g, s, lr, d: t - lr * np.linalg.pinv(fisher(s)) @ g,
        "The scores are added up. The Fisher matrix is their mean: divide by the number of examples.":
            lambda t, g, s, lr, d: step_against(damped(s.T @ s, d), t, g, lr),
        "It multiplies by the matrix. It must solve with it: where the answers change fast, steps are short.":
            lambda t, g, s, lr, d: t - lr * damped(fisher(s), d) @ g,
        "The scores are averaged before they are multiplied. Each example has an outer product of its own.":
            lambda t, g, s, lr, d: step_against(damped(np.outer(s.mean(0), s.mean(0)), d), t, g, lr),
        "The matrix is made of grad. It is made of the scores, one for each example.":
            lambda t, g, s, lr, d: step_against(damped(np.outer(g, g), d), t, g, lr),
        "Only the diagonal of the matrix is used: that is closer to RMSProp.":
            lambda t, g, s, lr, d: t - lr * g / ((s**2).mean(0) + d),
        "The mean score is taken off: that is a covariance. The Fisher matrix is a mean of squares.":
            lambda t, g, s, lr, d: step_against(damped(np.cov(s.T, bias=True), d), t, g, lr),
        "A root is taken of the matrix, as AdaGrad would. Natural gradients take none.":
            lambda t, g, s, lr, d: t - lr * root_of_inverse(damped(fisher(s), d)) @ g,
        "The step goes uphill. It must be minus.":
            lambda t, g, s, lr, d: step_against(damped(fisher(s), d), t, g, -lr),
        "1/λ is missing in Woodbury's form: λ⁻¹ (g − Vᵀ(λB·I + VVᵀ)⁻¹ V g).":
            lambda t, g, s, lr, d: step_against(damped(fisher(s), d) / d, t, g, lr),
        "damping is divided by the number of examples. It belongs to the mean as it is.":
            lambda t, g, s, lr, d: step_against(damped(fisher(s), d / len(s)), t, g, lr),
        "damping is added to every entry of the matrix. It belongs on the diagonal: damping * np.eye(n).":
            lambda t, g, s, lr, d: step_against(fisher(s) + d, t, g, lr),
    },
    variants=(
        lambda t, g, s, lr, d: t - lr / d * (g - s.T @ np.linalg.solve(damped(s @ s.T, d * len(s)), s @ g)),
        lambda t, g, s, lr, d: t - lr * np.linalg.inv(sum(np.outer(v, v) for v in s) / len(s) + d * np.eye(len(g))) @ g,
        lambda t, g, s, lr, d: (t - lr * np.linalg.lstsq(damped(fisher(s), d), g, rcond=None)[0]).astype("float32"),
    ),
    hints=(
        "First the matrix: the mean over the examples of s sᵀ. With scores as rows that is scores.T @ scores / batch.",
        "Add damping on the diagonal, then solve for the direction: np.linalg.solve(matrix, grad).",
        "F = scores.T @ scores / len(scores) + damping * np.eye(len(grad)); theta - learning_rate * np.linalg.solve(F, "
        "grad)",
    ),
)

angd_step = Exercise(
    **HOME,
    name="angd_step",
    title="One step of ANGD",
    returns=("theta", "A"),
    points=4,
    draw=draw_states,
    examples=[(np.zeros(2), np.eye(2), np.ones(2), np.array([[1.0, 0.0]]), 0.5, 0.5)],
    equal={
        "V → scores": "V is the scores",
        "scores reversed": "the order of the examples means nothing",
        "A transposed": "A is symmetric",
        "…→ grad @ (learning_rate * A)": "A is symmetric",
        "A with positive eigenvalues": "all of A's are positive",
    },
    reference=lambda theta, A, grad, scores, learning_rate, fisher_rate:
        stepped(theta, kept(A, scores, fisher_rate), grad, learning_rate),
    properties={
        "A stays symmetric": lambda given, got: same(got[1], got[1].T, 1e-5),
    },
    mistakes={
        "The step takes the old A. The new one comes first.":
            lambda t, A, g, s, lr, f: (t - lr * A @ g, kept(A, s, f)),
        "A stays as it was: the scores play no part.": lambda t, A, g, s, lr, f: stepped(t, A, g, lr),
        "The scores are added up. G takes in their mean: divide by the number of examples.":
            lambda t, A, g, s, lr, f: stepped(t, kept(A, s, f, seen=s.T @ s), g, lr),
        "fisher_rate and 1 − fisher_rate have changed places: fisher_rate is the share of the new.":
            lambda t, A, g, s, lr, f: stepped(t, kept(A, s, f, old=f, new=1 - f), g, lr),
        "Nothing of the old G is forgotten: it must be multiplied by 1 − fisher_rate.":
            lambda t, A, g, s, lr, f: stepped(t, kept(A, s, f, old=1.0), g, lr),
        "The scores enter in full. Their weight is fisher_rate.":
            lambda t, A, g, s, lr, f: stepped(t, kept(A, s, f, new=1.0), g, lr),
        "A is averaged as if it were G. It is its inverse: what scores say must shorten steps.":
            lambda t, A, g, s, lr, f: stepped(t, (1 - f) * A + f * fisher(s), g, lr),
        "This is the inverse to first order in fisher_rate, as it was written in 2000. It turns indefinite after a "
        "large score; Woodbury's is exact.":
            lambda t, A, g, s, lr, f: stepped(t, (1 + f) * A - f * A @ fisher(s) @ A, g, lr),
        "The sign in Woodbury's identity is plus. It must be minus: scores make A smaller.":
            lambda t, A, g, s, lr, f: stepped(t, woodbury(A, s, f, sign=1.0), g, lr),
        "The scores are averaged before they are multiplied. Each example has an outer product of its own.":
            lambda t, A, g, s, lr, f: stepped(t, kept(A, s, f, seen=np.outer(s.mean(0), s.mean(0))), g, lr),
        "G takes in the gradient. It takes in the scores, one for each example.":
            lambda t, A, g, s, lr, f: stepped(t, kept(A, s, f, seen=np.outer(g, g)), g, lr),
        "What comes back is G. A is its inverse.":
            lambda t, A, g, s, lr, f: ((new := kept(A, s, f)) @ g * -lr + t, np.linalg.inv(new)),
        "The step is a plain one: A must multiply the gradient.":
            lambda t, A, g, s, lr, f: (t - lr * g, kept(A, s, f)),
    },
    variants=(
        lambda t, A, g, s, lr, f: stepped(t, woodbury(A, s, f), g, lr),
        lambda t, A, g, s, lr, f: stepped(t, one_by_one(A, s, f), g, lr),
    ),
    hints=(
        "By the book: turn A back into G, average, turn it round again. np.linalg.inv does both turns.",
        "Cheaper by Woodbury's identity, with V for scores: only B equations, not P. Then theta, with the new A.",
        "VA = V @ A; K = (1 - f) * B * np.eye(B) + f * VA @ V.T; A = (A - f * VA.T @ np.linalg.solve(K, VA)) / (1 - f)",
    ),
)
# fmt: on


def root_of_inverse(matrix: Any) -> Any:
    values, vectors = np.linalg.eigh(matrix)
    return vectors / np.sqrt(values) @ vectors.T


def one_by_one(A: Any, scores: Any, share: Any) -> Any:
    """Sherman and Morrison's form: a score at a time."""
    A = A / (1 - share)
    for s in scores:
        As = A @ s
        A = A - np.outer(As, As) / (len(scores) / share + s @ As)
    return A


EXERCISES = [natural_gradient_step, angd_step]
