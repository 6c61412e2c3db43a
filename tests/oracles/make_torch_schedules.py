"""Writes torch_schedules.json: the rates of ReduceLROnPlateau and OneCycleLR.

Run with PyTorch installed; the suite reads only the file.
"""

import itertools
import json
from pathlib import Path

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

nan = float("nan")
METRICS = [5.0, 4.0, 4.1, 3.9997, 3.5, nan, 3.6, 3.6, 3.4999, 3.3, 3.3, 3.3, 3.3, 3.3, 3.0, 3.1, 3.1, 3.1, 3.1, 2.9999]
RATE = 0.5


def optimizer():
    return SGD([torch.zeros(1, requires_grad=True)], lr=RATE)


def plateau(**settings):
    """The rate after every metric."""
    sgd = optimizer()
    schedule, rates = ReduceLROnPlateau(sgd, **settings), []
    for metric in METRICS:
        schedule.step(metric)
        rates.append(sgd.param_groups[0]["lr"])
    return rates


def one_cycle(total_steps, **settings):
    """The rate of every step."""
    sgd = optimizer()
    schedule, rates = OneCycleLR(sgd, total_steps=total_steps, cycle_momentum=False, **settings), []
    for _ in range(total_steps):
        rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        if len(rates) < total_steps:
            schedule.step()
    return rates


grid = itertools.product(("min", "max"), ("rel", "abs"), (0, 1, 3), (0, 2), (1e-4, 0.1))
PLATEAUS = [
    {"mode": m, "threshold_mode": t, "patience": p, "cooldown": c, "threshold": h, "factor": 0.5, "min_lr": 0.02}
    for m, t, p, c, h in grid
]
CYCLES = [
    {"max_lr": 0.5, "total_steps": 20},
    {"max_lr": 1.0, "total_steps": 37, "pct_start": 0.25, "div_factor": 10.0, "final_div_factor": 50.0},
    {"max_lr": 0.1, "total_steps": 11, "pct_start": 0.5},
]
answers = {
    "made_with": [f"torch {torch.__version__}"],
    "metrics": [None if m != m else m for m in METRICS],  # JSON has no NaN
    "initial": RATE,
    "plateaus": [[settings, plateau(**settings)] for settings in PLATEAUS],
    "cycles": [[settings, one_cycle(**settings)] for settings in CYCLES],
}
Path(__file__).with_name("torch_schedules.json").write_text(json.dumps(answers) + "\n")
