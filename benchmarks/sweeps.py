"""128 learning rates of job (a) by dl.sweep: `python benchmarks/sweeps.py [RATES]`

One after the other; as lanes; on two processes; on a Dask cluster of two workers on 127.0.0.1, one thread each. All
return the same losses, bit for bit, or this stops. Pools and cluster are up before the clock starts.
"""

import os
import statistics
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context

from common import heading, in_turn  # first: it sets the threads

# isort: split
import numpy as np

import dlcourse as dl

LANES, WORKERS = 32, 2
DATA = dl.datasets.moons(1000, noise=0.2)


def train(learning_rate, lanes=None):
    """The last loss, of each lane."""
    layers = [dl.Dense(32), dl.ReLU(), dl.Dense(32), dl.ReLU(), dl.Dense(2)]
    network, optimizer = dl.Network(layers, (2,), lanes=lanes), dl.Momentum(learning_rate, 0.9)
    history = dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, DATA, epochs=20, batch_size=64, drop_last=True)
    return history.loss[-1]


def side_by_side(learning_rate):
    return train(learning_rate, len(learning_rate))


def unlucky(learning_rate, rate, run):
    """Fails where it hurts most: at the end."""
    losses = run(learning_rate)
    if rate in np.ravel(learning_rate):
        raise ArithmeticError("bad luck")
    return losses


def nothing(learning_rate):
    return 0.0


def executors(stack):
    """The name of each, and itself, as soon as it is up."""
    yield "here", None
    yield f"{WORKERS} processes", stack.enter_context(ProcessPoolExecutor(WORKERS, get_context("spawn")))
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"  # it would print every failure that is provoked here
    try:
        from distributed import Client, LocalCluster
    except ImportError as missing:
        print(f"Dask: not measured ({missing})", file=sys.stderr)
        return
    workers = {"n_workers": WORKERS, "threads_per_worker": 1, "processes": True}
    cluster = stack.enter_context(LocalCluster(host="127.0.0.1", dashboard_address=None, **workers))
    yield f"Dask, {WORKERS} workers", stack.enter_context(Client(cluster)).get_executor()


def seconds(rates, executor, run=train, lanes=None):
    start = time.perf_counter()
    results = dl.sweep(run, {"learning_rate": rates}, executor, lanes=lanes)
    return time.perf_counter() - start, results


def main(count=128):
    heading("Sweeps", "distributed")
    rates = np.logspace(-3, 0, count).tolist()
    one_by_one, expected = {"one after the other": (None, train, None)}, seconds(rates, None)[1]
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sweep names its failures
        begun = time.perf_counter()
        ways, empty, ready = dict(one_by_one), {}, {}
        for name, executor in executors(stack):
            seconds(rates, executor, nothing)
            ready[name] = time.perf_counter() - begun
            empty[name] = statistics.median(seconds(rates, executor, nothing)[0] for _ in range(5)) / count
            if executor:
                ways[name] = (executor, train, None)
            ways[f"{name}, lanes"] = (executor, side_by_side, LANES)
            begun = time.perf_counter()
        for executor, run, lanes in ways.values():
            np.testing.assert_array_equal(seconds(rates, executor, run, lanes)[1], expected)
        jobs = {}
        for name, (executor, run, lanes) in ways.items():
            guilty = partial(unlucky, rate=rates[count // 2], run=run)
            results = seconds(rates, executor, guilty, lanes)[1]
            kept = [a == b for a, b in zip(results, expected, strict=True)]
            assert kept.count(False) == 1 and not kept[count // 2], "only the guilty one is lost"
            jobs[name] = partial(seconds, rates, executor, run, lanes)
            jobs[name, "fails"] = partial(seconds, rates, executor, guilty, lanes)
        medians = in_turn(jobs, rounds=3)
    print(f"\n## {count} learning rates of job (a)\n\n| | s | times as fast | s if 1 of {count} fails |")
    print("|---|--:|--:|--:|")
    for name in ways:
        ratio = medians["one after the other"] / medians[name]
        print(f"| {name} | {medians[name] / 1e3:.3f} | {ratio:.2f} | {medians[name, 'fails'] / 1e3:.3f} |")
    print("\n## What a task costs besides its work\n\n| | ms a task | s until the first answer |\n|---|--:|--:|")
    for name in empty:
        print(f"| {name} | {1e3 * empty[name]:.3f} | {ready[name]:.2f} |")
    print(f"\nA task of lanes trains {LANES} rates side by side. If one fails, at its end, all are tried again, alone.")


if __name__ == "__main__":
    import sweeps  # by its name, under which the workers find it too

    sweeps.main(*map(int, sys.argv[1:]))
