"""The first lab of 06_capstone: one network for MNIST-1D under the controls of all chapters, and a board of runs."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.capstone import lines
from dlcourse.labs.capstone.leaderboard import BoardLab, Leaderboard
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.regularization import scarce
from dlcourse.labs.regularization.overfitting import Curves, beyond, draw_loss, draw_right, show
from dlcourse.plots import PALETTE, event, on_white, panels, spread_labels
from dlcourse.plots.style import styled

EXAMPLES, BATCH, EPOCHS = 1000, 50, 15
STEPS = EPOCHS * EXAMPLES // BATCH
LOST = 13.0  # percent: who guesses reads 10% of a thousand lines, give or take 3

RULES: dict[str, Callable[[Any], Any]] = {
    "SGD": dl.SGD,
    "Momentum": dl.Momentum,
    "Nesterov": dl.Nesterov,
    "AdaGrad": dl.AdaGrad,
    "RMSProp": dl.RMSProp,
    "Adam": dl.Adam,
    "AdamW": dl.AdamW,
    "Nadam": dl.Nadam,
}
SCHEDULES: dict[str, Callable[[float], Any]] = {
    "constant": lambda rate: rate,
    "stairs": lambda rate: dl.ExponentialDecay(rate, STEPS // 3, 0.2, staircase=True),
    "exponential": lambda rate: dl.ExponentialDecay(rate, STEPS, 0.01),
    "cosine": lambda rate: dl.CosineDecay(rate, STEPS),
    "warm-up, cosine": lambda rate: dl.Warmup(STEPS // 10, dl.CosineDecay(rate, STEPS - STEPS // 10)),
    "one-cycle": lambda rate: dl.OneCycle(rate, STEPS),
}
BRAKES: dict[str, dict[str, Any]] = {
    "none": {},
    "L2, λ = 0.001": {"regularizers": [dl.L2(1e-3)]},
    "L2, λ = 0.01": {"regularizers": [dl.L2(1e-2)]},
    "dropout 0.1": {"dropout": 0.1},
    "dropout 0.3": {"dropout": 0.3},
    "max-norm 1": {"constraints": [dl.MaxNorm(1.0)]},
    "label smoothing 0.1": {"smoothing": 0.1},
    "shifted lines": {"augment": lines.shift},
    "shifted lines and L2": {"augment": lines.shift, "regularizers": [dl.L2(1e-3)]},
}
BASELINE: dict[str, Any] = {
    "structure": lines.MLP,
    "start": "He",
    "normalization": "none",
    "optimizer": "SGD",
    "learning_rate": 0.01,
    "schedule": "constant",
    "regularization": "none",
    "seed": 0,
}


def train(
    structure: str,
    start: str,
    normalization: str,
    optimizer: str,
    learning_rate: float,
    schedule: str,
    regularization: str,
    seed: int,
) -> Iterator[Any]:
    """Fifteen epochs of a thousand lines. A look at both parts after every other epoch; the test part stays shut."""
    known, validation, _ = lines.parts(EXAMPLES)
    more = {"dropout": 0.0, "smoothing": 0.0, **BRAKES[regularization]}
    network = lines.network(structure, start, normalization, more.pop("dropout"), seed=seed)
    loss, rule = dl.SoftmaxCrossEntropy(more.pop("smoothing")), RULES[optimizer](SCHEDULES[schedule](learning_rate))
    curves = Curves(network, train=known[:300], validation=validation)
    lost = None
    for step in dl.training_steps(network, loss, rule, known, epochs=EPOCHS, batch_size=BATCH, seed=seed, **more):
        if lost is None and not np.isfinite(step.loss):
            lost = step.number
        if step.ends_epoch and step.epoch % 2 == 0:
            yield curves.look(step.epoch + 1), lost, seed, reads(network, validation)


def reads(network: Any, data: Any) -> np.ndarray:
    """Which lines a network reads correctly, (n,)."""
    return np.asarray(dl.to_host(network.predict(data.x)).argmax(axis=-1) == data.y)


def last(**settings: Any) -> Any:
    """The state that a run ends with."""
    (*_, state) = train(**settings)
    return state


def validation_of(state: Any) -> float:
    """What a run reads of the validation lines, in percent."""
    return 100 * state[0].right["validation"][-1]


@lru_cache(maxsize=21)
def baseline(seed: int = 0) -> np.ndarray:
    """Which of the validation lines the untuned network reads, (1000,)."""
    with np.errstate(all="ignore"):
        return np.asarray(last(**BASELINE | {"seed": seed})[-1])


def test_of(**settings: Any) -> float:
    """Train at these settings, and open the envelope: percent of the 1000 test lines."""
    with np.errstate(all="ignore"):
        curves, *_ = last(**{**BASELINE, **settings})
        return float(lines.read(curves.network, lines.parts(EXAMPLES)[2]))


class LineGrid:
    """Ten lines of the validation part, one of each class, and what the network reads in each."""

    def __init__(self, ax: Any, x: np.ndarray, y: np.ndarray):
        rows = [int(np.flatnonzero(y == digit)[2]) for digit in range(10)]
        self.x, self.y = x[rows], y[rows]
        ax.set_title("New lines, and what it reads", loc="left")
        ax.set(xlim=(-0.1, 5.0), ylim=(2.25, -0.15))
        ax.set_axis_off()
        ax.set_gid("no-ghost")
        self.lines, self.texts = [], []
        with styled():
            for number, line in enumerate(self.x[..., 0]):
                left, top = number % 5, 1.13 * (number // 5)
                across = left + 0.85 * np.arange(40) / 39
                self.lines += ax.plot(across, top + 0.4 - 0.16 * np.clip(line, -2.4, 2.4), linewidth=1.6)
                self.texts.append(ax.text(left + 0.42, top + 0.97, "", ha="center", va="center", fontsize=10))

    def set_data(self, network: Any) -> None:
        answers = dl.to_host(network.predict(self.x)).argmax(axis=-1)
        for line, text, answer, truth in zip(self.lines, self.texts, answers.tolist(), self.y.tolist(), strict=True):
            color = "#333333" if answer == truth else on_white(PALETTE["vermillion"])
            line.set_color(color)
            text.set(text=f"{answer}" if answer == truth else f"✗ {answer} ≠ {truth}", color=color)


def draw(figure: Any, state: Any) -> None:
    curves, _, seed, _ = state
    art = figure.art
    if not figure.axes:
        left, middle, right = panels(figure, 1, 3, width_ratios=[1, 1.15, 1.1])
        names = {"train": "train", "validation": "validation"}
        draw_loss(figure, left, names, EPOCHS)
        left.set(xlim=(0, 1.5 * EPOCHS))
        draw_right(figure, middle, names, EPOCHS)
        art.base = event(middle, "baseline")
        art.grid = LineGrid(right, *lines.parts(EXAMPLES)[1])
    show(figure, curves)
    art.base.set_data([0, EPOCHS], [baseline(seed).mean()] * 2)
    spread_labels([*art.right.values(), art.base])
    art.grid.set_data(curves.network)


def describe(state: Any, settings: dict[str, Any]) -> str:
    curves, lost, seed, right = state
    base = baseline(seed)
    against = f"The untuned baseline reads {100 * base.mean():.1f}%"
    if lost is not None:
        return f"Diverged: the loss is no number from step {lost} on. {against}."
    here, by_luck = 100 * float(right.mean()), 200 * float(right.std()) / len(right) ** 0.5
    words = f"Validation, epoch {curves.epochs[-1]}: {here:.1f}% of {len(right)} lines, ±{by_luck:.1f} for other lines"
    if settings | {"seed": 0} == BASELINE:
        return f"{words}. This is the untuned baseline. Guessing reads 10%.{beyond(curves)}"
    if here < LOST:
        return f"{words}, no more than luck: guessing reads 10%. {against}.{beyond(curves)}"
    gain = scarce.compared(*scarce.paired(right, base))
    seen = 100 * curves.right["train"][-1]
    return f"{words}. {against}: {gain}. Of 300 lines it did learn from it reads {seen:.0f}%.{beyond(curves)}"


def one_network(board: Leaderboard | None = None) -> BoardLab:
    """Structure, start, normalization, optimizer, rate, schedule, brake: beat the baseline."""
    return BoardLab(
        train,
        draw,
        describe=describe,
        alt="Left, loss by epoch, log scale. Middle, share read correctly, with the baseline. Right, ten lines.",
        figure_size=(11.0, 3.6),
        board=board or Leaderboard(),
        score=validation_of,
        examine=test_of,
        structure=Choice(lines.STRUCTURES, BASELINE["structure"]),
        start=Choice(list(lines.STARTS), BASELINE["start"]),
        normalization=Choice(list(lines.NORMS), BASELINE["normalization"]),
        optimizer=Choice(list(RULES), BASELINE["optimizer"]),
        learning_rate=Slider(1e-4, 10**0.5, BASELINE["learning_rate"], step=0.25, log=True, label="learning rate η"),
        schedule=Choice(list(SCHEDULES), BASELINE["schedule"]),
        regularization=Choice(list(BRAKES), BASELINE["regularization"]),
        seed=Seed(),
    )
