"""The labs of 02_momentum on natural gradients: a plateau crossed, and what it costs to know the curvature."""

from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.controls import Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.plots import Board, curve, event, name_axes, panels, spread_labels

# A plateau: two hidden units that have to tell each other apart

STEPS = 300
RATES = 10.0 ** (np.arange(-10, 3) / 4)  # from 0.003 to 3, four in a decade
RULES = {"SGD": dl.SGD, "Momentum": dl.Momentum, "Adam": dl.Adam}
LEARNED = 1e-3  # far below the plateau


def twins(spread: float, seed: int, examples: int = 50) -> Any:
    """Answers of a network with two hidden units to inputs, the last of which are `spread` times as large as the first.

    The teacher compensates the scales: only how the inputs are measured changes, not what there is to learn.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, 5))
    directions = np.linalg.qr(rng.normal(size=(5, 5)))[0][:, :2]
    y = np.tanh(1.5 * x @ directions).sum(axis=1, keepdims=True)
    return x * spread ** np.linspace(-0.5, 0.5, 5), y


def student(seed: int, lanes: int | None = None) -> Any:
    """Two hidden units that start almost alike: a plateau comes before they part."""
    layers = [dl.Dense(2, dl.Gaussian(std=0.01)), dl.Tanh(), dl.Dense(1, dl.Gaussian(std=0.3))]
    return dl.Network(layers, input_shape=(5,), seed=seed, lanes=lanes, dtype="float64")


def learn(rule: Any, data: Any, seed: int, lanes: int | None = None) -> np.ndarray:
    """The loss before each of STEPS steps on all the data, by step (and lane)."""
    loss = dl.MeanSquaredError()
    with np.errstate(all="ignore"):
        run = dl.training_steps(student(seed, lanes), loss, rule, data, epochs=STEPS, batch_size=len(data[0]))
        return np.array([step.loss.copy() for step in run])


def learned_at(losses: np.ndarray) -> np.ndarray:
    """The step from which the loss stays low; STEPS where it does not."""
    high = ~(losses < LEARNED)
    return np.where(high.any(axis=0), len(losses) - high[::-1].argmax(axis=0), 0)


def cross(spread: float, seed: int) -> Any:
    """Every rule at the best of RATES, ANGD at one rate for all."""
    data, runs = twins(spread, seed), {}
    for name, rule in RULES.items():
        losses = learn(rule(RATES[:, None]), data, seed + 1, lanes=len(RATES))
        end = np.nan_to_num(losses[-1], nan=np.inf)
        runs[name] = losses[:, np.lexsort([end, learned_at(losses)])[0]]
    runs["ANGD"] = learn(dl.ANGD(0.3, 0.3, damping=1e-3), data, seed + 1)
    return runs


def draw_cross(figure: Any, runs: Any) -> None:
    art = figure.art
    if not figure.axes:
        falls, board = panels(figure, 1, 2, width_ratios=[3.0, 1.0])
        name_axes(falls, "step", "loss", "Loss on all the data", log=True)
        falls.set(xlim=(0, STEPS), ylim=(1e-6, 5))
        art.falls = {name: curve(falls, "", name) for name in runs}
        art.board = Board(board, list(runs), "Learned at step")
    for name, losses in runs.items():
        art.falls[name].set_data(np.arange(len(losses)), np.clip(losses, 1e-7, 10))
    learned = sorted((int(learned_at(losses)), name) for name, losses in runs.items())
    art.board.set_ranking([(name, str(n) if n < STEPS else f"> {STEPS}") for n, name in learned])


def describe_cross(runs: Any, settings: dict[str, Any]) -> str:
    words = []
    for name, losses in runs.items():
        n = int(learned_at(losses))
        words.append(f"{name} {n}" if n < STEPS else f"{name} more than {STEPS}")
    spread = settings["spread"]
    inputs = "All inputs of the same size" if spread == 1 else f"Largest input {spread:g} times the smallest"
    return (
        f"{inputs}. Steps until the loss is below {LEARNED:g}, and stays so to step {STEPS}: "
        f"{', '.join(words)}. ANGD has the same rate everywhere, the others their best."
    )


def plateau() -> Lab:
    """A small network that gets stuck on a plateau, and four ways across."""
    return Lab(
        cross,
        draw_cross,
        describe=describe_cross,
        alt="Four curves of loss against the step, log scale, and a ranking by when they have learned.",
        spread=Slider(1.0, 30.0, 3.0, step=0.05, log=True, label="spread of the inputs"),
        seed=Seed(),
    )


# What it costs

SPEED = 1e10  # multiplications in a second, a core of a good processor
BATCH = 64
COSTS = {  # for P weights: numbers to remember, multiplications in a step, without those of the gradient
    "SGD": lambda p: (0 * p, p),
    "Momentum": lambda p: (p, 2 * p),
    "Adam": lambda p: (2 * p, 8 * p),
    "ANGD": lambda p: (p * p, 2 * BATCH * p * p + BATCH * BATCH * p),
    "Newton": lambda p: (p * p, p * p * p / 3),
}


def price(weights: float) -> Any:
    return weights, {name: cost(weights) for name, cost in COSTS.items()}


def draw_price(figure: Any, state: Any) -> None:
    weights, _ = state
    art = figure.art
    if not figure.axes:
        memory, time = panels(figure, 1, 2)
        for ax, (y, title) in zip(
            (memory, time), (("bytes", "What it remembers"), ("seconds", "A step, without the gradient")), strict=True
        ):
            name_axes(ax, "weights P, log scale", y, title, log=True)
            ax.set(xscale="log", xlim=(10, 1e14), xticks=[1e1, 1e3, 1e5, 1e7, 1e9])
        memory.set(ylim=(1, 1e20))
        time.set(ylim=(1e-10, 1e18))
        p = 10.0 ** np.arange(1, 10)
        names = list(COSTS)
        art.bytes = [
            curve(memory, "ANGD, Newton" if name == "Newton" else name, name) for name in names[1:] if name != "ANGD"
        ]
        for line, name in zip(art.bytes, ("Momentum", "Adam", "Newton"), strict=True):
            line.set_data(p, 8 * COSTS[name](p)[0])
        art.seconds = [curve(time, name, name) for name in names]
        for line, name in zip(art.seconds, names, strict=True):
            line.set_data(p, COSTS[name](p)[1] / SPEED)
        art.here = [event(memory, ""), event(time, "")]
        spread_labels(art.bytes)
        spread_labels(art.seconds)
    art.here[0].set_data([weights, weights], [1, 1e20])
    art.here[1].set_data([weights, weights], [1e-10, 1e18])


SIZES = [("EB", 1e18), ("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1.0)]
TIMES = [
    ("billion years", 3.156e16), ("million years", 3.156e13), ("years", 3.156e7), ("days", 86400.0),
    ("hours", 3600.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9),
]  # fmt: skip


def in_units(value: float, units: list[tuple[str, float]]) -> str:
    """In the largest unit that gives 1 or more."""
    unit, size = next((each for each in units if value >= each[1]), units[-1])
    return f"{float(f'{value / size:.3g}'):,g} {unit}"


def describe_price(state: Any, settings: dict[str, Any]) -> str:
    weights, costs = state
    numbers = {name: in_units(8.0 * memory, SIZES) for name, (memory, _) in costs.items()}
    times = {name: in_units(multiplications / SPEED, TIMES) for name, (_, multiplications) in costs.items()}
    return (
        f"With {weights:,.0f} weights Adam remembers {numbers['Adam']}, ANGD and Newton {numbers['Newton']}. "
        f"A step takes Adam {times['Adam']}, ANGD {times['ANGD']}, Newton {times['Newton']}."
    )


def cost() -> Lab:
    """Memory and time of a step against the number of weights."""
    return Lab(
        price,
        draw_price,
        describe=describe_price,
        alt="Left, bytes that rules remember, right, seconds a step takes, against the number of weights; log scales.",
        figure_size=(9.0, 3.6),
        weights=Slider(10.0, 1e9, 2410.0, step=0.1, log=True, label="weights P"),
    )
