"""Minibatches → steps → epochs.

    for step in training_steps(network, loss, optimizer, train, epochs=5, batch_size=64):
        print(step.number, step.loss)

`training_steps` hands control back after every step: draw, print, stop, or look inside the network, then let it
go on. `fit` goes through to the end and returns what happened.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.backend import Array, to_device, to_host, xp
from dlcourse.clipping import clip_by_norm
from dlcourse.divergence import bound, where_it_shows
from dlcourse.history import Divergence, Epoch, History
from dlcourse.losses import Loss
from dlcourse.network import Network
from dlcourse.optimizers import Optimizer
from dlcourse.recording import TrainingStep
from dlcourse.settings import check, count, positive, refuse, suggest_names, whole


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
    record: Epoch


@suggest_names
def training_steps(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    train: Any,
    *,
    epochs: int,
    batch_size: int,
    regularizers: Sequence[Any] = (),
    constraints: Sequence[Any] = (),
    augment: Any = None,
    clip_norm: float | None = None,
    seed: int = 0,
    drop_last: bool = False,
    resume: bool = False,
) -> Iterator[Step]:
    """Train, one step at a time: an iterator of Step.

    train           a Dataset or a pair (x, y). Every epoch goes through it once in a fresh random order, in batches
                    of batch_size; the last one may be smaller, or is left out with drop_last
    regularizers    penalties that add their gradient to the loss's, L2(1e-3) say; the loss reported is without them
    constraints     projections of the weights after every step, MaxNorm(3) say
    augment         images, rng → images, anew for every batch
    clip_norm       the gradient's norm is cut to this, after the penalties
    seed            decides the order of the examples, augmentation and dropout
    resume          go on where this optimizer, with this seed, ended an epoch, as if there had been no pause;
                    otherwise it starts with an empty memory

    Raises SettingError at once for data that does not fit network, loss or batch_size.
    """
    epochs = check("fit.epochs", count, epochs, "One epoch shows every example once.")
    batch_size = check("fit.batch_size", count, batch_size, "64 is a usual size.")
    check("fit.seed", whole, seed, "It decides the order of the examples.")
    if clip_norm is not None:
        check("fit.clip_norm", positive, clip_norm, "1.0 is usual; None clips nothing.")
    x, target = prepare(network, loss, train, "train")
    if batch_size > len(x):
        refuse("fit.batch_size", f"be at most the number of examples, {len(x)}", batch_size, "Take a smaller one.")
    end = len(x) - len(x) % batch_size if drop_last else len(x)
    parameters, steps, done = network.parameters, -(-end // batch_size), 0
    batches = [slice(start, min(start + batch_size, end)) for start in range(0, end, batch_size)]
    shares = np.array([b.stop - b.start for b in batches]) / end
    chance = augment is not None or optimizer.needs_scores
    if resume:
        done = epochs_done(optimizer, parameters.theta, steps)
    else:
        optimizer.start(parameters.theta, parameters.decay_mask)
        network.reseed(seed)

    forward_and_backward = TrainingStep(network, loss)

    def loop() -> Iterator[Step]:
        number, rng = done * steps, np.random.default_rng(seed)
        for _ in range(done):
            rng.permutation(len(x))
        for epoch in range(done, done + epochs):
            noise: Any = np.random.default_rng([seed, 1, epoch]) if chance else None
            order = to_device(rng.permutation(len(x)))
            epoch_x, epoch_target = x.take(order[:end], axis=0), target.take(order[:end], axis=0)
            record = Epoch(epoch_target, batch_size, parameters.lead, shares)
            for rows in batches:
                batch, t = epoch_x[rows], epoch_target[rows]
                if augment is not None:
                    batch = to_device(augment(batch, noise), parameters.dtype)
                prediction, value = forward_and_backward(batch, t)
                scores = (draw_scores(network, loss, noise),) if optimizer.needs_scores else ()
                for regularizer in regularizers:
                    regularizer.add_gradient(parameters)
                frozen = parameters.still_frozen() if parameters.frozen else ()
                if clip_norm is not None:
                    clip_by_norm(parameters.grad, clip_norm)
                optimizer.step(parameters.theta, parameters.grad, *scores)
                for constraint in constraints:
                    constraint.project(parameters)
                if frozen:
                    parameters.put_back(frozen)
                record.add(prediction, value)
                yield Step(number, epoch, value, optimizer.lr, prediction, t, rows.stop == end, record)
                number += 1

    return loop()


def draw_scores(network: Network, loss: Loss, noise: np.random.Generator) -> Array:
    """(batch, P): the score of each example of the last pass, for a label drawn from its prediction."""
    grad = network.parameters.grad.copy()
    scores = network.example_gradients(loss.draw_score(noise))
    network.parameters.grad[...] = grad
    return scores


def epochs_done(optimizer: Optimizer, theta: Array, steps: int) -> int:
    """How many epochs of so many steps this optimizer has behind it."""
    if getattr(optimizer.theta_like, "shape", None) != theta.shape:
        rule = "be False for an optimizer that has not trained this network yet"
        refuse("fit.resume", rule, True, "load_optimizer(path, network) brings one back.")
    if optimizer.steps % steps:
        rule = f"go on from the end of an epoch, {steps} steps each; {optimizer!r} has taken {optimizer.steps}"
        refuse("fit.resume", rule, True, "Give the train and batch_size of before.")
    return optimizer.steps // steps


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
    regularizers: Sequence[Any] = (),
    constraints: Sequence[Any] = (),
    augment: Any = None,
    clip_norm: float | None = None,
    seed: int = 0,
    drop_last: bool = False,
    resume: bool = False,
    progress: bool = False,
    stop: Any = None,
) -> History:
    """Train to the end and return the History. The settings are those of training_steps, and:

    validation: a Dataset or a pair (x, y), on which loss and accuracy are taken after every epoch.
    progress: show a bar. stop: EarlyStopping(patience), say, which is asked after every epoch.

    A learning rate that observes, ReduceOnPlateau, is shown the validation loss (the training loss if there is none).
    """
    more: Any = {"regularizers": regularizers, "constraints": constraints, "augment": augment, "clip_norm": clip_norm}
    more |= {"epochs": epochs, "batch_size": batch_size, "seed": seed, "drop_last": drop_last, "resume": resume}
    run = training_steps(network, loss, optimizer, train, **more)
    if validation is not None:
        validation = prepare(network, loss, validation, "validation")
    if stop is not None:
        stop.start()
    history, start = History(), network.parameters.theta.copy()
    watched = network.lanes is None and xp.backend_name == "numpy"  # looking at a GPU's loss would make it wait
    with np.errstate(all="ignore"):  # a run that diverges is reported in words, not by warnings
        for step in with_bar(run, epochs) if progress else run:
            history.learning_rate.append(step.learning_rate)
            if watched and step.loss - step.loss != 0:  # ∞ − ∞ and NaN − NaN are not 0
                watched = False
                history.divergence = Divergence(step.number, where_it_shows(network))
            if step.ends_epoch:
                history.record(step.record, loss)
                if validation is not None:
                    value, accuracy = evaluate(network, loss, *validation)
                    history.score("validation_loss", value)
                    history.score("validation_accuracy", accuracy)
                metric = (history.validation_loss or history.train_loss)[-1]
                if hasattr(optimizer.learning_rate, "observe"):
                    optimizer.learning_rate.observe(metric if network.lanes else float(metric))
                if stop is not None and stop.observe(metric, network):
                    break
    if stop is not None:
        stop.finish(network)
    history.finish()
    if history.divergence and network.lanes is None:
        x, y = prepare(network, loss, train, "train")
        with np.errstate(all="ignore"):
            history.divergence.bound = bound(network, loss, optimizer, start, (x[:256], y[:256]))
    return history


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
