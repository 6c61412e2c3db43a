"""Where the time of a job goes: `python benchmarks/parts.py [a b c d lanes]`

Every part of a step is timed in place, microseconds a step. The clock itself costs 0.1 to 0.2 µs each time, which the
parts contain and the whole, measured without it, does not. "matrix products alone" are the same products of the same
shapes and layouts, one after the other and nothing else: what no code of ours can go below.
"""

import sys
import time
from collections import defaultdict

from common import heading, one_core

# isort: split
import jobs
import numpy as np

import dlcourse as dl
from dlcourse import history, training

ROUNDS = 30


class Parts:
    """Seconds spent in each part, over all rounds."""

    def __init__(self):
        self.spent = defaultdict(float)

    def watch(self, owner, name, part):
        plain = getattr(owner, name)

        def timed(*given, **named):
            start = time.perf_counter()
            result = plain(*given, **named)
            self.spent[part] += time.perf_counter() - start
            return result

        setattr(owner, name, timed)


def seconds(job):
    """Median of the rounds."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        job()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def products(network, rows):
    """A function that does the products of one step, forward and back, into arrays that are there already."""
    todo, lanes = [], network.parameters.lead
    for number, layer in enumerate(part for part in network.layers if isinstance(part, dl.Dense)):
        inputs, units = layer.Wb.shape[-2:]
        x1 = np.ones((*(lanes if number else ()), inputs, rows), "float32").mT
        dy, dx = (np.ones((*lanes, n, rows), "float32").mT for n in (units, inputs - 1))
        todo += [(np.matmul, x1, layer.Wb, dy), (layer.product, x1.mT, dy, layer.dWb.copy())]
        todo += [(np.matmul, dy, layer.W.mT, dx)] if number else []

    def step():
        for product, a, b, out in todo:
            product(a, b, out=out)

    return step


def table(job):
    job.ours(), job.ours()
    steps = len(job.batches)
    rows = [("the whole", seconds(job.ours))]
    if not job.has(dl.Conv2D):
        step = products(job.network, job.batch_size)
        rows.append(("matrix products alone", seconds(lambda: [step() for _ in range(steps)])))
    parts = Parts()
    for layer in job.layers:
        parts.watch(layer, "forward", f"{type(layer).__name__} forward")
        parts.watch(layer, "backward", f"{type(layer).__name__} backward")
    for owner, name, part in WATCHED:
        parts.watch(owner, name, part)
    if job.optimizer:
        parts.watch(job.optimizer, "step", type(job.optimizer).__name__)
    job.ours()
    parts.spent.clear()
    start = time.perf_counter()
    for _ in range(ROUNDS):
        job.ours()
    with_clock = (time.perf_counter() - start) / ROUNDS
    each = {part: spent / ROUNDS for part, spent in parts.spent.items()}
    rows += sorted(each.items(), key=lambda pair: -pair[1])
    rows.append(("the rest: loop, generator, clock", with_clock - sum(each.values())))
    print(f"\n## {job.title}\n\n| µs a step | |\n|---|--:|")
    for part, taken in rows:
        print(f"| {part} | {1e6 * taken / steps:.1f} |", flush=True)


def lanes():
    """The 32 learning rates of lanes.py."""
    job = jobs.job_a()
    job.title = "32 learning rates of job (a) as lanes"
    job.network = dl.Network(job.new_layers(), (2,), lanes=32)
    job.optimizer.learning_rate = np.logspace(-3, -0.5, 32)[:, None]
    return job


WATCHED = [
    (dl.SoftmaxCrossEntropy, "compare", "loss: its value"),
    (dl.SoftmaxCrossEntropy, "backward", "loss: its gradient"),
    (training, "gather", "examples in a new order"),
    (history.Epoch, "add", "record of a step"),
    (history.History, "record", "record of an epoch"),
    (jobs, "look", "mean and mean square"),
]

if __name__ == "__main__":
    one_core()
    heading("Where the time goes")
    for name in sys.argv[1:] or [*"abcd", "lanes"]:
        table(lanes() if name == "lanes" else jobs.JOBS[name]())
