"""Chapter 00: the whole training loop."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between
from dlcourse.checks.first_steps import HOME

# fmt: off


def lines(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for n, batch_size, epochs, features in ((6, 2, 2, 2), (7, 3, 3, 3), (5, 5, 2, 4), (3, 1, 1, 3)):
        x = rng.normal(size=(n, features))
        order = np.stack([rng.permutation(n) for _ in range(epochs)])
        w = np.sort(rng.normal(size=features))[::-1].copy() if n == 6 else rng.normal(size=features)
        calls.append((x, x @ rng.normal(size=features) + rng.normal(size=n), w, order,
                      between(rng, 0.05, 0.2), batch_size))
    return calls


def loop(x: Any, y: Any, w: Any, order: Any, lr: float, size: int, *, factor: float = 2.0, mean: bool = True,
         after: bool = False, drop: bool = False, shuffle: bool = True, gather: bool = False, full: bool = False,
         added: bool = False) -> tuple:
    """The loop, with a switch for every way to get it wrong."""
    losses, kept = [], np.zeros_like(w)
    for epoch in order if shuffle else [np.arange(len(x))] * len(order):
        for start in range(0, len(epoch), size):
            b = epoch[start : start + size]
            if drop and len(b) < size:
                continue
            apart = x[b] @ w - y[b]
            grad = factor * x[b].T @ apart / ((size if full else len(b)) if mean else 1)
            kept = kept + grad if gather else grad
            w = w - lr * kept
            square = (x[b] @ w - y[b] if after else apart) ** 2
            losses.append(square.sum() if added else square.mean())
    return w, np.array(losses)


training_loop = Exercise(
    **HOME,
    name="training_loop",
    title="The whole training loop",
    returns=("w", "losses"),
    points=5,
    draw=lines,
    examples=[(np.array([[1.0], [2.0]]), np.array([1.0, 1.0]), np.array([0.0]), np.array([[1, 0]]), 0.1, 1)],
    equal={
        "epoch → x": "an epoch has as many examples as x",
        "epoch → y": "an epoch has as many examples as y",
    },
    reference=lambda x, y, w, order, learning_rate, batch_size: loop(x, y, w, order, learning_rate, batch_size),
    mistakes={
        "The 2 is missing: the slope of the squared error is 2 (xw − y) x.":
            lambda x, y, w, o, lr, n: loop(x, y, w, o, lr, n, factor=1.0),
        "The gradient is a sum over the batch. The loss is a mean, and so is its gradient.":
            lambda x, y, w, o, lr, n: loop(x, y, w, o, lr, n, mean=False),
        "The losses are those after each step. Note the loss first, then step.":
            lambda x, y, w, o, lr, n: loop(x, y, w, o, lr, n, after=True),
        "The order is ignored: the examples come as they stand. Take them as order[epoch] says.":
            lambda x, y, w, o, lr, n: loop(x, y, w, o, lr, n, shuffle=False),
        "The gradients of earlier batches are still in there: begin anew for every batch.":
            lambda x, y, w, o, lr, n: loop(x, y, w, o, lr, n, gather=True),
        "This goes uphill: subtract the gradient.": lambda x, y, w, o, lr, n: loop(x, y, w, o, -lr, n),
        "Only the first epoch is trained.": lambda x, y, w, o, lr, n: loop(x, y, w, o[:1], lr, n),
        "Every step looks at all the data. It should see one batch.":
            lambda x, y, w, o, lr, n: loop(x, y, w, o, lr, len(x)),
        "w never moves.": lambda x, y, w, o, lr, n: loop(x, y, w, o, 0.0, n),
        "The last batch may be shorter: divide by its own number of examples, len(b), not by batch_size.":
            lambda x, y, w, o, lr, n: loop(x, y, w, o, lr, n, full=True),
        "The last, shorter batch is left out. Its examples are to be learned from, too.":
            lambda x, y, w, o, lr, n: loop(x, y, w, o, lr, n, drop=True),
        "The losses are sums over the batch. The loss is the mean.":
            lambda x, y, w, o, lr, n: loop(x, y, w, o, lr, n, added=True),
        "There is one loss for each epoch. Note one for each step.":
            lambda x, y, w, o, lr, n: (
                (out := loop(x, y, w, o, lr, n))[0], out[1].reshape(len(o), -1).mean(axis=1)),
        "Only the last w's loss comes back. Note the loss of each batch before its step.":
            lambda x, y, w, o, lr, n: ((out := loop(x, y, w, o, lr, n))[0], ((x @ out[0] - y) ** 2).mean()),
    },
    variants=(
        lambda x, y, w, o, lr, n: tuple(np.float32(part).tolist() for part in loop(x, y, w, o, lr, n)),
    ),
    hints=(
        "Two loops: over the rows of order, and over stretches of batch_size in each row. The last may be shorter.",
        "For one batch b: apart = x[b] @ w − y[b]; the loss is the mean of its squares.",
        "grad = 2 * x[b].T @ apart / len(b); w = w - learning_rate * grad; and losses.append before the step.",
    ),
)
# fmt: on

EXERCISES = [training_loop]
