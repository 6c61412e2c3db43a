"""The labs of 04_regularization on weights: what they cost, how long they may be, and a picture to sharpen."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import shrinkage
from dlcourse.backend import Array, to_device
from dlcourse.constraints import Constraint
from dlcourse.labs.ahead import lanes_last, lanes_of
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.labs.regularization import scarce
from dlcourse.parameters import Parameters
from dlcourse.plots import curve, fill_histogram, histogram, name_axes, panels, pixels, spread_labels
from dlcourse.plots.style import styled

# What a weight costs

PENALTIES = ["none", "L1", "L1, proximal", "L2", "elastic net"]
EDGES = np.linspace(-1.55, 1.55, 32)  # the middle one of 31 bins is around zero


class SoftThreshold(Constraint):
    """The L1 penalty as a projection after each step: w ← soft_threshold(w, ηλ) (Daubechies et al. 2004, ISTA)."""

    def __init__(self, amount: Any):
        self.amount = amount

    def project(self, parameters: Parameters) -> None:
        for w in parameters.weights():
            w[...] = to_device(shrinkage.soft_threshold(dl.to_host(w), self.amount))


def penalized(penalty: str, strength: Any, learning_rate: float) -> dict[str, Any]:
    """The penalty as a setting of dl.fit. An elastic net gives half of its strength to each of the two."""
    if penalty == "L1, proximal":
        return {"constraints": [SoftThreshold(learning_rate * strength)]}
    half = strength / 2
    kinds = {"none": [], "L1": [dl.L1(strength)], "L2": [dl.L2(strength)], "elastic net": [dl.ElasticNet(half, half)]}
    return {"regularizers": kinds[penalty]}


def learn_weights(penalty: str, strength: float, seed: int) -> Any:
    """One layer of 64 × 10 weights reads digits; some labels are wrong."""
    train, test = scarce.job("wrong digits", seed)
    network = dl.Network([dl.Dense(10)], input_shape=(64,), seed=seed, lanes=lanes_of(strength))
    more = penalized(penalty, strength, learning_rate=0.5)
    dl.fit(network, dl.SoftmaxCrossEntropy(), dl.SGD(0.5), train, epochs=60, batch_size=50, seed=seed, **more)
    w = lanes_last(network, dl.to_host(network.layers[0].W))
    return w, [share_right(network, data) for data in (train, test)]


def draw_weights(figure: Any, state: Any) -> None:
    w, _ = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2, width_ratios=[1, 1.1])
        name_axes(left, "weight", "share of the weights", "All 640 weights")
        left.set(xlim=(EDGES[0], EDGES[-1]), ylim=(0, 1))
        art.bars = histogram(left, EDGES)
        art.note = left.text(0.35, 0.9, "", fontsize=12)
        art.note.set_in_layout(False)  # else what is said first would decide where the axes are
        right.set_title("The weights of 0 to 9: green +, brown −", loc="left")
        right.set_gid("no-ghost")
        right.set_axis_off()
        art.picture = pixels(right, np.zeros((17, 44)), -1.0, 1.0, cmap="BrBG")
    fill_histogram(art.bars, w)
    art.note.set_text(f"{np.mean(w == 0):.0%} exactly zero")
    tiles = np.zeros((2, 9, 5, 9))
    tiles[:, :8, :, :8] = w.T.reshape(2, 5, 8, 8).transpose(0, 2, 1, 3)
    art.picture.set_data(tiles.reshape(18, 45)[:17, :44])


def describe_weights(state: Any, settings: dict[str, Any]) -> str:
    w, (_, new) = state
    zero, small = np.mean(w == 0), np.mean(np.abs(w) < 0.01)
    of = {"none": "No penalty"}.get(settings["penalty"], f"{settings['penalty']}, λ = {settings['strength']:g}")
    of = of[0].upper() + of[1:]
    return (
        f"{of}: {zero:.0%} of the weights are exactly zero, {small:.0%} smaller than 0.01; "
        f"the largest is {np.abs(w).max():.2f}. It reads {scarce.percent(new)} of the new digits.{beyond(w)}"
    )


def beyond(w: np.ndarray) -> str:
    """How many weights the histogram cannot show, in words."""
    out = int((np.abs(w) > EDGES[-1]).sum())
    return f" {out} beyond ±{EDGES[-1]:g} {'is' if out == 1 else 'are'} outside the picture." if out else ""


def weights() -> Lab:
    """L1, L2 or both, and what they do to the weights."""
    return Lab(
        learn_weights,
        draw_weights,
        describe=describe_weights,
        lanes=["strength"],
        alt="Left, a histogram of the weights. Right, the weights of ten digits as pictures of 8 by 8.",
        figure_size=(9.0, 3.6),
        penalty=Choice(PENALTIES, "L2", label="penalty"),
        strength=Slider(1e-4, 0.1, 3e-3, log=True, label="strength λ"),
        seed=Seed(),
    )


# How long a unit's weights may be

RULES = ["none", "max-norm", "unit-norm"]
HIGHEST = 8  # the longest that the picture shows


def hold(rule: str, limit: float, learning_rate: float, seed: int) -> Iterator[Any]:
    """After every epoch: the lengths at the start and now, both shares read correctly by epoch, the loss by step."""
    train, test = scarce.job("wrong digits", seed)
    network = dl.Network(scarce.dense(32), input_shape=(64,), seed=seed, lanes=lanes_of(limit))
    start, losses, right = lengths_of(network), [], []
    constraints = {"none": [], "max-norm": [dl.MaxNorm(limit)], "unit-norm": [dl.UnitNorm()]}[rule]
    more: Any = {"epochs": 50, "batch_size": 25, "seed": seed, "constraints": constraints}
    loss, optimizer = dl.SoftmaxCrossEntropy(), dl.Momentum(learning_rate, 0.9)
    for step in dl.training_steps(network, loss, optimizer, train, **more):
        if step.ends_epoch:
            losses.append(dl.to_host(step.record.loss))
            learned = dl.to_host(loss.accuracy(step.record.prediction, step.record.target))
            right.append([learned, share_right(network, test[:500])])
            shares = np.swapaxes(np.array(right), 0, 1)
            yield rule, np.squeeze(limit), start, lengths_of(network), shares, np.concatenate(losses)


def lengths_of(network: Any) -> np.ndarray:
    """How long each hidden unit's incoming weights are, longest first."""
    lengths = np.linalg.norm(dl.to_host(network.layers[0].W), axis=-2)
    return np.sort(lanes_last(network, lengths), axis=0)[::-1]


def draw_lengths(figure: Any, state: Any) -> None:
    rule, limit, start, end, right, _ = state
    art = figure.art
    if not figure.axes:
        left, shares = panels(figure, 1, 2)
        name_axes(left, "hidden unit, longest first", "length of its weights", "Before and after training")
        left.set(xlim=(0, 43), ylim=(0, HIGHEST), xticks=[1, 8, 16, 24, 32])
        name_axes(shares, "epoch", "share", "Read correctly")
        shares.set(xlim=(0, 71), ylim=(0, 1.03), xticks=range(0, 51, 10))
        art.before, art.after = curve(left, "before", "without"), curve(left, "after", "momentum")
        art.right = [curve(shares, "these digits", "train"), curve(shares, "new digits", "test")]
        with styled():
            (art.limit,) = left.plot([], [], ":", color="#555555", linewidth=1.5)
    units = np.arange(1, 33)
    art.before.set_data(units, start)
    art.after.set_data(units, np.clip(np.where(np.isfinite(end), end, np.nan), 0, HIGHEST))
    spread_labels([art.before, art.after])
    allowed = {"max-norm": limit, "unit-norm": 1.0}.get(rule)
    art.limit.set_data([] if allowed is None else [0, 32], [] if allowed is None else [allowed] * 2)
    for line, values in zip(art.right, right, strict=True):
        line.set_data(np.arange(1, len(values) + 1), values)
    spread_labels(art.right)


def describe_lengths(state: Any, settings: dict[str, Any]) -> str:
    rule, limit, _, end, (learned, new), losses = state
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        return f"Diverged at step {bad[0]}: the weights are no numbers any more. Lower η, or set a limit."
    allowed = {"max-norm": f"Max-norm {limit:g}", "unit-norm": "Unit-norm"}.get(rule, "No limit")
    out = int((end > HIGHEST).sum())
    beyond = f" {out} lengths above {HIGHEST} are drawn there." if out else ""
    return (
        f"{allowed}: after {len(new)} epochs the longest weights have length {end[0]:.2f}, the shortest {end[-1]:.2f}. "
        f"It knows {scarce.percent(learned[-1])} of the given labels and reads {scarce.percent(new[-1])} of the new "
        f"digits; at best it was {scarce.percent(new.max())}.{beyond}"
    )


def lengths() -> Lab:
    """A limit on the length of every unit's weights."""
    return Lab(
        hold,
        draw_lengths,
        describe=describe_lengths,
        lanes=["limit"],
        alt="Left, the length of each hidden unit's weights before and after. Right, share read correctly by epoch.",
        rule=Choice(RULES, "none", label="rule"),
        limit=Slider(0.25, 4.0, 1.0, step=0.25, label="limit c of max-norm"),
        learning_rate=Slider(0.01, 1.0, 0.05, log=True, label="learning rate η"),
        seed=Seed(),
    )


# An ill-posed problem: a blurred picture made sharp


def blur(width: float = 1.1) -> np.ndarray:
    """(64, 64): every pixel of an 8 × 8 picture becomes a Gaussian mean of its neighbours."""
    place = np.arange(8)
    row = np.exp(-((place[:, None] - place) ** 2) / (2 * width**2))
    row /= row.sum(axis=1, keepdims=True)
    return np.kron(row, row)


def sharpen(noise: float, strength: float, seed: int) -> Any:
    true = dl.datasets.digits()[1].x[seed].astype(float)
    matrix = blur()
    seen = matrix @ true + noise * np.random.default_rng(seed).normal(size=64)
    answer = shrinkage.ridge(matrix, seen, strength)
    return true, seen, answer, np.linalg.svd(matrix, compute_uv=False), strength


def draw_sharpen(figure: Any, state: Any) -> None:
    true, seen, answer, singular, strength = state
    art = figure.art
    if not figure.axes:
        *pictures, right = panels(figure, 1, 4, width_ratios=[1, 1, 1, 1.9])
        art.pictures = []
        for ax, title in zip(pictures, ("a digit", "blurred, noisy", "made sharp"), strict=True):
            ax.set_title(title, loc="left")
            ax.set_axis_off()
            ax.set_gid("no-ghost")
            art.pictures.append(pixels(ax, np.zeros((8, 8)), cmap="gray_r"))
        name_axes(right, "direction, best seen first", "share", "How much of each is used")
        right.set(xlim=(0, 86), ylim=(-0.03, 1.1), xticks=[1, 16, 32, 48, 64])
        art.seen, art.kept = curve(right, "seen", "without"), curve(right, "used", "train")
        for each in (art.seen, art.kept):
            each.line.set_marker("")
    for picture, values in zip(art.pictures, (true, seen, answer), strict=True):
        picture.set_data(values.reshape(8, 8).clip(0, 1))
    art.seen.set_data(np.arange(1, 65), singular)
    art.kept.set_data(np.arange(1, 65), shrinkage.ridge_factors(singular, strength))
    spread_labels([art.seen, art.kept])


def describe_sharpen(state: Any, settings: dict[str, Any]) -> str:
    true, seen, answer, singular, strength = state
    off, before = (np.linalg.norm(each - true) / np.linalg.norm(true) for each in (answer, seen))
    used = shrinkage.ridge_factors(singular, strength).sum()
    outside = int(((answer < -0.05) | (answer > 1.05)).sum())
    cut = f" {outside} of its pixels are beyond white or black, and cut off." if outside else ""
    size = f"{off:.0%} of its size" if off < 2 else f"{float(f'{off:.2g}'):,.0f} times its size"
    return (
        f"With λ = {strength:g}, about {used:.0f} of 64 directions are used. The answer misses the digit by {size}; "
        f"the blurred picture misses it by {before:.0%}. The condition number is "
        f"{singular[0] / singular[-1]:,.0f}.{cut}"
    )


def deblur() -> Lab:
    """Blurring can be undone exactly, and the exact answer is rubbish. A penalty makes it a picture."""
    return Lab(
        sharpen,
        draw_sharpen,
        describe=describe_sharpen,
        alt="Three pictures: a digit, blurred, made sharp. A curve: the share used of each singular direction.",
        noise=Slider(0.0, 0.1, 0.01, step=0.005, label="noise"),
        strength=Slider(1e-9, 1.0, 1e-9, log=True, label="penalty λ (L2)"),
        seed=Seed(),
    )


def noisy_dropout(x: Array, y: Array, w: Array, rate: float, throws: int, seed: int = 0) -> float:
    """The mean squared error of x w over so many masks of our Dropout layer, to hold against the exact penalty."""
    layer = dl.Dropout(rate)
    network = dl.Network([layer], input_shape=x.shape[1:], seed=0, dtype="float64")
    network.reseed(seed)
    return float(np.mean([((network.forward(x, training=True) @ w - y) ** 2).mean() for _ in range(throws)]))
