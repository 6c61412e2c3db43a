"""32 learning rates of job (a) at once: `python benchmarks/lanes.py [LANES]`

As lanes of one network; one after the other; through torch.func.vmap; through jax.vmap. Lanes are the single runs bit
for bit, or this stops; the others start from the same numbers and see the same batches.
"""

import sys

from common import heading, in_turn, one_core, table  # first: it sets the threads

# isort: split
import numpy as np
from jobs import by_numba, job_a

import dlcourse as dl
from dlcourse import backend

OURS = "lanes"


def candidates(rates):
    job = job_a()
    settings = {"epochs": job.epochs, "batch_size": job.batch_size, "drop_last": True}
    side_by_side = dl.Network(job.new_layers(), (2,), lanes=len(rates))

    def trained(network, rate):
        network.reset()
        return dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Momentum(rate, 0.9), job.data, **settings).loss

    def loop():
        return np.stack([trained(job.network, rate) for rate in rates.tolist()], axis=-1)

    def lanes():
        return trained(side_by_side, rates[:, None])

    singles = loop()
    np.testing.assert_array_equal(lanes(), singles)
    yield OURS, lanes
    if not backend.why_no_numba():
        yield "lanes, Numba", by_numba(lanes)
    yield "one after the other", loop
    for name, make in (("torch.func.vmap", torch_vmap), ("jax.vmap, compiled", jax_vmap)):
        try:
            run = make(job, rates)
        except ImportError as missing:
            print(f"{name}: not measured ({missing})", file=sys.stderr)
            continue
        rates_that_settle = rates < 0.1  # beyond, rounding decides where a run goes
        np.testing.assert_allclose(run()[:, rates_that_settle], singles[:, rates_that_settle], atol=1e-3)
        yield name, run


def torch_vmap(job, rates, device="cpu"):
    import torch
    from peers.in_pytorch import data, network
    from torch.func import functional_call, grad_and_value, vmap

    model, (x, y, batches) = network(job).to(device), (part.to(device) for part in data(job))
    start = {name: value.detach() for name, value in model.named_parameters()}

    def loss_of(parameters, x, y):
        return torch.nn.functional.cross_entropy(functional_call(model, parameters, (x,)), y)

    step = vmap(grad_and_value(loss_of), in_dims=(0, None, None))

    def run():
        p = {name: value.expand(len(rates), *value.shape).clone() for name, value in start.items()}
        v = {name: torch.zeros_like(value) for name, value in p.items()}
        column = torch.tensor(rates, dtype=torch.float32, device=device)
        lr = {name: column.view(-1, *[1] * (w.ndim - 1)) for name, w in p.items()}
        losses = []
        for batch in batches:
            gradients, loss = step(p, x[batch], y[batch])
            for name, g in gradients.items():
                v[name].mul_(0.9).addcmul_(lr[name], g, value=-1)
                p[name].add_(v[name])
            losses.append(loss)
        return torch.stack(losses).cpu().numpy()

    return run


def jax_vmap(job, rates):
    import jax
    from peers.in_jax import training

    run, (_, *arguments) = training(job)
    together = jax.jit(jax.vmap(run, in_axes=(0, *[None] * len(arguments))))
    return lambda: np.asarray(together(rates.astype("float32"), *arguments)[0]).T


if __name__ == "__main__":
    one_core()
    rates = np.logspace(-3, -0.5, int(sys.argv[1]) if sys.argv[1:] else 32)
    heading("Lanes", "torch", "jax")
    table(f"{len(rates)} learning rates of job (a)", in_turn(dict(candidates(rates))), OURS)
