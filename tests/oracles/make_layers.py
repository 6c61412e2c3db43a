"""Writes layers.json: what PyTorch's layers compute in float64. Run with PyTorch installed.

Images are written with the channels last and weights as (kh, kw, in, out), as here; PyTorch has them the other way.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(11)


def draw(*shape):
    """Quarters: short to write down, exact in binary."""
    return rng.integers(-12, 13, shape) / 4


def first(array):
    """Channels first."""
    return torch.tensor(np.moveaxis(array, -1, 1).copy())


def last(tensor):
    return np.moveaxis(tensor.detach().numpy(), 1, -1).tolist()


def norm(make, shape):
    """A forward and a backward pass in training, a second batch, then one of each after training."""
    x, second, dy = draw(*shape), draw(*shape), draw(*shape)
    gamma, beta = draw(shape[-1]), draw(shape[-1])
    layer = make(shape[-1])
    layer.weight.data, layer.bias.data = torch.tensor(gamma), torch.tensor(beta)

    def passes():
        layer.zero_grad()
        there = first(x).requires_grad_()
        y = layer(there)
        y.backward(first(dy))
        dgamma, dbeta = layer.weight.grad.tolist(), layer.bias.grad.tolist()
        return {"y": last(y), "dx": last(there.grad), "dgamma": dgamma, "dbeta": dbeta}

    given = {"x": x.tolist(), "second": second.tolist(), "dy": dy.tolist(), "gamma": gamma.tolist()}
    case = {**given, "beta": beta.tolist(), "training": passes()}
    if hasattr(layer, "running_mean"):
        layer(first(second))
        case |= {"running_mean": layer.running_mean.tolist(), "running_var": layer.running_var.tolist()}
        layer.eval()
        case["afterwards"] = passes()
    return case


class LastAxisNorm(torch.nn.LayerNorm):
    """Over the channels of every position."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def weight_norm():
    x, v, g, b, dy = draw(4, 3), draw(3, 2), draw(2), draw(2), draw(4, 2)
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2), dim=0)
    lengths, directions = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
    starts = torch.nn.Linear(3, 2)
    starts.weight.data = torch.tensor(v.T)
    start = torch.nn.utils.parametrizations.weight_norm(starts).parametrizations.weight.original0[:, 0].tolist()
    directions.data, lengths.data, layer.bias.data = torch.tensor(v.T.copy()), torch.tensor(g)[:, None], torch.tensor(b)
    there = torch.tensor(x, requires_grad=True)
    y = layer(there)
    y.backward(torch.tensor(dy))
    answers = {"y": y.tolist(), "dx": there.grad.tolist(), "dv": directions.grad.T.tolist()}
    answers |= {"dg": lengths.grad[:, 0].tolist(), "db": layer.bias.grad.tolist(), "start": start}
    return {"x": x.tolist(), "v": v.tolist(), "g": g.tolist(), "b": b.tolist(), "dy": dy.tolist(), **answers}


def convolution(shape, kernel, padding, stride, filters=2):
    """shape: (batch, *space, channels)."""
    axes = len(kernel)
    convolve = [functional.conv1d, functional.conv2d][axes - 1]
    x, w, b = draw(*shape), draw(*kernel, shape[-1], filters), draw(filters)
    there = first(x).requires_grad_()
    weight = torch.tensor(w.transpose(axes + 1, axes, *range(axes)).copy(), requires_grad=True)
    bias = torch.tensor(b, requires_grad=True)
    y = convolve(there, weight, bias, stride=stride, padding=padding)
    dy = draw(*np.moveaxis(y.detach().numpy(), 1, -1).shape)
    y.backward(first(dy))
    dw = weight.grad.numpy().transpose(*range(2, axes + 2), 1, 0).tolist()
    given = {"kernel_size": list(kernel), "padding": padding, "stride": stride, "x": x.tolist(), "W": w.tolist()}
    answers = {"y": last(y), "dx": last(there.grad), "dW": dw, "db": bias.grad.tolist()}
    return {**given, "b": b.tolist(), "dy": dy.tolist(), **answers}


def pool(function, shape=(2, 5, 4, 2)):
    x = draw(*shape)
    x[0, :2, :2] = 1.0  # equal values: who gets the gradient?
    there = first(x).requires_grad_()
    y = function(there)
    dy = draw(*np.moveaxis(y.detach().numpy(), 1, -1).shape)
    y.backward(first(dy))
    return {"x": x.tolist(), "dy": dy.tolist(), "y": last(y), "dx": last(there.grad)}


def dropout(rate):
    """The factor by which PyTorch scales what stays, and the share that stays."""
    torch.manual_seed(0)
    y = functional.dropout(torch.ones(10000), rate)
    return {"rate": rate, "factor": y.max().item(), "share": (y != 0).double().mean().item()}


batch_norm = {2: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d}
answers = {
    "made_with": [f"torch {torch.__version__}", f"numpy {np.__version__}"],
    "BatchNorm": [norm(batch_norm[len(s)], s) for s in ((6, 3), (2, 3, 2, 2))],
    "LayerNorm": [norm(LastAxisNorm, s) for s in ((4, 5), (2, 2, 2, 3))],
    "GroupNorm": [
        {"groups": groups} | norm(lambda channels, groups=groups: torch.nn.GroupNorm(groups, channels), s)
        for groups, s in ((2, (3, 6)), (1, (2, 2, 3, 4)), (2, (2, 2, 3, 4)), (4, (2, 2, 3, 4)))
    ],
    "WeightNormDense": weight_norm(),
    "Conv1D": [
        convolution((2, 6, 2), (3,), "same", 1),
        convolution((2, 6, 2), (4,), "same", 1),
        convolution((2, 7, 1), (3,), 1, 2),
    ],
    "Conv2D": [
        convolution((2, 4, 5, 2), (3, 3), "same", 1),
        convolution((1, 4, 5, 2), (2, 4), "same", 1),
        convolution((2, 4, 5, 2), (3, 2), 0, 1),
        convolution((1, 5, 4, 1), (2, 3), 2, 1),
        convolution((1, 3, 4, 1), (1, 2), 2, 1),
        convolution((1, 7, 6, 2), (3, 3), 1, 2),
        convolution((1, 7, 6, 1), (2, 2), 0, 3),
    ],
    "MaxPool2D": pool(lambda x: functional.max_pool2d(x, 2)),
    "AveragePool2D": pool(lambda x: functional.avg_pool2d(x, 2)),
    "GlobalAveragePool2D": pool(lambda x: x.mean((2, 3))),
    "Dropout": [dropout(rate) for rate in (0.0, 0.25, 0.9, 1.0)],
}
Path(__file__).with_name("layers.json").write_text(json.dumps(answers) + "\n")
