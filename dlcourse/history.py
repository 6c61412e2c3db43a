"""What happened in a training run: per step, per epoch, and where it left the numbers."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from dlcourse.backend import Array, to_host, xp
from dlcourse.losses import Loss
from dlcourse.settings import check_lane


class Epoch:
    """What the steps of one epoch leave behind, in arrays on the device: one row an example, one loss a step."""

    def __init__(self, target: Array, size: int, lead: tuple[int, ...], shares: np.ndarray):
        self.target, self.size, self.steps, self.shares = target, size, 0, shares
        self.prediction = xp.empty((*lead, target.shape[1], len(target)), target.dtype).mT
        self.loss = xp.empty((-(-len(target) // size), *lead), target.dtype)

    def add(self, prediction: Array, value: Array) -> None:
        start = self.steps * self.size
        self.prediction[..., start : start + self.size, :] = prediction
        self.loss[self.steps] = value
        self.steps += 1

    def mean_loss(self) -> Array:
        """Each step counts by its number of examples: the last batch may be smaller."""
        weighted = np.multiply(self.shares, to_host(self.loss).T, order="C")
        return weighted.sum(axis=-1)  # along contiguous numbers: the same sum for one lane as for many


@dataclass
class Divergence:
    """Where a run left the numbers: `step` is the first whose loss is not finite; a list with lanes, −1 for none.

    where: the first quantity that was no number then; bound: which limit the learning rate had crossed, if known.
    """

    step: Any
    where: str = "the loss"
    bound: str | None = None

    def __str__(self) -> str:
        reason = f" {self.bound}." if self.bound else ""
        return f"Diverged at step {self.step}: {self.where} is no number any more.{reason} Lower the learning rate."


@dataclass(repr=False)
class History:
    """What happened: loss and learning_rate per step, the rest per epoch; the last axis is lanes, if there are any.

    A learning rate that all lanes share has no such axis.

    train_loss and train_accuracy are means over the batches as training saw them, while theta moved on;
    validation_loss and validation_accuracy are taken after the epoch. Accuracies stay empty for a loss that
    knows no right and wrong. divergence is None, or says when the loss stopped being a number.
    """

    loss: Any = field(default_factory=list)
    learning_rate: Any = field(default_factory=list)
    train_loss: Any = field(default_factory=list)
    train_accuracy: Any = field(default_factory=list)
    validation_loss: Any = field(default_factory=list)
    validation_accuracy: Any = field(default_factory=list)
    divergence: Divergence | None = None

    def record(self, epoch: Epoch, loss: Loss) -> None:
        """Take over one epoch, in one copy from the device."""
        self.loss.append(to_host(epoch.loss))
        self.train_loss.append(epoch.mean_loss())
        self.score("train_accuracy", loss.accuracy(epoch.prediction, epoch.target))

    def score(self, name: str, value: Array | None) -> None:
        if value is not None:
            getattr(self, name).append(to_host(value))

    def finish(self) -> "History":
        """Lists become arrays, and a loss that is no number is explained."""
        self.loss = np.concatenate(self.loss)
        for each in fields(self)[:-1]:
            setattr(self, each.name, np.array(getattr(self, each.name)))
        self.learning_rate = self.learning_rate.reshape(self.learning_rate.shape[:2])  # columns, if there are lanes
        bad = ~np.isfinite(self.loss)
        if bad.any() and self.divergence is None:
            self.divergence = Divergence(np.where(bad.any(axis=0), bad.argmax(axis=0), -1).tolist())
        return self

    def lane(self, number: int) -> "History":
        """What happened to one lane. Of its divergence `where` and `bound` are not known: lanes are not watched.

        Raises SettingError where there are no lanes, or not this one.
        """
        check_lane("History.lane.number", number, self.loss.shape[1] if np.ndim(self.loss) > 1 else None)
        every = {name: values for name, values in vars(self).items() if name != "divergence" and len(values)}
        step = -1 if self.divergence is None else self.divergence.step[number]
        one = {name: values[..., number] if values.ndim > 1 else values for name, values in every.items()}
        return History(**one, divergence=None if step < 0 else Divergence(step))

    def __repr__(self) -> str:
        end = f", train_loss={np.round(self.train_loss[-1], 4)}" if len(self.train_loss) else ""
        return f"History({len(self.loss)} steps, {len(self.train_loss)} epochs{end})"
