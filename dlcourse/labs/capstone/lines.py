"""The wavy lines of 06_capstone: MNIST-1D in three parts, networks for it, and the published table in short.

train, validation, test = lines.parts(1000)
network = lines.network("CNN", "He", "batch norm", seed=0)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.datasets import Dataset
from dlcourse.labs.measure import share_right

LOGISTIC, MLP, CNN = "logistic regression", "MLP", "CNN"
STRUCTURES = [LOGISTIC, MLP, "deep MLP", CNN, "wide CNN"]
STARTS: dict[str, Any] = {
    "zeros": dl.Zeros(),
    "Gaussian 0.01": dl.Gaussian(std=0.01),
    "uniform (0, 1)": dl.Uniform(0.0, 1.0),
    "Xavier": dl.Xavier(),
    "He": dl.MSRA(),
    "orthogonal": dl.Orthogonal(),
}
NORMS: dict[str, Any] = {"none": None, "batch norm": dl.BatchNorm, "layer norm": dl.LayerNorm}
WIDTHS = {MLP: [64] * 2, "deep MLP": [32] * 6, CNN: [16] * 3, "wide CNN": [25] * 3}


@lru_cache(maxsize=8)
def parts(examples: int = 1000) -> tuple[Dataset, Dataset, Dataset]:
    """(train, validation, test), x (n, 40, 1): so many to learn from, 1000 to choose by, 1000 in the envelope.

    Both of the first come from the 4000 published training lines; the test lines are the published ones.
    """
    known, test = dl.datasets.mnist1d()
    return column(known[:examples]), column(known[3000:]), column(test)


def column(data: Dataset) -> Dataset:
    """One channel for each of the 40 positions, as convolutions want it."""
    return Dataset(data.x[..., None], data.y)


def layers(structure: str, start: str = "He", norm: str = "none", dropout: float = 0.0) -> list[Any]:
    """The layers of a network for lines of 40 numbers: dense ones, or three convolutions that halve the length."""
    init = STARTS[start]
    extra = [NORMS[norm]] if NORMS[norm] else []
    made: list[Any] = [] if "CNN" in structure else [dl.Flatten()]
    for number, width in enumerate(WIDTHS.get(structure, [])):
        size = 3 if number else 5
        dense = dl.Dense(width, init) if "CNN" not in structure else None
        made.append(dense or dl.Conv1D(width, size, padding=size // 2, stride=2, weight_init=init))
        made += [*(make() for make in extra), dl.ReLU()]
        made += [dl.Dropout(dropout)] if dropout else []
    if "CNN" in structure:
        made.append(dl.Flatten())
    return [*made, dl.Dense(10, init)]


def network(structure: str, start: str = "He", norm: str = "none", dropout: float = 0.0, **more: Any) -> Any:
    """The network itself; `more` goes to dl.Network: seed, lanes."""
    return dl.Network(layers(structure, start, norm, dropout), (40, 1), **more)


def shift(lines: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Augmentation: every line is moved by up to 5 places, and what leaves at one end comes in at the other."""
    by = rng.integers(-5, 6, len(lines))
    places = (np.arange(lines.shape[1]) - by[:, None]) % lines.shape[1]
    return np.take_along_axis(lines, places[..., None], axis=1)


def read(network: Any, data: Dataset) -> Any:
    """The share of lines that a network reads correctly, in percent; one number for each lane."""
    return 100 * share_right(network, data)


# The published table


def default_torch(fan_in: int) -> dict[str, Any]:
    """PyTorch's start for weights and biases, U[−1/√fan_in, 1/√fan_in), which the authors used."""
    draw = dl.Uniform(-(fan_in**-0.5), fan_in**-0.5)
    return {"weight_init": draw, "bias_init": draw}


def published(name: str) -> list[Any]:
    """The three networks of Greydanus & Kobak 2024; their MLP has a way round its second hidden layer."""

    def dense(inputs: int, units: int) -> Any:
        return dl.Dense(units, **default_torch(inputs))

    if name == LOGISTIC:
        return [dl.Flatten(), dense(40, 10)]
    if name == MLP:
        return [dl.Flatten(), dense(40, 100), dl.ReLU(), dl.Residual(dense(100, 100), dl.ReLU()), dense(100, 10)]
    made: list[Any] = []
    for channels, size in ((1, 5), (25, 3), (25, 3)):
        made += [dl.Conv1D(25, size, padding=1, stride=2, **default_torch(channels * size)), dl.ReLU()]
    return [*made, dl.Flatten(), dense(125, 10)]


FULL = {LOGISTIC: (31.3, 31.3), MLP: (65.1, 65.6), CNN: (93.1, 57.2)}  # ours, benchmarks/results/mnist1d.md
THEIRS = {LOGISTIC: (31.5, 31.5), MLP: (65.1, 66.0), CNN: (92.3, 58.7)}  # mnist1d-classification.ipynb


@dataclass
class Table:
    """Test accuracy in percent of the three networks, in order and shuffled, after `steps` steps."""

    steps: int
    reached: dict[str, tuple[float, float]]

    def __repr__(self) -> str:
        rows = (f"{name} {a:.1f} in order, {b:.1f} shuffled" for name, (a, b) in self.reached.items())
        return f"After {self.steps} steps: {'; '.join(rows)}."

    def _repr_markdown_(self) -> str:
        columns = f"here, {self.steps} steps", "shuffled", "in full, 6000 steps", "shuffled", "published", "shuffled"
        rows = [f"| test accuracy, % | {' | '.join(columns)} |", "|---|--:|--:|--:|--:|--:|--:|"]
        for name, here in self.reached.items():
            cells = [f"{v:.1f}" for v in (*here, *FULL[name], *THEIRS[name])]
            rows.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(rows)


def reproduce(steps: int = 1200, names: Sequence[str] = (LOGISTIC, MLP, CNN), seed: int = 0) -> Table:
    """The authors' protocol, cut short: Adam at 0.01, batches of 100 of all 4000 lines, the test lines at the end."""
    reached = {}
    for name in names:
        pair = []
        for shuffled in (False, True):
            train, test = map(column, dl.datasets.mnist1d(shuffled=shuffled))
            net = dl.Network(published(name), (40, 1), seed=seed)
            dl.fit(net, dl.SoftmaxCrossEntropy(), dl.Adam(0.01), train, epochs=steps // 40, batch_size=100, seed=seed)
            pair.append(float(read(net, test)))
        reached[name] = (pair[0], pair[1])
    return Table(steps, reached)
