"""Chapter 04, second half: softer targets, more data, noise, many networks, and when to stop."""

import math
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import between

HOME: Any = {"chapter": "04_regularization", "notebook": "generalization"}


def softmax(z: Any) -> Any:
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def images_and_flags(rng: np.random.Generator) -> list[tuple]:
    return [
        (rng.random((n, h, w, c)).round(2), (np.arange(n) + rng.integers(2)) % 2 == 0)
        for n, h, w, c in ((2, 2, 2, 1), (4, 3, 5, 3), (3, 4, 4, 2))
    ]


# fmt: off
horizontal_flip = Exercise(
    **HOME,
    name="horizontal_flip",
    title="Flip some of the images",
    draw=images_and_flags,
    examples=[(np.array([[[[1.0], [2.0]]], [[[3.0], [4.0]]]]), np.array([True, False]))],
    reference=lambda images, flags: np.where(flags[:, None, None, None], images[:, :, ::-1], images),
    properties={
        "every image keeps its pixels": lambda given, got: np.allclose(
            np.sort(got.reshape(len(got), -1)), np.sort(given.images.reshape(len(got), -1))),
    },
    mistakes={
        "Up and down change places. Left and right are the third axis, the width.":
            lambda x, f: np.where(f[:, None, None, None], x[:, ::-1], x),
        "All images are flipped. Only those with a flag.": lambda x, f: x[:, :, ::-1],
        "The wrong half is flipped: a flag means flip, not keep.":
            lambda x, f: np.where(f[:, None, None, None], x, x[:, :, ::-1]),
        "The order of the images is turned round. They stay in their places; their pixels move.":
            lambda x, f: np.where(f[:, None, None, None], x[::-1], x),
        "The colours change places: that is the last axis.":
            lambda x, f: np.where(f[:, None, None, None], x[..., ::-1], x),
        "The image is turned by half a circle: both axes are reversed.":
            lambda x, f: np.where(f[:, None, None, None], x[:, ::-1, ::-1], x),
        "Nothing is flipped.": lambda x, f: x.copy(),
        "Only the images with a flag come back. The others stay in their places.": lambda x, f: x[f][:, :, ::-1],
        "The flags meet the last axis, the colours. They belong to the first: flags[:, None, None, None].":
            lambda x, f: np.where(f, x[:, :, ::-1], x),
    },
    variants=(
        lambda x, f: np.stack([np.fliplr(image) if flag else image for image, flag in zip(x, f, strict=True)]),
        lambda x, f: [image[:, ::-1].tolist() if flag else image.tolist() for image, flag in zip(x, f, strict=True)],
    ),
    hints=(
        "The axes are (batch, height, width, channels): left and right lie along the width.",
        "images[:, :, ::-1] turns all of them. Copy images, and overwrite those with a flag.",
        "new = images.copy(); new[flags] = images[flags][:, :, ::-1]",
    ),
)


def labels_and_classes(rng: np.random.Generator) -> list[tuple]:
    """Batches in which the last class does not occur, one in which it does, and nothing to smooth."""
    calls = [(rng.integers(0, k - 1, n), k, between(rng, 0.05, 0.4)) for n, k in ((3, 4), (6, 3), (5, 10))]
    return [*calls, (np.array([0, 4, int(rng.integers(5))]), 5, between(rng, 0.5, 0.9)), (np.array([1, 0]), 3, 0.0)]


def one_hot(labels: Any, classes: int) -> Any:
    return np.eye(classes)[labels]


smooth_labels = Exercise(
    **HOME,
    name="smooth_labels",
    title="Label smoothing",
    draw=labels_and_classes,
    examples=[(np.array([1]), 4, 0.2)],
    reference=lambda labels, classes, smoothing: (1 - smoothing) * one_hot(labels, classes) + smoothing / classes,
    properties={"every row adds up to 1": lambda given, got: np.isclose(got.sum(axis=-1), 1)},
    mistakes={
        "The labels are not smoothed at all.": lambda y, k, s: one_hot(y, k),
        "The true class loses nothing: take 1 − s of it first, or the rows add up to more than 1.":
            lambda y, k, s: one_hot(y, k) + s / k,
        "The true class gets no part of what is shared out. All classes do: s/K each.":
            lambda y, k, s: (1 - s) * one_hot(y, k) + s / (k - 1) * (1 - one_hot(y, k)),
        "What is shared out is lost: the rows add up to 1 − s.": lambda y, k, s: (1 - s) * one_hot(y, k),
        "Every class gets s, not s/K.": lambda y, k, s: (1 - s) * one_hot(y, k) + s,
        "s and 1 − s have changed places: the true class keeps only s.":
            lambda y, k, s: s * one_hot(y, k) + (1 - s) / k,
        "What is shared out is the same for all rows, s/batch. It is s/K, K the number of classes.":
            lambda y, k, s: (1 - s) * one_hot(y, k) + s / len(y),
        "The true class keeps 1 − s and gets no s/K: the rows add up to less than 1.":
            lambda y, k, s: np.where(one_hot(y, k) == 1, 1 - s, s / k),
        "The labels are numbers of classes, no probabilities yet. First rows with a single 1: np.eye(classes)[labels].":
            lambda y, k, s: (1 - s) * y + s / k,
        "The classes are counted by the largest label. The last one may not occur: `classes` says how many there are.":
            lambda y, k, s: (1 - s) * one_hot(y, y.max() + 1) + s / (y.max() + 1),
        "All K classes get s/(K − 1): the rows add up to more than 1. It is s/K for each.":
            lambda y, k, s: (1 - s) * one_hot(y, k) + s / (k - 1),
    },
    variants=(
        lambda y, k, s: [[1 - s + s / k if c == label else s / k for c in range(k)] for label in y.tolist()],
    ),
    hints=(
        "Begin with rows of zeros and a single 1: np.eye(classes)[labels].",
        "Take the share s away from the 1 and give every class, the true one too, s/K.",
        "(1 - smoothing) * np.eye(classes)[labels] + smoothing / classes",
    ),
)

def networks_at_odds(rng: np.random.Generator) -> list[tuple]:
    """Scores for which every other way to vote ends, somewhere, at another class."""
    calls = []
    for shape in ((3, 8, 4), (5, 12, 3), (4, 9, 5)):
        loud = np.where(np.arange(shape[0]) == 0, 6.0, 1.0)[:, None, None]
        while True:
            scores = rng.normal(size=shape) * loud
            p = softmax(scores)
            right = p.mean(axis=0).argmax(axis=-1)
            others = (scores.mean(axis=0), p.prod(axis=0), np.median(p, axis=0), p[0], votes(p).mean(axis=0))
            if all((other.argmax(axis=-1) != right).any() for other in others):
                break
        calls.append((scores,))
    return calls


def votes(p: Any) -> Any:
    return np.eye(p.shape[-1])[p.argmax(axis=-1)]


ensemble_predict = Exercise(
    **HOME,
    name="ensemble_predict",
    title="An ensemble votes with probabilities",
    returns=("probabilities", "classes"),
    draw=networks_at_odds,
    examples=[(np.array([[[0.0, 0.0]], [[0.0, 2.0]]]),)],
    equal={
        "scores - scores.max(axis=-1, keepdims=True) → scores": "it keeps exp from overflow; these are small",
        "scores.max(axis=-1, keepdims=True) → scores.…(…keepdims=True)": "whatever is taken off a row, p stays",
        "scores - scores.max(axis=-1, keepdims=True) → scores + scores.max(axis=-1, keepdims=True)": "the same",
        "axis=-1 → axis=2": "the last of three axes is axis 2",
        "scores reversed": "the order of the networks means nothing",
    },
    reference=lambda scores: ((p := softmax(scores).mean(axis=0)), p.argmax(axis=-1)),
    properties={
        "every row of probabilities adds up to 1": lambda given, got: np.isclose(got[0].sum(axis=-1), 1),
    },
    mistakes={
        "The probabilities are right, but the classes are those of the averaged scores: the loudest network decides "
        "alone. Take argmax of the averaged probabilities.":
            lambda z: (softmax(z).mean(axis=0), z.mean(axis=0).argmax(axis=-1)),
        "The probabilities are right, but the classes are a vote. Take argmax of the averaged probabilities.":
            lambda z: (softmax(z).mean(axis=0), votes(softmax(z)).mean(axis=0).argmax(axis=-1)),
        "The scores are averaged before the softmax: the network with the loudest scores decides alone.":
            lambda z: ((p := softmax(z.mean(axis=0))), p.argmax(axis=-1)),
        "Only the first network is heard.": lambda z: ((p := softmax(z)[0]), p.argmax(axis=-1)),
        "The probabilities are added, not averaged: they add up to the number of networks.":
            lambda z: ((p := softmax(z).sum(axis=0)), p.argmax(axis=-1)),
        "Each network has one vote for its best class. An average of probabilities also hears how sure it is.":
            lambda z: ((p := np.eye(z.shape[-1])[z.argmax(axis=-1)].mean(axis=0)), p.argmax(axis=-1)),
        "The softmax runs over the networks. It belongs to the classes, the last axis.":
            lambda z: ((p := (np.exp(z - z.max(0)) / np.exp(z - z.max(0)).sum(0)).mean(axis=0)), p.argmax(axis=-1)),
        "The probabilities are multiplied: one network that says no overrules all the others.":
            lambda z: ((p := (q := softmax(z).prod(axis=0)) / q.sum(-1, keepdims=True)), p.argmax(axis=-1)),
        "It takes the least likely class.": lambda z: ((p := softmax(z).mean(axis=0)), p.argmin(axis=-1)),
        "The classes are the probabilities of the best class. argmax gives its number.":
            lambda z: ((p := softmax(z).mean(axis=0)), p.max(axis=-1)),
        "One class comes back for all examples. Every example has its own: argmax over the last axis.":
            lambda z: ((p := softmax(z).mean(axis=0)), p.argmax()),
        "The softmax divides by the sum over everything. Every example has its own: the last axis, keepdims=True.":
            lambda z: ((p := (np.exp(z) / np.exp(z).sum()).mean(axis=0)), p.argmax(axis=-1)),
        "The average runs over the examples. It belongs to the networks, axis 0.":
            lambda z: ((p := softmax(z).mean(axis=1)), p.argmax(axis=-1)),
        "argmax runs over the examples. It belongs to the classes, the last axis.":
            lambda z: ((p := softmax(z).mean(axis=0)), p.argmax(axis=0)),
    },
    variants=(
        lambda z: ((p := sum(softmax(one) for one in z) / len(z)), [int(np.argmax(row)) for row in p]),
    ),
    hints=(
        "scores has the axes (networks, examples, classes). First each network by itself: softmax over the last axis.",
        "Then average over the first axis, and take the class with the largest probability.",
        "p = softmax(scores).mean(axis=0); p, p.argmax(axis=-1)",
    ),
)


def stop(losses: Any, patience: int, *, last: bool = False, equal: bool = False, early: int = 0, total: bool = False,
         never: bool = False) -> tuple[int, int]:
    best, best_epoch, bad = math.inf, 0, 0
    for epoch, loss in enumerate(losses):
        if loss < best or (equal and loss == best):
            best, best_epoch, bad = loss, epoch, bad if total else 0
        else:
            bad, best = bad + 1, loss if last else best
        if bad >= patience - early and not never:
            return epoch, best_epoch
    return len(losses) - 1, best_epoch


def wander(rng: np.random.Generator, epochs: int) -> np.ndarray:
    """Losses that fall, rise and rest, all on a grid: equal ones occur."""
    return np.asarray(2.0 + 0.05 * np.cumsum(rng.choice([-2, -1, 0, 0, 1, 2], epochs))).clip(0.1)


def validation_runs(rng: np.random.Generator) -> list[tuple]:
    shapes = (
        [1.0, 0.9, 0.8, 0.85, 0.82],
        [1.0, 0.8, 0.9, 0.8, 0.7, 0.75, 0.72, 0.71, 0.74, 0.6, 0.65],
        [1.0, 0.9, 0.95, 0.8, 0.8, 0.85, 0.7, 0.9, 0.8, 0.75, 0.72, 0.71],
        [1.0, 0.9, 0.8, 0.7, 0.6, 0.5],
        [0.9, 1.0, 0.8, 0.85, 0.84, 0.83, 0.82],
    )
    calls = [(np.round(np.array(s) * rng.uniform(1, 3), 3), p) for s, p in zip(shapes, (4, 3, 2, 2, 4), strict=True)]
    return calls + [(wander(rng, 15).round(3), patience) for patience in (1, 3, 5)]


early_stopping = Exercise(
    **HOME,
    name="early_stopping",
    title="When to stop",
    returns=("last_epoch", "best_epoch"),
    draw=validation_runs,
    examples=[(np.array([1.0, 0.8, 0.9, 0.85, 0.7]), 2)],
    equal={
        "0 → 1": "the first loss is below infinity, and sets both epoch and count",
        "losses half": "only which of two losses is lower counts",
        "losses of length 1": "the same",
    },
    reference=lambda losses, patience: stop(losses, patience),
    properties={"the best epoch is not after the last": lambda given, got: got[1] <= got[0]},
    mistakes={
        "Each loss is compared with the one before. It must beat the best so far.":
            lambda x, p: stop(x, p, last=True),
        "An equal loss counts as better. Better means below.": lambda x, p: stop(x, p, equal=True),
        "It stops one epoch early: patience bad epochs in a row are waited for.": lambda x, p: stop(x, p, early=1),
        "It stops one epoch late: at the patience-th bad epoch in a row it is time.":
            lambda x, p: stop(x, p, early=-1),
        "The bad epochs are counted all together. A better epoch sets the count back to 0.":
            lambda x, p: stop(x, p, total=True),
        "It never stops.": lambda x, p: stop(x, p, never=True),
        "The two have changed places: first the last epoch, then the best.": lambda x, p: stop(x, p)[::-1],
        "best_epoch is the best of the whole list. After the stop nobody has seen the rest.":
            lambda x, p: (stop(x, p)[0], int(np.argmin(x))),
        "Epochs are counted from 1. The first one is 0.": lambda x, p: tuple(e + 1 for e in stop(x, p)),
        "These are losses. What is asked for are the epochs, counted from 0.":
            lambda x, p: (x[(e := stop(x, p))[0]], x[e[1]]),
        "A run that never stops early ends with its last epoch: return after the loop, too.":
            lambda x, p: stop(x, p) if stop(x, p) != stop(x, p, never=True) else None,
        "In place of best_epoch its loss comes back.": lambda x, p: ((e := stop(x, p))[0], x[e[1]]),
    },
    variants=(lambda x, p: np.array(stop(x.tolist(), p)), lambda x, p: list(stop(x, p))),
    hints=(
        "Go through the losses with three things in mind: the best so far, its epoch, how many bad ones in a row.",
        "A loss below the best: note it, and set the count to 0. Else one more; if that makes `patience`, stop here.",
        "for epoch, loss in enumerate(losses): …; if bad == patience: return epoch, best_epoch. At the end: the last.",
    ),
)

average_weights = Exercise(
    **HOME,
    name="moving_average",
    title="An average of the weights along the way",
    draw=lambda rng: [
        (rng.normal(size=(steps, size)), between(rng, 0.5, 0.9)) for steps, size in ((4, 2), (9, 3), (6, 5), (1, 4))],
    examples=[(np.array([[1.0], [2.0], [4.0]]), 0.5)],
    equal={
        "1: → :": "to average the first with itself changes nothing",
        "1 → 0": "the same",
    },
    reference=lambda thetas, decay: average(thetas, decay)[-1],
    properties={"an average of equal weights is these weights": lambda given, got: (
        (got >= given.thetas.min(axis=0) - 1e-6) & (got <= given.thetas.max(axis=0) + 1e-6))},
    mistakes={
        "This is the plain mean: all moments count alike. Here the past fades by decay at each step.":
            lambda x, d: x.mean(axis=0),
        "The average starts at 0, so it is too small in the beginning. It starts at the first theta.":
            lambda x, d: average(np.vstack([0 * x[:1], x]), d)[-1],
        "decay and 1 − decay have changed places: decay is the share of the old average that is kept.":
            lambda x, d: average(x, 1 - d)[-1],
        "These are the last weights, not an average.": lambda x, d: x[-1],
        "The new theta is added in full: its weight is 1 − decay.":
            lambda x, d: sum(d ** (len(x) - 1 - n) * theta for n, theta in enumerate(x)),
        "The way back is averaged: the newest theta should count most, the oldest least.":
            lambda x, d: average(x[::-1], d)[-1],
        "The average mixes all numbers of theta into one. Each number has an average of its own.":
            lambda x, d: np.full(x.shape[1], average(x, d)[-1].mean()),
        "All the averages on the way come back. Only the last one is asked for.":
            lambda x, d: average(x, d),
        "It starts at 0 and is corrected, as Adam does. Here it starts at the first theta instead.":
            lambda x, d: average(np.vstack([0 * x[:1], x]), d)[-1] / (1 - d ** len(x)),
        "`return` stands in the loop: after the second theta it is over.": lambda x, d: average(x[:2], d)[-1],
    },
    variants=(
        lambda x, d: d ** (len(x) - 1) * x[0] + sum((1 - d) * d ** (len(x) - 1 - n) * x[n] for n in range(1, len(x))),
    ),
    hints=(
        "Start with the average at thetas[0], and go through the others.",
        "Each new theta moves the average: it keeps the share decay and takes 1 − decay of the new one.",
        "for theta in thetas[1:]: average = decay * average + (1 - decay) * theta",
    ),
)
# fmt: on


def average(thetas: Any, decay: float) -> list[Any]:
    path = [thetas[0]]
    for theta in thetas[1:]:
        path.append(decay * path[-1] + (1 - decay) * theta)
    return path


EXERCISES = [horizontal_flip, smooth_labels, ensemble_predict, average_weights, early_stopping]
