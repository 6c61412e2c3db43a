"""Writes torch.json: what PyTorch computes in float64. Run with PyTorch installed; the suite reads only the file."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(7)

POINTS = [-1000.0, -30.0, -8.0, -1.5, -1.0, -0.25, -1e-3, 0.0, 1e-3, 0.25, 1.0, 1.5, 8.0, 30.0, 1000.0]
ACTIVATIONS = {
    "ReLU": functional.relu,
    "LeakyReLU": functional.leaky_relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "GELU": functional.gelu,
}


def activation(function):
    x = torch.tensor(POINTS, requires_grad=True)
    y = function(x)
    y.sum().backward()
    return {"x": POINTS, "y": y.tolist(), "dx": x.grad.tolist()}


def loss(function, prediction, target):
    z = torch.tensor(prediction, requires_grad=True)
    value = function(z, torch.tensor(target))
    value.backward()
    return {"prediction": prediction, "target": target, "value": value.item(), "gradient": z.grad.tolist()}


def losses():
    scores = (3 * rng.normal(size=(6, 4))).round(3).tolist()
    extreme = [[1e4, -1e4, 0.0, 1e4], [-1e4, -1e4, -1e4, -1e4], [0.0, 1e4, -1e4, 5.0]]
    labels, soft = [3, 0, 1, 1, 2, 0], rng.dirichlet(np.ones(4), 6).tolist()
    numbers = rng.normal(size=(6, 4)).tolist()
    smooth = lambda s: lambda z, t: functional.cross_entropy(z, t, label_smoothing=s)  # noqa: E731
    return {
        "labels": ["SoftmaxCrossEntropy", {}, loss(functional.cross_entropy, scores, labels)],
        "probabilities": ["SoftmaxCrossEntropy", {}, loss(functional.cross_entropy, scores, soft)],
        "smoothed": ["SoftmaxCrossEntropy", {"label_smoothing": 0.1}, loss(smooth(0.1), scores, labels)],
        "smoothed_probabilities": ["SoftmaxCrossEntropy", {"label_smoothing": 0.3}, loss(smooth(0.3), scores, soft)],
        "extreme": ["SoftmaxCrossEntropy", {}, loss(functional.cross_entropy, extreme, [1, 2, 0])],
        "squared": ["MeanSquaredError", {}, loss(functional.mse_loss, scores, numbers)],
    }


def initializers():
    """The widest draw and the deviation of a weight with 1300 inputs and 700 outputs."""
    torch.manual_seed(0)
    w = torch.empty(700, 1300)
    return {
        "shape": [1300, 700],
        "xavier_average_max": torch.nn.init.xavier_uniform_(w).abs().max().item(),
        "msra_in_std": torch.nn.init.kaiming_normal_(w, nonlinearity="relu").std().item(),
    }


answers = {
    "made_with": [f"torch {torch.__version__}", f"numpy {np.__version__}"],
    "activations": {name: activation(function) for name, function in ACTIVATIONS.items()},
    "losses": losses(),
    "initializers": initializers(),
}
Path(__file__).with_name("torch.json").write_text(json.dumps(answers) + "\n")
