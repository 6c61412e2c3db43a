"""Too little data, or wrong data: the jobs of 04_regularization, on which every cure is measured in points.

train, test = scarce.job("wrong digits", seed=0)
scarce.accuracies("wrong digits", layers, lanes=3, seeds=range(4))      # share of new examples right, (4, 3)
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.datasets import Dataset
from dlcourse.labs.measure import share_right

WRONG = 0.3  # of the labels of "wrong digits" are drawn anew; a tenth of those happens to be right
JOBS = {"few digits": 100, "wrong digits": 300, "wavy lines": 1000}  # and how many examples there are


def job(name: str, seed: int = 0) -> tuple[Dataset, Dataset]:
    """(train, test): few examples to learn from, and all the others of that data set to be tested on."""
    if name == "wavy lines":
        return lines(JOBS[name], seed)
    return digits(JOBS[name], WRONG if name == "wrong digits" else 0.0, seed)


def digits(examples: int, wrong: float = 0.0, seed: int = 0) -> tuple[Dataset, Dataset]:
    """So many of the 1797 digits to learn from, the rest for the test. A share `wrong` of labels is drawn anew."""
    parts = dl.datasets.digits()
    x, y = np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    here, there = order[:examples], order[examples:]
    labels = np.where(rng.random(examples) < wrong, rng.integers(0, 10, examples), y[here])
    return Dataset(x[here], labels), Dataset(x[there], y[there])


def lines(examples: int, seed: int = 0) -> tuple[Dataset, Dataset]:
    """So many of the 4000 training lines of MNIST-1D, and its 1000 test lines."""
    train, test = dl.datasets.mnist1d()
    return train[np.random.default_rng(seed).permutation(len(train))[:examples]], test


def dense(units: int = 64, *extra: Any) -> list[Any]:
    """A network with one hidden layer; `extra` layers stand behind its ReLU."""
    return [dl.Dense(units), dl.ReLU(), *extra, dl.Dense(10)]


def column(*values: float) -> np.ndarray:
    """(lanes, 1): one value of a setting for each lane."""
    return np.array(values, float).reshape(-1, 1)


def block(*values: float) -> np.ndarray:
    """(lanes, 1, 1): the same, for a setting inside a layer."""
    return np.array(values, float).reshape(-1, 1, 1)


def accuracies(
    name: str,
    layers: Callable[[], Sequence[Any]],
    *,
    lanes: int,
    seeds: Iterable[int] = range(5),
    steps: int = 600,
    optimizer: Any = None,
    smoothing: float = 0.0,
    **fit: Any,
) -> np.ndarray:
    """The share of new examples read correctly, (seeds, lanes): lanes differ in a setting, seeds in data and start.

    layers() makes the network's layers; fit takes what dl.fit takes, a column of strengths say. Batches hold 25.
    """
    optimizer, right = optimizer or dl.Momentum(0.05, 0.9), []
    for seed in seeds:
        train, test = job(name, seed)
        network = dl.Network(layers(), train.x.shape[1:], seed=[seed] * lanes, lanes=lanes)
        more = {"epochs": steps * 25 // len(train), "batch_size": 25, "seed": seed, **fit}
        dl.fit(network, dl.SoftmaxCrossEntropy(smoothing), optimizer, train, **more)
        right.append(share_right(network, test))
    return np.array(right)


def points(shares: np.ndarray) -> np.ndarray:
    """Points gained on the first lane, the mean over seeds: one number for each other lane."""
    return 100 * (shares[:, 1:] - shares[:, :1]).mean(axis=0)


def paired(right: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Points that one reads more than the other, and their noise, twice the standard error on these examples.

    right, other: (n,), which of the same examples each reads.
    """
    difference = np.asarray(right, float) - np.asarray(other, float)
    return 100 * float(difference.mean()), 200 * float(difference.std()) / len(difference) ** 0.5


def compared(gain: float, noise: float) -> str:
    """A gain in words: points, or "the same" where it is no larger than its noise."""
    if abs(gain) <= noise:
        return f"the same, within ±{max(noise, 0.5):.0f} points of noise" if noise else "the same"
    return f"{signed(gain)} points, ±{max(noise, 0.5):.0f}"


def percent(share: float) -> str:
    """A share in words: 83%, or "all" and "none", which a rounded 100% would not mean."""
    return "all" if share == 1 else "none" if share == 0 else f"{share:.1%}" if share > 0.99 else f"{share:.0%}"


def signed(gain: float) -> str:
    """A gain in whole points, with its sign: +3, −12, +0."""
    return f"{round(gain):+d}".replace("-", "−")
