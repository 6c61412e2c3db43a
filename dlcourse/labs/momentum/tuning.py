"""The race of 02_momentum on the handwritten digits: every optimizer at every rate, trained side by side as lanes."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.momentum.race import BEST, RULES, SAME
from dlcourse.plots import Board, curve, event, name_axes, panels

DECADES = np.arange(-16, 7) / 4
RATES = np.array([float(f"{10.0**d:.3g}") for d in DECADES])  # as the slider has them: 1e-4, 1.78e-4, … 31.6
EPOCHS, BATCH = 3, 64
STEPS = EPOCHS * 23
GUESSING = 2.3026  # nats: ten classes, none preferred


def train_rates(rule: Any, rates: np.ndarray, seed: int = 0, epochs: int = EPOCHS) -> np.ndarray:
    """The loss on each batch of digits at many rates side by side, (steps, rates); no number where it diverged."""
    train, _ = dl.datasets.digits()
    layers = [dl.Dense(32), dl.ReLU(), dl.Dense(10)]
    network = dl.Network(layers, input_shape=(64,), lanes=len(rates), seed=seed)
    loss, optimizer = dl.SoftmaxCrossEntropy(), rule(rates[:, None])
    with np.errstate(all="ignore"):
        run = dl.training_steps(network, loss, optimizer, train, epochs=epochs, batch_size=BATCH, seed=seed)
        return np.array([dl.to_host(step.loss).copy() for step in run])


@lru_cache(maxsize=4 * len(RULES))
def all_rates(name: str, seed: int) -> np.ndarray:
    return train_rates(RULES[name], RATES, seed)


def final_loss(losses: np.ndarray) -> np.ndarray:
    """The mean over the last epoch, for every rate; infinite where it is no number."""
    return np.nan_to_num(losses[-STEPS // EPOCHS :].mean(axis=0), nan=np.inf, posinf=np.inf)


def run_rates(rates: str, learning_rate: float, seed: int) -> Iterator[Any]:
    here = int(np.abs(np.log(RATES / learning_rate)).argmin())
    losses: dict[str, np.ndarray] = {}
    for name in RULES:
        losses[name] = all_rates(name, seed)
        yield rates, here, losses


def chosen(rates: str, here: int, losses: np.ndarray) -> int:
    """Which of the rates: the one that ends lowest, or that of the slider."""
    return int(final_loss(losses).argmin()) if rates == BEST else here


def smooth(values: np.ndarray, span: int = 10) -> np.ndarray:
    """The mean of the last `span` values, or of as many as there are."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(end - span, 0)
    return (total[end] - total[begin]) / (end - begin)


def draw_rates(figure: Any, state: Any) -> None:
    rates, here, losses = state
    art = figure.art
    if not figure.axes:
        left, right, board = panels(figure, 1, 3, width_ratios=[1.0, 1.15, 0.7])
        name_axes(left, "step", "loss (nats)", "Loss, mean of 10 batches", log=True)
        left.set(xlim=(0, STEPS), ylim=(0.08, 5))
        name_axes(right, "learning rate η, log scale", "loss (nats)", "Loss in the last epoch, by rate", log=True)
        right.set(xscale="log", xlim=(RATES[0], RATES[-1]), ylim=(0.08, 5))
        right.set_ylabel("")
        art.runs = {name: curve(left, "", name, linewidth=1.6) for name in RULES}
        art.ends = {name: curve(right, "", name, linewidth=1.6) for name in RULES}
        looks = {name: dl.plots.look(name) for name in RULES}
        art.at = {
            name: right.plot([], [], look["marker"], color=look["color"], markersize=10, markeredgecolor="black")[0]
            for name, look in looks.items()
        }
        art.here = event(right, "")
        art.board = Board(board, list(RULES), "Loss in the last epoch")
    rows = []
    for name in RULES:
        run = losses.get(name, np.full((1, len(RATES)), np.nan))
        end = final_loss(run) if name in losses else np.full(len(RATES), np.nan)
        lane = chosen(rates, here, run)
        art.runs[name].set_data(np.arange(1, len(run) + 1), np.clip(smooth(run[:, lane]), 0.08, 9))
        art.ends[name].set_data(RATES, np.clip(end, 0.08, 9))
        art.at[name].set_data(RATES[lane : lane + 1], np.clip(end[lane : lane + 1], 0.08, 4.6))
        words = f"{end[lane]:.2f}" if end[lane] < 100 else "lost"
        rows.append((round(np.nan_to_num(end[lane], nan=np.inf), 2), name, words if name in losses else "…"))
    bar = [RATES[here]] * 2 if rates == SAME else [np.nan] * 2
    art.here.set_data(bar, [0.08, 5])
    art.board.set_ranking([(name, words) for _, name, words in sorted(rows, key=lambda row: row[0])])


def describe_rates(state: Any, settings: dict[str, Any]) -> str:
    rates, here, losses = state
    lanes = {name: chosen(rates, here, run) for name, run in losses.items()}
    ends = {name: float(final_loss(run)[lanes[name]]) for name, run in losses.items()}
    order = sorted(ends, key=lambda name: round(ends[name], 2))
    if rates == BEST:
        best = [f"{name} {ends[name]:.2f} nats (η = {RATES[lanes[name]]:g})" for name in order]
        return f"Each at its best rate: {', '.join(best[:3])}; last {best[-1]}."
    learn = [f"{name} {ends[name]:.2f}" for name in order if ends[name] < 2.0]
    rest = len(order) - len(learn)
    words = f"best {', '.join(learn[:3])} nats" if learn else "nobody gets below 2 nats"
    if rest:
        words += f"; {rest} of {len(order)} end{'s' * (rest == 1)} at 2 nats or more (guessing costs {GUESSING:.2f})"
    return f"All with η = {RATES[here]:g}: {words}."


def digits() -> Lab:
    """Nine optimizers and twenty-three rates: 207 networks, trained once, looked up afterwards."""
    return Lab(
        run_rates,
        draw_rates,
        describe=describe_rates,
        alt="Left, loss against the step; middle, loss in the last epoch against the rate; log scales. Right, ranks.",
        figure_size=(10.5, 4.2),
        ghost=False,
        rates=Choice([BEST, SAME], SAME, label="learning rates"),
        learning_rate=Slider(1e-4, 10**1.5, 0.001, step=0.25, log=True, label="η, if one for all"),
        seed=Seed(),
    )
