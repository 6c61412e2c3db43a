"""The labs of 05_decay about weights that shrink: decay against L2, and a recipe that can be read three ways."""

from typing import Annotated, Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.decay.schedules import SMOOTH, STAIRS
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.labs.momentum.balls import RATE
from dlcourse.plots import curve, name_axes, panels, spread_labels
from dlcourse.settings import Rate, not_negative, settings

# Weight decay against L2

RULES: dict[str, Any] = {  # the plain rule, the rule with decoupled decay, and a rate that suits both
    "SGD": (lambda rate, decay: dl.SGD(rate), lambda rate, decay: dl.SGDW(rate, 0.0, decay), 0.2),
    "momentum": (lambda rate, decay: dl.Momentum(rate, 0.9), lambda rate, decay: dl.SGDW(rate, 0.9, decay), 0.02),
    "Adam": (lambda rate, decay: dl.Adam(rate), lambda rate, decay: dl.AdamW(rate, weight_decay=decay), 0.003),
}
HALF, WHOLE, LESS = "λ/2", "λ, as in Keras", "(1 − μ)λ/2"
STRENGTHS = {HALF: 0.5, WHOLE: 1.0, LESS: 0.05}  # of L2, over λ; μ = 0.9


def twins(rule: str, decay: float, strength: str, seed: int, epochs: int = 4) -> Any:
    """One start, the same batches: a network with the penalty L2, one with decoupled decay. Weights and norms."""
    digits, _ = dl.datasets.digits()
    plain, decoupled, rate = RULES[rule]
    penalty = dl.L2(STRENGTHS[strength] * decay)
    weights, norms = [], []
    for make, regularizers in ((plain, [penalty]), (decoupled, [])):
        network = dl.Network([dl.Dense(16), dl.ReLU(), dl.Dense(10)], input_shape=(64,), seed=seed)
        loss, optimizer, norm = dl.SoftmaxCrossEntropy(), make(rate, decay), []
        run = dl.training_steps(
            network, loss, optimizer, digits, epochs=epochs, batch_size=32, regularizers=regularizers, seed=seed
        )
        shrinks = network.parameters.decay_mask.astype(bool)
        for step in run:
            if step.number % 5 == 4:
                w = network.parameters.theta[shrinks]
                norm.append((step.number + 1, float((w * w).sum()) ** 0.5))
        weights.append(dl.to_host(network.parameters.theta[shrinks]).astype(float))
        norms.append(norm)
    return np.array(weights), np.array(norms)


EXTENT = 1.6  # of the axis of weights


def draw_twins(figure: Any, state: Any) -> None:
    weights, norms = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1.5, 1])
        name_axes(left, "step", "norm", "How large the weights are together")
        left.set(xlim=(0, 235), ylim=(0, 14), xticks=range(0, 181, 45))
        name_axes(right, "weight with L2", "weight with decay", "Weight by weight")
        right.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        right.plot([-EXTENT, EXTENT], [-EXTENT, EXTENT], ":", color="#777777", linewidth=1.5)
        (art.dots,) = right.plot([], [], ".", color=dl.plots.look("sgdw")["color"], markersize=4, alpha=0.5)
        art.curves = [
            curve(left, "L2", "l2", marker="", linestyle="-", linewidth=5.0, alpha=0.5),
            curve(left, "decay", "sgdw", marker=""),
        ]
    for line, norm in zip(art.curves, norms, strict=True):
        line.set_data(norm[:, 0], norm[:, 1])
    art.dots.set_data(*np.clip(weights, -9, 9))
    spread_labels(art.curves)


def difference(weights: np.ndarray) -> float:
    """How far two runs have come apart: root mean square, as a share of the weights'."""
    return float(np.sqrt(((weights[0] - weights[1]) ** 2).mean() / (weights**2).mean()))


ROUNDING = 1e-4  # a run of some hundred steps in float32 keeps four digits


def describe_twins(state: Any, settings: dict[str, Any]) -> str:
    weights, norms = state
    rule = settings["rule"][0].upper() + settings["rule"][1:]
    apart = difference(weights)
    verdict = (
        "the same run, but for rounding" if apart < ROUNDING else f"the weights end {apart:.1%} of their size apart"
    )
    outside = int((np.abs(weights) > EXTENT).any(axis=0).sum())
    beyond = f" Dots outside the frame: {outside}." if outside else ""
    penalty = settings["strength"].split(",")[0]
    return (
        f"{rule}, L2 of strength {penalty} beside decay λ = {settings['decay']:.3g}: {verdict}. The norms end at "
        f"{norms[0, -1, 1]:.2f} and {norms[1, -1, 1]:.2f}.{beyond}"
    )


def weight_decay() -> Lab:
    """The penalty L2 and decoupled weight decay, under SGD, momentum and Adam."""
    return Lab(
        twins,
        draw_twins,
        describe=describe_twins,
        alt="Left, the norm of the weights against the step, with L2 and with decay. Right, each weight in both runs.",
        figure_size=(9.0, 3.6),
        rule=Choice(list(RULES), "SGD", label="rule"),
        decay=Slider(1e-3, 1.0, 0.1, log=True, label="weight decay λ"),
        strength=Choice(list(STRENGTHS), HALF, label="strength of L2"),
        seed=Seed(),
    )


# A recipe, read three ways

Share = Annotated[Any, not_negative, "A (lanes, 1) column gives each reading its own."]
READINGS = {"no decay": "sgd", "w ← {0:.3g} w": "factor", "penalty {1:.2g} w²": "l2", "λ = {1:.2g}": "sgdw"}


@settings
class Shrinking(dl.SGD):
    """w ← (fixed − η · slope) w − ηg: the readings of a "weight-decay factor" f as columns, one lane each.

    f itself: fixed f, slope 0. The penalty (1 − f)w²: fixed 1, slope 2(1 − f). PyTorch's weight_decay = 1 − f: fixed
    1, slope 1 − f.
    """

    learning_rate: Rate = 0.01
    fixed: Share = 1.0
    slope: Share = 0.0

    def update(self, theta: Any, grad: Any, lr: Any) -> Any:
        theta -= (1 - self.fixed + lr * self.slope) * self.decay_mask * theta
        theta -= lr * grad
        return theta


def readings(factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns (4, 1) of fixed and slope: without, as a factor, as a penalty, as λ."""
    rest = 1.0 - factor
    return np.array([[1.0], [factor], [1.0], [1.0]]), np.array([[0.0], [0.0], [2 * rest], [rest]])


LONG = 1260  # seven epochs of 180 batches


def cook(learning_rate: float, decay_rate: float, decay_steps: int, fall: str, factor: float) -> Any:
    digits, test = dl.datasets.digits()
    schedule = dl.ExponentialDecay(learning_rate, decay_steps, decay_rate, staircase=fall == STAIRS)
    fixed, slope = readings(factor)
    network = dl.Network([dl.Dense(10)], input_shape=(64,), lanes=4, seed=0)
    loss, optimizer = dl.SoftmaxCrossEntropy(), Shrinking(schedule, fixed, slope)
    steps, losses, kept, left = [], [], np.ones(4), []
    for step in dl.training_steps(network, loss, optimizer, digits, epochs=7, batch_size=8):
        kept = kept * (fixed - optimizer.lr * slope)[:, 0]
        if step.number % 30 == 29:
            steps.append(step.number + 1)
            left.append(kept)
            losses.append(loss.forward(network.predict(digits.x), digits.y))
    right = share_right(network, test)
    return factor, np.array(steps), np.array(left), np.array(losses), right


def draw_cook(figure: Any, state: Any) -> None:
    factor, steps, kept, losses, _right = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1, 1.25])
        name_axes(left, "step", "share left", "What is left of a weight without gradient", log=True)
        left.set(xlim=(0, LONG), ylim=(1e-3, 1.5), xticks=range(0, LONG, 500))
        name_axes(right, "step", "loss (nats)", "Loss on all training digits", log=True)
        right.set(xlim=(0, 1.62 * LONG), ylim=(0.06, 6), xticks=range(0, LONG, 500))
        art.left = [curve(left, "", method, marker="") for method in READINGS.values()]
        art.right = [curve(right, name, method, marker="", linewidth=1.6) for name, method in READINGS.items()]
    for name, share, line, values, ends in zip(READINGS, art.left, art.right, kept.T, losses.T, strict=True):
        line.text.set_text(name.format(factor, 1 - factor))
        share.set_data(steps, np.maximum(values, 1e-30))
        line.set_data(steps, np.clip(ends, 0.06, 40))
    spread_labels(art.right)


def describe_cook(state: Any, settings: dict[str, Any]) -> str:
    *_, losses, right = state
    eta, rest = settings["learning_rate"], 1 - settings["factor"]
    factors = [settings["factor"], 1 - 2 * eta * rest, 1 - eta * rest]
    first = ", ".join(f"{f:.4g}" for f in factors)
    ends = ", ".join(f"{end:.3f}" if np.isfinite(end) else "no number" for end in losses[-1])
    read = ", ".join(f"{share:.1%}" for share in right)
    return (
        f"The first step multiplies a weight by {first} in the three readings. Loss after the last step without decay "
        f"and with each: {ends} nats; new digits read: {read}."
    )


def recipe() -> Lab:
    """ "Rate 0.1, exponential decay factor 0.1, weight-decay factor 0.98", read three ways."""
    return Lab(
        cook,
        draw_cook,
        describe=describe_cook,
        alt="Left, what each reading leaves of a weight that has no gradient. Right, the training loss of each.",
        learning_rate=Slider(0.01, 1.0, 0.1, log=True, label=RATE),
        decay_rate=Slider(0.1, 1.0, 0.1, step=0.1, label="exponential factor"),
        decay_steps=Choice([1, 10, 100, 300, 1000], 1000, label="decay steps D"),
        fall=Choice([SMOOTH, STAIRS], STAIRS, label="fall"),
        factor=Slider(0.9, 1.0, 0.98, step=0.005, label="weight-decay factor"),
    )
