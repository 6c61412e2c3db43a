"""The labs of 05_decay that set the shape of a schedule beside the training it causes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import dlcourse as dl
from dlcourse.labs.controls import Choice, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.labs.momentum.balls import RATE
from dlcourse.plots import curve, name_axes, panels, spread_labels

STEPS = 720  # two epochs of 1437 digits in batches of 4
LOOK = 8  # steps from one look at the loss to the next
LOW, HIGH = 0.08, 6.0  # of the axis of losses


class Runs(NamedTuple):
    """Networks that trained side by side, as lanes: the same start, the same batches, a schedule each."""

    schedules: Sequence[Any]
    rates: np.ndarray  # (steps, lanes)
    steps: np.ndarray  # (looks,) when the loss was taken
    losses: np.ndarray  # (looks, lanes), on all training digits
    right: np.ndarray  # (lanes,), the share of new digits read at last

    @property
    def ends(self) -> np.ndarray:
        """The loss of each lane after the last step: the last point of its curve."""
        return self.losses[-1]

    @property
    def lately(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest loss of each lane in the last eighth of the looks: how lucky the last one is."""
        last = self.losses[-(len(self.losses) // 8) :]
        return last.min(axis=0), last.max(axis=0)


def one_layer() -> list[Any]:
    return [dl.Dense(10)]


def train(
    schedules: Sequence[Any],
    seed: int = 0,
    layers: Callable[[], list[Any]] = one_layer,
    epochs: int = 2,
    batch_size: int = 4,
    momentum: float = 0.0,
    look: int = LOOK,
    asked: int = LOOK,
) -> Runs:
    """Train a network on the digits with each of these schedules; one that observes sees every `asked` steps' loss."""
    digits, test = dl.datasets.digits()
    network = dl.Network(layers(), input_shape=(64,), lanes=len(schedules), seed=seed)
    loss = dl.SoftmaxCrossEntropy()
    optimizer = dl.Momentum(lambda step: np.array([[each(step)] for each in schedules]), momentum)
    rates, steps, losses = [], [], []
    for step in dl.training_steps(network, loss, optimizer, digits, epochs=epochs, batch_size=batch_size, seed=seed):
        rates.append(step.learning_rate[:, 0])
        if step.number % look == look - 1:
            steps.append(step.number + 1)
            losses.append(loss.forward(network.predict(digits.x), digits.y))
            for schedule, value in zip(schedules, losses[-1].tolist(), strict=True):
                if hasattr(schedule, "observe") and step.number % asked == asked - 1:
                    schedule.observe(value)
    right = share_right(network, test)
    return Runs(schedules, np.array(rates), np.array(steps), np.array(losses), right)


def constant(learning_rate: float) -> Any:
    """A schedule that never changes."""
    return dl.PiecewiseConstantDecay([], [learning_rate])


def set_scene(
    figure: Any, names: dict[str, str], span: tuple[float, float], steps: int = STEPS, low: float = LOW
) -> None:
    """The rate as a share of its first height on the left, the loss it leads to on the right, one curve per name."""
    art = figure.art
    left, right = panels(figure, 1, 2, width_ratios=[1, 1.35])
    name_axes(left, "step", "share of η", "The learning rate")
    name_axes(right, "step", "loss (nats)", "Loss on all training digits", log=True)
    left.set(xlim=(0, steps), ylim=span)
    right.set(xlim=(0, 1.33 * steps), ylim=(low, HIGH))
    ticks = np.linspace(0, steps, 4).astype(int)
    left.set_xticks(ticks)
    right.set_xticks(ticks)
    art.rates = [curve(left, "", method, marker="") for method in names.values()]
    art.losses = [curve(right, name, method, marker="", linewidth=1.5) for name, method in names.items()]


def show(figure: Any, runs: Runs, height: float, low: float = LOW) -> None:
    """Move the curves; `height` is what a share of 1 stands for."""
    art = figure.art
    lowest, highest = figure.axes[0].get_ylim()
    for rate, line, rates, losses in zip(art.rates, art.losses, runs.rates.T, runs.losses.T, strict=True):
        rate.set_data(np.arange(len(rates)), np.clip(rates / height, 2 * lowest - highest, 2 * highest - lowest))
        line.set_data(runs.steps, np.clip(losses, low, HIGH * 10))
    spread_labels(art.losses)


def outcome(runs: Runs, names: Sequence[str], low: float = LOW) -> str:
    """The loss after the last step, how far it swings lately, and the digits read, in words."""
    words = []
    for name, end, least, most, right in zip(names, runs.ends, *runs.lately, runs.right, strict=True):
        if not np.isfinite(end):
            words.append(f"{name} no number")
            continue
        below = ", below the frame" if end < low else ", above the frame" if end > HIGH else ""
        swings = f" (lately {least:.3f} to {most:.3f})" if most > 1.05 * least else ""
        words.append(f"{name} {end:.3f} nats{below}{swings}, {right:.1%} of new digits read")
    return "Loss after the last step: " + "; ".join(words) + "."


def compared(schedule: Any, learning_rate: float) -> Runs:
    return train([constant(learning_rate), schedule])


def ending(schedule: Any) -> str:
    """Where a schedule begins and where it ends, in words."""
    return f"The rate begins at {schedule(0):.3g} and ends at {schedule(STEPS - 1):.2g}."


# Schedules that go on falling

SMOOTH, STAIRS = "smooth", "staircase"


def train_falling(schedule: str, learning_rate: float, decay_steps: int, decay_rate: float, fall: str) -> Runs:
    kinds: dict[str, Any] = {
        "exponential": dl.ExponentialDecay,
        "natural exponential": dl.NaturalExponentialDecay,
        "inverse time": dl.InverseTimeDecay,
    }
    if schedule == "piecewise constant":
        falls = range(decay_steps, STEPS, decay_steps)
        values = [learning_rate * decay_rate**k for k in range(len(falls) + 1)]
        return compared(dl.PiecewiseConstantDecay(list(falls), values), learning_rate)
    return compared(kinds[schedule](learning_rate, decay_steps, decay_rate, fall == STAIRS), learning_rate)


def draw_falling(figure: Any, runs: Runs) -> None:
    if not figure.axes:
        set_scene(figure, {"constant": "sgd", "falling": "schedule"}, (0, 1.08))
    show(figure, runs, runs.rates[0, 0])


def describe_falling(runs: Runs, settings: dict[str, Any]) -> str:
    schedule = runs.schedules[1]
    if settings["schedule"] == "piecewise constant":
        count, last = len(schedule.boundaries), schedule.values[-1]
        passed = f"{count} boundar{'ies' if count != 1 else 'y'}"
        first = f"The rate passes {passed} and goes from {schedule.values[0]:g} to {last:.2g}."
    else:
        first = ending(schedule)
    return f"{first} {outcome(runs, ['constant', 'falling'])}"


def falling() -> Lab:
    """Piecewise constant, exponential, natural exponential and inverse time decay, beside a constant rate."""
    return Lab(
        train_falling,
        draw_falling,
        describe=describe_falling,
        alt="Left, the learning rate against the step. Right, the training loss with it and with a constant rate.",
        schedule=Choice(["piecewise constant", "exponential", "natural exponential", "inverse time"], "exponential"),
        learning_rate=Slider(0.01, 10.0, 2.0, log=True, label=RATE),
        decay_steps=Slider(60, 720, 240, step=60, label="decay steps D"),
        decay_rate=Slider(0.01, 1.0, 0.1, log=True, label="decay rate"),
        fall=Choice([SMOOTH, STAIRS], SMOOTH, label="fall"),
    )


# Schedules that arrive


def train_landing(schedule: str, learning_rate: float, decay_steps: int, power: float, waves: float) -> Runs:
    if schedule == "cosine":
        return compared(dl.CosineDecay(learning_rate, decay_steps), learning_rate)
    if schedule == "linear cosine":
        return compared(dl.LinearCosineDecay(learning_rate, decay_steps, num_periods=waves), learning_rate)
    cycle = schedule == "polynomial, cycle"
    return compared(dl.PolynomialDecay(learning_rate, decay_steps, 0.0, power, cycle), learning_rate)


def describe_landing(runs: Runs, settings: dict[str, Any]) -> str:
    return f"{ending(runs.schedules[1])} {outcome(runs, ['constant', 'falling'])}"


def landing() -> Lab:
    """Polynomial, cosine and linear cosine decay: a last step is part of the plan."""
    return Lab(
        train_landing,
        draw_falling,
        describe=describe_landing,
        alt="Left, the learning rate against the step. Right, the training loss with it and with a constant rate.",
        schedule=Choice(["polynomial", "polynomial, cycle", "cosine", "linear cosine"], "cosine"),
        learning_rate=Slider(0.01, 10.0, 2.0, log=True, label=RATE),
        decay_steps=Slider(60, 720, 720, step=60, label="decay steps D"),
        power=Slider(0.5, 4.0, 1.0, step=0.5, label="power (polynomial)"),
        waves=Slider(0.5, 5.5, 0.5, step=0.5, label="periods (linear cosine)"),
    )
