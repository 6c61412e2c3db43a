"""The tables: a new concept adds one row here and gets every common test."""

from typing import Any, NamedTuple

import numpy as np

import dlcourse as dl
from dlcourse import layers, optimizers
from dlcourse.losses import Hinge


class Row(NamedTuple):
    """One concept. `settings` holds three values, one for each lane, of every setting that may be a column."""

    make: Any
    settings: dict[str, list[float]] = {}  # noqa: RUF012
    input_shape: tuple[int, ...] = (5,)
    least: int = 1  # examples in a training batch

    @property
    def name(self):
        return self.make.__name__

    def single(self, lane=0):
        return self.make(**{name: values[lane] for name, values in self.settings.items()})

    def columns(self):
        return self.make(**{name: np.array(values)[:, None] for name, values in self.settings.items()})


RATES, SHARES, EPS = [0.2, 0.1, 0.03], [0.9, 0.5, 0.0], [1e-8, 1e-3, 1e-6]
ADAM = {"learning_rate": RATES, "beta1": SHARES, "beta2": [0.999, 0.9, 0.7], "eps": EPS}
DECAY = {"weight_decay": [0.1, 0.01, 0.0]}

OPTIMIZERS = [
    Row(dl.SGD, {"learning_rate": RATES}),
    Row(dl.Momentum, {"learning_rate": RATES, "momentum": SHARES}),
    Row(dl.Nesterov, {"learning_rate": RATES, "momentum": SHARES}),
    Row(optimizers.AdaGrad, {"learning_rate": RATES, "eps": EPS}),
    Row(optimizers.RMSProp, {"learning_rate": RATES, "rho": SHARES, "eps": EPS}),
    Row(optimizers.AdaDelta, {"learning_rate": RATES, "rho": SHARES, "eps": EPS}),
    Row(optimizers.Adam, ADAM),
    Row(optimizers.AMSGrad, ADAM),
    Row(optimizers.Nadam, {**ADAM, "momentum_decay": [0.004, 1.0, 0.0]}),
    Row(optimizers.SGDW, {"learning_rate": RATES, "momentum": SHARES, **DECAY}),
    Row(optimizers.AdamW, {**ADAM, **DECAY}),
]
ACTIVATIONS = [Row(dl.ReLU), Row(dl.LeakyReLU), Row(dl.Sigmoid), Row(dl.Tanh), Row(dl.GELU)]
WIDE = {"weight_init": dl.Gaussian(std=1.0), "bias_init": dl.Gaussian(std=1.0)}  # far from zero, where mistakes hide


def layer(name, make, input_shape, least=1):
    make.__name__ = name
    return Row(make, input_shape=input_shape, least=least)


LAYERS = [
    layer("Dense", lambda: dl.Dense(4, **WIDE), (5,)),
    *ACTIVATIONS,
    Row(dl.Flatten, input_shape=(2, 3, 4)),
    layer("BatchNorm", lambda: layers.BatchNorm(), (5,), least=2),
    layer("BatchNorm-images", lambda: layers.BatchNorm(), (3, 2, 4)),
    layer("LayerNorm", lambda: layers.LayerNorm(), (5,)),
    layer("LayerNorm-images", lambda: layers.LayerNorm(), (3, 2, 4)),
    layer("GroupNorm", lambda: layers.GroupNorm(2), (6,)),
    layer("GroupNorm-images", lambda: layers.GroupNorm(2), (3, 2, 4)),
    layer("WeightNormDense", lambda: layers.WeightNormDense(4, **WIDE), (5,)),
    layer("Dropout", lambda: layers.Dropout(0.4), (5,)),
    layer("Dropout-images", lambda: layers.Dropout(0.4), (3, 2, 4)),
    layer("DropConnectDense", lambda: layers.DropConnectDense(4, 0.4, **WIDE), (5,)),
    layer("Conv1D", lambda: layers.Conv1D(3, 3, **WIDE), (6, 2)),
    layer("Conv2D", lambda: layers.Conv2D(3, (3, 2), **WIDE), (4, 5, 2)),
    layer("Conv2D-stride", lambda: layers.Conv2D(3, 3, padding=1, stride=2, **WIDE), (5, 4, 2)),
    layer("MaxPool2D", lambda: layers.MaxPool2D(2), (5, 4, 2)),
    layer("AveragePool2D", lambda: layers.AveragePool2D(2), (5, 4, 2)),
    layer("GlobalAveragePool2D", lambda: layers.GlobalAveragePool2D(), (3, 4, 2)),
    layer("Residual", lambda: layers.Residual(dl.Dense(5, **WIDE), dl.Tanh(), dl.Dense(5, **WIDE)), (5,)),
    layer("Residual-images", lambda: layers.Residual(layers.Conv2D(2, 3), layers.BatchNorm()), (3, 4, 2)),
]
LOSSES = [
    Row(dl.SoftmaxCrossEntropy),
    Row(lambda: dl.SoftmaxCrossEntropy(label_smoothing=0.1)),
    Row(dl.MeanSquaredError),
    Row(Hinge),
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
