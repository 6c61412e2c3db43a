"""Networks that take part in trials: all rates and all starts of one side are trained side by side, as lanes.

data = split("digits", size=200, seed=seed)
runs = train(layers, data, dl.Momentum, rates, seeds=4, epochs=20, seed=seed)
test = best_test_accuracy(runs)         # (seeds,): rate and epoch chosen on validation data
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import dlcourse as dl
from dlcourse.trials.tuning import finite


class Data(NamedTuple):
    """Three parts that share no example: train on the first, choose on the second, report on the third."""

    train: Any
    validation: Any
    test: Any

    @property
    def classes(self) -> int:
        return int(max(self.train.y.max(), self.test.y.max())) + 1


def split(
    name: str, size: int, seed: int, *, noise: float = 0.2, wrong: float = 0.0,
    validation: int | None = None, test: int | None = None,
) -> Data:  # fmt: skip
    """`size` examples to train on, as many to choose on (500 at most), the rest to report on; drawn by the seed.

    name: digits, mnist1d, or moons and spirals, which are made for the occasion with 1000 test points.
    wrong: this share of the labels to train and to choose on is drawn by lot; the test's are right.
    validation, test: choose on so many, and report on so many at most; fewer cost less.
    """
    rng = np.random.default_rng(seed)
    held = validation or min(size, 500)
    if name in ("digits", "mnist1d"):
        parts = getattr(dl.datasets, name)()
        x, y = (np.concatenate([getattr(part, axis) for part in parts]) for axis in "xy")
        if size + held + 200 > len(x):
            raise ValueError(f"{name} has {len(x)} examples: too few for {size} + {held} and a test")
    else:
        x, y = getattr(dl.datasets, name)(size + held + 1000, noise, seed=int(rng.integers(2**31)))
    order = rng.permutation(len(x))
    by_lot = order[: size + held][rng.random(size + held) < wrong]
    labels = y.copy()
    labels[by_lot] = rng.integers(0, y.max() + 1, len(by_lot))
    train, choose, rest = np.split(order, [size, size + held])
    return Data(*(dl.datasets.Dataset(x[part], labels[part]) for part in (train, choose, rest[:test])))


class Runs(NamedTuple):
    """What was measured at each look, each (looks, rates, seeds); accuracies in %, losses in nats."""

    train_loss: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    test_loss: np.ndarray
    test_accuracy: np.ndarray


def train(
    layers: Callable[[], list[Any]],
    data: Data,
    rule: Callable[[Any], Any],
    rates: Sequence[float] | np.ndarray,
    *,
    seeds: int = 4,
    epochs: int = 20,
    batch_size: int = 32,
    every: int = 1,
    seed: int = 0,
    looks: int | None = None,
    **settings: Any,
) -> Runs:
    """All rates × seeds as lanes of one network. layers() makes new layers; rule(rate column) the optimizer.

    Starts differ from seed to seed and are the same for every rate, so that sides are paired. All is measured every so
    many epochs, or (looks) so many times in all, and after the last. Further settings go to training_steps
    (regularizers, augment, …). Losses are plain cross-entropy, whatever is trained on.
    """
    rates = np.asarray(rates, dtype=float)
    starts = np.tile(np.random.default_rng(seed).integers(2**31, size=seeds), len(rates))
    column = np.repeat(rates, seeds)[:, None]
    network = dl.Network(layers(), input_shape=data.train.x.shape[1:], lanes=len(column), seed=starts.tolist())
    loss = settings.pop("loss", dl.SoftmaxCrossEntropy())
    ends = range(epochs - 1, -1, -every) if looks is None else np.linspace(0, epochs, min(looks, epochs) + 1)[1:] - 1
    looked_at = {int(epoch) for epoch in ends}
    found: list[list[np.ndarray]] = []
    with np.errstate(all="ignore"):
        options = {"epochs": epochs, "batch_size": batch_size, "seed": seed} | settings
        for step in dl.training_steps(network, loss, rule(column), data.train, **options):
            if step.ends_epoch and step.epoch in looked_at:
                found.append(measured(network, data))
    return Runs(*(np.array(part).reshape(len(found), len(rates), seeds) for part in zip(*found, strict=True)))


def last_losses(
    layers: Callable[[], list[Any]], train: Any, optimizer: Any, starts: Sequence[int], **settings: Any
) -> np.ndarray:
    """The loss of each lane on all that it was trained on, after the last step. starts: a seed for every lane.

    Settings go to training_steps: epochs, batch_size, seed, …
    """
    network = dl.Network(layers(), input_shape=train.x.shape[1:], lanes=len(starts), seed=list(starts))
    with np.errstate(all="ignore"):
        for _ in dl.training_steps(network, dl.SoftmaxCrossEntropy(), optimizer, train, **settings):
            pass
    return loss_and_accuracy(network, train)[0]


def measured(network: Any, data: Data) -> list[np.ndarray]:
    (train_loss, _), validation, test = (loss_and_accuracy(network, part) for part in data)
    return [train_loss, *validation, *test]


def loss_and_accuracy(network: Any, part: Any) -> tuple[np.ndarray, np.ndarray]:
    scores = network.predict(part.x)
    right = 100.0 * (scores.argmax(axis=-1) == part.y).mean(axis=-1)
    return dl.to_host(dl.SoftmaxCrossEntropy().forward(scores, part.y)), dl.to_host(right)


def best_test_accuracy(runs: Runs, by: str = "loss") -> np.ndarray:
    """Test accuracy of each seed, in %: its best epoch and the rate that is best for all, on validation data."""
    rate, epoch = chosen(runs, by)
    return runs.test_accuracy[epoch, rate, np.arange(runs.test_accuracy.shape[-1])]


def chosen(runs: Runs, by: str = "loss") -> tuple[int, np.ndarray]:
    """(rate, epoch of each seed) with the lowest validation loss, or, by "accuracy", the most right answers."""
    losses = finite(runs.validation_loss if by == "loss" else -runs.validation_accuracy)
    rate = int(losses.min(axis=0).mean(axis=-1).argmin())
    return rate, losses[:, rate].argmin(axis=0)


def hidden(units: int, depth: int, activation: Callable[[], Any], classes: int, init: Any = None) -> list[Any]:
    """Dense layers of this width and depth with an activation after each, and one for the classes."""
    start = {} if init is None else {"weight_init": init}
    body = [layer for _ in range(depth) for layer in (dl.Dense(units, **start), activation())]
    return [*body, dl.Dense(classes, **start)]
