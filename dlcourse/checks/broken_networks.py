"""Chapter 06: more scripts to repair, networks: losses, backward passes, modes (see broken_data.py)."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise

HOME: Any = {"chapter": "06_capstone", "notebook": "repair", "repair": True}

# fmt: off


# The wrong axis, and an overflow


def cross_entropy(scores, labels):
    z = scores - scores.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


def cross_entropy_broken(scores, labels):
    p = np.exp(scores) / np.exp(scores).sum(axis=0)
    return -np.log(p[np.arange(len(labels)), labels]).mean()


def score_tables(rng: np.random.Generator) -> list[tuple]:
    calls: list[tuple] = []
    for n, classes, size in ((4, 3, 1.0), (2, 5, 3.0), (5, 2, 400.0), (1, 4, 1.0)):
        calls.append((rng.normal(0.0, size, (n, classes)), rng.integers(0, classes, n)))
    calls.append((np.array([[3000.0, 0.0], [0.0, 1000.0]]), np.array([1, 0])))
    return calls


repair_loss = Exercise(
    **HOME,
    name="repair_loss",
    title="The loss depends on the neighbours, and becomes nan",
    draw=score_tables,
    examples=[(np.array([[0.0, 0.0], [1000.0, 1000.0]]), np.array([0, 1]))],
    reference=cross_entropy,
    mistakes={
        "As it was handed out: alone in a batch every answer is certain, and a score of 1000 is no number at all.":
            cross_entropy_broken,
        "The axis is right now. But e¹⁰⁰⁰ is more than a computer can hold: take the largest score off first.":
            lambda scores, labels: -np.log(
                (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]).mean(),
        "The largest score is taken off, but the logarithm of a tiny probability is still −∞: take it on paper first, "
        "z − log Σ eᶻ.":
            lambda scores, labels: -np.log(_softmax(scores)[np.arange(len(labels)), labels]).mean(),
        "Tiny probabilities are raised to ε. That hides the worst mistakes: the loss of a sure wrong answer is 1000.":
            lambda scores, labels: -np.log(_softmax(scores)[np.arange(len(labels)), labels] + 1e-12).mean(),
        "It is a sum over the batch. The loss is a mean.":
            lambda scores, labels: cross_entropy(scores, labels) * len(labels),
        "The largest score of the whole batch is taken off. A row far below it is left with log 0: each row its own.":
            lambda scores, labels: _along(scores - scores.max(), labels, 1),
        "Nothing overflows any more, but the softmax still runs down the batch. It belongs to a row.":
            lambda scores, labels: _along(scores - scores.max(axis=0), labels, 0),
    },
    variants=(
        lambda scores, labels: np.mean([
            row.max() + np.log(np.sum(np.exp(row - row.max()))) - row[label]
            for row, label in zip(scores, labels, strict=True)]),
    ),
    hints=(
        "Try one example alone. Then try scores of 1000.",
        "An example's probabilities add up to 1 along its row. And log p = z − log Σ eᶻ, with the largest z taken off.",
        "z = scores - scores.max(axis=1, keepdims=True); log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))",
    ),
)


def _softmax(scores: Any) -> Any:
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _along(z: Any, labels: Any, axis: int) -> Any:
    log_p = z - np.log(np.exp(z).sum(axis=axis, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


# The mask of the wrong thing


def two_layers(x, y, W1, W2):
    h = x @ W1
    a = np.maximum(h, 0)
    da = (a @ W2 - y) @ W2.T / len(x)
    dh = da * (h > 0)
    return x.T @ dh, a.T @ (a @ W2 - y) / len(x)


def two_layers_broken(x, y, W1, W2):
    h = x @ W1
    a = np.maximum(h, 0)
    da = (a @ W2 - y) @ W2.T / len(x)
    dh = np.maximum(da, 0)
    return x.T @ dh, a.T @ (a @ W2 - y) / len(x)


def small_networks(rng: np.random.Generator) -> list[tuple]:
    return [
        (rng.normal(size=(n, 3)), rng.normal(size=(n, 2)), rng.normal(size=(3, hidden)), rng.normal(size=(hidden, 2)))
        for n, hidden in ((5, 6), (3, 7), (6, 5), (4, 8))
    ]


repair_backward = Exercise(
    **HOME,
    name="repair_backward",
    title="The gradient check fails, in the first layer only",
    returns=("dW1", "dW2"),
    draw=small_networks,
    examples=[(np.array([[1.0]]), np.array([[0.0]]), np.array([[1.0, -1.0]]), np.array([[2.0], [1.0]]))],
    reference=two_layers,
    mistakes={
        "As it was handed out: no slope that says “less” gets through the rectifier.": two_layers_broken,
        "Now everything gets through, also where the unit was silent.":
            lambda x, y, W1, W2: (
                x.T @ ((np.maximum(x @ W1, 0) @ W2 - y) @ W2.T / len(x)), two_layers(x, y, W1, W2)[1]),
        "The mask is turned: it lets through where the unit was silent.":
            lambda x, y, W1, W2: (
                x.T @ ((np.maximum(x @ W1, 0) @ W2 - y) @ W2.T * (x @ W1 <= 0) / len(x)), two_layers(x, y, W1, W2)[1]),
        "The slope is multiplied by a, not by whether a is above 0.":
            lambda x, y, W1, W2: (
                x.T @ ((np.maximum(x @ W1, 0) @ W2 - y) @ W2.T * np.maximum(x @ W1, 0) / len(x)),
                two_layers(x, y, W1, W2)[1]),
        "The first layer's gradient is right, but the second's now has h in the place of a.":
            lambda x, y, W1, W2: (two_layers(x, y, W1, W2)[0], (x @ W1).T @ (np.maximum(x @ W1, 0) @ W2 - y) / len(x)),
        "The slope is multiplied by h, not by whether h is above 0.":
            lambda x, y, W1, W2: (
                x.T @ ((np.maximum(x @ W1, 0) @ W2 - y) @ W2.T * (x @ W1) / len(x)), two_layers(x, y, W1, W2)[1]),
        "Both masks act now, the old one too: what says “less” still does not get through.":
            lambda x, y, W1, W2: (
                x.T @ (np.maximum((np.maximum(x @ W1, 0) @ W2 - y) @ W2.T, 0) * (x @ W1 > 0) / len(x)),
                two_layers(x, y, W1, W2)[1]),
        "It is no mean any more: both gradients must be divided by the number of examples.":
            lambda x, y, W1, W2: tuple(len(x) * gradient for gradient in two_layers(x, y, W1, W2)),
    },
    variants=(
        lambda x, y, W1, W2: _by_examples(x, y, W1, W2),
    ),
    equal={"h > 0 → h >= 0": "h is never exactly 0."},
    hints=(
        "What does the slope of the rectifier depend on: on what came in, or on what comes back?",
        "a = max(h, 0) has slope 1 where h > 0 and 0 elsewhere, whatever the sign of da.",
        "dh = da * (h > 0)",
    ),
)


def _by_examples(x: Any, y: Any, W1: Any, W2: Any) -> Any:
    dW1, dW2 = np.zeros_like(W1), np.zeros_like(W2)
    for row, target in zip(x, y, strict=True):
        a = np.where(row @ W1 > 0, row @ W1, 0)
        error = (a @ W2 - target) / len(x)
        dW2 = dW2 + np.outer(a, error)
        dW1 = dW1 + np.outer(row, np.where(a > 0, W2 @ error, 0))
    return dW1, dW2


# Evaluated as in training


def dropout_net(x, W, keep, rate, training):
    hidden = np.maximum(x @ W, 0)
    if training:
        hidden = hidden * keep / (1 - rate)
    return hidden.sum(axis=1)


def dropout_net_broken(x, W, keep, rate, training):
    hidden = np.maximum(x @ W, 0)
    hidden = hidden * keep / (1 - rate)
    return hidden.sum(axis=1)


def both_modes(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for n, training in ((6, True), (2, False), (4, False), (5, True), (7, True)):
        x, W = rng.uniform(0.2, 1.0, (n, 3)), rng.uniform(0.1, 1.0, (3, 5)) * rng.choice([1.0, 1.0, -0.3], (3, 5))
        keep = rng.permuted(np.tile([1.0, 1.0, 1.0, 0.0, 0.0], (n, 1)), axis=1)
        calls.append((x, W, keep, rng.uniform(0.3, 0.6), training))
    return calls


repair_dropout = Exercise(
    **HOME,
    name="repair_dropout",
    rounds=2,
    title="Asked twice, it answers twice",
    draw=both_modes,
    examples=[(np.array([[1.0]]), np.array([[1.0, 2.0]]), np.array([[1.0, 0.0]]), 0.5, False)],
    reference=dropout_net,
    mistakes={
        "As it was handed out: a trained network, asked about the same digit again, gives another answer.":
            dropout_net_broken,
        "Now it drops when it predicts, and not when it trains.":
            lambda x, W, keep, rate, training: dropout_net(x, W, keep, rate, not training),
        "It drops no more, in training neither.":
            lambda x, W, keep, rate, training: dropout_net(x, W, keep, rate, False),
        "In prediction the units are scaled by 1 − p too. Training has divided by it: that was enough.":
            lambda x, W, keep, rate, training: dropout_net(x, W, keep, rate, training) * (1 if training else 1 - rate),
        "In prediction nothing is dropped, but it is still divided by 1 − p: everything is too large.":
            lambda x, W, keep, rate, training: dropout_net(x, W, keep, rate, training) / (1 if training else 1 - rate),
        "In training the division by 1 − p is lost.":
            lambda x, W, keep, rate, training: dropout_net(x, W, keep, rate, training) * (1 - rate if training else 1),
        "What stays is divided by p. It must be 1 − p.":
            lambda x, W, keep, rate, training: (
                dropout_net(x, W, keep, rate, training) * ((1 - rate) / rate if training else 1)),
        "In prediction units still drop: only the division is gone.":
            lambda x, W, keep, rate, training: dropout_net(x, W, keep, rate, True) * (1 if training else 1 - rate),
        "It does not divide in training, but scales by 1 − p afterwards, as the paper does. Here it is the other way.":
            lambda x, W, keep, rate, training: dropout_net(x, W, keep, rate, training) * (1 - rate),
        "What keep says is turned round: 1 is for the units that stay.":
            lambda x, W, keep, rate, training: dropout_net(x, W, 1 - keep, rate, training),
    },
    variants=(
        lambda x, W, keep, rate, training: (
            np.where(x @ W > 0, x @ W, 0) * (np.where(keep > 0, 1 / (1 - rate), 0) if training else 1)
        ) @ np.ones(W.shape[1]),
    ),
    hints=(
        "There is an argument that the script never looks at.",
        "Dropping and dividing belong to training. Afterwards all units work, at their plain size.",
        "if training: hidden = hidden * keep / (1 - rate)",
    ),
)


# Statistics that learn from the test


def running_mean(batches, training, decay):
    mean = 0.0
    for batch, learns in zip(batches, training):
        if learns:
            mean = decay * mean + (1 - decay) * batch.mean()
    return mean


def running_mean_broken(batches, training, decay):
    mean = 0.0
    for batch in batches:
        mean = decay * mean + (1 - decay) * batch.mean()
    return mean


def mixed_batches(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for steps in (4, 5, 6, 7):
        training = np.ones(steps, bool)
        training[rng.choice(np.arange(1, steps - 1), 2, replace=False)] = False
        batches = rng.normal(0.0, 1.0, (steps, 3))
        batches += np.resize([3.0, -3.0], (steps, 1)) * (-1) ** (steps // 2)
        calls.append((batches, training, rng.uniform(0.5, 0.8)))
    return calls


repair_running = Exercise(
    **HOME,
    name="repair_running",
    title="It depends on what it was asked before",
    draw=mixed_batches,
    examples=[(np.array([[4.0], [8.0]]), np.array([True, False]), 0.5)],
    reference=running_mean,
    mistakes={
        "As it was handed out: every question about new examples moves what it has learned.": running_mean_broken,
        "Now it learns from the new examples only.":
            lambda batches, training, decay: running_mean(batches, ~np.asarray(training), decay),
        "decay and 1 − decay have changed places.":
            lambda batches, training, decay: running_mean(batches, training, 1 - decay),
        "While it does not learn, the mean must stay. Here it shrinks.":
            lambda batches, training, decay: _shrinking_mean(batches, training, decay),
        "It starts at the mean of the first batch. In this script it starts at 0.":
            lambda batches, training, decay: running_mean(batches, training, decay)
            + decay ** np.sum(training) * batches[0].mean(),
        "It stops at the first batch of new examples. Training goes on after it.":
            lambda batches, training, decay: running_mean(batches[: np.argmin(training)], training, decay),
        "All batches of training count alike. The older ones should count less.":
            lambda batches, training, decay: batches[np.asarray(training)].mean(),
        "A batch is added in full. Its weight is 1 − decay.":
            lambda batches, training, decay: running_mean(batches, training, decay) / (1 - decay),
    },
    variants=(
        lambda batches, training, decay: sum(
            (1 - decay) * decay**age * batch.mean()
            for age, batch in enumerate(reversed(batches[np.asarray(training)]))),
    ),
    equal={"batches sorted": "A mean does not ask in which order its numbers come."},
    hints=(
        "For each batch it is said whether it is one of training. Who looks at that?",
        "A batch that is only asked about leaves the mean as it is.",
        "for batch, learns in zip(batches, training): if learns: …",
    ),
)


def _shrinking_mean(batches: Any, training: Any, decay: float) -> Any:
    mean = 0.0
    for batch, learns in zip(batches, training, strict=True):
        mean = decay * mean + (1 - decay) * (batch.mean() if learns else 0.0)
    return mean


EXERCISES = [repair_loss, repair_backward, repair_dropout, repair_running]
# fmt: on
