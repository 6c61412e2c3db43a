"""Writes optimizers.json: where PyTorch's optimizers go in float64.

Run with PyTorch installed; the suite reads only the file.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import optim

torch.set_default_dtype(torch.float64)  # NAdam keeps its product of momenta in the default dtype
rng = np.random.default_rng(7)

START = [1.0, -2.0, 0.5]
RATE, CUT = 0.0625, 0.125
GRADIENTS = (rng.normal(size=(20, 3)) * 10.0 ** rng.integers(-2, 2, (20, 1))).tolist()
GRADIENTS[7] = [0.0, 0.0, 0.0]
GRADIENTS[8][1] = GRADIENTS[9][1] = 0.0

# Our settings, and PyTorch's; every one of them far from its default, so that a misplaced one shows.
ADAM, TORCH_ADAM = {"beta1": 0.8, "beta2": 0.97, "eps": 0.0137}, {"betas": (0.8, 0.97), "eps": 0.0137}
ROWS = {
    "SGD": ({}, optim.SGD, {}),
    "Momentum": ({"momentum": 0.9}, optim.SGD, {"momentum": 0.9}),
    "Nesterov": ({"momentum": 0.9}, optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "AdaGrad": ({"eps": 0.042}, optim.Adagrad, {"eps": 0.042}),
    "RMSProp": ({"rho": 0.95, "eps": 0.042}, optim.RMSprop, {"alpha": 0.95, "eps": 0.042}),
    "AdaDelta": ({"rho": 0.8, "eps": 0.03}, optim.Adadelta, {"rho": 0.8, "eps": 0.03}),
    "Adam": (ADAM, optim.Adam, TORCH_ADAM),
    "AMSGrad": (ADAM, optim.Adam, {**TORCH_ADAM, "amsgrad": True}),
    "AdamW": ({**ADAM, "weight_decay": 0.3}, optim.AdamW, {**TORCH_ADAM, "weight_decay": 0.3}),
    "Nadam": ({**ADAM, "momentum_decay": 0.05}, optim.NAdam, {**TORCH_ADAM, "momentum_decay": 0.05}),
}


def path(make, settings, cut=1.0):
    """theta after every step; the rate is multiplied by `cut` before step 10."""
    theta = torch.tensor(START, requires_grad=True)
    optimizer = make([theta], lr=RATE, **settings)
    points = []
    for number, g in enumerate(GRADIENTS):
        if number == 10:
            optimizer.param_groups[0]["lr"] *= cut
        theta.grad = torch.tensor(g)
        optimizer.step()
        points.append(theta.tolist())
    return points


def rows(cut):
    return {name: [ours, path(make, theirs, cut)] for name, (ours, make, theirs) in ROWS.items()}


answers = {
    "made_with": [f"torch {torch.__version__}", f"numpy {np.__version__}"],
    "start": START,
    "gradients": GRADIENTS,
    "rates": [RATE, RATE * CUT],
    "constant": rows(1.0),
    "cut": rows(CUT),
}
Path(__file__).with_name("optimizers.json").write_text(json.dumps(answers) + "\n")
