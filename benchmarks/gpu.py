"""What a GPU is good for: `python benchmarks/gpu.py [MOST_LANES]`, where CuPy finds one.

Job (a) with 1, 4, 16 … 4096 learning rates at once, as lanes on the GPU, as lanes on the processor, and through
torch.func.vmap on the same card; then the convolutions of job (d). A small network alone is a row of small kernels:
the card waits for the next one most of the time. Lanes and images give it something to do.

Every candidate hands its losses back to the processor at its end: nobody is still computing when the clock stops.
"""

import sys

from common import heading, in_turn, one_core, table  # first: it sets the threads

# isort: split
import numpy as np
from jobs import job_a, job_d
from lanes import torch_vmap

import dlcourse as dl
from dlcourse.backend import using, why_no_gpu

OURS = "dlcourse, CuPy"


def ours(job, backend, rates=None):
    """The job on this backend, from a network of its own; with rates, a lane for each."""
    settings = {"epochs": job.epochs, "batch_size": job.batch_size, "drop_last": True}
    rule = job.optimizer if rates is None else dl.Momentum(rates[:, None], 0.9)
    with using(backend):
        network = dl.Network([layer.lane(0) for layer in job.layers], job.data.x.shape[1:], lanes=lanes_in(rates))

    def run():
        with using(backend):
            network.reset()
            return dl.fit(network, dl.SoftmaxCrossEntropy(), rule, job.data, **settings).loss

    return run


def lanes_in(rates):
    return None if rates is None else len(rates)


def on_this_card(make, *arguments, **more):
    """{name: run} of PyTorch, or nothing, with the reason."""
    try:
        return {"PyTorch": make(*arguments, device="cuda", **more)}
    except Exception as error:  # not installed, or without this card
        print(f"PyTorch: not measured ({error})", file=sys.stderr)
        return {}


def side_by_side(count, processor=256):
    """So many learning rates of job (a); on the processor as long as it does not take minutes."""
    job, rates = job_a(), np.logspace(-3, -0.5, count)
    candidates = {OURS: ours(job, "cupy", rates)}
    if count <= processor:
        candidates["dlcourse, NumPy"] = ours(job, "numpy", rates)
    return candidates | on_this_card(torch_vmap, job, rates)


def convolutions():
    job = job_d()
    candidates = {OURS: ours(job, "cupy"), "dlcourse, NumPy": ours(job, "numpy")}
    try:
        from peers.in_pytorch import training
    except ImportError as missing:
        print(f"PyTorch: not measured ({missing})", file=sys.stderr)
        return candidates
    return candidates | on_this_card(training, job, fused=True)


if __name__ == "__main__":
    if reason := why_no_gpu():
        sys.exit(reason)
    import cupy

    one_core()
    card = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    heading("On a GPU", "cupy", "torch")
    print(f"\n{card}")
    most = int(sys.argv[1]) if sys.argv[1:] else 4096
    for count in [4**n for n in range(7) if 4**n <= most]:
        title = f"{count} learning rates of job (a)" if count > 1 else "Job (a), a single lane"
        table(title, in_turn(side_by_side(count), rounds=5, seconds=20), OURS)
    table(job_d().title, in_turn(convolutions(), rounds=5, seconds=20), OURS)
