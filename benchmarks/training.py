"""Slider-sized training jobs against PyTorch: `python benchmarks/training.py [a b c h d]` (needs torch to compare).

(a) moons, 1000 points; 2-32-32-2 ReLU; batch 64; 300 steps of momentum
(b) digits; 64-64-64-10 ReLU with batch norm; batch 64; 280 steps of Adam
(c) digits; ten layers of 100 tanh units; batch 256; 20 times forward and back, and for each layer mean and mean square
    of its activations and of their gradients; (h) the same with a histogram of each, 400 in all
(d) digits as 8 × 8 images; two 3 × 3 convolutions, 16 and 32 filters, ReLU, dense; batch 64; 84 steps of Adam

Both sides start from the same numbers and, in all but (a), see the same batches: the losses agree. PyTorch runs
eagerly, as people write it: with its default optimizer, and with the fused one, its best.
"""

import sys

from common import in_turn, machine, report  # before NumPy, because it sets the threads

# isort: split
import numpy as np

import dlcourse as dl
from dlcourse.layers import BatchNorm, Conv2D
from dlcourse.optimizers import Adam


def digits(shape=(64,)):
    """All 1797 of them."""
    train, test = dl.datasets.digits()
    x, y = (np.concatenate(parts) for parts in zip(train, test, strict=True))
    return dl.datasets.Dataset(x.reshape(-1, *shape), y)


def orders(n, epochs, batch_size, seed=0):
    """The batches that fit(seed=0) takes, as rows of example numbers."""
    rng, whole = np.random.default_rng(seed), n - n % batch_size
    return np.concatenate([rng.permutation(n)[:whole].reshape(-1, batch_size) for _ in range(epochs)])


class Job:
    """A network, its data, and how both sides train it."""

    def __init__(self, title, network, data, epochs, optimizer, torch_optimizer, batch_size=64):
        self.title, self.network, self.data = title, network, data
        self.start = network.parameters.theta.copy()
        self.epochs, self.batch_size, self.optimizer = epochs, batch_size, optimizer
        self.torch_optimizer = torch_optimizer
        self.batches = orders(len(data), epochs, batch_size)

    def ours(self):
        self.network.reset()
        settings = {"epochs": self.epochs, "batch_size": self.batch_size, "drop_last": True}
        return dl.fit(self.network, dl.SoftmaxCrossEntropy(), self.optimizer, self.data, **settings).loss

    def torch(self, fused):
        import torch

        torch.set_num_threads(1)
        self.network.reset()
        template = in_torch(self.network)
        state = {name: value.clone() for name, value in torch.nn.Sequential(*template).state_dict().items()}
        x, y = torch_images(self.data.x), torch.from_numpy(self.data.y)
        batches = torch.from_numpy(self.batches)

        def job():
            model = torch.nn.Sequential(*template)
            model.load_state_dict(state)
            optimizer = self.torch_optimizer(torch, model.parameters(), fused)
            losses = []
            for batch in batches:
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            return torch.stack(losses).numpy()

        return job

    def candidates(self):
        yield "dlcourse, fit", self.ours
        yield "PyTorch eager, fused optimizer", self.torch(fused=True)
        yield "PyTorch eager, default optimizer", self.torch(fused=False)


def torch_images(x):
    """Channels first."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 else x)


def in_torch(network):
    """The same layers there, with the same numbers."""
    from torch import from_numpy, nn, no_grad

    made, image = [], None
    for layer in network.layers:
        kind, channels = type(layer).__name__, layer.input_shape[-1]
        if kind == "Flatten":
            image = layer.input_shape
        if kind == "BatchNorm":
            there = nn.BatchNorm1d(channels, eps=layer.eps, momentum=1 - layer.decay)
        elif kind == "Dense":
            there, weight = nn.Linear(*layer.W.shape), layer.W
            if image is not None:  # flattened with the channels first
                weight, image = weight.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(weight.shape), None
            weight = weight.T
        elif kind == "Conv2D":
            there = nn.Conv2d(channels, layer.filters, layer.kernel_size, padding="same")
            weight = layer.W.transpose(3, 2, 0, 1)
        else:
            there = getattr(nn, kind)()
        if kind in ("Dense", "Conv2D"):
            with no_grad():
                there.weight.copy_(from_numpy(weight.copy()))
                there.bias.copy_(from_numpy(layer.b[0].copy()))
        made.append(there)
    return made


def momentum(torch, parameters, fused):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, fused=fused)


def adam(torch, parameters, fused):
    return torch.optim.Adam(parameters, lr=0.001, fused=fused)


def job_a():
    layers = [dl.Dense(32), dl.ReLU(), dl.Dense(32), dl.ReLU(), dl.Dense(2)]
    data = dl.datasets.moons(1000, noise=0.2)
    title = "(a) moons, 2-32-32-2, 300 steps"
    return Job(title, dl.Network(layers, (2,)), data, 20, dl.Momentum(0.05, 0.9), momentum)


def job_b():
    hidden = [part for _ in range(2) for part in (dl.Dense(64), BatchNorm(), dl.ReLU())]
    network = dl.Network([*hidden, dl.Dense(10)], (64,))
    return Job("(b) digits, 64-64-64-10, batch norm, 280 steps", network, digits(), 10, Adam(0.001), adam)


def job_d():
    layers = [Conv2D(16, 3), dl.ReLU(), Conv2D(32, 3), dl.ReLU(), dl.Flatten(), dl.Dense(10)]
    title = "(d) digits, two convolutions, 84 steps"
    return Job(title, dl.Network(layers, (8, 8, 1)), digits((8, 8, 1)), 3, Adam(0.001), adam)


class Statistics(Job):
    """Jobs (c) and (h): no steps, but a look at every layer."""

    def __init__(self, bins=None):
        layers = [part for _ in range(10) for part in (dl.Dense(100, weight_init=dl.Xavier()), dl.Tanh())]
        network = dl.Network([*layers, dl.Dense(10)], (64,))
        title = (
            "(h) digits, 10 × 100 tanh, statistics and histograms" if bins else "(c) digits, 10 × 100 tanh, statistics"
        )
        super().__init__(title, network, digits(), 3, None, None, 256)
        self.batches, self.bins = self.batches[:20], bins

    def ours(self):
        network, loss, found = self.network, dl.SoftmaxCrossEntropy(), []
        target, x = loss.prepare(self.data.y, (10,), "float32"), dl.training.laid_out(self.data.x)
        network.reserve(256)
        for batch in self.batches:
            loss.compare(network.run(dl.training.gather(x, batch), training=True), target[batch])
            dy = loss.backward()
            for layer in reversed(network.layers):
                if isinstance(layer, dl.Tanh):
                    found += look(layer.y, self.bins, 1.0), look(dy, self.bins)
                dy = layer.backward(dy)
        network.release()
        return np.array([moments for moments, _ in found])[::2, 1]

    def torch(self, fused):
        import torch

        torch.set_num_threads(1)
        model = torch.nn.Sequential(*in_torch(self.network))
        x, y, batches = (torch.from_numpy(a) for a in (self.data.x, self.data.y, self.batches))

        def look(values, reach=None):
            moments = torch.stack([values.mean(), values.square().mean()])
            if not self.bins:
                return moments, None
            reach = reach or 4 * moments[1].sqrt().item()
            return moments, torch.histc(values, self.bins, -reach, reach)

        def job():
            found = []
            for batch in batches:
                activations, h = [], x[batch]
                for layer in model:
                    h = layer(h)
                    if isinstance(layer, torch.nn.Tanh):
                        h.retain_grad()
                        activations.append(h)
                model.zero_grad()
                torch.nn.functional.cross_entropy(h, y[batch]).backward()
                for a in reversed(activations):
                    found += look(a.detach(), 1.0), look(a.grad)
            return torch.stack([moments for moments, _ in found])[::2, 1].numpy()

        return job

    def candidates(self):
        yield "dlcourse", self.ours
        yield "PyTorch eager", self.torch(fused=False)


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


JOBS = {"a": job_a, "b": job_b, "c": Statistics, "h": lambda: Statistics(bins=64), "d": job_d}

if __name__ == "__main__":
    print(machine("torch"))
    for name in sys.argv[1:] or JOBS:
        job, candidates = JOBS[name](), {}
        try:
            candidates.update(job.candidates())
        except ImportError:
            print("PyTorch is not installed: nothing to compare with")
        for candidate, run in candidates.items():
            values = run()
            print(f"  {candidate:<44} {values[0]:.6f} → {values[-1]:.6f}")
        report(job.title, in_turn(candidates), next(iter(candidates)))
