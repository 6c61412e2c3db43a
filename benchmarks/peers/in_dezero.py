"""DeZero, the library of "Deep Learning from Scratch 3". It asks NumPy for names that have gone since."""

import numpy as np
from jobs import Statistics

for old in (int, bool, float, object):
    if old.__name__ not in vars(np):
        setattr(np, old.__name__, old)

import dezero.functions as F  # noqa: E402
import dezero.layers as L  # noqa: E402
from dezero import Model, optimizers  # noqa: E402

import dlcourse as dl  # noqa: E402


class Row(Model):
    """Layers in a row."""

    def __init__(self, parts):
        super().__init__()
        self.parts = parts
        for number, part in enumerate(parts):
            setattr(self, f"l{number}", part)  # so that they are found

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


def candidates(job):
    if isinstance(job, Statistics):
        return
    x = np.ascontiguousarray(np.moveaxis(job.data.x, -1, 1)) if job.data.x.ndim == 4 else job.data.x
    y, rate = job.data.y, job.optimizer.learning_rate

    def run():
        if isinstance(job.optimizer, dl.Momentum):
            optimizer = optimizers.MomentumSGD(rate, job.optimizer.momentum)
        else:
            optimizer = optimizers.Adam(rate)
        model, losses = network(job), []
        optimizer.setup(model)
        for batch in job.batches:
            loss = F.softmax_cross_entropy(model(x[batch]), y[batch])
            model.cleargrads()
            loss.backward()
            optimizer.update()
            losses.append(loss.data)
        return np.array(losses)

    yield "DeZero", run


def network(job):
    job.network.reset()
    made, image = [], None
    for layer in job.layers:
        match type(layer).__name__:
            case "Flatten":
                image = layer.input_shape
                made.append(lambda x: F.reshape(x, (len(x), -1)))
            case "ReLU":
                made.append(F.relu)
            case "BatchNorm":
                made.append(L.BatchNorm())
            case "Dense":
                made.append(L.Linear(layer.units, in_size=layer.W.shape[0]))
                weight = layer.W
                if image:  # flattened with the channels first
                    weight, image = weight.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(weight.shape), None
                made[-1].W.data = weight.copy()
            case "Conv2D":
                made.append(L.Conv2d(layer.filters, layer.kernel_size, 1, 1, in_channels=layer.input_shape[-1]))
                made[-1].W.data = np.ascontiguousarray(layer.W.transpose(3, 2, 0, 1))
    return Row(made)
