"""Chapter 06: scripts that are broken as real ones are; here, data and what is counted in them.

They are handed out as `…_broken` has them and graded by what they do: any repair is right that gives the right numbers.

What a report says of the script as it was handed out is the symptom. The cure is the learner's to find.
"""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise

HOME: Any = {"chapter": "06_capstone", "notebook": "repair", "repair": True}

# fmt: off


# Leakage


def standardize(train, new):
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    return (train - mean) / deviation, (new - mean) / deviation


def standardize_broken(train, new):
    everything = np.concatenate([train, new])
    mean, deviation = everything.mean(axis=0), everything.std(axis=0)
    return (train - mean) / deviation, (new - mean) / deviation


def two_tables(rng: np.random.Generator) -> list[tuple]:
    sizes = (6, 3, 4), (9, 2, 5), (5, 7, 3)
    return [
        (rng.normal(rng.uniform(1, 3), 2.0, (n, f)), rng.normal(rng.uniform(-3, -1), 0.7, (m, f))) for n, m, f in sizes
    ]


repair_standardize = Exercise(
    **HOME,
    name="repair_standardize",
    title="It is better on the test set than it will ever be again",
    returns=("train", "new"),
    draw=two_tables,
    examples=[(np.array([[1.0], [3.0]]), np.array([[4.0]]))],
    reference=standardize,
    mistakes={
        "As it was handed out: change one new example, and what the network is trained on changes too.":
            standardize_broken,
        "Now each part is measured by itself: the same example gets other numbers in training than later.":
            lambda train, new: (
                (train - train.mean(axis=0)) / train.std(axis=0), (new - new.mean(axis=0)) / new.std(axis=0)),
        "One mean for all features together. Each column has its own.":
            lambda train, new: ((train - train.mean()) / train.std(), (new - train.mean()) / train.std()),
        "The new examples stay as they are. They must be measured with the same ruler as those of training.":
            lambda train, new: ((train - train.mean(axis=0)) / train.std(axis=0), new),
        "The ruler is made from the new examples. It must come from those of training.":
            lambda train, new: tuple((part - new.mean(axis=0)) / new.std(axis=0) for part in (train, new)),
        "The mean is that of training now, but the deviation still knows the new examples.":
            lambda train, new: tuple(
                (part - train.mean(axis=0)) / np.concatenate([train, new]).std(axis=0) for part in (train, new)),
        "The deviation is forgotten: the mean is taken off, and nothing is divided.":
            lambda train, new: (train - train.mean(axis=0), new - train.mean(axis=0)),
        "The deviation is over n − 1. In this script it is over n.":
            lambda train, new: tuple((part - train.mean(axis=0)) / train.std(axis=0, ddof=1) for part in (train, new)),
    },
    variants=(
        lambda train, new: tuple(
            np.stack([(part[:, j] - np.mean(train[:, j])) / np.std(train[:, j]) for j in range(train.shape[1])], axis=1)
            for part in (train, new)),
    ),
    hints=(
        "Which examples does a mean know about? Ask it of the mean that the training examples meet.",
        "What comes from the new examples must not reach the training ones: both use the ruler of the training part.",
        "mean, deviation = train.mean(axis=0), train.std(axis=0)",
    ),
)


# Labels apart


def one_epoch(x, y, w, order, rate):
    x, y = x[order], y[order]
    for i in range(len(x)):
        w = w - rate * (x[i] @ w - y[i]) * x[i]
    return w


def one_epoch_broken(x, y, w, order, rate):
    x = x[order]
    for i in range(len(x)):
        w = w - rate * (x[i] @ w - y[i]) * x[i]
    return w


def up_and_down(rng: np.random.Generator, n: int) -> np.ndarray:
    """Numbers of either sign, in no order."""
    return np.resize([1.0, -1.0], n) * rng.uniform(1.0, 2.0, n)


def shuffled_lines(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for n, f in ((5, 3), (7, 4), (4, 1)):
        order = np.roll(rng.permutation(n), 1)
        while (order == np.arange(n)).all() or (order == np.argsort(order)).all():
            order = rng.permutation(n)
        x, y, w = rng.normal(size=(n, f)), rng.normal(size=n), up_and_down(rng, f)
        calls.append((x, y, w, order, rng.uniform(0.02, 0.06)))
    return calls


repair_shuffle = Exercise(
    **HOME,
    name="repair_shuffle",
    title="The loss falls for one epoch, then never again",
    draw=shuffled_lines,
    examples=[(np.array([[1.0], [2.0]]), np.array([1.0, 0.0]), np.array([0.0]), np.array([1, 0]), 0.5)],
    reference=one_epoch,
    mistakes={
        "As it was handed out: from the first shuffle on, it learns that cats are dogs.": one_epoch_broken,
        "Now nothing is shuffled: the examples come in the order in which they lie there.":
            lambda x, y, w, order, rate: one_epoch(x, y, w, np.arange(len(x)), rate),
        "The labels are put in the opposite order, y[np.argsort(order)]: x and y still part ways.":
            lambda x, y, w, order, rate: one_epoch_broken(x, y[np.argsort(order)], w, order, rate),
        "Only the labels are shuffled now. Both must be, by the same order.":
            lambda x, y, w, order, rate: one_epoch_broken(x, y[order], w, np.arange(len(x)), rate),
        "Shuffled twice: order of order is another order, and here it is used for x alone.":
            lambda x, y, w, order, rate: one_epoch_broken(x[order], y[order], w, order, rate),
        "Shuffled twice: x and y have been put in order, and the loop takes them by order once more.":
            lambda x, y, w, order, rate: one_epoch(x[order], y[order], w, order, rate),
        "It makes one step for all examples together. In this script each of them moves w.":
            lambda x, y, w, order, rate: w - rate * x.T @ (x @ w - y),
    },
    variants=(
        lambda x, y, w, order, rate: _steps(((x[i], y[i]) for i in order), w, rate),
    ),
    equal={
        "x[i] @ w → w @ x[i]": "A product of two vectors does not ask which comes first.",
        "x → _old_x": "Only its length is asked for, which no shuffle changes.",
    },
    hints=(
        "Print which label the first shuffled example has, and which it had before.",
        "Whatever is done to the rows of x must be done to y.",
        "x, y = x[order], y[order]",
    ),
)


def _steps(pairs: Any, w: Any, rate: float) -> Any:
    for row, target in pairs:
        w = w - rate * (row @ w - target) * row
    return w


# The last batch


def batch_means(values, batch_size):
    starts = range(0, len(values), batch_size)
    return np.array([values[start : start + batch_size].mean() for start in starts])


def batch_means_broken(values, batch_size):
    starts = range(0, len(values) - batch_size, batch_size)
    return np.array([values[start : start + batch_size].mean() for start in starts])


def epochs_of_values(rng: np.random.Generator) -> list[tuple]:
    return [(rng.normal(size=n), size) for n, size in ((7, 3), (6, 2), (5, 1), (8, 5), (3, 3))]


repair_batches = Exercise(
    **HOME,
    name="repair_batches",
    title="Some examples are never seen",
    draw=epochs_of_values,
    examples=[(np.array([1.0, 3.0, 5.0]), 2)],
    reference=batch_means,
    mistakes={
        "As it was handed out: the examples at the end of every epoch teach nothing.": batch_means_broken,
        "The last batch is filled up from the beginning. It may be a smaller one.":
            lambda values, batch_size: batch_means(
                np.resize(values, -(-len(values) // batch_size) * batch_size), batch_size),
        "The last batch is left out unless it is whole.":
            lambda values, batch_size: batch_means(values[: len(values) // batch_size * batch_size], batch_size),
        "The last batch is summed and divided by batch_size, though it has fewer examples.":
            lambda values, batch_size: np.array([
                values[start : start + batch_size].sum() / batch_size for start in range(0, len(values), batch_size)]),
        "The last batch is filled up with examples of the one before: they count twice. It may be a smaller one.":
            lambda values, batch_size: _means(
                values, (min(s, len(values) - batch_size) for s in range(0, len(values), batch_size)), batch_size),
        "A batch begins at every example. The next one should begin batch_size further.":
            lambda values, batch_size: _means(values, range(len(values)), batch_size),
        "Where the batches fit exactly, an empty one is added, and a mean of nothing is no number.":
            lambda values, batch_size: _means(values, range(0, len(values) + 1, batch_size), batch_size),
    },
    variants=(
        lambda values, batch_size: [
            sum(part) / len(part)
            for part in (values[n * batch_size : (n + 1) * batch_size] for n in range(-(-len(values) // batch_size)))],
    ),
    hints=(
        "Write down where each batch begins, for 6 examples, 2 at a time. How many are there, and how many should be?",
        "range stops before its end. And a slice may reach beyond the end of an array: it just gets shorter.",
        "range(0, len(values), batch_size)",
    ),
)


# Averages of averages


def _means(values: Any, starts: Any, batch_size: int) -> Any:
    return np.array([values[start : start + batch_size].mean() for start in starts])


# Shares of shares


def read_share(scores, labels, batch_size):
    right = 0
    for start in range(0, len(scores), batch_size):
        batch = slice(start, start + batch_size)
        right = right + (scores[batch].argmax(axis=1) == labels[batch]).sum()
    return right / len(scores)


def read_share_broken(scores, labels, batch_size):
    shares = []
    for start in range(0, len(scores), batch_size):
        batch = slice(start, start + batch_size)
        shares.append((scores[batch].argmax(axis=1) == labels[batch]).mean())
    return np.mean(shares)


def last_ones_differ(rng: np.random.Generator) -> list[tuple]:
    """The last batch is smaller, and is read better or worse than the others."""
    calls = []
    for n, size, last in ((7, 3, True), (9, 4, False), (11, 5, True), (6, 2, True), (13, 4, False), (10, 3, True)):
        labels = rng.integers(0, 3, n)
        wrong = np.arange(n) % 2 == 0
        wrong[n - n % size :] = not last
        read = np.where(wrong, (labels + 1) % 3, labels)
        scores = rng.uniform(0, 0.5, (n, 3)) - rng.uniform(2, 3)
        scores[np.arange(n), read] += 1.0
        calls.append((scores, labels, size))
    return calls


repair_accuracy = Exercise(
    **HOME,
    name="repair_accuracy",
    title="The accuracy changes with the batch size",
    draw=last_ones_differ,
    examples=[(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), np.array([0, 0, 1]), 2)],
    reference=read_share,
    mistakes={
        "As it was handed out: one example in a small last batch counts as much as many in a large one.":
            read_share_broken,
        "The last batch is left out.":
            lambda scores, labels, batch_size: read_share(*_whole(scores, labels, batch_size), batch_size),
        "It divides by batches × batch_size, as if the last batch were whole.":
            lambda scores, labels, batch_size: read_share(scores, labels, batch_size) * len(scores)
            / (-(-len(scores) // batch_size) * batch_size),
        "It counts the wrong ones.": lambda scores, labels, batch_size: 1 - read_share(scores, labels, batch_size),
        "It divides by the number of batches. Every example has one vote: divide by their number.":
            lambda scores, labels, batch_size: read_share(scores, labels, batch_size) * len(scores)
            / -(-len(scores) // batch_size),
        "This is how many are right. The share of them is asked for.":
            lambda scores, labels, batch_size: read_share(scores, labels, batch_size) * len(scores),
    },
    variants=(
        lambda scores, labels, batch_size: np.mean(np.argmax(scores, axis=1) == labels),
        lambda scores, labels, batch_size: np.average(
            [(scores[s : s + batch_size].argmax(axis=1) == labels[s : s + batch_size]).mean()
             for s in range(0, len(scores), batch_size)],
            weights=[len(scores[s : s + batch_size]) for s in range(0, len(scores), batch_size)]),
    ),
    equal={
        "scores → labels": "There are as many of both, and only that is asked.",
        **dict.fromkeys(("scores half", "scores of length 1"), "The largest score stays the largest."),
        **dict.fromkeys(
            (
                "batch_size is always 3", "batch_size is always 4", "batch_size is always 5", "batch_size is always 1",
                "batch_size one more", "batch_size one less", "batch_size twice",
                "batch_size squared",
            ),
            "The share of right answers does not depend on how they are counted: that is the repair.",
        ),
    },
    hints=(
        "Compute it by hand for three examples, two at a time.",
        "Every example has one vote. A mean of means gives those in small batches more.",
        "Add up how many are right, and divide once, by len(scores).",
    ),
)


def _whole(scores: Any, labels: Any, batch_size: int) -> tuple[Any, Any]:
    n = max(len(scores) // batch_size * batch_size, 1)
    return scores[:n], labels[:n]


EXERCISES = [repair_standardize, repair_shuffle, repair_batches, repair_accuracy]
# fmt: on
