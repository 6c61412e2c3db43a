"""Chapter 06: build your own, the parts: a layer, a network of any depth, an optimizer that remembers."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between, finite_differences, same
from dlcourse.checks.first_steps import error, surprise

HOME: Any = {"chapter": "06_capstone", "notebook": "from_scratch"}

# A layer


def layer(x: Any, W: Any, b: Any, relu: bool) -> Any:
    return np.maximum(x @ W + b, 0) if relu else x @ W + b


def back(x: Any, W: Any, b: Any, slope: Any, relu: bool, *, gate: Any = None, mean: bool = False) -> tuple:
    """dx, dW, db; with a place for what can be wrong."""
    z = x @ W + b
    if relu:
        slope = slope * ((z > 0) if gate is None else gate(z, slope))
    n = len(x) if mean else 1
    return slope @ W.T, x.T @ slope / n, slope.sum(axis=0) / n


def one_layer(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for n, inputs, outputs, relu in ((4, 3, 5, True), (6, 2, 3, False), (1, 4, 3, True), (5, 3, 3, True)):
        while True:
            x, W, b = rng.normal(size=(n, inputs)), rng.normal(size=(inputs, outputs)), 2 * rng.normal(size=outputs)
            z, others = x @ W + b, (b / 2, np.maximum(b, 0), np.minimum(b, 0), b[:1], np.sort(b))
            told = all(((x @ W + other > 0) != (z > 0)).any() for other in others)  # it matters what b is
            if np.abs(z).min() > 0.01 and (z > 0).any() and (z < 0).any() and (told or n < 4):
                break
        slope = rng.normal(size=(n, outputs))
        if not relu:
            slope[:, 0] = -np.abs(slope[:, 0])  # so that one entry of db is below 0
        calls.append((x, W, b, slope, relu))
    return calls


def are_slopes(given: Any, got: Any) -> bool:
    """Against finite differences of Σ slope · output."""
    g = given

    def value(x: Any, W: Any, b: Any) -> float:
        return float((g.slope * layer(x, W, b, g.relu)).sum())

    found = (
        finite_differences(lambda x: value(x, g.W, g.b), g.x),
        finite_differences(lambda W: value(g.x, W, g.b), g.W),
        finite_differences(lambda b: value(g.x, g.W, b), g.b),
    )
    return all(same(ours, slope, 1e-4) for ours, slope in zip(got, found, strict=True))


# fmt: off
layer_back = Exercise(
    **HOME,
    name="layer_back",
    title="1. A layer, and the way back through it",
    returns=("dx", "dW", "db"),
    draw=one_layer,
    examples=[(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0], [1.0, -1.0]]), np.zeros(2), np.array([[1.0, 5.0]]), True)],
    reference=lambda x, W, b, slope, relu: back(x, W, b, slope, relu),
    properties={"each is the slope that finite differences find": are_slopes},
    equal={"…> 0 → …>= 0": "no unit stands at the bend of ReLU"},
    mistakes={
        "ReLU is forgotten: where a unit is silent, nothing goes back through it.":
            lambda x, W, b, slope, relu: back(x, W, b, slope, False),
        "ReLU is there in every layer, even where relu is False.":
            lambda x, W, b, slope, relu: back(x, W, b, slope, True),
        "The gate asks the slope. It is the unit that is awake or not: x @ W + b > 0.":
            lambda x, W, b, slope, relu: back(x, W, b, slope, relu, gate=lambda z, s: s > 0),
        "The gate asks x @ W without the bias.":
            lambda x, W, b, slope, relu: back(x, W, b, slope, relu, gate=lambda z, s: z - b > 0),
        "The slope is multiplied by ReLU's output. ReLU's slope is 1 or 0.":
            lambda x, W, b, slope, relu: back(x, W, b, slope, relu, gate=lambda z, s: np.maximum(z, 0)),
        "The gate is turned round: a slope passes where the unit is awake.":
            lambda x, W, b, slope, relu: back(x, W, b, slope, relu, gate=lambda z, s: z < 0),
        "dW and db are means over the batch. The slope holds that mean already: sums.":
            lambda x, W, b, slope, relu: back(x, W, b, slope, relu, mean=True),
        "dx does not know of ReLU. What goes back to x has passed the gate, too.":
            lambda x, W, b, slope, relu: (slope @ W.T, *back(x, W, b, slope, relu)[1:]),
        "db is not added up over the batch: axis=0.":
            lambda x, W, b, slope, relu: (*back(x, W, b, slope, relu)[:2], slope * ((x @ W + b > 0) if relu else 1)),
    },
    variants=(
        lambda x, W, b, slope, relu: (
            np.einsum("no,io->ni", s := np.where((x @ W + b > 0) | (not relu), slope, 0), W),
            np.einsum("ni,no->io", x, s), np.ones(len(x)) @ s),
    ),
    hints=(
        "ReLU first: it passes the slope on where x @ W + b is positive. Without ReLU all of it passes.",
        "What is left is that of z = x W + b: dx = slope @ W.T, dW = x.T @ slope, db its sum over the batch.",
        "if relu: slope = slope * (x @ W + b > 0)",
    ),
)


# A network


def unpack(theta: Any, sizes: Any) -> list[tuple]:
    """The weights and biases of each layer: windows on theta."""
    parameters, start = [], 0
    for n, m in pairwise(sizes):
        W = theta[start : start + n * m].reshape(n, m)
        parameters.append((W, theta[start + n * m : start + n * m + m]))
        start += n * m + m
    return parameters


def forward(x: Any, theta: Any, sizes: Any, last: bool = False) -> list[Any]:
    """What goes into each layer, and what comes out of the last."""
    found = [x]
    for k, (W, b) in enumerate(unpack(theta, sizes)):
        found.append(layer(found[-1], W, b, last or k < len(sizes) - 2))
    return found


def gradient(x: Any, y: Any, theta: Any, sizes: Any, *, by: Any = None, sign: int = 1, last: bool = False,
             through: Callable[..., tuple] = back, order: int = 1) -> tuple:
    parameters, found = unpack(theta, sizes), forward(x, theta, sizes, last)
    scores, n = found[-1], len(y) if by is None else by
    slope = sign * error(scores, y) / n
    pieces: list[Any] = []
    for k in reversed(range(len(parameters))):
        slope, dW, db = through(found[k], *parameters[k], slope, last or k < len(parameters) - 1)
        pieces = [*(dW.ravel(), db)[::order], *pieces]
    return surprise(scores, y).sum() / n, np.concatenate(pieces)


def theta_of(rng: np.random.Generator, sizes: Any, bias: float = 0.3) -> Any:
    """MSRA's weights, biases of this size."""
    theta = np.zeros(sum(n * m + m for n, m in pairwise(sizes)))
    for W, b in unpack(theta, sizes):
        W[:] = rng.normal(size=W.shape) * np.sqrt(2 / len(W))
        b[:] = rng.normal(size=b.shape) * bias
    return theta


def are_large(scores: Any) -> bool:
    """Too large for exp, unless the largest of each row is taken off first."""
    first, second, _ = scores
    spread = [row.max() - other for row in (first, second) for other in (row.mean(), row.min(), 0.0)]
    return bool(abs(first.max() - second.max()) > 800 and min(spread) > 800)


def networks(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for n, sizes in ((4, (3, 5, 3)), (5, (2, 4, 3, 2)), (3, (3, 4)), (2, (2, 3, 3, 4, 2))):
        x, theta = rng.normal(size=(n, sizes[0])), theta_of(rng, sizes, bias=2.0)
        while n == 3 and not are_large(forward(x, theta, sizes)[-1]):
            x = rng.normal(size=(n, sizes[0])) * np.array([[1000.0], [3000.0], [1.0]])
        y = rng.permutation(np.arange(max(n, sizes[-1])))[:n] % sizes[-1]
        calls.append((x, y, theta, np.array(sizes)))
    return calls


network_gradient = Exercise(
    **HOME,
    name="network_gradient",
    title="2. A network of any depth: its loss and its gradient",
    returns=("loss", "gradient"),
    points=3,
    draw=networks,
    examples=[(np.array([[1.0, 2.0]]), np.array([1]), np.array([0.5, -0.5, 0.25, 0.25, 0.0, 0.0]), np.array([2, 2]))],
    reference=lambda x, y, theta, sizes: gradient(x, y, theta, sizes),
    mistakes={
        "Loss and gradient are sums over the batch. They must be means.":
            lambda x, y, theta, sizes: gradient(x, y, theta, sizes, by=1),
        "The loss is right, its gradient is not divided by the batch.":
            lambda x, y, theta, sizes: (gradient(x, y, theta, sizes)[0], gradient(x, y, theta, sizes, by=1)[1]),
        "The gradient points downhill: the slope of the scores is p − t, not t − p.":
            lambda x, y, theta, sizes: gradient(x, y, theta, sizes, sign=-1),
        "The last layer has a ReLU, too. Scores may be negative: relu=False there.":
            lambda x, y, theta, sizes: gradient(x, y, theta, sizes, last=True),
        "The way back passes through no ReLU.":
            lambda x, y, theta, sizes: gradient(
                x, y, theta, sizes, through=lambda x, W, b, slope, relu: back(x, W, b, slope, False)),
        "In each layer the biases' gradient stands before the weights'. theta has the weights first.":
            lambda x, y, theta, sizes: gradient(x, y, theta, sizes, order=-1),
        "The weights' gradients are transposed: dW has the shape of W.":
            lambda x, y, theta, sizes: gradient(
                x, y, theta, sizes,
                through=lambda *a: ((g := back(*a))[0], g[1].T, g[2])),
        "The minus of the loss is missing: it is −log p.":
            lambda x, y, theta, sizes: ((g := gradient(x, y, theta, sizes))[0] * -1, g[1]),
        "Only the last layer has a gradient; the others get 0.":
            lambda x, y, theta, sizes: ((g := gradient(x, y, theta, sizes))[0], np.where(
                np.arange(len(theta)) < len(theta) - sizes[-1] * (sizes[-2] + 1), 0, g[1])),
    },
    variants=(
        lambda x, y, theta, sizes: (
            float((np.logaddexp.reduce((z := forward(x, theta, sizes)[-1]), axis=1) - z[np.arange(len(y)), y]).mean()),
            gradient(x, y, theta, sizes)[1].tolist()),
    ),
    hints=(
        "Go forward with layer(…), and keep what went into each one. ReLU after all but the last.",
        "The slope of the scores is (p − t)/batch. Then layer by layer back: layer_back gives dx, the next slope.",
        "pieces = [dW.ravel(), db, *pieces] keeps the order of theta; np.concatenate(pieces) at the end.",
    ),
)


# An optimizer that remembers


def pulls(rng: np.random.Generator) -> list[tuple]:
    """Two parameter vectors, and the gradients that each meets."""
    calls = []
    for steps, n, momentum in ((4, 3, between(rng, 0.5, 0.9)), (3, 2, between(rng, 0.3, 0.6)), (2, 4, 0.0)):
        thetas, gradients = rng.normal(size=(2, n)), rng.normal(size=(steps, 2, n))
        calls.append((thetas, gradients, between(rng, 0.05, 0.3), momentum))
    return calls


def paths(thetas: Any, gradients: Any, rate: float, momentum: float, *, shared: bool = False, forget: bool = False,
          outside: bool = False, ema: bool = False, nesterov: bool = False, late: bool = False, sign: int = 1) -> Any:
    thetas = thetas.copy()
    velocity, found = np.zeros_like(thetas), []
    for gradient in gradients:
        for n in range(2):
            old = np.zeros_like(thetas[n]) if forget else velocity[0 if shared else n].copy()
            push = gradient[n] * (1 - momentum if ema else 1)
            new = momentum * old - sign * (1 if outside else rate) * push
            velocity[0 if shared else n] = new
            moved = momentum * new - rate * push if nesterov else old if late else new
            thetas[n] = thetas[n] + (rate if outside else 1) * moved
        found.append(thetas.copy())
    return np.array(found)


two_paths = Exercise(
    **HOME,
    name="two_paths",
    title="3. An optimizer that remembers",
    draw=pulls,
    equal={
        "self → _old_self": "it is the same object",
        "zip(optimizers, thetas, pair, strict=True) → zip(optimizers, thetas, pair)": "there are two of each",
        "True → False": "the same",
        "def __init__…changes places with def step…": "methods have no order",
        "self.learning_rate, self.momentum = …changes places with self.velocity = 0.0": "nor have these",
    },
    examples=[(np.zeros((2, 1)), np.array([[[1.0], [2.0]], [[1.0], [0.0]]]), 0.5, 0.5)],
    reference=lambda thetas, gradients, learning_rate, momentum: paths(thetas, gradients, learning_rate, momentum),
    mistakes={
        "The two optimizers share one velocity. Each object has its own: self.velocity, made in __init__.":
            lambda t, g, lr, mu: paths(t, g, lr, mu, shared=True),
        "Nothing is remembered: the velocity starts at 0 in every step.":
            lambda t, g, lr, mu: paths(t, g, lr, mu, forget=True),
        "The gradient counts 1 − μ times. Here the velocity is μ v − η g.":
            lambda t, g, lr, mu: paths(t, g, lr, mu, ema=True),
        "This is Nesterov's rule: it looks ahead. Plain momentum is asked for.":
            lambda t, g, lr, mu: paths(t, g, lr, mu, nesterov=True),
        "It climbs: the velocity takes the gradient off.": lambda t, g, lr, mu: paths(t, g, lr, mu, sign=-1),
        "θ moves by the velocity of the step before. First the new velocity, then the move.":
            lambda t, g, lr, mu: paths(t, g, lr, mu, late=True),
        "The velocity grows without end: what is there must be multiplied by μ.":
            lambda t, g, lr, mu: paths(t, g, lr, 1.0),
    },
    variants=(
        lambda t, g, lr, mu: paths(t, g, lr, mu, outside=True),
    ),
    hints=(
        "What has to stay from one step to the next belongs to the object: self.velocity.",
        "The first velocity is 0. In each step: velocity = momentum * velocity − learning_rate * grad.",
        "self.velocity = self.momentum * self.velocity - self.learning_rate * grad; return theta + self.velocity",
    ),
)
# fmt: on

EXERCISES = [layer_back, network_gradient, two_paths]
