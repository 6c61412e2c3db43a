"""The slider-sized jobs that every library is given.

(a) moons, 1000 points; 2-32-32-2 ReLU; batch 64; 300 steps of momentum
(b) digits; 64-64-64-10 ReLU with batch norm; batch 64; 280 steps of Adam
(c) digits; ten layers of 100 tanh units; batch 256; 20 times forward and back, and for each layer mean and mean square
    of its activations and of their gradients; (h) the same with a histogram of each, 400 in all
(d) digits as 8 × 8 images; two 3 × 3 convolutions, 16 and 32 filters, ReLU, dense; batch 64; 84 steps of Adam

A job's `batches` are those that `fit` takes; whoever can start from its numbers gets the same losses.
"""

from common import machine  # noqa: F401  first: it sets the threads

# isort: split
import time

import numpy as np

import dlcourse as dl
from dlcourse.layers import BatchNorm, Conv2D
from dlcourse.recording import compiled


def digits(shape=(64,)):
    """All 1797 of them."""
    train, test = dl.datasets.digits()
    x, y = (np.concatenate(parts) for parts in zip(train, test, strict=True))
    return dl.datasets.Dataset(x.reshape(-1, *shape), y)


def orders(n, epochs, batch_size, seed=0):
    """The batches that fit(seed=0) takes, as rows of example numbers."""
    rng, whole = np.random.default_rng(seed), n - n % batch_size
    return np.concatenate([rng.permutation(n)[:whole].reshape(-1, batch_size) for _ in range(epochs)])


def by_numba(run):
    """The same run, compiled. The first call waits for the compiler."""

    def compiled_run():
        with dl.using("numba"):
            losses = run()
            while compiled.IN_WORK:
                time.sleep(0.1)
        return losses

    return compiled_run


class Job:
    """A network, its data, and how we train it. It looks like no other before `fit` has seen it: reset() first."""

    def __init__(self, title, layers, data, epochs, optimizer=None, batch_size=64):
        self.title, self.data, self.epochs, self.batch_size, self.optimizer = title, data, epochs, batch_size, optimizer
        self.network = dl.Network(layers, data.x.shape[1:])
        self.batches = orders(len(data), epochs, batch_size)

    def ours(self):
        self.network.reset()
        settings = {"epochs": self.epochs, "batch_size": self.batch_size, "drop_last": True}
        return dl.fit(self.network, dl.SoftmaxCrossEntropy(), self.optimizer, self.data, **settings).loss

    @property
    def layers(self):
        return self.network.layers

    def new_layers(self):
        """The same, for another network."""
        return [layer.lane(0) for layer in self.layers]

    @property
    def units(self):
        """Of its dense layers."""
        return [layer.units for layer in self.layers if isinstance(layer, dl.Dense)]

    def has(self, *kinds):
        return any(isinstance(layer, kinds) for layer in self.layers)


class Statistics(Job):
    """No steps, but a look at every layer."""

    def __init__(self, title, bins=None):
        layers = [part for _ in range(10) for part in (dl.Dense(100, weight_init=dl.Xavier()), dl.Tanh())]
        super().__init__(title, [*layers, dl.Dense(10)], digits(), 3, batch_size=256)
        self.batches, self.bins = self.batches[:20], bins

    def ours(self):
        """The mean square of every layer's activations in the first batch, then in the next, …"""
        network, loss, found = self.network, dl.SoftmaxCrossEntropy(), []
        x, target = self.data.x.astype("float32"), loss.prepare(self.data.y, (10,), "float32")
        for batch in self.batches:
            loss.compare(network.run(x[batch], training=True), target[batch])
            dy = loss.backward()
            for layer in reversed(network.layers):
                if isinstance(layer, dl.Tanh):
                    found += look(layer.y, self.bins, 1.0), look(dy, self.bins)
                dy = layer.backward(dy)
        return np.array([moments for moments, _ in found])[::2, 1]


ONES = np.ones(25600, "float32")


def look(values, bins, reach=None):
    """Mean, mean square, and a histogram over ±reach, or over four times the root of the mean square."""
    flat = values.ravel(order="K")
    moments = flat @ ONES / flat.size, flat @ flat / flat.size
    if not bins:
        return moments, None
    reach = reach or 4 * np.sqrt(moments[1])
    places = flat * np.float32(bins / (2 * reach))
    places += bins / 2
    return moments, np.bincount(places.astype(np.int32).clip(0, bins - 1), minlength=bins)


def job_a():
    layers = [dl.Dense(32), dl.ReLU(), dl.Dense(32), dl.ReLU(), dl.Dense(2)]
    return Job("(a) moons, momentum", layers, dl.datasets.moons(1000, noise=0.2), 20, dl.Momentum(0.05, 0.9))


def job_b():
    hidden = [part for _ in range(2) for part in (dl.Dense(64), BatchNorm(), dl.ReLU())]
    return Job("(b) digits, batch norm, Adam", [*hidden, dl.Dense(10)], digits(), 10, dl.Adam(0.001))


def job_d():
    layers = [Conv2D(16, 3), dl.ReLU(), Conv2D(32, 3), dl.ReLU(), dl.Flatten(), dl.Dense(10)]
    return Job("(d) digits, convolutions, Adam", layers, digits((8, 8, 1)), 3, dl.Adam(0.001))


JOBS = {
    "a": job_a,
    "b": job_b,
    "c": lambda: Statistics("(c) 10 × 100 tanh, statistics"),
    "h": lambda: Statistics("(h) 10 × 100 tanh, histograms", bins=64),
    "d": job_d,
}
