"""Where a curve says more than numbers: the learner's beside the right one, as an SVG of a few hundred characters.

It takes its colours from the page, light or dark; the right curve is dashed, so that colour is not needed to tell them
apart; its words are for those who cannot see it.
"""

import html
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.report import BAD
from dlcourse.checks.runner import run, trusted

POINTS = 121
WIDTH, HEIGHT, LEFT, BOTTOM = 460, 150, 46, 22


def draw(exercise: Exercise, function: Callable[..., Any], call: tuple, longest: int) -> str:
    """Along the argument that the exercise names, from 0 to `longest`, with the other arguments of the call.

    "" where there is nothing to be seen: no such argument, no numbers.
    """
    if exercise.curve not in exercise.parameters:
        return ""
    place = exercise.parameters.index(exercise.curve)
    steps = np.unique(np.linspace(0, longest, POINTS).astype(int))
    calls = [(*call[:place], int(step), *call[place + 1 :]) for step in steps]
    mine, right = (numbers(answers) for answers in (run(function, calls, 1.0), trusted(exercise.reference, calls)))
    if len(right) < len(steps) or np.isfinite(mine).sum() < 2:
        return ""
    return svg(steps, mine, right, exercise.curve)


def numbers(answers: Sequence[Any]) -> np.ndarray:
    """Of answers that are one number each; up to the first that is not."""
    found = []
    for answer in answers:
        if answer.kind or np.size(answer.value) != 1 or np.asarray(answer.value).dtype.kind not in "biuf":
            break
        found.append(float(np.asarray(answer.value).reshape(())))
    return np.array(found)


def svg(x: np.ndarray, mine: np.ndarray, right: np.ndarray, axis: str) -> str:
    low, high = (float(pick(right)) for pick in (np.min, np.max))
    room = (high - low) or abs(high) or 1.0
    low, high = low - 0.5 * room, high + 0.5 * room  # what is far off leaves the picture, and still shows which way

    def path(y: np.ndarray) -> str:
        across = LEFT + (WIDTH - LEFT - 6) * x[: len(y)] / max(x[-1], 1)
        down = (HEIGHT - BOTTOM) * (1 - (np.clip(np.nan_to_num(y, nan=low), low, high) - low) / (high - low))
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))

    first, last = (f"{v:.3g}" for v in (right[0], right[-1]))
    alt = (
        f"Your curve and the right one along {axis}, from 0 to {x[-1]}. The right one goes from {first} to {last}, "
        f"yours from {mine[0]:.3g} to {mine[-1]:.3g}. They are furthest apart at {axis} {x[furthest(mine, right)]}."
    )
    line = 'fill="none" stroke-width="2"'
    words = 'font-size="11" fill="currentColor"'
    top, foot = f"{high:.2g}", f"{low:.2g}"
    return (
        f'<svg role="img" aria-label="{html.escape(alt)}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' style="max-width:100%;height:auto"><title>{html.escape(alt)}</title>'
        f'<path d="M{LEFT} 0V{HEIGHT - BOTTOM}H{WIDTH - 6}" fill="none" stroke="currentColor" opacity="0.5"/>'
        f'<polyline points="{path(right)}" {line} stroke="currentColor" stroke-dasharray="6 4"/>'
        f'<polyline points="{path(mine)}" {line} style="stroke:{BAD}"/>'
        f'<text x="{LEFT - 4}" y="11" text-anchor="end" {words}>{top}</text>'
        f'<text x="{LEFT - 4}" y="{HEIGHT - BOTTOM}" text-anchor="end" {words}>{foot}</text>'
        f'<text x="{WIDTH - 6}" y="{HEIGHT - 6}" text-anchor="end" {words}>{axis} {x[-1]}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}" {words}>yours: full line · right: dashed</text></svg>'
    )


def furthest(mine: np.ndarray, right: np.ndarray) -> int:
    gap = np.abs(mine - right[: len(mine)])
    return int(np.argmax(np.where(np.isfinite(gap), gap, np.inf)))
