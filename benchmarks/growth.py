"""What grows with what: `python benchmarks/growth.py [size] [fits] [events]`; fits=50 are fewer of them

size     time of a training step and memory of a training, as width, depth, batch, lanes and data grow, one at a time,
         from a small network; also as a picture, results/growth.svg
fits     memory over 1,000 trainings of new networks
events   memory over 10,000 moves of the sliders of the lab in 00_start, which trains ahead between them

Memory of a training is the peak of what Python and NumPy allocate for it, its data apart. A step costs a fixed sum for
its calls and then so much for each unit of work; a cliff is where a unit of work becomes dearer.
"""

import asyncio
import gc
import sys
import tracemalloc
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

from common import heading, in_turn, one_core  # first: it sets the threads

# isort: split
import matplotlib
import numpy as np
import psutil
from matplotlib.figure import Figure

import dlcourse as dl
from dlcourse.labs.start import digits
from dlcourse.plots.style import PALETTE, RC, on_white

BASE = {"width": 64, "depth": 2, "batch": 64, "lanes": 1, "data": 4096}
SIZES = {
    "width": [8, 16, 32, 64, 128, 256, 512, 1024, 2048],
    "depth": [1, 2, 4, 8, 16, 32, 64],
    "batch": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096],
    "lanes": [1, 2, 4, 8, 16, 32, 64, 128, 256],
    "data": [100, 300, 1000, 3000, 10_000, 30_000, 100_000],
}
NAMES = {
    "width": "units in each hidden layer",
    "depth": "hidden layers",
    "batch": "examples in a batch",
    "lanes": "networks side by side",
    "data": "examples in all",
}
FEATURES, CLASSES = 64, 10
PICTURE = Path(__file__).parent / "results" / "growth.svg"


# sizes


@cache
def numbers(examples):
    rng = np.random.default_rng(0)
    return rng.normal(size=(examples, FEATURES)).astype("float32"), rng.integers(0, CLASSES, examples)


def training(width, depth, batch, lanes, data):
    """The steps of a training, one by one, for ever; and how many of them are an epoch."""
    hidden = [part for _ in range(depth) for part in (dl.Dense(width), dl.ReLU())]
    network = dl.Network([*hidden, dl.Dense(CLASSES)], (FEATURES,), lanes=lanes if lanes > 1 else None)
    settings = {"epochs": 10**6, "batch_size": batch, "drop_last": True}
    steps = dl.training_steps(network, dl.SoftmaxCrossEntropy(), dl.Momentum(0.001, 0.9), numbers(data), **settings)
    return steps, data // batch


def work(width, depth, batch, lanes, data):
    """The products of a step: weights × examples × lanes."""
    sizes = [FEATURES, *[width] * depth, CLASSES]
    return batch * lanes * sum(a * b for a, b in pairwise(sizes))


def take(steps, count):
    for _ in range(count):
        next(steps)


def peak(sizes):
    """Bytes, over two epochs: the second one begins before the first is forgotten."""
    numbers(sizes["data"])
    tracemalloc.start()
    steps, epoch = training(**sizes)
    take(steps, epoch + 1)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def measured(name, count):
    """{size: (µs a step, bytes, products a step)}"""
    rows = [BASE | {name: size} for size in SIZES[name][:count]]
    jobs, counts = {}, {}
    for row in rows:
        steps, epoch = training(**row)
        counts[row[name]] = epoch * max(1, 128 // epoch)  # whole epochs: each begins with work of its own
        jobs[row[name]] = partial(take, steps, counts[row[name]])
    times = in_turn(jobs, rounds=9 if count is None else 3, seconds=1.5)
    return {row[name]: (1e3 * times[row[name]] / counts[row[name]], peak(row), work(**row)) for row in rows}


def dearer(found):
    """The largest rise of what a product costs, and the two sizes it lies between."""
    costs = [(size, time / products) for size, (time, _, products) in found.items()]
    return max((after / before, a, b) for (a, before), (b, after) in pairwise(costs))


def report(name, found):
    print(f"\n## {name.capitalize()}: {NAMES[name]}\n")
    print(f"| {name} | µs a step | ps a product | MB |\n|--:|--:|--:|--:|")
    for size, (time, memory, products) in found.items():
        print(f"| {size:,} | {time:,.1f} | {1e6 * time / products:,.0f} | {memory / 1e6:.2f} |", flush=True)
    rise, a, b = dearer(found)
    if rise > 1:
        print(f"\nA product gets dearer by at most {rise - 1:.0%} from one size to the next: from {a:,} to {b:,}.")
    else:
        print("\nA product never gets dearer from one size to the next.")


def draw(every, path):
    """Above the time of a step, below the memory; dashed, what grows in proportion to the work, or to the size."""
    kinds = {"ms a step": (0, 1e-3, "blue", [0.01, 0.1, 1, 10, 100]), "MB": (1, 1e-6, "vermillion", [0.1, 1, 10, 100])}
    with matplotlib.rc_context({**RC, "svg.hashsalt": "results"}):
        figure = Figure((9, 4.4), layout="constrained")
        grid = figure.subplots(2, len(every), sharey="row", sharex="col")
        for line, (unit, (part, scale, color, ticks)) in zip(grid, kinds.items(), strict=True):
            for axes, found in zip(line, every.values(), strict=True):
                sizes = np.array(list(found))
                values = scale * np.array([row[part] for row in found.values()])
                shares = sizes if part else np.array([products for *_, products in found.values()])
                axes.loglog(sizes, values[-1] * shares / shares[-1], "--", color="#999999", linewidth=1.2)
                axes.loglog(sizes, values, "o-", color=on_white(PALETTE[color], 3.0), markersize=4)
                for place, side, offset in ((0, "left", -15), (-1, "right", 6)):
                    text = f"{float(f'{values[place]:.2g}'):g}"
                    look = {"fontsize": 10, "color": on_white(PALETTE[color]), "ha": side}
                    axes.annotate(text, (sizes[place], values[place]), (0, offset), textcoords="offset points", **look)
                axes.set_xticks([sizes[0], sizes[-1]], [f"{sizes[0]:,}", f"{sizes[-1]:,}"])
                axes.set_ylim(0.6 * ticks[0], 5 * ticks[-1])
                axes.margins(x=0.12)
                axes.minorticks_off()
            line[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            line[0].set_ylabel(unit)
        for above, below, name in zip(*grid, every, strict=True):
            above.set_title(name, loc="left", fontsize=12, fontweight="bold")
            below.set_xlabel(NAMES[name].replace("in each ", "a "), fontsize=10)
        for axes, what in ((grid[0, -1], "work"), (grid[1, 2], "size")):
            axes.text(0.06, 0.93, f"dashed: as\nthe {what} grows", fontsize=9, va="top", transform=axes.transAxes)
        figure.savefig(path, metadata={"Date": None} if str(path).endswith("svg") else None)


def size(count=None):
    """The first `count` of each; the picture is of all."""
    one_core()
    every = {name: measured(name, count) for name in SIZES}
    for name, found in every.items():
        report(name, found)
    if count is None:
        draw(every, PICTURE)


# memory that stays


def fit_once():
    """Job (a) at a quarter of its length, with all that is new each time."""
    layers = [dl.Dense(32), dl.ReLU(), dl.Dense(32), dl.ReLU(), dl.Dense(2)]
    moons = dl.datasets.moons(1000, noise=0.2)
    network, optimizer = dl.Network(layers, (2,)), dl.Momentum(0.05, 0.9)
    return dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, moons, epochs=5, batch_size=64)


def standing():
    """MB of this process, and how many objects Python watches over."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6, len(gc.get_objects())


def watched(title, total, advance):
    """Ten looks on the way; the first is where things have settled."""
    print(f"\n## {title}\n\n| of {total:,} | MB | objects |\n|--:|--:|--:|")
    looks = []
    for part in range(1, 11):
        advance(part * total // 10 - (part - 1) * total // 10)
        looks.append(standing())
        print(f"| {part * total // 10:,} | {looks[-1][0]:.1f} | {looks[-1][1]:,} |", flush=True)
    (megabytes, objects), (last, there) = looks[0], looks[-1]
    print(f"\nFrom the first look to the last: {last - megabytes:+.1f} MB, {there - objects:+,} objects.")


def fits(total=1000):
    watched("Trainings of new networks", total, lambda count: [fit_once() for _ in range(count)])


def events(total=10_000):
    """Moves of one slider, then another, as the widget gets them from the page."""
    lab, rng = digits(), np.random.default_rng(0)
    lab.show()

    async def move():
        name = rng.choice(["learning_rate", "momentum", "seed"], p=[0.6, 0.35, 0.05])
        control = lab.controls[name]
        lab.widgets[name].value = control.shown(rng.choice(control.positions()).item())
        while lab.shown[1].settings != lab.present():
            await asyncio.sleep(0)
        await asyncio.sleep(0.002)  # a little is trained ahead

    async def moves(count):
        for _ in range(count):
            await move()

    with asyncio.Runner() as loop:
        watched("Moves of a slider", total, lambda count: loop.run(moves(count)))
        lab.jobs.begin()


PIECES = {"size": size, "fits": fits, "events": events}

if __name__ == "__main__":
    heading("Growth", "psutil")
    for piece in sys.argv[1:] or PIECES:
        name, _, count = piece.partition("=")
        PIECES[name](*[int(count)] if count else [])
