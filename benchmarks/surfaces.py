"""Paths on a surface, on Python's floats, beside torch.optim: `python benchmarks/surfaces.py`

(e) The ten rules that both have, three surfaces, 500 steps each: 15 000 steps.
"""

import sys

from common import heading, in_turn, one_core, table  # first: it sets the threads

# isort: split
import numpy as np

from dlcourse import optimizers
from dlcourse.surfaces import Ravine, beale, descend, rosenbrock

OURS, STEPS = "dlcourse", 500
SURFACES = [(rosenbrock, (-1.2, 1.0)), (beale, (1.0, 1.5)), (Ravine(1.0, 50.0), (-2.0, 1.5))]
ADAM = {"betas": (0.9, 0.999), "eps": 1e-8}

# rule → its rate, and what it is called there
RULES = {
    "SGD": (1e-3, "SGD", {}),
    "Momentum": (1e-3, "SGD", {"momentum": 0.9}),
    "Nesterov": (1e-3, "SGD", {"momentum": 0.9, "nesterov": True}),
    "AdaGrad": (0.1, "Adagrad", {"eps": 1e-10}),
    "RMSProp": (0.01, "RMSprop", {"alpha": 0.9, "eps": 1e-8}),
    "AdaDelta": (1.0, "Adadelta", {"rho": 0.9, "eps": 1e-6}),
    "Adam": (0.02, "Adam", ADAM),
    "AMSGrad": (0.02, "Adam", {**ADAM, "amsgrad": True}),
    "AdamW": (0.02, "AdamW", {**ADAM, "weight_decay": 0.01}),
    "Nadam": (0.02, "NAdam", {**ADAM, "momentum_decay": 0.004}),
}


def ours():
    rules = [getattr(optimizers, name)(rate) for name, (rate, _, _) in RULES.items()]
    return [descend(surface, rule, start, STEPS) for rule in rules for surface, start in SURFACES]


def in_torch():
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)

    def run():
        paths = []
        for rate, name, settings in RULES.values():
            for surface, start in SURFACES:
                theta = torch.tensor(start, requires_grad=True)
                rule, path = getattr(torch.optim, name)([theta], lr=rate, **settings), [start]
                for _ in range(STEPS):
                    rule.zero_grad()
                    surface.f(theta[0], theta[1]).backward()
                    rule.step()
                    path.append(theta.tolist())
                paths.append(np.array(path))
        return paths

    return run


if __name__ == "__main__":
    one_core()
    candidates = {OURS: ours}
    try:
        candidates["torch.optim"] = in_torch()
        for here, there in zip(ours(), candidates["torch.optim"](), strict=True):
            assert len(here) == len(there)  # no path has left the picture
            np.testing.assert_allclose(here[:100], there[:100], atol=1e-6)  # later, some swing: rounding decides
    except ImportError as missing:
        print(f"torch: not measured ({missing})", file=sys.stderr)
    heading("Paths on a surface", "torch")
    table("(e) 10 rules, 3 surfaces, 500 steps", in_turn(candidates, rounds=9, seconds=20), OURS)
