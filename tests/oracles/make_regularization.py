"""Writes regularization.json: what PyTorch computes in float64. Run with PyTorch; the suite reads only the file."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(11)


def hinge(scores, labels):
    """PyTorch divides by the number of classes as well: undone here."""
    z = torch.tensor(scores, requires_grad=True)
    value = functional.multi_margin_loss(z, torch.tensor(labels)) * z.shape[1]
    value.backward()
    return {"prediction": scores, "target": labels, "value": value.item(), "gradient": z.grad.tolist()}


def max_norm(w, limit):
    """renorm looks at slices along `dim`: units, the last axis of ours."""
    w = torch.tensor(w)
    return {"w": w.tolist(), "limit": limit, "projected": torch.renorm(w, 2, w.ndim - 1, limit).tolist()}


def clipped(function, grad, limit):
    theta = torch.zeros(len(grad), requires_grad=True)
    theta.grad = torch.tensor(grad)
    function([theta], limit)
    return {"grad": grad, "limit": limit, "clipped": theta.grad.tolist()}


grad = rng.normal(size=12).tolist()
norm, value = torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_
answers = {
    "made_with": [f"torch {torch.__version__}", f"numpy {np.__version__}"],
    "hinge": hinge((2 * rng.normal(size=(7, 4))).round(3).tolist(), [3, 0, 1, 1, 2, 0, 2]),
    "max_norm": [
        max_norm((np.array([0.1, 1, 3]) * rng.normal(size=(4, 3))).tolist(), 2.0),
        max_norm((np.array([0.1, 0, 1, 3]) * rng.normal(size=(2, 3, 2, 4))).tolist(), 1.5),
    ],
    "clip_by_norm": [clipped(norm, grad, 0.5), clipped(norm, grad, 100.0), clipped(norm, [0.0] * 3, 1.0)],
    "clip_by_value": [clipped(value, grad, 0.25), clipped(value, grad, 100.0)],
}
Path(__file__).with_name("regularization.json").write_text(json.dumps(answers) + "\n")
