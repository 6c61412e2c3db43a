"""Minibatches → steps → epochs.

    for step in training_steps(network, loss, optimizer, train, epochs=5, batch_size=64):
        print(step.number, step.loss)

`training_steps` hands control back after every step: draw, print, stop, or look inside the network, then let it
go on. `fit` goes through to the end and returns what happened.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from dlcourse.backend import Array, to_device, to_host, xp
from dlcourse.losses import Loss
from dlcourse.network import Network
from dlcourse.optimizers import Optimizer
from dlcourse.settings import check, count, refuse, suggest_names, whole


@dataclass(slots=True)
class Step:
    """What one step did. Numbers count from 0; loss is one number, or one per lane, still on the device."""

    number: int
    epoch: int
    loss: Array
    learning_rate: Any
    prediction: Array  # for this batch, before the step; the next step overwrites it
    target: Array  # as the loss prepared it
    ends_epoch: bool
    record: "Epoch"


class Epoch:
    """What the steps of one epoch leave behind, in arrays on the device: one row an example, one loss a step."""

    def __init__(self, target: Array, size: int, lead: tuple[int, ...]):
        self.target, self.size, self.steps = target, size, 0
        self.prediction = xp.empty((*lead, target.shape[1], len(target)), target.dtype).mT
        self.loss = xp.empty((-(-len(target) // size), *lead), target.dtype)

    def add(self, prediction: Array, value: Array) -> None:
        start = self.steps * self.size
        self.prediction[..., start : start + self.size, :] = prediction
        self.loss[self.steps] = value
        self.steps += 1

    def mean_loss(self) -> Array:
        """Each step counts by its number of examples: the last batch may be smaller."""
        sizes = np.full(self.steps, self.size)
        sizes[-1] += len(self.target) - sizes.sum()
        shares = np.multiply(sizes / sizes.sum(), to_host(self.loss).T, order="C")
        return shares.sum(axis=-1)  # along contiguous numbers: the same sum for one lane as for many


@dataclass
class Divergence:
    """Where a run left the numbers: `step` is the first whose loss is not finite; a list with lanes, −1 for none."""

    step: Any
    what: str = "loss"

    def __str__(self) -> str:
        return f"Diverged: the {self.what} is no longer a number from step {self.step} on. Lower the learning rate."


@dataclass(repr=False)
class History:
    """What happened: loss and learning_rate per step, the rest per epoch; the last axis is lanes, if there are any.

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
        if bad.any():
            self.divergence = Divergence(np.where(bad.any(axis=0), bad.argmax(axis=0), -1).tolist())
        return self

    def __repr__(self) -> str:
        end = f", train_loss={np.round(self.train_loss[-1], 4)}" if len(self.train_loss) else ""
        return f"History({len(self.loss)} steps, {len(self.train_loss)} epochs{end})"


@suggest_names
def training_steps(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    train: Any,
    *,
    epochs: int,
    batch_size: int,
    seed: int = 0,
    drop_last: bool = False,
) -> Iterator[Step]:
    """Train, one step at a time: an iterator of Step.

    train: a Dataset or a pair (x, y). Every epoch goes through it once in a fresh random order, which seed
    decides, in batches of batch_size; the last one may be smaller, or is left out with drop_last.
    Raises SettingError at once for data that does not fit network, loss or batch_size.
    """
    epochs = check("fit.epochs", count, epochs, "One epoch shows every example once.")
    batch_size = check("fit.batch_size", count, batch_size, "64 is a usual size.")
    check("fit.seed", whole, seed, "It decides the order of the examples.")
    x, target = prepare(network, loss, train, "train")
    if batch_size > len(x):
        refuse("fit.batch_size", f"be at most the number of examples, {len(x)}", batch_size, "Take a smaller one.")
    end = len(x) - len(x) % batch_size if drop_last else len(x)
    theta, grad = network.parameters.theta, network.parameters.grad
    optimizer.start(theta, network.parameters.decay_mask)

    def loop() -> Iterator[Step]:
        number, rng = 0, np.random.default_rng(seed)
        for epoch in range(epochs):
            order = to_device(rng.permutation(len(x)))
            epoch_x, epoch_target = gather(x, order[:end]), gather(target, order[:end])
            record = Epoch(epoch_target, batch_size, network.parameters.lead)
            for start in range(0, end, batch_size):
                stop = min(start + batch_size, end)
                t = epoch_target[start:stop]
                network.reserve(stop - start)
                prediction = network.run(epoch_x[start:stop], training=True)
                value = loss.compare(prediction, t)
                network.backward(loss.backward())
                optimizer.step(theta, grad)
                record.add(prediction, value)
                yield Step(number, epoch, value, optimizer.lr, prediction, t, stop == end, record)
                number += 1

    return loop()


def gather(data: Array, order: Array) -> Array:
    """The examples in this order; (n, features) feature by feature in memory, as the layers keep their arrays."""
    if data.ndim == 2 and xp.backend_name == "numpy":
        return data.T.take(order, axis=1).T
    return data.take(order, axis=0)


@suggest_names
def fit(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    train: Any,
    *,
    epochs: int,
    batch_size: int,
    validation: Any = None,
    seed: int = 0,
    drop_last: bool = False,
    progress: bool = False,
) -> History:
    """Train to the end and return the History. The settings are those of training_steps, and:

    validation: a Dataset or a pair (x, y), on which loss and accuracy are taken after every epoch.
    progress: show a bar.
    """
    run = training_steps(
        network, loss, optimizer, train, epochs=epochs, batch_size=batch_size, seed=seed, drop_last=drop_last
    )
    if validation is not None:
        validation = prepare(network, loss, validation, "validation")
    history = History()
    with np.errstate(all="ignore"):  # a run that diverges is reported in words, not by warnings
        for step in with_bar(run, epochs) if progress else run:
            history.learning_rate.append(step.learning_rate)
            if step.ends_epoch:
                history.record(step.record, loss)
                if validation is not None:
                    value, accuracy = evaluate(network, loss, *validation)
                    history.score("validation_loss", value)
                    history.score("validation_accuracy", accuracy)
    network.release()
    return history.finish()


def evaluate(network: Network, loss: Loss, x: Array, target: Array, rows: int = 1024) -> tuple[Array, Array | None]:
    """The loss and the accuracy of prepared data, without training; `rows` at a time bounds the memory."""
    prediction = xp.concatenate([network.predict(x[i : i + rows]) for i in range(0, len(x), rows)], axis=-2)
    return loss.compare(prediction, target), loss.accuracy(prediction, target)


def prepare(network: Network, loss: Loss, data: Any, name: str) -> tuple[Array, Array]:
    """Inputs and targets, checked, where the network computes."""
    x, y = data
    if not len(x) or len(x) != len(y):
        refuse(f"fit.{name}", "hold examples, as many x as y", (len(x), len(y)), "Those are the two lengths.")
    x, target = network.enter(x), loss.prepare(y, network.output_shape, network.parameters.dtype)
    if x.ndim != 1 + len(network.input_shape):
        rule = f"hold one example in each row of x, (batch, {', '.join(map(str, network.input_shape))})"
        refuse(f"fit.{name}", rule, x.shape, "That is the shape of x.")
    for part in (x, target):
        wrong = ~xp.isfinite(part).reshape(len(part), -1).all(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            refuse(f"fit.{name}", "hold finite numbers only", to_host(part[row]), f"Leave out, or mend, example {row}.")
    return x, target


def with_bar(run: Iterator[Step], epochs: int) -> Iterator[Step]:
    """Show a bar that counts epochs and the loss."""
    from tqdm.auto import tqdm

    with tqdm(total=epochs, unit="epoch") as bar:
        for step in run:
            if step.ends_epoch:
                bar.set_postfix(loss=np.round(to_host(step.loss), 4))
                bar.update()
            yield step
