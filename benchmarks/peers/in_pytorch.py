"""PyTorch: eager, with its default and its fused optimizer; and torch.compile, where it finds a compiler for C++."""

import numpy as np
import torch
from jobs import Statistics
from torch import from_numpy, nn

import dlcourse as dl

torch.set_num_threads(1)


def candidates(job):
    if isinstance(job, Statistics):
        yield "PyTorch eager", looking(job)
        return
    yield "PyTorch eager, fused optimizer", training(job, fused=True)
    yield "PyTorch eager, default optimizer", training(job, fused=False)
    yield "torch.compile", training(job, fused=True, compiled=True)


def data(job):
    """Channels first."""
    x = job.data.x
    x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 else x
    return from_numpy(x), from_numpy(job.data.y), from_numpy(job.batches)


def optimizer(job, parameters, fused):
    rate = job.optimizer.learning_rate
    if isinstance(job.optimizer, dl.Momentum):
        return torch.optim.SGD(parameters, lr=rate, momentum=job.optimizer.momentum, fused=fused)
    return torch.optim.Adam(parameters, lr=rate, fused=fused)


def training(job, fused, compiled=False, device="cpu"):
    model, (x, y, batches) = network(job).to(device), (part.to(device) for part in data(job))
    start = {name: value.clone() for name, value in model.state_dict().items()}

    def loss_of(x, y):
        return nn.functional.cross_entropy(model(x), y)

    if compiled:
        loss_of = torch.compile(loss_of)

    def run():
        model.load_state_dict(start)
        moves, losses = optimizer(job, model.parameters(), fused), []
        for batch in batches:
            moves.zero_grad()
            loss = loss_of(x[batch], y[batch])
            loss.backward()
            moves.step()
            losses.append(loss.detach())
        return torch.stack(losses).cpu().numpy()

    return run


def looking(job):
    model, (x, y, batches) = network(job), data(job)

    def look(values, reach=None):
        moments = torch.stack([values.mean(), values.square().mean()])
        if not job.bins:
            return moments, None
        reach = reach or 4 * moments[1].sqrt().item()
        return moments, torch.histc(values, job.bins, -reach, reach)

    def run():
        found = []
        for batch in batches:
            activations, h = [], x[batch]
            for layer in model:
                h = layer(h)
                if isinstance(layer, nn.Tanh):
                    h.retain_grad()
                    activations.append(h)
            model.zero_grad()
            nn.functional.cross_entropy(h, y[batch]).backward()
            for a in reversed(activations):
                found += look(a.detach(), 1.0), look(a.grad)
        return torch.stack([moments for moments, _ in found])[::2, 1].numpy()

    return run


def network(job):
    """The same layers, with the numbers that ours start from."""
    job.network.reset()
    made, image = [], None
    for layer in job.layers:
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
            with torch.no_grad():
                there.weight.copy_(from_numpy(weight.copy()))
                there.bias.copy_(from_numpy(layer.b[0].copy()))
        made.append(there)
    return nn.Sequential(*made)
