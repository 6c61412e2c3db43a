"""A dot for every design: its effect, against the factor that tells best where the claim holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, SymmetricalLogLocator

from dlcourse.plots import PALETTE, name_axes, on_white, panels
from dlcourse.settings import is_number
from dlcourse.trials.outcome import Effect, Outcome, holds, number
from dlcourse.trials.space import label

HOLDS, FAILS, FRESH = on_white(PALETTE["blue"], 3.0), on_white(PALETTE["vermillion"], 3.0), "black"
WIDE = 12  # the largest effect, in medians, above which the axis is logarithmic on both sides of 0


def draw(figure: Any, trial: Any, outcome: Outcome, fresh: Sequence[tuple[dict[str, Any], Effect]] = ()) -> None:
    """The stored designs of a trial, and fresh ones as larger diamonds."""
    (ax,) = panels(figure)
    stored = list(zip(trial.stored.designs, trial.stored.effects, strict=True))
    factor = outcome.split.factor if outcome.split else first_of_numbers(trial.space, stored)
    place = places(ax, trial.space, factor, [design[factor] for design, _ in [*stored, *fresh]])
    name_axes(ax, ax.get_xlabel(), f"effect ({trial.unit})", trial.measure)
    scale_effects(ax, [effect for _, effect in [*stored, *fresh]], trial)
    ax.axhline(trial.tolerance if trial.margin is None else trial.margin, color="#333333", linewidth=1.2)
    if trial.margin is not None:
        ax.axhline(-trial.margin, color="#333333", linewidth=1.2)
    dots(ax, trial, place[: len(stored)], [effect for _, effect in stored], "o", 26)
    dots(ax, trial, place[len(stored) :], [effect for _, effect in fresh], "D", 60, edge=FRESH)
    if outcome.split:
        show_split(ax, outcome.split, trial.space)
    if ax.get_xscale() == "linear":
        ax.margins(x=0.03)


def first_of_numbers(space: Any, stored: Sequence[tuple[dict[str, Any], Effect]]) -> str:
    """Where nothing decides: the first factor of many values spreads the dots best."""
    return max(space, key=lambda name: min(len({str(design[name]) for design, _ in stored}), 12))


def places(ax: Axes, space: Any, name: str, values: list[Any]) -> np.ndarray:
    """Where dots stand: at their number, or spread around the place of their kind."""
    words = label(space, name)
    numbers = all(is_number(value) for value in values)
    if numbers and len(set(values)) > 6:
        if getattr(space[name], "log", False):
            ax.set_xscale("log")
            words += ", log scale"
        ax.set_xlabel(words)
        return np.array(values, dtype=float)
    kinds = sorted(set(values)) if numbers else list(dict.fromkeys(getattr(space[name], "options", values)))
    ax.set_xticks(range(len(kinds)), [number(kind) if is_number(kind) else str(kind) for kind in kinds])
    ax.set_xlabel(words)
    ax.grid(visible=False, axis="x")
    spread = np.random.default_rng(0).uniform(-0.22, 0.22, len(values))
    return np.array([kinds.index(value) for value in values]) + spread


def scale_effects(ax: Axes, effects: list[Effect], trial: Any) -> None:
    """Straight, or logarithmic on both sides of 0 where a few effects would press all others flat."""
    sizes = np.abs([effect.mean for effect in effects])
    usual = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 1.0
    if sizes.max() > WIDE * usual:
        linear = 10.0 ** np.floor(np.log10(usual))
        ax.set_yscale("symlog", linthresh=linear, linscale=0.8)
        ax.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=linear))
        ax.set_ylabel(f"{ax.get_ylabel()}, log scale")
    else:
        reach = [*(effect.mean for effect in effects), 0.0, trial.tolerance]
        room = 0.12 * ((max(reach) - min(reach)) or 1.0)
        ax.set_ylim(min(reach) - room, max(reach) + room)


def dots(ax: Axes, trial: Any, x: np.ndarray, effects: list[Effect], marker: str, size: float, edge: str = "") -> None:
    """Full where the claim holds, hollow where it does not; the line through a dot is its noise."""
    if not effects:
        return
    held = holds(effects, trial.tolerance, trial.margin)
    mean, noise = np.array([tuple(effect) for effect in effects]).T
    style: dict[str, Any] = {"marker": marker, "linewidth": 1.3, "zorder": 3}
    for side, color in ((held, HOLDS), (~held, FAILS)):
        ax.vlines(x[side], (mean - noise)[side], (mean + noise)[side], color=color, linewidth=0.8, alpha=0.45)
        face = color if side is held else "white"
        ax.scatter(x[side], mean[side], size, facecolor=face, edgecolor=edge or color, **style)


def show_split(ax: Axes, split: Any, space: Any) -> None:
    """The border, and how often the claim holds on either side of it."""
    ax.set_title(ax.get_title(loc="left"), loc="left", pad=22)
    here, there = (f"{k} of {n}" for k, n in (split.here, split.there))
    style: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "va": "bottom", "fontsize": 11, "color": "#333333"}
    kinds = [text.get_text() for text in ax.get_xticklabels()] if not ax.get_xlabel().endswith("log scale") else []
    if not is_number(split.border):
        ax.text(kinds.index(str(split.border)), 1.01, here, ha="center", **style)
        return
    at = split.border
    if isinstance(ax.xaxis.get_major_locator(), FixedLocator):  # kinds that are numbers stand one beside the other
        at = sum(kind <= split.border for kind in numbers_of(kinds)) - 0.5
    ax.axvline(at, color="#333333", linestyle=":", linewidth=1.5)
    ax.text(at, 1.01, f"{there}  ", ha="right", **style)
    ax.text(at, 1.01, f"  {here}", ha="left", **style)


def numbers_of(words: list[str]) -> list[float]:
    return [float(word.replace("−", "-")) for word in words]


def alt_text(trial: Any, outcome: Outcome, fresh: int) -> str:
    """What the picture shows, for those who hear it."""
    also = f" and {fresh} fresh ones as diamonds" if fresh else ""
    words = f"Dots: the effect ({trial.unit}) of {outcome.designs} designs{also}."
    return f"{words} Full dots: the claim holds; hollow: it does not."
