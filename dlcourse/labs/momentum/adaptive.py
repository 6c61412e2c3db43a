"""The labs of 02_momentum on rates for every weight: where they help, Adam's first steps, and where Adam goes wrong."""

import math
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.controls import Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.momentum.balls import RATE, nameless, show_curve
from dlcourse.labs.momentum.race import RULES, STEPS, arrival, best_runs
from dlcourse.optimizers.base import sqrt
from dlcourse.plots import Board, curve, event, name_axes, panels, path, spread_labels
from dlcourse.plots.style import styled
from dlcourse.surfaces import Surface

# A valley that can be turned


class Turned(Surface):
    """A valley of curvatures 1 and κ, its floor at `degrees` to the x-axis: f = (u² + κv²)/2 in turned coordinates.

    The start is 1.5 from the minimum, `start` degrees from the floor.
    """

    name, minima, bounds = "turned ravine", ((0.0, 0.0),), (-2.0, 2.0, -1.5, 1.5)

    def __init__(self, degrees: float, condition: float, start: float = 18.0):
        self.condition = condition
        self.cos, self.sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        self.start = self.turn(-1.5 * math.cos(math.radians(start)), 1.5 * math.sin(math.radians(start)))

    def turn(self, u: Any, v: Any) -> tuple[Any, Any]:
        """From along and across the valley to x and y."""
        return self.cos * u - self.sin * v, self.sin * u + self.cos * v

    def f(self, x: Any, y: Any) -> Any:
        u, v = self.cos * x + self.sin * y, self.cos * y - self.sin * x
        return 0.5 * (u * u + self.condition * v * v)

    def df(self, x: Any, y: Any) -> tuple[Any, Any]:
        u, v = self.cos * x + self.sin * y, self.cos * y - self.sin * x
        return self.turn(u, self.condition * v)


TURNERS = ["SGD", "Momentum", "AdaGrad", "RMSProp", "AdaDelta", "Adam"]


def turn_valley(angle: int, condition: float, start: int) -> Any:
    valley = Turned(angle, condition, start)
    runs = best_runs(valley, [RULES[name] for name in TURNERS], valley.start)
    return valley, {name: path for name, (_, _, path) in zip(TURNERS, runs, strict=True)}


def draw_turned(figure: Any, state: Any) -> None:
    valley, walks = state
    art = figure.art
    if not figure.axes:
        above, distance, board = panels(figure, 1, 3, width_ratios=[1.2, 1.0, 0.7])
        above.set(xlim=(-2, 2), ylim=(-1.5, 1.5), xlabel="x", ylabel="y", aspect="equal")
        above.set_title("The valley from above", loc="left")
        above.grid(False)
        with styled():
            art.levels = [above.plot([], [], color="#999999", linewidth=0.8)[0] for _ in range(9)]
        name_axes(distance, "step", "distance", "Distance to the minimum", log=True)
        distance.set(xlim=(0, STEPS), ylim=(1e-4, 10))
        art.paths = [path(above, "", name) for name in TURNERS]
        art.away = [curve(distance, "", name, linewidth=1.6) for name in TURNERS]
        art.board = Board(board, TURNERS, "Arrived at step")
        for each in art.paths:
            each.marks = 12
    angle = np.linspace(0.0, 2 * np.pi, 120)
    for radius, line in enumerate(art.levels, start=1):
        across = 0.3 * radius * np.sin(angle) / valley.condition**0.5
        line.set_data(*valley.turn(0.3 * radius * np.cos(angle), across))
    for points, seen, away in zip(walks.values(), art.paths, art.away, strict=True):
        seen.set_points(points)
        show_curve(away, np.hypot(*points.T), 1e-4)
    nameless(*art.paths)
    arrived = sorted((arrival(valley, points), name) for name, points in walks.items())
    art.board.set_ranking([(name, str(n) if n <= STEPS else f"> {STEPS}") for n, name in arrived])


def describe_turned(state: Any, settings: dict[str, Any]) -> str:
    valley, walks = state
    words = []
    for name in ("SGD", "Momentum", "AdaGrad", "Adam"):
        n = arrival(valley, walks[name])
        words.append(f"{name} {n}" if n <= STEPS else f"{name} more than {STEPS}")
    return (
        f"Turned by {settings['angle']}°, κ = {settings['condition']:g}, each rule at its best rate. "
        f"Steps until it is within 0.1, and stays there to step {STEPS}: {', '.join(words)}."
    )


def turned() -> Lab:
    """A narrow valley along the axes, or at an angle to them: a rate for every weight sees only the axes."""
    return Lab(
        turn_valley,
        draw_turned,
        describe=describe_turned,
        alt="Left, a valley with six paths. Middle, distance against the step, log scale. Right, a ranking.",
        figure_size=(10.5, 3.8),
        angle=Slider(0, 45, 0, label="turned by (degrees)"),
        condition=Slider(1.0, 1000.0, 100.0, log=True, label="narrowness κ"),
        start=Slider(0, 90, 18, label="start, degrees off floor"),
    )


# Adam's first steps


class UncorrectedAdam(dl.Adam):
    """Adam as it would be if its averages were used as they are: m̂ = m, v̂ = v."""

    def update(self, theta: Any, grad: Any, lr: Any) -> Any:
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * grad * grad
        theta -= lr * self.m / (sqrt(self.v) + self.eps)
        return theta


def uncorrected_step(beta1: float, beta2: float, t: Any) -> Any:
    """How long Adam's t-th step would be, in units of η, if the gradient stays the same: (1 − β₁ᵗ)/√(1 − β₂ᵗ)."""
    return (1.0 - beta1**t) / np.sqrt(1.0 - beta2**t)


FIRST = 200  # steps


def begin(learning_rate: float, beta1: float, beta2: float, seed: int) -> Any:
    train, _ = dl.datasets.digits()
    losses = []
    for rule in (dl.Adam, UncorrectedAdam):
        network = dl.Network([dl.Dense(32), dl.ReLU(), dl.Dense(10)], input_shape=(64,), seed=seed)
        run = dl.training_steps(
            network,
            dl.SoftmaxCrossEntropy(),
            rule(learning_rate, beta1, beta2),
            train,
            epochs=4,
            batch_size=64,
            seed=seed,
        )
        losses.append(np.array([float(step.loss) for step in run]))
    t = np.arange(1, FIRST + 1)
    return losses, uncorrected_step(beta1, beta2, t)


def draw_begin(figure: Any, state: Any) -> None:
    losses, lengths = state
    art = figure.art
    names = {"Adam": "adam", "without": "adam uncorrected"}
    if not figure.axes:
        left, right = panels(figure, 1, 2)
        name_axes(left, "step", "length of the step in η", "If the gradient stays the same", log=True)
        left.set(xlim=(0, 1.35 * FIRST), ylim=(0.005, 200), xticks=range(0, FIRST + 1, 50))
        name_axes(right, "step", "loss (nats), from 0.03 to 30", "On the digits", log=True)
        right.set(xlim=(0, 115), ylim=(0.03, 30), xticks=range(0, 93, 23))
        art.lengths = [curve(left, name, method) for name, method in names.items()]
        art.losses = [curve(right, name, method) for name, method in names.items()]
    t = np.arange(1, FIRST + 1)
    for line, length in zip(art.lengths, (np.ones(FIRST), lengths), strict=True):
        line.set_data(t, length)
    for line, loss in zip(art.losses, losses, strict=True):
        line.set_data(np.arange(len(loss)), np.clip(np.nan_to_num(loss, nan=100.0), 0.03, 30))
    spread_labels(art.lengths)
    spread_labels(art.losses)


def describe_begin(state: Any, settings: dict[str, Any]) -> str:
    losses, lengths = state
    longest = int(lengths.argmax())
    ends = [float(loss[-23:].mean()) for loss in losses]
    said = ["no number" if not np.isfinite(end) else f"{end:.2f} nats" if end < 30 else "above 30 nats" for end in ends]
    top = f", at most {lengths[longest]:.2f} η (step {longest + 1})" if longest else ""
    return (
        f"Without the correction the first step is {lengths[0]:.2f} η long{top}; with it, η. "
        f"Mean loss of the fourth pass over the digits: {said[0]} with it, {said[1]} without."
    )


def first_steps() -> Lab:
    """Adam with its bias correction and without."""
    return Lab(
        begin,
        draw_begin,
        describe=describe_begin,
        alt="Left, the length of Adam's steps with and without bias correction. Right, the loss of both. Log scales.",
        figure_size=(9.0, 3.6),
        learning_rate=Slider(1e-3, 0.3, 0.03, log=True, label=RATE),
        beta1=Slider(0.0, 0.99, 0.9, step=0.01, label="β₁"),
        beta2=Slider(0.9, 0.9999, 0.999, step=0.0001, label="β₂"),
        seed=Seed(),
    )


# Where Adam goes wrong (Reddi, Kale & Kumar 2018)

ROUNDS = 1000  # of three steps
BARS = {"Adam": "adam", "AMSGrad": "amsgrad", "SGD": "sgd"}


def contrary(rule: Any, bump: float, rounds: int = ROUNDS) -> tuple[np.ndarray, np.ndarray]:
    """x, held within [−1, 1], and what the rule would have added, when gradients come as C, −1, −1, C, −1, −1 …"""
    x, xs, steps = 0.0, [0.0], []
    for t in range(3 * rounds):
        new = rule.step(x, bump if t % 3 == 0 else -1.0)
        steps.append(new - x)
        x = min(1.0, max(-1.0, new))
        xs.append(x)
    return np.array(xs), np.array(steps)


def argue(bump: float, beta2: float) -> Any:
    def rate(t: int) -> float:
        return 0.5 / math.sqrt(t + 1)

    rules = dl.Adam(rate, 0.0, beta2), dl.AMSGrad(rate, 0.0, beta2), dl.SGD(rate)
    runs = [contrary(rule, bump) for rule in rules]
    rates = np.array([rate(t) for t in range(3 * ROUNDS)])
    return [(xs, (steps / rates)[-300:].reshape(100, 3).mean(axis=0)) for xs, steps in runs]


def draw_argue(figure: Any, state: Any) -> None:
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1.2, 1.0])
        name_axes(left, "step, log scale", "x", "Where x goes: best is −1, worst is +1")
        left.set(xscale="log", xlim=(1, 3e4), ylim=(-1.3, 1.3), xticks=[1, 10, 100, 1000], yticks=[-1, 0, 1])
        name_axes(right, "gradient", "step in η", "The step on each gradient")
        right.set(xlim=(-0.5, 3.2), ylim=(-2, 1.4), xticks=range(3), xticklabels=["C", "−1", "−1"])
        art.runs = [curve(left, name, method, marker="") for name, method in BARS.items()]
        art.steps = [curve(right, name, name, linestyle="", markersize=9) for name in ("Adam", "AMSGrad")]
        art.zero = event(right, "")
        art.zero.set_data([-0.5, 2.5], [0, 0])
    for (xs, _), run in zip(state, art.runs, strict=True):
        run.set_data(np.arange(1, len(xs) + 1), xs)
    for place, dots in enumerate(art.steps):
        dots.set_data(np.arange(3) + 0.16 * place - 0.08, state[place][1])
    spread_labels(art.runs)
    spread_labels(art.steps)


def describe_argue(state: Any, settings: dict[str, Any]) -> str:
    ends = [f"{name} at x = {xs[-1]:.2f}" for name, (xs, _) in zip(BARS, state, strict=True)]
    drifts = []
    for name, (_, steps) in zip(("Adam", "AMSGrad"), state[:2], strict=True):
        drift = float(steps.sum())
        drifts.append(f"{name} {abs(drift):.2g} η towards {'+1' if drift > 0 else '−1'}")
    return f"After {3 * ROUNDS} steps: {', '.join(ends)}. A round of three gradients moves {', '.join(drifts)}."


def counterexample() -> Lab:
    """A convex problem on which Adam walks to the worst place."""
    return Lab(
        argue,
        draw_argue,
        describe=describe_argue,
        alt="Left, x against the step for Adam, AMSGrad and SGD. Right, the step that each of three gradients causes.",
        figure_size=(9.0, 3.6),
        bump=Slider(2.1, 10.0, 3.0, step=0.1, label="large gradient C"),
        beta2=Slider(0.01, 0.999, 0.1, step=0.001, label="β₂"),
    )


# Where adaptive rules end up elsewhere (Wilson et al. 2017, arXiv:1705.08292, section 3.3)


def lonely_features(seed: int, examples: int = 40, share: float = 0.75) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and new x: what decides comes first, then two constants, then features that a single example has.

    An example of class +1, `share` of them, has one such feature, one of class −1 has five. New examples (x for the
    same y) have none of those in x: all that they share with the old ones are the first three columns.
    """
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(examples) < share, 1.0, -1.0)
    new = np.zeros((examples, 3 + 5 * examples))
    new[:, 0], new[:, 1:3] = y, 1.0
    x = new.copy()
    for i in range(examples):
        x[i, 3 + 5 * i : 3 + 5 * i + (1 if y[i] > 0 else 5)] = 1.0
    return x, y, new


def least_squares(rule: Any, x: np.ndarray, y: np.ndarray, steps: int = 500) -> np.ndarray:
    """The weights that a rule finds, from zero, for the mean of (xw − y)²/2."""
    w = np.zeros(x.shape[1])
    for _ in range(steps):
        rule.step(w, x.T @ (x @ w - y) / len(y))
    return w
