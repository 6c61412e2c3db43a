"""The tables: a new concept adds one row here and gets every common test."""

from typing import Any, NamedTuple

import numpy as np

import dlcourse as dl


class Row(NamedTuple):
    """One concept. `settings` holds three values, one for each lane, of every setting that may be a column."""

    make: Any
    settings: dict[str, list[float]] = {}  # noqa: RUF012
    input_shape: tuple[int, ...] = (5,)

    @property
    def name(self):
        return self.make.__name__

    def single(self, lane=0):
        return self.make(**{name: values[lane] for name, values in self.settings.items()})

    def columns(self):
        return self.make(**{name: np.array(values)[:, None] for name, values in self.settings.items()})


RATES, SHARES = [0.2, 0.1, 0.03], [0.9, 0.5, 0.0]

OPTIMIZERS = [
    Row(dl.SGD, {"learning_rate": RATES}),
    Row(dl.Momentum, {"learning_rate": RATES, "momentum": SHARES}),
    Row(dl.Nesterov, {"learning_rate": RATES, "momentum": SHARES}),
]
ACTIVATIONS = [Row(dl.ReLU), Row(dl.LeakyReLU), Row(dl.Sigmoid), Row(dl.Tanh), Row(dl.GELU)]
LAYERS = [
    Row(lambda: dl.Dense(4, weight_init=dl.Gaussian(std=1.0), bias_init=dl.Gaussian(std=1.0))),
    *ACTIVATIONS,
    Row(dl.Flatten, input_shape=(2, 3, 4)),
]
LAYERS[0].make.__name__ = "Dense"
LOSSES = [
    Row(dl.SoftmaxCrossEntropy),
    Row(lambda: dl.SoftmaxCrossEntropy(label_smoothing=0.1)),
    Row(dl.MeanSquaredError),
]
LOSSES[1].make.__name__ = "SoftmaxCrossEntropy-smooth"
SCALED = [
    kind(fan, law) for kind in (dl.Xavier, dl.MSRA) for fan in ("in", "out", "average") for law in ("uniform", "normal")
]
INITIALIZERS = [
    dl.Zeros(),
    dl.Constant(0.5),
    dl.Gaussian(0.1, 0.2),
    dl.Uniform(-0.5, 0.25),
    *SCALED,
    dl.Orthogonal(1.5),
]


def targets(loss, classes, n, rng):
    """Something for this loss to aim at: numbers, or labels."""
    return rng.normal(size=(n, classes)) if isinstance(loss, dl.MeanSquaredError) else rng.integers(0, classes, n)


def problem(loss, n=45, features=5, classes=3, seed=0):
    """A small training set (x, y) for a loss."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, features)), targets(loss, classes, n, rng)


def small_network(activation=dl.ReLU, seed=0, lanes=None, dtype="float32"):
    layers = [dl.Dense(7, weight_init=dl.Xavier()), activation(), dl.Dense(3)]
    return dl.Network(layers, (5,), seed=seed, lanes=lanes, dtype=dtype)


def named(rows):
    return {"argvalues": rows, "ids": [row.name for row in rows]}
