"""How wrong a prediction is, and which way is better.

value = loss.forward(prediction, target)    the mean over the batch: one number, or one per lane
dprediction = loss.backward()               d(value)/d(prediction)
"""

from typing import Annotated, Any

import numpy as np

from dlcourse.backend import Array, floating, to_device, to_host, xp
from dlcourse.settings import refuse, settings, share


class Loss:
    """The interface of every loss. A subclass writes prepare, compare and backward."""

    def forward(self, prediction: Array, target: Any) -> Array:
        prediction = floating(prediction)
        target = self.prepare(target, prediction.shape[-1:], prediction.dtype)
        if target.shape[-2] != prediction.shape[-2]:
            rule = f"have one row for each of the {prediction.shape[-2]} predictions"
            refuse(f"{type(self).__name__}.target", rule, target.shape, "Both are one batch.")
        return self.compare(prediction, target)

    def prepare(self, target: Any, outputs: tuple[int, ...], dtype: Any) -> Array:
        """The targets, checked, in the form that `compare` takes. Training prepares a whole data set once."""
        raise NotImplementedError

    def compare(self, prediction: Array, target: Array) -> Array:
        """The value for prepared targets; keeps what `backward` needs."""
        raise NotImplementedError

    def backward(self) -> Array:
        raise NotImplementedError

    def draw_score(self, rng: np.random.Generator) -> Array:
        """(batch, outputs): d(−log likelihood)/d(prediction) of targets drawn from the prediction itself.

        For the true Fisher information of a network, not the empirical one, which takes the targets of the data.
        """
        refuse("Loss.draw_score.loss", "be a likelihood", self, "SoftmaxCrossEntropy and MeanSquaredError are.")

    def accuracy(self, prediction: Array, target: Array) -> Array | None:
        """The share of examples that are right, per lane; None where right and wrong have no meaning."""
        return None


@settings
class MeanSquaredError(Loss):
    """The mean over batch and outputs of the squared difference (Gauss 1809).

    value = mean((prediction − target)²)
    dprediction = 2 (prediction − target) / (batch · outputs)

    PyTorch's and Keras' MSE; ½ Σ (…)² per example is another common form: mind the factor.
    """

    def prepare(self, target: Any, outputs: tuple[int, ...], dtype: Any) -> Array:
        target = to_device(target, dtype)
        if target.ndim == 1 and outputs == (1,):
            target = target[:, None]
        if target.shape[-1:] != outputs:
            rule = f"have as many columns as the prediction, {outputs[0]}"
            refuse("MeanSquaredError.target", rule, target.shape, "Its shape is (batch, outputs).")
        return target

    def compare(self, prediction: Array, target: Array) -> Array:
        self.difference = prediction - target
        return batch_mean((self.difference**2).mean(axis=-1, keepdims=True))

    def backward(self) -> Array:
        batch, outputs = self.difference.shape[-2:]
        return 2 * self.difference / (batch * outputs)

    def draw_score(self, rng: np.random.Generator) -> Array:
        """Of a normal law with variance 1 around the prediction: a draw less its mean."""
        return to_device(rng.normal(size=self.difference.shape), self.difference.dtype)


@settings
class SoftmaxCrossEntropy(Loss):
    """The surprise at the true class, in nats, when a softmax turns scores into probabilities.

    p = eᶻ / Σ eᶻ                            z = prediction, one score per class
    value = mean(−Σ t log p) = mean(log Σ eᶻ − Σ t z)
    dz = (p − t) / batch

    target: whole numbers (batch,), the classes, or rows of probabilities t (batch, classes).
    label_smoothing s: t ← (1 − s) t + s / classes (Szegedy et al. 2015, arXiv:1512.00567).
    The largest score of a row is taken off first, so that no exponential overflows.
    """

    label_smoothing: Annotated[float, share, "0.1 is the usual amount."] = 0.0

    def prepare(self, target: Any, outputs: tuple[int, ...], dtype: Any) -> Array:
        classes, target = outputs[-1], as_array(target)
        t = to_device(one_hot(target, classes) if target.ndim == 1 else target, dtype)
        if t.shape[-1:] != (classes,):
            rule = f"be labels (batch,) or rows of {classes} probabilities"
            refuse("SoftmaxCrossEntropy.target", rule, t.shape, "The network has that many outputs.")
        s = self.label_smoothing
        return (1 - s) * t + s / classes if s else t

    def compare(self, prediction: Array, target: Array) -> Array:
        z = prediction - prediction.max(axis=-1, keepdims=True)  # (..., batch, classes)
        e = xp.exp(z)
        total = e.sum(axis=-1, keepdims=True)
        self.p, self.t = e / total, target
        score = (target * where_true(z, target)).sum(axis=-1, keepdims=True)
        return batch_mean(xp.log(total) - score)

    def backward(self) -> Array:
        batch = self.p.shape[-2]
        return (self.p - self.t) / batch

    def draw_score(self, rng: np.random.Generator) -> Array:
        """p − t with t a class drawn with the probabilities p."""
        p = to_host(self.p)
        drawn = (p.cumsum(axis=-1) < rng.uniform(size=(len(p), 1))).sum(axis=-1).clip(max=p.shape[-1] - 1)
        return self.p - to_device(one_hot(drawn, p.shape[-1]), self.p.dtype)

    def accuracy(self, prediction: Array, target: Array) -> Array:
        return share_right(prediction, target)


@settings
class Hinge(Loss):
    """Every wrong class must stay 1 below the true one, or pays for the rest (Weston & Watkins 1999).

    value = mean(Σ over j ≠ y of max(0, z_j − z_y + 1))          z = prediction, y the true class
    dz_j = 1 / batch where that is above 0;  dz_y = −Σ dz_j      at the kink itself 0

    target: whole numbers (batch,), or rows with a single 1. No probabilities come out of it: beyond the margin
    nothing is left to learn. PyTorch's `multi_margin_loss` also divides by the number of classes; Keras'
    `categorical_hinge` takes the worst wrong class instead of the sum (Crammer & Singer 2001).
    """

    def prepare(self, target: Any, outputs: tuple[int, ...], dtype: Any) -> Array:
        classes, target = outputs[-1], as_array(target)
        t = to_device(one_hot(target, classes, "Hinge") if target.ndim == 1 else target, dtype)
        if t.shape[-1:] != (classes,) or not (((t == 0) | (t == 1)).all() and (t.sum(axis=-1) == 1).all()):
            rule = f"be labels (batch,) or rows of {classes} numbers, a single 1 among zeros"
            refuse("Hinge.target", rule, t.shape, "It knows one true class; SoftmaxCrossEntropy takes probabilities.")
        return t

    def compare(self, prediction: Array, target: Array) -> Array:
        true = where_true(prediction, target).sum(axis=-1, keepdims=True)  # (..., batch, 1)
        wrong = target == 0
        self.pays, self.t = xp.where(wrong, xp.maximum(prediction - true + 1, 0), 0), target
        return batch_mean(self.pays.sum(axis=-1, keepdims=True))

    def backward(self) -> Array:
        d, batch = xp.sign(self.pays), self.pays.shape[-2]
        return (d - self.t * d.sum(axis=-1, keepdims=True)) / batch

    def accuracy(self, prediction: Array, target: Array) -> Array:
        return share_right(prediction, target)


def share_right(prediction: Array, target: Array) -> Array:
    """How often the largest score is that of the true class. Of several equal scores the first counts."""
    return (first_largest(prediction) == first_largest(target)).mean(axis=-1)


def first_largest(scores: Array) -> Array:
    """A number for each row that says where its first largest score is. (`argmax` walks through short rows singly.)"""
    falling = xp.arange(scores.shape[-1], 0, -1, dtype=scores.dtype)
    below = scores < scores.max(axis=-1, keepdims=True)
    return (~below * falling).max(axis=-1)


def as_array(target: Any) -> Array:
    """Lists are welcome too."""
    return target if hasattr(target, "ndim") else np.asarray(target)


def one_hot(labels: Any, classes: int, loss: str = "SoftmaxCrossEntropy") -> np.ndarray:
    """(batch,) whole numbers → (batch, classes) with a single 1 in each row."""
    labels = to_host(labels)
    if labels.dtype.kind not in "iu":
        refuse(f"{loss}.target", "be whole numbers", labels.dtype.name, "Use labels.astype(int).")
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        rule = f"lie in 0 … {classes - 1}, one class for each output of the network"
        refuse(f"{loss}.target", rule, int(wrong), "Relabel, or give the last layer more units.")
    return np.eye(classes, dtype="float32")[labels]


def batch_mean(values: Array) -> Array:
    """The mean of (..., batch, 1) over the batch; of no examples 0."""
    return values.sum(axis=(-2, -1)) / max(values.shape[-2], 1)


def where_true(scores: Array, target: Array) -> Array:
    """The scores of classes that are true, 0 for the others: a score of −∞ there costs nothing, but 0 · ∞ is NaN."""
    return xp.where(target > 0, scores, 0)
