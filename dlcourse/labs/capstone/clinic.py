"""The clinic of 06_capstone: five trainings that fail, the signs by which one knows, and treatments to try."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.capstone import lines
from dlcourse.labs.controls import Choice, Seed
from dlcourse.labs.lab import Lab
from dlcourse.labs.regularization import scarce
from dlcourse.labs.regularization.overfitting import Curves, draw_right, show
from dlcourse.plots import PALETTE, curve, name_axes, on_white, panels, spread_labels

STEPS, LOOKS = 400, 40
ACTIVATIONS: dict[str, Any] = {"ReLU": dl.ReLU, "leaky": dl.LeakyReLU, "tanh": dl.Tanh}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network learns to read digits."""

    rate: float = 0.05
    momentum: float = 0.9
    falls: bool = False
    start: str = "He"
    activation: str = "ReLU"
    hidden: int = 3
    norm: bool = False
    dropout: float = 0.0
    examples: int = 1000
    batch: int = 50

    def network(self, seed: int) -> Any:
        layers: list[Any] = []
        start = lines.STARTS[self.start]
        for _ in range(self.hidden):
            layers += [dl.Dense(32, start), *([dl.BatchNorm()] if self.norm else [])]
            layers += [ACTIVATIONS[self.activation](), *([dl.Dropout(self.dropout)] if self.dropout else [])]
        return dl.Network([*layers, dl.Dense(10, start)], input_shape=(64,), seed=seed)

    def optimizer(self) -> Any:
        return dl.Momentum(dl.CosineDecay(self.rate, STEPS) if self.falls else self.rate, self.momentum)

    def data(self, seed: int) -> tuple[Any, Any]:
        train, rest = scarce.digits(self.examples, 0.0, seed)
        return train, rest[:390]


HEALTHY = "a healthy one"
PATIENTS = {
    "A: no numbers": Recipe(rate=2.0, activation="leaky"),
    "B: a plateau": Recipe(start="Gaussian 0.01", activation="tanh", hidden=4),
    "C: silent units": Recipe(rate=0.7),
    "D: learns by heart": Recipe(examples=40),
    "E: never calm": Recipe(rate=0.1, momentum=0.0, batch=4),
    HEALTHY: Recipe(),
}
NOTHING = "none"
TREATMENTS: dict[str, Any] = {
    NOTHING: lambda r: {},
    "a thirtieth of the rate": lambda r: {"rate": r.rate / 30},
    "thirty times the rate": lambda r: {"rate": r.rate * 30},
    "a rate that falls": lambda r: {"falls": True},
    "He's start": lambda r: {"start": "He"},
    "batch norm": lambda r: {"norm": True},
    "leaky ReLU": lambda r: {"activation": "leaky"},
    "dropout 0.3": lambda r: {"dropout": 0.3},
    "more digits": lambda r: {"examples": min(20 * r.examples, 1400)},
    "batches of 64": lambda r: {"batch": 64},
}
CURES = {  # of each patient, those that work whatever the seed; the tests hold the lab to it
    "A: no numbers": ["a thirtieth of the rate"],
    "B: a plateau": ["He's start", "batch norm"],
    "C: silent units": ["a thirtieth of the rate"],
    "D: learns by heart": ["more digits"],
    "E: never calm": ["a rate that falls", "batches of 64"],
}


@dataclass
class Chart:
    """What the instruments say of a run."""

    curves: Curves
    losses: list[float] = field(default_factory=list)
    zeros: float | None = None  # the largest share of exact zeros behind a ReLU

    @property
    def lost(self) -> int | None:
        """The first step without a finite loss."""
        bad = ~np.isfinite(self.losses)
        return int(bad.argmax()) if bad.any() else None

    def signs(self) -> dict[str, tuple[bool | None, str]]:
        """Five signs of health: whether it is there (None: cannot be said), and what was measured."""
        if self.lost is not None:
            no: tuple[None, str] = (None, "not to be said")
            return dict.fromkeys(SIGNS, no) | {SIGNS[0]: (False, f"no loss from step {self.lost} on")}
        loss = float(np.mean(self.curves.loss["train"][-5:]))
        here, new = (100 * self.curves.right[name][-1] for name in ("train", "test"))
        fall = 100 * largest_fall(self.curves.right["test"][-10:])
        zeros = "no ReLU in it" if self.zeros is None else f"{self.zeros:.0%} zeros in its quietest layer"
        if len(self.losses) < STEPS:
            zeros = "measured at the end"
        return {
            SIGNS[0]: (True, "all finite"),
            SIGNS[1]: (loss < 1.0, f"loss {loss:.2f} nats; guessing 2.30"),
            SIGNS[2]: (self.zeros is None or self.zeros < 0.9, zeros),
            SIGNS[3]: (here - new < 14, f"{max(here - new, 0):.0f} points below its own"),
            SIGNS[4]: (fall < 8, f"falls by {fall:.0f} points on the way"),
        }

    @property
    def healthy(self) -> bool:
        return all(good for good, _ in self.signs().values())


def largest_fall(shares: Any) -> float:
    """From a look to a later one. A share that only rises is calm, however fast it does."""
    shares = np.ravel(shares).astype(float)
    return float((np.maximum.accumulate(shares) - shares).max())


SIGNS = ["numbers", "it learns", "units speak", "reads new digits", "is calm"]


def treat(patient: str, treatment: str, seed: int) -> Iterator[Any]:
    """Train the patient as prescribed, 400 steps, with forty looks at 300 of its digits and at 390 new ones."""
    sick = PATIENTS[patient]
    yield from follow(replace(sick, **TREATMENTS[treatment](sick)), seed)


def follow(recipe: Recipe, seed: int) -> Iterator[Chart]:
    """The chart of a training after each look, and once more at the end, with the zeros."""
    train, new = recipe.data(seed)
    network = recipe.network(seed)
    chart = Chart(Curves(network, train=train[:300], test=new))
    batch = min(recipe.batch, len(train))
    run = dl.training_steps(
        network, dl.SoftmaxCrossEntropy(), recipe.optimizer(), train, epochs=STEPS, batch_size=batch, seed=seed
    )
    for step, number in zip(run, range(1, STEPS + 1), strict=False):
        chart.losses.append(float(step.loss))
        if number % (STEPS // LOOKS) == 0:
            chart.curves.look(number)
            yield chart
    zeros = [s.zeros for s in dl.activation_statistics(network, train.x[:300]) if s.name.endswith(" ReLU")]
    chart.zeros = max(zeros, default=None)
    yield chart


def last(patient: str, treatment: str = NOTHING, seed: int = 0) -> Chart:
    """The chart at the end."""
    sick = PATIENTS[patient]
    return chart_of(replace(sick, **TREATMENTS[treatment](sick)), seed)


def chart_of(recipe: Recipe, seed: int) -> Chart:
    """The same, of any recipe."""
    with np.errstate(all="ignore"):
        (*_, chart) = follow(recipe, seed)
    return chart


MARKS: dict[bool | None, tuple[str, str]] = {
    True: ("✓", "#00704F"),
    False: ("✗", on_white(PALETTE["vermillion"])),
    None: ("?", "#555555"),
}


class SignBoard:
    """Five signs, one below the other: a mark, what it is, what was measured."""

    def __init__(self, ax: Any):
        ax.set_axis_off()
        ax.set_gid("no-ghost")
        ax.set_title("Signs of health", loc="left")
        ax.set(xlim=(0, 1), ylim=(4.7, -0.4))
        self.texts = [
            [ax.text(x, place + down, "", va="center", fontsize=size) for x, down, size in PLACES] for place in range(5)
        ]

    def set_signs(self, signs: dict[str, tuple[bool | None, str]]) -> None:
        for row, (name, (good, measured)) in zip(self.texts, signs.items(), strict=True):
            mark, color = MARKS[good]
            for text, words in zip(row, (mark, name, measured), strict=True):
                text.set(text=words, color=color)
            row[2].set_color("#333333")


PLACES = [(0.0, 0.0, 15), (0.08, 0.0, 12.5), (0.08, 0.4, 10.5)]


def draw(figure: Any, chart: Chart) -> None:
    art = figure.art
    if not figure.axes:
        left, middle, right = panels(figure, 1, 3, width_ratios=[1, 1.15, 0.85])
        name_axes(left, "step", "loss (nats)", "Loss on each batch", log=True)
        left.set(xlim=(0, STEPS), ylim=(1e-4, 1e4))
        art.losses = curve(left, "", "train", linewidth=1.2, marker="")
        draw_right(figure, middle, {"train": "its digits", "test": "new digits"}, STEPS)
        middle.set(xlabel="step", xticks=range(0, STEPS + 1, 100))
        art.signs = SignBoard(right)
    show(figure, chart.curves)
    art.losses.set_data(np.arange(1, len(chart.losses) + 1), np.clip(chart.losses, 1e-4, 1e4))
    spread_labels(list(art.right.values()))
    art.signs.set_signs(chart.signs())


def describe(chart: Chart, settings: dict[str, Any]) -> str:
    signs, treatment = chart.signs(), settings["treatment"]
    who = settings["patient"][0].upper() + settings["patient"][1:].replace(":", ",")
    done = "untreated" if treatment == NOTHING else f"with {treatment}"
    reads = f"It reads {100 * chart.curves.right['test'][-1]:.0f}% of the new digits."
    if len(chart.losses) < STEPS:
        return f"{who}, {done}: step {len(chart.losses)} of {STEPS}. {reads}"
    if chart.lost is not None:
        return f"{who}, {done}: ill. The loss is no number from step {chart.lost} on."
    ill = [f"“{name}” ({measured})" for name, (good, measured) in signs.items() if not good]
    if not ill:
        return f"{who}, {done}: healthy, all five signs are good. {reads}"
    return f"{who}, {done}: ill. Failed: {'; '.join(ill)}. {reads}"


def clinic() -> Lab:
    """Five patients, nine treatments, and five instruments."""
    return Lab(
        treat,
        draw,
        describe=describe,
        alt="Left, the loss on each batch, log scale. Middle, share read correctly. Right, five signs of health.",
        figure_size=(11.0, 3.7),
        patient=Choice(list(PATIENTS), "A: no numbers", label="patient"),
        treatment=Choice(list(TREATMENTS), NOTHING, label="treatment"),
        seed=Seed(),
    )
