"""numpy-ml, in float64 and from a start of its own. It asks Python and NumPy for names that have gone since."""

import collections
import collections.abc

import numpy as np
from jobs import Statistics

for name in ("Hashable", "Callable", "Iterable", "Mapping"):
    if not hasattr(collections, name):
        setattr(collections, name, getattr(collections.abc, name))
for old in (int, bool, float, object):
    if old.__name__ not in vars(np):
        setattr(np, old.__name__, old)

from numpy_ml.neural_nets import layers, optimizers  # noqa: E402
from numpy_ml.neural_nets.activations import ReLU  # noqa: E402

import dlcourse as dl  # noqa: E402


class Rectifier:
    """Its own ReLU, as a layer."""

    def forward(self, z):
        self.z, self.relu = z, ReLU()
        return self.relu.fn(z)

    def backward(self, dy):
        return dy * self.relu.grad(self.z)

    def update(self):
        pass


def candidates(job):
    if isinstance(job, Statistics):
        return
    rate, target = job.optimizer.learning_rate, np.eye(job.units[-1])[job.data.y]
    x = job.data.x.astype(float)

    def rule():
        if isinstance(job.optimizer, dl.Momentum):
            return optimizers.SGD(rate, momentum=job.optimizer.momentum)
        return optimizers.Adam(rate)

    def made(layer):
        match type(layer).__name__:
            case "Dense":
                return layers.FullyConnected(layer.units, optimizer=rule())
            case "Conv2D":
                return layers.Conv2D(layer.filters, (layer.kernel_size,) * 2, pad="same", optimizer=rule())
            case "BatchNorm":
                return layers.BatchNorm1D(optimizer=rule())
            case "ReLU":
                return Rectifier()
            case "Flatten":
                return layers.Flatten("first")

    def run():
        there = [made(layer) for layer in job.layers]
        for batch in job.batches:
            h = x[batch]
            for layer in there:
                h = layer.forward(h)
            p = np.exp(h - h.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            d = (p - target[batch]) / len(batch)
            for layer in reversed(there):
                d = layer.backward(d)
            for layer in there:
                layer.update()

    yield "numpy-ml", run
