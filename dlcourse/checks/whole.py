"""Chapter 00, second half: data made ready, a network's gradient all the way back, and how often it is right."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import finite_differences, same

HOME: Any = {"chapter": "00_start", "notebook": "network"}


def two_parts(rng: np.random.Generator) -> list[tuple]:
    """Train and test parts that differ in mean and spread; in one a column that never varies in training."""
    calls = []
    for rows, more, columns in ((6, 4, 3), (5, 7, 2), (8, 1, 4)):
        scale, shift = rng.uniform(0.5, 4.0, columns), rng.normal(size=columns) * 3
        scale[0] = rng.uniform(0.1, 0.3)  # its deviation is below 1
        train = shift + scale * rng.normal(size=(rows, columns))
        test = shift + 1.0 + 1.5 * scale * rng.normal(size=(more, columns))
        if columns == 4:
            train[:, 1] = np.round(train[0, 1])  # whole, so that its mean is exact in any order and precision
        calls.append((train, test))
    return calls


def scaled(train: Any, test: Any, by: Any, mean: Any = None, deviation: Any = None) -> tuple[Any, Any]:
    """Both parts, measured by `by`; with a place for every part that can be wrong."""
    mean = by.mean(axis=0) if mean is None else mean
    deviation = by.std(axis=0) if deviation is None else deviation
    deviation = np.where(deviation > 0, deviation, 1.0)
    return (train - mean) / deviation, (test - mean) / deviation


# fmt: off
standardize = Exercise(
    **HOME,
    name="standardize",
    title="Make the data ready, and let nothing leak",
    returns=("train", "test"),
    draw=two_parts,
    examples=[(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[4.0, 6.0]]))],
    reference=lambda train, test: scaled(train, test, train),
    mistakes={
        "This leaks: mean and deviation are taken of both parts together. The test part must stay unseen: train alone.":
            lambda train, test: scaled(train, test, np.vstack([train, test])),
        "Each part has a mean and a deviation of its own. Then one number means two things: both take those of train.":
            lambda train, test: (scaled(train, train, train)[0], scaled(test, test, test)[1]),
        "Only train is scaled. The network meets test as it was measured.":
            lambda train, test: (scaled(train, test, train)[0], test),
        "Mean and deviation are those of test. The network learns from train: take them there.":
            lambda train, test: scaled(train, test, test),
        "It divides by the variance. The deviation is its root.":
            lambda train, test: scaled(train, test, train, deviation=train.var(axis=0)),
        "The mean is not taken off.": lambda train, test: scaled(train, test, train, mean=0.0),
        "It is not divided by the deviation.": lambda train, test: scaled(train, test, train, deviation=np.array(1.0)),
        "One mean and one deviation are taken of all columns. Every feature has its own: axis=0.":
            lambda train, test: scaled(train, test, train, train.mean(), train.std()),
        "A column that never varies is divided by 0. Divide it by 1.":
            lambda train, test: ((train - train.mean(0)) / train.std(0), (test - train.mean(0)) / train.std(0)),
        "It is scaled to lie between 0 and 1. Here to mean 0 and deviation 1, those of train.":
            lambda train, test: scaled(train, test, train, train.min(axis=0), np.ptp(train, axis=0)),
        "The deviation is over n − 1. Here it is over n: np.std as it is.":
            lambda train, test: scaled(train, test, train, deviation=train.std(axis=0, ddof=1)),
    },
    variants=(
        lambda train, test: tuple(
            (part - train.mean(0)) / (train.std(0) + (train.std(0) == 0)) for part in (train, test)),
    ),
    hints=(
        "What may the network know of the test part before it is tested? Nothing; not even its mean.",
        "Take mean and deviation down the columns of train, and use them for both parts.",
        "deviation = train.std(axis=0); deviation[deviation == 0] = 1; (test - train.mean(axis=0)) / deviation",
    ),
)


def layers(rng: np.random.Generator) -> list[tuple]:
    """A batch, and a network with one hidden layer; no unit stands just at the bend of ReLU."""
    calls = []
    for n, inputs, hidden, outputs in ((4, 3, 5, 2), (6, 2, 4, 3), (1, 4, 3, 1), (5, 3, 3, 3)):
        while True:
            x, w1, b1 = rng.normal(size=(n, inputs)), rng.normal(size=(inputs, hidden)), rng.normal(size=hidden)
            z = x @ w1 + b1
            if np.abs(z).min() > 0.01 and (z > 0).any() and (z < 0).any():
                break
        calls.append((x, w1, b1, rng.normal(size=(hidden, outputs)), rng.normal(size=(n, outputs))))
    return calls


def back(x: Any, w1: Any, b1: Any, w2: Any, dy: Any, *, gate: Any = None, hidden: Any = None, through: Any = None,
         mean: bool = False) -> tuple:
    """The four gradients, with a place for every part that can be wrong."""
    z = x @ w1 + b1
    h = np.maximum(z, 0) if hidden is None else hidden(z)
    dz = (dy @ w2.T if through is None else through) * ((z > 0) if gate is None else gate(z))
    n = len(x) if mean else 1
    return x.T @ dz / n, dz.sum(axis=0) / n, h.T @ dy / n, dy.sum(axis=0) / n


def are_slopes(given: Any, got: Any) -> bool:
    """All four against finite differences of Σ dy · y."""
    g = given

    def value(w1: Any, b1: Any, w2: Any) -> float:
        return float((g.dy * (np.maximum(g.x @ w1 + b1, 0) @ w2)).sum())

    found = (
        finite_differences(lambda w1: value(w1, g.b1, g.w2), g.w1),
        finite_differences(lambda b1: value(g.w1, b1, g.w2), g.b1),
        finite_differences(lambda w2: value(g.w1, g.b1, w2), g.w2),
    )
    slopes = all(same(ours, slope, 1e-4) for ours, slope in zip(got[:3], found, strict=True))
    return slopes and same(got[3], g.dy.sum(axis=0), 1e-5)


network_backward = Exercise(
    **HOME,
    name="network_backward",
    rounds=2,
    title="All the way back through a network",
    returns=("dw1", "db1", "dw2", "db2"),
    points=5,
    draw=layers,
    examples=[(
        np.array([[1.0, 2.0]]), np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([0.0, 0.0]), np.array([[2.0], [3.0]]),
        np.array([[1.0]]))],
    reference=lambda x, w1, b1, w2, dy: back(x, w1, b1, w2, dy),
    properties={"each is the slope that finite differences find": are_slopes},
    equal={"z > 0 → z >= 0": "no unit stands at the bend of ReLU"},
    mistakes={
        "ReLU is forgotten on the way back: where a unit was silent, nothing goes back through it.":
            lambda x, w1, b1, w2, dy: back(x, w1, b1, w2, dy, gate=np.ones_like),
        "ReLU is forgotten on the way forward: dw2 must see what the hidden units put out, not what came in.":
            lambda x, w1, b1, w2, dy: back(x, w1, b1, w2, dy, hidden=lambda z: z),
        "The gate of ReLU is turned round: gradients pass where the unit was awake, z > 0.":
            lambda x, w1, b1, w2, dy: back(x, w1, b1, w2, dy, gate=lambda z: z < 0),
        "The way back is multiplied by ReLU's output. ReLU's slope is 1 or 0.":
            lambda x, w1, b1, w2, dy: back(x, w1, b1, w2, dy, gate=lambda z: np.maximum(z, 0)),
        "The gradients are means over the batch. dy holds that mean already: sums.":
            lambda x, w1, b1, w2, dy: back(x, w1, b1, w2, dy, mean=True),
        "The gate hears dy, the output's slope, instead of what comes back through w2.":
            lambda x, w1, b1, w2, dy: back(x, w1, b1, w2, dy, through=np.broadcast_to(
                dy.sum(axis=1, keepdims=True), (len(x), len(b1)))),
        "The biases' gradients are means. They are sums over the batch, as those of the weights.":
            lambda x, w1, b1, w2, dy: (
                (g := back(x, w1, b1, w2, dy))[0], g[1] / len(x), g[2], g[3] / len(x)),
        "The biases' gradients are not added up over the batch: axis=0.":
            lambda x, w1, b1, w2, dy: (
                (g := back(x, w1, b1, w2, dy))[0], (dy @ w2.T) * (x @ w1 + b1 > 0), g[2], dy),
        "The weights' gradients are transposed: dw has the shape of w, x.T @ dz.":
            lambda x, w1, b1, w2, dy: ((g := back(x, w1, b1, w2, dy))[0].T, g[1], g[2].T, g[3]),
        "The bias is forgotten on the way forward: x @ w1 + b1 decides who is awake.":
            lambda x, w1, b1, w2, dy: back(x, w1, 0 * b1, w2, dy),
    },
    variants=(
        lambda x, w1, b1, w2, dy: (
            np.einsum("ni,nh->ih", x, (dz := np.where(x @ w1 + b1 > 0, dy @ w2.T, 0))), np.ones(len(x)) @ dz,
            np.einsum("nh,no->ho", (x @ w1 + b1).clip(0), dy), np.ones(len(x)) @ dy),
    ),
    hints=(
        "Go forward first, and keep what the hidden layer was before and after ReLU.",
        "dw2: what came into the second layer, transposed, times dy. dy @ w2.T is what comes back to the hidden units.",
        "z = x @ w1 + b1; h = np.maximum(z, 0); dz = (dy @ w2.T) * (z > 0); x.T @ dz, dz.sum(0), h.T @ dy, dy.sum(0)",
    ),
)


def pieces(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for sizes, features in (((3, 3, 3), 2), ((4, 1, 2), 3), ((1, 5), 2), ((6,), 4)):
        grads = rng.normal(size=(len(sizes), features)) + rng.choice([-1.0, 1.0], (len(sizes), 1))
        calls.append((grads, np.array(sizes)))
    return calls


accumulated_gradient = Exercise(
    **HOME,
    name="accumulated_gradient",
    rounds=2,
    title="A batch too large for the memory",
    draw=pieces,
    equal={"sizes of length 1": "only the share of each piece counts"},
    examples=[(np.array([[1.0, 2.0], [4.0, 8.0]]), np.array([2, 1]))],
    reference=lambda gradients, sizes: sizes @ gradients / sizes.sum(),
    mistakes={
        "All pieces count alike. A piece of one example must not weigh as much as a piece of six: weigh by the sizes.":
            lambda g, n: g.mean(axis=0),
        "The gradients are added up. The loss of the batch is a mean over all of its examples.":
            lambda g, n: g.sum(axis=0),
        "Each mean is turned into a sum, but the sums are never divided by the number of all examples.":
            lambda g, n: n @ g,
        "Divide by the number of examples, not of pieces.": lambda g, n: n @ g / len(n),
        "Only the last piece is left: each one overwrites the one before. Add them up.": lambda g, n: g[-1],
        "Only the first piece counts.": lambda g, n: g[0],
        "The pieces are divided by their sizes. They are means already: multiply.":
            lambda g, n: (g / n[:, None]).sum(axis=0),
        "They are sums of the means, divided by the number of examples.": lambda g, n: g.sum(axis=0) / n.sum(),
    },
    variants=(
        lambda g, n: np.average(g, axis=0, weights=n),
        lambda g, n: sum(size * row for size, row in zip(n, g, strict=True)) / sum(n),
    ),
    hints=(
        "How large is the sum over the examples of one piece, if you know its mean and how many there were?",
        "Add up those sums, then divide by the number of all examples.",
        "(sizes[:, None] * gradients).sum(axis=0) / sizes.sum()",
    ),
)


def scores_and_truth(rng: np.random.Generator) -> list[tuple]:
    """Mostly right, some wrong, no two scores alike; one batch of one."""
    calls = []
    for n, k in ((8, 3), (7, 5), (12, 4), (5, 2), (1, 3)):
        labels = rng.integers(0, k, n)
        scores = rng.normal(size=(n, k)) - 1.0
        hit = np.arange(n) < max(n - 3, 1)
        scores[np.arange(n), np.where(hit, labels, (labels + 1) % k)] += 4.0
        scores -= 6.0 * (np.arange(n) % 2)[:, None]  # every other row lies below 0
        mixed = rng.permutation(n)
        calls.append((scores[mixed], labels[mixed]))
    return calls


accuracy = Exercise(
    **HOME,
    name="accuracy",
    title="How often is it right?",
    points=1,
    draw=scores_and_truth,
    equal={"scores half": "the largest stays the largest", "scores of length 1": "the same"},
    examples=[(np.array([[0.1, 2.0], [1.5, -1.0], [0.0, 3.0], [4.0, 5.0]]), np.array([1, 0, 0, 1]))],
    reference=lambda scores, labels: (scores.argmax(axis=1) == labels).mean(),
    mistakes={
        "This is how many are right. The accuracy is their share.":
            lambda z, y: float((z.argmax(axis=1) == y).sum()),
        "This is the share that is wrong: the error rate.": lambda z, y: (z.argmax(axis=1) != y).mean(),
        "The best example of every class is looked for. Every example has its best class: axis=1.":
            lambda z, y: np.isin(z.argmax(axis=0), y).mean(),
        "It takes the lowest score.": lambda z, y: (z.argmin(axis=1) == y).mean(),
        "It is in percent. Here it is a share, from 0 to 1.": lambda z, y: 100 * (z.argmax(axis=1) == y).mean(),
        "It compares the largest score itself with the label. argmax says where it stands.":
            lambda z, y: (z.max(axis=1) == y).mean(),
        "It is right or wrong for the whole batch at once. Take the mean over the examples.":
            lambda z, y: float((z.argmax(axis=1) == y).all()),
        "A score above 0 counts as right, whoever has a higher one. The largest of the row decides.":
            lambda z, y: (z[np.arange(len(y)), y] > 0).mean(),
        "This is the probability of the true class, on average. The accuracy only asks who is first.":
            lambda z, y: (np.exp(z) / np.exp(z).sum(1, keepdims=True))[np.arange(len(y)), y].mean(),
    },
    variants=(
        lambda z, y: sum(int(np.argmax(row)) == label for row, label in zip(z, y, strict=True)) / len(y),
    ),
    hints=(
        "The class that a row of scores stands for is the place of its largest number.",
        "scores.argmax(axis=1) has one class for each example. Compare with labels: True and False.",
        "(scores.argmax(axis=1) == labels).mean()",
    ),
)
# fmt: on

EXERCISES = [accuracy, standardize, network_backward, accumulated_gradient]
